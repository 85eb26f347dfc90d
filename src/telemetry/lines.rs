//! Log lines on their way out: a line ends where the program ends it, and holds nothing that a terminal would obey.
//!
//! Names of processes, an endpoint's words and an operator's own file names get into lines. The subscriber escapes most
//! of it by itself; this is what holds whatever a field is logged as.

use std::io::{self, Stderr, Write};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::config::LogFormat;
use crate::escape;

/// Lines that wait to be written at most.
const BUFFERED: usize = 8192;

/// Where a subscriber's layer writes its lines, each in one call.
pub(super) fn to_stderr(format: LogFormat) -> impl Fn() -> Lines<Stderr> {
    move || Lines {
        format,
        out: io::stderr(),
    }
}

/// As [`to_stderr`], from a thread of its own: nobody who logs waits for who reads. What does not fit into a bounded buffer
/// is dropped and counted.
pub(super) fn to_stderr_aside(format: LogFormat) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(BUFFERED)
        .thread_name("log")
        .finish(to_stderr(format)())
}

/// Escapes lines, and hands them on.
pub(super) struct Lines<W> {
    format: LogFormat,
    out: W,
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(written);
        self.out.write_all(shown(self.format, &text).as_bytes())?;
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn shown(format: LogFormat, text: &str) -> String {
    let line = text.trim_end_matches('\n');
    let line = match format {
        LogFormat::Json => escape::json(line).into_owned(),
        LogFormat::Text => of_text(line),
    };
    format!("{line}\n")
}

/// The subscriber colours its own words where stderr is a terminal, and escapes that character in all others.
fn of_text(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        shown.push_str(&escape::text(before));
        let colour = colour(after);
        shown.push_str(if colour.is_empty() { "\\u{1b}" } else { "\u{1b}" });
        shown.push_str(colour);
        rest = &after[colour.len()..];
    }
    shown.push_str(&escape::text(rest));
    shown
}

/// What a text begins with of a sequence that only chooses colours: `[`, digits and semicolons, `m` (ECMA-48, 8.3.117).
fn colour(text: &str) -> &str {
    let Some(numbers) = text.strip_prefix('[') else {
        return "";
    };
    let end = numbers.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
    if end.starts_with('m') {
        &text[..=text.len() - end.len()]
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: LogFormat, line: &str) -> String {
        let mut out = Vec::new();
        let mut lines = Lines { format, out: &mut out };
        lines.write_all(line.as_bytes()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_holds_nothing_that_a_terminal_would_obey_but_our_colours() {
        assert_eq!(
            written(
                LogFormat::Text,
                "\u{1b}[2m12:00\u{1b}[0m a\nb\u{1b}[2J\u{9b}\u{202e}\u{1b}\n"
            ),
            "\u{1b}[2m12:00\u{1b}[0m a\\u{a}b\\u{1b}[2J\\u{9b}\\u{202e}\\u{1b}\n"
        );
        assert_eq!(
            written(LogFormat::Json, "{\"a\":\"\u{9b}\u{202e}\"}\n"),
            "{\"a\":\"\\u009b\\u202e\"}\n"
        );
    }
}
