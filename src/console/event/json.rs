//! Formats JSON for reading: one line for each member, in the original order and with the original digits. Each member
//! of a request has the rule that gave it.
//!
//! It promises to show any text, and to keep the page small: text that is not JSON, nests too deep or has too many
//! members is shown unformatted, and of a very long text only the beginning.

use std::collections::{HashMap, HashSet};
use std::{fmt, iter};

use maud::{Markup, html};
use serde::Deserializer as _;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::member;
use crate::operator::FieldRule;

/// The maximum number of members that are formatted.
const LINES: usize = 1500;
/// The maximum length of a text that is formatted, in bytes.
const LAID_OUT_BYTES: usize = 1 << 20;
/// The maximum nesting depth that is formatted.
const LEVELS: usize = 64;
/// The maximum indentation, in levels.
const INDENTS: usize = 16;
/// The maximum length of a text that is shown unformatted, in characters.
const CHARACTERS: usize = 200_000;

/// A call. Members whose JSON pointer is in `sources` are marked: the script links them to the fields made of them.
pub(super) fn call(text: &str, sources: &HashSet<&str>) -> Markup {
    shown(text, |line| {
        let at = Some(line.pointer.as_str()).filter(|at| sources.contains(at));
        html! { span class=(line.class("line")) data-at=[at] { (line.words()) } }
    })
}

/// A request. The rule of a field shows on hover and focus, and screen readers always read it.
pub(super) fn request(text: &str, rules: &[FieldRule]) -> Markup {
    let rules: HashMap<&str, &FieldRule> = rules.iter().map(|rule| (&*rule.field, rule)).collect();
    shown(text, |line| match rules.get(&*line.pointer) {
        None => html! { span class=(line.class("line")) { (line.words()) } },
        Some(rule) => html! {
            span class=(line.class("line ruled")) tabindex="0" data-from=[rule.from.as_deref()] {
                (line.words())
                span.rule { span.quiet { " comes from " } (rule.rule) }
            }
        },
    })
}

fn shown(text: &str, line: impl Fn(&Line<'_>) -> Markup) -> Markup {
    match lines(text) {
        Some(lines) => html! { pre.json { @for of in &lines { (line(of)) } } },
        None => plain(text),
    }
}

fn plain(text: &str) -> Markup {
    let end = text.char_indices().nth(CHARACTERS).map(|(at, _)| at);
    html! {
        // An area that scrolls can be scrolled with the keyboard only if it can have the focus.
        pre.plain-text tabindex="0" { (&text[..end.unwrap_or(text.len())]) }
        @if end.is_some() { p.hint { "This is its beginning. The whole text is in the event's JSON." } }
    }
}

/// One line of formatted JSON.
struct Line<'t> {
    depth: usize,
    /// Its JSON pointer; empty for the root and for a closing bracket.
    pointer: String,
    key: Option<&'t str>,
    /// A value, or the brackets of one.
    value: &'t str,
    comma: bool,
}

impl Line<'_> {
    fn class(&self, name: &str) -> String {
        format!("{name} d{}", self.depth.min(INDENTS))
    }

    fn words(&self) -> Markup {
        let tone = match self.value.as_bytes().first() {
            Some(b'"') => "text",
            Some(b'{' | b'[' | b'}' | b']') => "bracket",
            _ => "word",
        };
        html! {
            @if let Some(key) = self.key { span.name { (readable(key)) } ": " }
            span class=(tone) { (readable(self.value)) }
            @if self.comma { "," }
            "\n"
        }
    }
}

/// A JSON string without unnecessary escapes; a string that cannot be decoded stays unchanged.
fn readable(token: &str) -> String {
    if !token.contains('\\') {
        return token.to_owned();
    }
    let read = serde_json::from_str::<String>(token);
    let written = read.and_then(|text| serde_json::to_string(&text));
    written.unwrap_or_else(|_| token.to_owned())
}

/// The lines of a JSON text; `None` if it is not JSON or exceeds the limits.
fn lines(text: &str) -> Option<Vec<Line<'_>>> {
    // Each level is read again inside the levels around it.
    if text.len() > LAID_OUT_BYTES {
        return None;
    }
    // This check handles any depth.
    let root: &RawValue = serde_json::from_str(text).ok()?;
    let mut lines = Vec::new();
    lay_out(&mut lines, 0, String::new(), None, root.get())?;
    Some(lines)
}

/// Adds the lines of a value; `None` if that exceeds the limits.
fn lay_out<'t>(
    lines: &mut Vec<Line<'t>>,
    depth: usize,
    pointer: String,
    key: Option<&'t str>,
    text: &'t str,
) -> Option<()> {
    let add = |lines: &mut Vec<Line<'t>>, pointer, key, value| {
        lines.push(Line {
            depth,
            pointer,
            key,
            value,
            comma: false,
        });
        (lines.len() <= LINES).then_some(())
    };
    let [open, close, empty] = match text.as_bytes().first() {
        Some(b'{') => ["{", "}", "{}"],
        Some(b'[') => ["[", "]", "[]"],
        _ => return add(lines, pointer, key, text),
    };
    if depth >= LEVELS {
        return None;
    }
    let members = serde_json::Deserializer::from_str(text).deserialize_any(Members);
    let members = members.ok()?;
    if members.is_empty() {
        return add(lines, pointer, key, empty);
    }
    add(lines, pointer.clone(), key, open)?;
    let last = members.len() - 1;
    for (at, (key, value)) in members.into_iter().enumerate() {
        let key = key.map(RawValue::get);
        let name = match key {
            Some(key) => serde_json::from_str(key).unwrap_or_else(|_| key.to_owned()),
            None => at.to_string(),
        };
        lay_out(lines, depth + 1, member(&pointer, &name), key, value.get())?;
        if at < last {
            lines.last_mut()?.comma = true;
        }
    }
    add(lines, String::new(), None, close)
}

