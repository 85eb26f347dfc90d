//! Repairs JSON with a lone surrogate, which is half of a cut-off emoji: `JSON.stringify` writes it as the escape
//! `\ud83d`, which is no character and which JSON readers in Rust refuse.
//!
//! Pure. It changes what is read, never what is stored. The length stays the same, so a position in the one is the same
//! in the other.

use std::borrow::Cow;

/// What stands in for half a pair: the escape of U+FFFD, as long as the one it replaces.
const REPLACEMENT: &str = "\\ufffd";
/// The length of `\u` and its four digits.
const ESCAPE_BYTES: usize = 6;

/// JSON text with every escape of a lone surrogate replaced by that of U+FFFD; borrowed when there is none.
/// An escaped backslash before `u` (`\\ud83d`) is text, and stays.
pub fn repair_surrogates(json: &str) -> Cow<'_, str> {
    let mut repaired = String::new();
    // Everything before `kept` is in `repaired` already.
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = json[at..].find('\\') {
        let escape = at + found;
        at = match surrogate(json, escape) {
            None => after_escape(json, escape),
            Some(Half::High) if surrogate(json, escape + ESCAPE_BYTES) == Some(Half::Low) => escape + 2 * ESCAPE_BYTES,
            Some(Half::High | Half::Low) => {
                repaired.push_str(&json[kept..escape]);
                repaired.push_str(REPLACEMENT);
                kept = escape + ESCAPE_BYTES;
                kept
            }
        };
    }
    if repaired.is_empty() {
        return Cow::Borrowed(json);
    }
    repaired.push_str(&json[kept..]);
    Cow::Owned(repaired)
}

/// The half of a pair that an escape can be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    High,
    Low,
}

/// Which half the escape at this place is; `None` for any other text.
fn surrogate(json: &str, at: usize) -> Option<Half> {
    let digits = json.get(at..at + ESCAPE_BYTES)?.strip_prefix("\\u")?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xD800..=0xDBFF => Some(Half::High),
        0xDC00..=0xDFFF => Some(Half::Low),
        _ => None,
    }
}

/// Where the text goes on after a backslash and the character it escapes.
fn after_escape(json: &str, backslash: usize) -> usize {
    let escaped = json[backslash + 1..].chars().next();
    backslash + 1 + escaped.map_or(0, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> String {
        serde_json::from_str(&repair_surrogates(json)).unwrap()
    }

    #[test]
    fn half_a_pair_reads_as_the_replacement_character() {
        for (json, expected) in [
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""cut \uD83D""#, "cut \u{fffd}"),
            (r#""\ude00 only""#, "\u{fffd} only"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ud83d\u0041\udbff""#, "\u{fffd}A\u{fffd}"),
            (r#""é\ud83d\n\ude00é""#, "é\u{fffd}\n\u{fffd}é"),
            (r#""\\\ud83d""#, "\\\u{fffd}"),
        ] {
            assert!(serde_json::from_str::<String>(json).is_err(), "{json}");
            assert_eq!(read(json), expected, "{json}");
            assert_eq!(repair_surrogates(json).len(), json.len(), "{json}");
        }
    }

    #[test]
    fn what_is_whole_is_not_copied() {
        for (json, expected) in [
            (r#""\ud83d\ude00""#, "😀"),
            (r#""\\ud83d""#, "\\ud83d"),
            (r#""\\\\ud83d\\""#, "\\\\ud83d\\"),
            (r#""\u0000\ud7ff\ue000é""#, "\0\u{d7ff}\u{e000}é"),
            (r#""plain""#, "plain"),
        ] {
            assert!(matches!(repair_surrogates(json), Cow::Borrowed(_)), "{json}");
            assert_eq!(read(json), expected, "{json}");
        }
    }

    #[test]
    fn what_is_no_escape_is_left_to_the_reader() {
        for json in ["\\", "\\u", "\\ud8", "\\u+d80", "\\ud83", "\\ud8é3", "\"\\é\"", ""] {
            assert_eq!(repair_surrogates(json), json);
        }
    }
}
