//! Escapes characters of foreign text that a terminal executes or that change the reading direction of a line.
//!
//! Pure. Data from visitors, SDKs and Klaviyo is stored unchanged and may contain any character. Where it is shown to a
//! person, each control (C0, DEL, C1), bidirectional control and line or paragraph separator is written as an escape: a
//! userId can then not write to the clipboard, clear the screen, fake a line or reverse text. Uses nothing.

use std::borrow::Cow;

/// Whether a character in a value must not reach a terminal: controls (C0, DEL, C1), the marks and overrides of the
/// bidirectional algorithm (UAX #9), and the separators of lines and paragraphs.
const fn is_obeyed(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

/// Replaces each such character by `\u{…}`, line breaks and tabs too. Borrowed when there is none.
pub fn text(text: &str) -> Cow<'_, str> {
    replaced(text, is_obeyed, |shown, c| {
        shown.extend(c.escape_unicode());
    })
}

/// Replaces each such character by `\uXXXX` in a JSON text, which keeps its value; borrowed when there is none.
/// Characters below U+0020 are left: in strings JSON already escapes them, and between tokens they are its layout.
pub fn json(text: &str) -> Cow<'_, str> {
    // All of them are in the basic multilingual plane, so four digits are enough.
    replaced(
        text,
        |c| c > '\u{1f}' && is_obeyed(c),
        |shown, c| shown.extend(format!("\\u{:04x}", u32::from(c)).chars()),
    )
}

fn replaced(text: &str, is_one: fn(char) -> bool, write: fn(&mut String, char)) -> Cow<'_, str> {
    if !text.contains(is_one) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_one(c) {
            write(&mut shown, c);
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_as_an_escape() {
        for (value, shown) in [
            ("plain – ünï 😀", "plain – ünï 😀"),
            ("\u{1b}]52;c;eA==\u{7}", "\\u{1b}]52;c;eA==\\u{7}"),
            ("a\r\nb\tc\0", "a\\u{d}\\u{a}b\\u{9}c\\u{0}"),
            ("\u{7f}\u{80}\u{9b}2J\u{9f}", "\\u{7f}\\u{80}\\u{9b}2J\\u{9f}"),
            ("\u{200e}\u{200f}\u{61c}", "\\u{200e}\\u{200f}\\u{61c}"),
            ("\u{202a}\u{202e}", "\\u{202a}\\u{202e}"),
            ("\u{2066}\u{2069}", "\\u{2066}\\u{2069}"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("\u{a0}\u{200d}\u{2027}\u{202f}", "\u{a0}\u{200d}\u{2027}\u{202f}"),
        ] {
            assert_eq!(text(value), shown);
        }
        assert!(matches!(text("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_json_text_keeps_its_value_and_its_layout() {
        let value = "\u{1b}\u{7f}\u{85}\u{9b}\u{61c}\u{200f}\u{2028}\u{202e}\u{2069}ü";
        let written = serde_json::to_string_pretty(&[value]).unwrap();
        let shown = json(&written);
        assert_eq!(
            shown,
            "[\n  \"\\u001b\\u007f\\u0085\\u009b\\u061c\\u200f\\u2028\\u202e\\u2069ü\"\n]"
        );
        let read: Vec<String> = serde_json::from_str(&shown).unwrap();
        assert_eq!(read, [value]);
    }
}
