//! The common words of reasons: reasons with the same words about different ids form one group.
//!
//! Pure. It promises that its results contain no e-mail address and no number of a person.

use std::borrow::Cow;

/// Quotation marks.
const MARKS: [char; 2] = ['"', '\''];
/// Replaces an id.
const GAP: &str = "…";

/// The words of a group of reasons, to select by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::outbox) struct Wanted(String);

impl Wanted {
    /// The group of this reason, which may already be a gist.
    pub(in crate::outbox) fn of(reason: &str) -> Self {
        Self(gist(reason))
    }

    /// Whether a reason belongs to the group.
    pub(in crate::outbox) fn is(&self, reason: Option<&str>) -> bool {
        reason.is_some_and(|reason| gist(reason) == self.0)
    }

    /// The longest text without a gap. Every reason of the group contains it, so that SQL can exclude most other
    /// reasons.
    pub(in crate::outbox) fn in_all(&self) -> &str {
        let texts = self.0.split(GAP);
        texts.max_by_key(|text| text.len()).unwrap_or_default()
    }
}

/// A reason without the parts that differ from event to event: quoted text, and words with a digit or an `@`. An HTTP
/// status at the start stays. The gist of a gist is itself.
pub(in crate::outbox) fn gist(reason: &str) -> String {
    let mut text = pass(reason);
    // After one pass, two marks can newly form a quoted text, because the text between them was removed. Each pass
    // removes text that is not a gap, joins gaps, or fills an empty pair of marks; none adds any of these, so that the
    // loop ends.
    while text.contains(MARKS) {
        let shorter = pass(&text);
        if shorter == text {
            break;
        }
        text = shorter;
    }
    text
}

fn pass(reason: &str) -> String {
    let mut unquoted = Cow::Borrowed(reason);
    for mark in MARKS {
        if unquoted.contains(mark) {
            unquoted = Cow::Owned(without_quoted(&unquoted, mark));
        }
    }
    let mut words = String::with_capacity(unquoted.len());
    for (at, word) in unquoted.split(' ').enumerate() {
        if at > 0 {
            words.push(' ');
        }
        let code = word.strip_suffix(':').unwrap_or(word);
        let status = at == 0 && code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit());
        if status {
            words.push_str(word);
        } else {
            words.push_str(&general(word));
        }
    }
    words
}

/// The word, or the gap where the word is specific to one event; punctuation around it (`(`, `,`) stays.
fn general(word: &str) -> Cow<'_, str> {
    let is_personal = |byte: u8| byte.is_ascii_digit() || byte == b'@';
    if !word.bytes().any(is_personal) {
        return Cow::Borrowed(word);
    }
    let inner = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '…');
    if !inner.contains(|c: char| c.is_ascii_digit() || c == '@') {
        return Cow::Borrowed(word);
    }
    Cow::Owned(word.replacen(inner, GAP, 1))
}

/// The text without what is between two of these marks. An apostrophe inside a word does not count as a mark.
fn without_quoted(text: &str, mark: char) -> String {
    let mut rest = text;
    let mut left = String::with_capacity(text.len());
    while let Some(open) = opening(rest, mark) {
        let (before, quoted) = rest.split_at(open + 1);
        let Some(close) = quoted.find(mark) else {
            break;
        };
        left.push_str(before);
        left.push_str(GAP);
        left.push(mark);
        rest = &quoted[close + 1..];
    }
    left.push_str(rest);
    left
}

fn opening(text: &str, mark: char) -> Option<usize> {
    let mut marks = text.match_indices(mark).map(|(at, _)| at);
    // A gap counts as a letter of a word.
    let in_a_word = |c: char| c.is_alphanumeric() || GAP.contains(c);
    marks.find(|at| !text[..*at].ends_with(in_a_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_about_different_ids_are_one_gist() {
        for (reason, expected) in [
            (
                "400 invalid: Invalid email address",
                "400 invalid: Invalid email address",
            ),
            (
                "404 not_found: A list with id Xy12Z9 does not exist.",
                "404 not_found: A list with id … does not exist.",
            ),
            (
                "400 invalid: jane@shop.example is not 'a@b' (profile 01H2, \"x y\")",
                "400 invalid: … is not '…' (profile …, \"…\")",
            ),
            ("the list's name isn't known", "the list's name isn't known"),
            ("no end: \"abc", "no end: \"abc"),
            ("2 of 4 requests refused", "… of … requests refused"),
            (
                "the track call has no `event`; send it",
                "the track call has no `event`; send it",
            ),
        ] {
            assert_eq!(gist(reason), expected);
        }
    }

    #[test]
    fn a_gist_of_a_gist_is_itself_and_each_reason_has_its_longest_text() {
        let parts = ["'", "\"", " ", "a", "b1", "…", "(", "[*?", "400", "\n<é>"];
        let mut looked_at = 0;
        for number in 0..10_usize.pow(5) {
            let digit = |place: u32| parts[number / 10_usize.pow(place) % 10];
            let reason: String = (0..5).map(digit).collect();
            let gist = gist(&reason);
            assert_eq!(pass(&gist), gist, "{reason:?}");
            let wanted = Wanted::of(&gist);
            assert!(wanted.is(Some(&reason)), "{reason:?}");
            assert!(reason.contains(wanted.in_all()), "{reason:?}: {gist:?}");
            looked_at += 1;
        }
        assert!(looked_at == 100_000);
        for (reason, expected) in [
            ("a 5\" screen and a 6\" one", "a …\" screen and a …\" one"),
            ("'x'b2 and 'y' z", "'…'…' z"),
            ("\"\" is no id", "\"…\" is no id"),
        ] {
            assert_eq!(gist(reason), expected);
        }
    }

    #[test]
    fn another_reason_is_not_wanted() {
        let wanted = Wanted::of("404 not_found: A list with id Xy12Z9 does not exist.");
        assert!(wanted.is(Some("404 not_found: A list with id Ab7 does not exist.")));
        assert!(!wanted.is(Some("404 not_found: A list with id Xy does not exist.")));
        assert!(!wanted.is(None));
        assert_eq!(wanted.in_all(), "404 not_found: A list with id ");
    }
}
