//! The text that a command prints, written line by line.
//!
//! It promises that a line break or a colour in it is the layout's own: whatever is put in is escaped ([`escape`]), and
//! lines end and colours begin by calls of their own. All text of the commands is printed through it, so that no place
//! has to remember which of its values are foreign.

use std::fmt::Arguments;

use super::colour::{self, Tone};
use crate::escape;

/// Clears a terminal and goes to its first line (ECMA-48).
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// Lines for people.
#[derive(Debug, Default)]
pub(super) struct Screen {
    text: String,
}

impl Screen {
    /// Only for a terminal, before everything else: what stood there goes.
    pub(super) fn clear(&mut self) {
        self.text.push_str(CLEAR);
    }

    /// A part of a line.
    pub(super) fn put(&mut self, part: Arguments<'_>) {
        self.text.push_str(&escape::text(&part.to_string()));
    }

    /// A part of a line, in the tone's colour where there are colours.
    pub(super) fn toned(&mut self, tone: Tone, part: Arguments<'_>) {
        let part = part.to_string();
        self.text.push_str(&colour::tone(tone, &escape::text(&part)));
    }

    /// A status of an event or a delivery, in its tone.
    pub(super) fn status(&mut self, word: &str) {
        match colour::of_status(word) {
            Some(tone) => self.toned(tone, format_args!("{word}")),
            None => self.put(format_args!("{word}")),
        }
    }

    /// Ends a line.
    pub(super) fn end(&mut self) {
        self.text.push('\n');
    }

    /// A whole line.
    pub(super) fn line(&mut self, line: Arguments<'_>) {
        self.put(line);
        self.end();
    }

    /// A whole line in a tone.
    pub(super) fn toned_line(&mut self, tone: Tone, line: Arguments<'_>) {
        self.toned(tone, line);
        self.end();
    }

    /// A JSON text on the lines it came in, each behind this. A raw line break stands only between its tokens, never in
    /// a value.
    pub(super) fn json(&mut self, indent: &str, text: &str) {
        for line in escape::json(text).lines() {
            self.line(format_args!("{indent}{line}"));
        }
    }

    /// What was written so far.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_layout_ends_lines() {
        let mut screen = Screen::default();
        screen.line(format_args!("of {}", "u\n  ok forged\u{1b}[2J"));
        screen.status("\u{1b}[32mdelivered");
        screen.end();
        screen.json("  ", "{\n\"a\": \"\u{9b}\"\r}");
        assert_eq!(
            screen.text(),
            "of u\\u{a}  ok forged\\u{1b}[2J\n\\u{1b}[32mdelivered\n  {\n  \"a\": \"\\u009b\"\\u{d}}\n"
        );
    }
}
