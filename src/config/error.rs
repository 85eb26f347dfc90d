//! Why a configuration was rejected: every mistake of the file at once, each with its place and its remedy.
//!
//! No variant ever holds the file's text or a secret's value, so that `Debug` and error chains are safe to log.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there.
    #[error(
        "there is no configuration at {}; name yours with --config FILE or KLAVIYO_RELAY_CONFIG, or start from the config.toml in the root \
         of klaviyo-relay's repository, which runs as it is",
        file.display()
    )]
    Missing {
        /// Where it was looked for.
        file: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error("failed to read the configuration {}; check that it is a file this user may read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system answered.
        #[source]
        source: std::io::Error,
    },
    /// The file has a value that is not allowed.
    #[error("{}", listing(file, problems))]
    Invalid {
        /// The file.
        file: PathBuf,
        /// Every mistake in it, from top to bottom; never empty.
        problems: Vec<Problem>,
    },
}

/// One mistake in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, from 1; `None` when it is about something that the file lacks.
    pub place: Option<Position>,
    /// What is wrong, beginning with the full key. Never holds a secret's value.
    pub what: String,
    /// What is allowed, or how to fix it.
    pub hint: String,
}

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

impl Position {
    /// The place of a byte offset, as the parser counts, in `text`.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

fn listing(file: &Path, problems: &[Problem]) -> String {
    let file = file.display();
    let plural = if problems.len() == 1 { "" } else { "s" };
    let mut lines = vec![format!("{file} has {} mistake{plural}", problems.len())];
    lines.extend(problems.iter().map(|problem| {
        let place = problem.place.map_or_else(String::new, |place| format!("{place}:"));
        format!("{file}:{place} {}\n    {}", problem.what, problem.hint)
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let text = "a = 1\nü = \"é\" x\n";
        assert_eq!(Position::of(text, 0).to_string(), "1:1");
        assert_eq!(Position::of(text, 6).to_string(), "2:1");
        assert_eq!(
            Position::of(text, text.find('x').unwrap()).to_string(),
            "2:9",
            "characters, not bytes"
        );
        assert_eq!(Position::of(text, 999).to_string(), "3:1");
    }
}
