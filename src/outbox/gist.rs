//! What reasons have in common: the same words about different ids are one group.
//!
//! Pure. It promises that no e-mail address and no number of a person is left in what it gives.

use std::collections::BTreeMap;

use super::report::DeadGroup;

/// Groups that are shown.
const GROUPS: usize = 10;
/// What stands in the place of an id.
const GAP: &str = "…";

/// Reasons with how often each is, as groups of the same words; the largest first.
pub(super) fn grouped(reasons: Vec<(String, i64)>) -> Vec<DeadGroup> {
    let mut groups: BTreeMap<String, i64> = BTreeMap::new();
    for (reason, count) in reasons {
        *groups.entry(gist(&reason)).or_default() += count;
    }
    let groups = groups.into_iter();
    let mut groups: Vec<DeadGroup> = groups
        .map(|(reason, count)| DeadGroup { reason, count })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups.truncate(GROUPS);
    groups
}

/// A reason without what differs from event to event: what is quoted, and words with a digit or an `@` in them. A
/// status of HTTP in front stays.
fn gist(reason: &str) -> String {
    let unquoted = without_quoted(&without_quoted(reason, '"'), '\'');
    let words = unquoted.split(' ').enumerate();
    let words: Vec<String> = words
        .map(|(at, word)| {
            let status = at == 0 && word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit());
            if status {
                word.to_owned()
            } else {
                general(word)
            }
        })
        .collect();
    words.join(" ")
}

/// A word, or the gap where it is about one event; what stands around it (`(`, `,`) stays.
fn general(word: &str) -> String {
    let inner = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '…');
    if !inner.contains(|c: char| c.is_ascii_digit() || c == '@') {
        return word.to_owned();
    }
    word.replacen(inner, GAP, 1)
}

/// The text with what stands between two of this mark left out; an apostrophe inside a word is none.
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
    marks.find(|at| !text[..*at].ends_with(char::is_alphanumeric))
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
    fn groups_add_up_and_the_largest_comes_first() {
        let reasons = [("list A1", 2), ("other", 4), ("list B2", 3)];
        let reasons = reasons.map(|(reason, count)| (reason.to_owned(), count));
        let groups = grouped(reasons.to_vec());
        let groups: Vec<_> = groups.iter().map(|g| (&*g.reason, g.count)).collect();
        assert_eq!(groups, [("list …", 5), ("other", 4)]);
    }
}
