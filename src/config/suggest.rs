//! What an error shows of the file, and the known key that was probably meant.
//!
//! Pure functions over text. Whatever looks like a private key is never shown, wherever it was put by mistake.

/// Klaviyo's private keys begin so (its page on authentication), and nothing else that belongs into the file does.
pub(super) const PRIVATE_KEY_PREFIX: &str = "pk_";

/// Longer values are cut: enough to find the place.
const MAX_QUOTED_CHARS: usize = 60;

/// A value in quotes, for an error; cut when long, kept back when it looks like a private key.
pub(super) fn quoted(value: &str) -> String {
    if value.to_ascii_lowercase().contains(PRIVATE_KEY_PREFIX) {
        return "text that looks like a private key (not shown)".to_owned();
    }
    if value.chars().count() > MAX_QUOTED_CHARS {
        let start: String = value.chars().take(MAX_QUOTED_CHARS).collect();
        return format!("{:?}", format!("{start}…"));
    }
    format!("{value:?}")
}

/// A key as the file would have it: bare, or in quotes when it needs them.
pub(super) fn quoted_key(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !key.is_empty() && key.chars().all(bare) && !key.contains(PRIVATE_KEY_PREFIX) {
        key.to_owned()
    } else {
        quoted(key)
    }
}

/// What to write instead of an unknown key: the nearest one in its section, or the same in another, and all known.
pub(super) fn hint(section: &str, name: &str, known: &[String]) -> String {
    let siblings: Vec<&str> = known.iter().filter_map(|key| child_of(section, key)).collect();
    let nearest = nearest(name, siblings.iter().copied());
    let elsewhere = known
        .iter()
        .find(|key| key.rsplit('.').next().is_some_and(|last| is_similar(name, last)));
    let guess = match (nearest, elsewhere) {
        (Some(key), _) => format!("did you mean {key}? "),
        (None, Some(key)) => format!("did you mean {key}, in its own section? "),
        (None, None) => String::new(),
    };
    let whose = if section.is_empty() {
        "known sections".to_owned()
    } else {
        format!("known keys of [{section}]")
    };
    format!("{guess}{whose}: {}", siblings.join(", "))
}

/// The part of `key` after `section`, when it is directly inside.
fn child_of<'a>(section: &str, key: &'a str) -> Option<&'a str> {
    let child = if section.is_empty() {
        key
    } else {
        key.strip_prefix(section)?.strip_prefix('.')?
    };
    (!child.contains('.')).then_some(child)
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .filter(|key| is_similar(name, key))
        .min_by_key(|key| strsim::damerau_levenshtein(&normalized(name), &normalized(key)))
}

/// A quarter of a word may be wrong before another word was meant.
fn is_similar(name: &str, key: &str) -> bool {
    let (name, key) = (normalized(name), normalized(key));
    strsim::damerau_levenshtein(&name, &key) <= key.chars().count().div_ceil(4)
}

/// `maxEventBytes` and `max-event-bytes` are `max_event_bytes` written by another habit.
fn normalized(key: &str) -> String {
    key.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_never_shown_wherever_it_was_put() {
        assert!(!quoted("pk_0123456789").contains("0123456789"));
        assert!(!quoted("Klaviyo-API-Key PK_0123456789").contains("0123456789"));
        assert!(!quoted_key("pk_0123456789").contains("0123456789"));
        assert_eq!(quoted("10 m"), "\"10 m\"");
        assert_eq!(quoted_key("order completed"), "\"order completed\"");
    }

    #[test]
    fn the_nearest_key_is_found_through_habits_and_slips() {
        let known = ["ingest", "ingest.listen", "ingest.max_event_bytes", "delivery.timeout"].map(str::to_owned);
        for (section, name, meant) in [
            ("ingest", "lisen", "did you mean listen?"),
            ("ingest", "maxEventBytes", "did you mean max_event_bytes?"),
            ("ingest", "timeout", "did you mean delivery.timeout"),
            ("", "injest", "did you mean ingest?"),
            ("ingest", "colour", "known keys of [ingest]"),
        ] {
            let hint = hint(section, name, &known);
            assert!(hint.starts_with(meant), "{name}: {hint}");
        }
    }
}