/// Reads the members of an object or array as they were written, each with its key in an object. More than can be shown
/// are an error.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(Option<&'de RawValue>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let items = iter::from_fn(|| array.next_element().transpose());
        items.take(LINES).map(|item| Ok((None, item?))).collect()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let members = iter::from_fn(|| object.next_entry().transpose());
        let keyed = members.map(|member| member.map(|(key, value)| (Some(key), value)));
        keyed.take(LINES).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Formats a text: depth and words of each line.
    fn laid_out(text: &str) -> Vec<(usize, String)> {
        let lines = lines(text).unwrap();
        let words = |line: &Line<'_>| {
            let key = line.key.map_or(String::new(), |key| format!("{key}: "));
            let comma = if line.comma { "," } else { "" };
            format!("{key}{}{comma}", readable(line.value))
        };
        lines.iter().map(|line| (line.depth, words(line))).collect()
    }

    #[test]
    fn order_digits_and_doubled_members_stay_as_they_were_written() {
        let text = r#"{"b":1.50,"a":1e400,"a":-0,"n":12345678901234567890123,"s":"a\"b\\","e":{},"f":[ ],"g":[[],1]}"#;
        let expected = [
            (0, "{"),
            (1, r#""b": 1.50,"#),
            (1, r#""a": 1e400,"#),
            (1, r#""a": -0,"#),
            (1, r#""n": 12345678901234567890123,"#),
            (1, r#""s": "a\"b\\","#),
            (1, r#""e": {},"#),
            (1, r#""f": [],"#),
            (1, r#""g": ["#),
            (2, "[],"),
            (2, "1"),
            (1, "]"),
            (0, "}"),
        ];
        let expected = expected.map(|(depth, words)| (depth, words.to_owned()));
        assert_eq!(laid_out(text), expected);
    }

    #[test]
    fn escapes_are_read_and_halves_of_characters_left() {
        let shown = laid_out(r#"["Jos\u00e9","\ud800","a\nb"]"#);
        let words: Vec<&str> = shown.iter().map(|(_, words)| &**words).collect();
        assert_eq!(words, ["[", "\"José\",", r#""\ud800","#, r#""a\nb""#, "]"]);
    }

    #[test]
    fn each_line_knows_its_json_pointer() {
        let lines = lines(r#"{"a/b":{"c~":[1,{"d":2}]}}"#).unwrap();
        let places = lines.iter().map(|line| &*line.pointer);
        let places: Vec<&str> = places.filter(|pointer| !pointer.is_empty()).collect();
        let expected = ["/a~1b", "/a~1b/c~0", "/a~1b/c~0/0", "/a~1b/c~0/1", "/a~1b/c~0/1/d"];
        assert_eq!(places, expected);
    }

    #[test]
    fn what_cannot_be_laid_out_is_shown_as_its_text() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let long = format!("[{}1]", "1,".repeat(5_000));
        for text in ["{", "", "no <b>JSON</b>", &deep, &long] {
            assert!(lines(text).is_none());
            let page = call(text, &HashSet::new()).into_string();
            assert!(page.starts_with("<pre class=\"plain-text\""), "{page:.60}");
            assert!(!page.contains("<b>"), "{page}");
        }
    }

    #[test]
    fn a_text_is_laid_out_up_to_the_limits() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        // Two lines are the brackets.
        let array = |lines: usize| format!("[{}1]", "1,".repeat(lines - 3));
        let object = |lines: usize| format!("{{{}\"a\":1}}", "\"a\":1,".repeat(lines - 3));
        let text = |bytes: usize| format!("\"{}\"", "a".repeat(bytes - 2));
        for (within, beyond) in [
            (nested(LEVELS), nested(LEVELS + 1)),
            (array(LINES), array(LINES + 1)),
            (object(LINES), object(LINES + 1)),
            (object(LINES), object(LINES * 2)),
            (text(LAID_OUT_BYTES), text(LAID_OUT_BYTES + 1)),
        ] {
            assert!(lines(&within).is_some(), "{within:.20}");
            assert!(lines(&beyond).is_none(), "{beyond:.20}");
        }
    }

    #[test]
    fn a_large_payload_makes_no_larger_page() {
        let member = format!(r#"{{"name":"{}"}},"#, "<\\\"&>".repeat(20));
        let text = format!("[{}1]", member.repeat(4_000));
        assert!(text.len() > 400_000, "{}", text.len());
        let page = call(&text, &HashSet::new()).into_string();
        assert!(page.len() < 1_500_000, "{}", page.len());
    }
}
