//! The text that a command prints, written line by line.
//!
//! It promises that line breaks and colours in the output come only from the layout: every value is escaped
//! ([`escape`]), and separate functions end a line and set a colour. All command text is printed through it, so that no
//! caller has to know which values are foreign.

use std::fmt::Arguments;

use super::colour::{self, Tone};
use crate::escape;

/// Clears a terminal and moves the cursor to its first line (ECMA-48).
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// The text lines.
#[derive(Debug, Default)]
pub(super) struct Screen {
    text: String,
}

impl Screen {
    /// Clears the screen first. Only for a terminal, before everything else.
    pub(super) fn clear(&mut self) {
        self.text.push_str(CLEAR);
    }

    /// A part of a line.
    pub(super) fn put(&mut self, part: Arguments<'_>) {
        self.text.push_str(&escape::text(&part.to_string()));
    }

    /// A part of a line, in the tone's colour if colours are on.
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

    /// A complete line.
    pub(super) fn line(&mut self, line: Arguments<'_>) {
        self.put(line);
        self.end();
    }

    /// A complete line after an empty one.
    pub(super) fn section(&mut self, line: Arguments<'_>) {
        self.end();
        self.line(line);
    }

    /// A complete line in a tone.
    pub(super) fn toned_line(&mut self, tone: Tone, line: Arguments<'_>) {
        self.toned(tone, line);
        self.end();
    }

    /// A JSON text on its own lines, each after `indent`. A raw line break is always between tokens, never in a value.
    pub(super) fn json(&mut self, indent: &str, text: &str) {
        for line in escape::json(text).lines() {
            self.line(format_args!("{indent}{line}"));
        }
    }

    /// The text written so far.
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
