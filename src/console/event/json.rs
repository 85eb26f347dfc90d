//! Formats JSON for reading: one line for each member, in the original order and with the original digits. Each member
//! of a request has the rule that gave it.
//!
//! It promises to show any text, and to keep the page small: text that is not JSON, nests too deep or has too many
//! members is shown unformatted, and of a very long text only the beginning.

use std::collections::{HashMap, HashSet};

use maud::{Markup, html};
use serde::de::IgnoredAny;

use crate::json::member;
use crate::operator::FieldRule;

/// The maximum number of members that are formatted.
const LINES: usize = 1500;
/// The maximum nesting depth that is formatted.
const LEVELS: usize = 64;
/// The maximum indentation, in levels.
const INDENTS: usize = 16;
/// The maximum length of a text that is shown unformatted, in characters.
const CHARACTERS: usize = 200_000;

/// The origin of each field of a request.
#[derive(Default)]
pub(super) struct Origins<'r> {
    /// By the field's JSON pointer.
    fields: HashMap<&'r str, &'r FieldRule>,
}

impl<'r> Origins<'r> {
    /// Builds the index of these rules.
    pub(super) fn of(rules: &'r [FieldRule]) -> Self {
        let fields = rules.iter().map(|rule| (rule.field.as_str(), rule));
        Self {
            fields: fields.collect(),
        }
    }
}

/// A call. Members whose JSON pointer is in `sources` are marked: the script links them to the fields made of them.
pub(super) fn call(text: &str, sources: &HashSet<&str>) -> Markup {
    shown(text, |line| {
        let at = Some(line.pointer.as_str()).filter(|at| sources.contains(at));
        html! { span class=(line.class("line")) data-at=[at] { (line.words()) } }
    })
}

/// A request. The rule of a field shows on hover and focus, and screen readers always read it.
pub(super) fn request(text: &str, origins: &Origins<'_>) -> Markup {
    shown(text, |line| match origins.fields.get(&*line.pointer) {
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
    // The code below relies on valid JSON. This check handles any depth.
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut layout = Layout::default();
    let mut rest = text;
    while let Some((token, after)) = token(rest) {
        rest = after;
        layout.take(token);
        if layout.lines.len() > LINES || layout.open.len() > LEVELS {
            return None;
        }
    }
    Some(layout.lines)
}

/// An object or array that is not closed yet.
struct Open {
    pointer: String,
    /// The index of the next item, for an array.
    next: Option<usize>,
}

#[derive(Default)]
struct Layout<'t> {
    lines: Vec<Line<'t>>,
    open: Vec<Open>,
    key: Option<&'t str>,
}

impl<'t> Layout<'t> {
    fn take(&mut self, token: &'t str) {
        let in_object = self.open.last().is_some_and(|open| open.next.is_none());
        match token {
            ":" => {}
            "," => {
                if let Some(last) = self.lines.last_mut() {
                    last.comma = true;
                }
            }
            "}" | "]" => self.close(token),
            "{" | "[" => {
                let pointer = self.line(token);
                let next = (token == "[").then_some(0);
                self.open.push(Open { pointer, next });
            }
            key if in_object && self.key.is_none() => self.key = Some(key),
            value => drop(self.line(value)),
        }
    }

    /// Writes the line of a value, and returns its JSON pointer.
    fn line(&mut self, value: &'t str) -> String {
        let key = self.key.take();
        let pointer = self.place(key);
        self.lines.push(Line {
            depth: self.open.len(),
            pointer: pointer.clone(),
            key,
            value,
            comma: false,
        });
        pointer
    }

    fn place(&mut self, key: Option<&str>) -> String {
        let Some(open) = self.open.last_mut() else {
            return String::new();
        };
        if let Some(next) = &mut open.next {
            let at = *next;
            *next += 1;
            return format!("{}/{at}", open.pointer);
        }
        let key = key.unwrap_or_default();
        let name: String = serde_json::from_str(key).unwrap_or_else(|_| key.to_owned());
        member(&open.pointer, &name)
    }

    fn close(&mut self, token: &'t str) {
        self.open.pop();
        let depth = self.open.len();
        // It is empty: it opened on the previous line and closes there.
        if let Some(last) = self.lines.last_mut()
            && last.depth == depth
            && matches!((last.value, token), ("{", "}") | ("[", "]"))
        {
            last.value = if token == "}" { "{}" } else { "[]" };
            return;
        }
        self.lines.push(Line {
            depth,
            pointer: String::new(),
            key: None,
            value: token,
            comma: false,
        });
    }
}

/// The first token of valid JSON, and the text after it.
fn token(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r']);
    let first = text.bytes().next()?;
    let end = match first {
        b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
        b'"' => end_of_text(text),
        _ => text
            .find([',', ':', ']', '}', ' ', '\t', '\n', '\r'])
            .unwrap_or(text.len()),
    };
    text.split_at_checked(end)
}

/// Where a string that begins with a quotation mark ends.
fn end_of_text(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
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
    fn a_large_payload_makes_no_larger_page() {
        let member = format!(r#"{{"name":"{}"}},"#, "<\\\"&>".repeat(20));
        let text = format!("[{}1]", member.repeat(4_000));
        assert!(text.len() > 400_000, "{}", text.len());
        let page = call(&text, &HashSet::new()).into_string();
        assert!(page.len() < 1_500_000, "{}", page.len());
    }
}
