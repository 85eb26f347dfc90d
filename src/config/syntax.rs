//! Reports where a file is not TOML, without quoting a line that could hold a secret.
//!
//! The parser's own error carries the whole file and prints the faulty line; neither leaves this module. A line is
//! quoted only when its key is known to be harmless, since a broken file can have a secret anywhere. Uses no other
//! module.

use super::error::{Position, Problem};
use super::suggest::PRIVATE_KEY_PREFIX;

/// Words whose lines are never quoted, whatever key stands in front.
const SECRET_WORDS: [&str; 6] = ["key", "token", "secret", "password", "env:", PRIVATE_KEY_PREFIX];

/// Describes the parser's errors, one for each line: those after the first on a line only follow from it.
pub(super) fn problems(text: &str, errors: &[toml::de::Error], known: &[String]) -> Vec<Problem> {
    let mut problems: Vec<Problem> = errors.iter().map(|error| problem(text, error, known)).collect();
    problems.sort_by_key(|problem| problem.place);
    problems.dedup_by_key(|problem| problem.place.map(|place| place.line));
    problems
}

fn problem(text: &str, error: &toml::de::Error, known: &[String]) -> Problem {
    let place = error.span().map(|span| Position::of(text, span.start));
    let line = place.and_then(|place| text.lines().nth(place.line - 1));
    let line = line.unwrap_or_default().trim();
    let key = key_of(line);
    let mut hint = if is_harmless(line, known) {
        format!("the line is `{line}`")
    } else if is_known(key, known) {
        format!("the line sets {key}; it is not shown, since it may hold a secret")
    } else {
        "the line is not shown, since it may hold a secret".to_owned()
    };
    if lacks_quotes(line) {
        hint += "; text, durations, sizes and addresses stand in quotes";
    }
    Problem {
        place,
        what: format!("the syntax is wrong: {}", error.message()),
        hint,
    }
}

/// The text before the first `=`, which is a key when the line is of the ordinary form.
fn key_of(line: &str) -> &str {
    line.split_once('=').map_or("", |(key, _)| key).trim()
}

/// The commonest slip, which the parser takes for a broken number.
fn lacks_quotes(line: &str) -> bool {
    let value = line.split_once('=').map_or("", |(_, value)| value.trim());
    let is_bare = matches!(value, "true" | "false") || value.parse::<f64>().is_ok();
    value.starts_with(char::is_alphanumeric) && !is_bare
}

fn is_known(key: &str, known: &[String]) -> bool {
    !key.is_empty() && known.iter().any(|full| full.rsplit('.').next() == Some(key))
}

/// A section's header, or a line of a known key, with no word in it that goes with secrets.
fn is_harmless(line: &str, known: &[String]) -> bool {
    let lower = line.to_ascii_lowercase();
    let header = |c: char| c.is_ascii_lowercase() || matches!(c, '[' | ']' | '.' | '_');
    let is_header = line.starts_with('[') && line.chars().all(header);
    let suspicious = SECRET_WORDS.iter().any(|word| lower.contains(word));
    (is_header || is_known(key_of(line), known)) && !suspicious
}
