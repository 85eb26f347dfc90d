//! Sanitizes log lines: only the program ends a line, and a line contains nothing that a terminal would execute.
//!
//! Process names, answers of an endpoint and file names get into log lines. The subscriber escapes most of them; this
//! module guarantees it for every way a field can be logged.

use std::io::{self, Stderr, Write};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::config::LogFormat;
use crate::escape;

/// The maximum number of lines that wait to be written.
const BUFFERED: usize = 8192;

/// A writer to stderr for a subscriber's layer; each line is one write call.
pub(super) fn to_stderr(format: LogFormat) -> impl Fn() -> Lines<Stderr> {
    move || Lines {
        format,
        out: io::stderr(),
    }
}

/// Like [`to_stderr`], but a separate thread writes, so that logging never blocks on the reader of the log. Lines that
/// exceed the bounded buffer are dropped and counted.
pub(super) fn to_stderr_aside(format: LogFormat) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(BUFFERED)
        .thread_name("log")
        .finish(to_stderr(format)())
}

/// Escapes lines and forwards them.
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

/// The subscriber uses the escape character for its own colours if stderr is a terminal, and escapes it in all values.
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

/// The rest of an escape sequence at the start of `text` that only sets colours: `[`, digits and semicolons, `m`
/// (ECMA-48, 8.3.117).
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
