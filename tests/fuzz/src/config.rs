//! Configuration: TOML text, or what is none, becomes a `Config` or an error.
//!
//! Held: the same text is read the same way twice; the mistakes of an error stand in order, each at a place that the
//! text has, with its place in what is printed; and a secret is in nothing that is printed, whether it was accepted or
//! not. The secret is [`SECRET`]: what the fuzzer changes around it counts, wherever it stands as the value of a key
//! for secrets.

use std::error::Error as _;
use std::path::Path;

use klaviyo_relay::config::{Config, ConfigError, Problem};

/// What must not be seen again.
const SECRET: &str = "Zq7Xw2Lk9Vb4Nm1R";
/// The keys whose values are secrets.
const SECRET_KEYS: [&str; 4] = ["private_key", "token", "write_key", "shared_secret"];

/// Reads a configuration.
pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let printed = match parse(text) {
        Ok(config) => {
            consistent(&config);
            let again = parse(text).expect("what was accepted once is accepted again");
            assert!(again.reloaded_from(&config).1.is_empty());
            format!("{config:?}")
        }
        Err(ConfigError::Invalid { file, problems }) => {
            placed(text, &problems);
            let error = ConfigError::Invalid { file, problems };
            let again = parse(text).expect_err("what was rejected once is rejected again");
            assert_eq!(error.to_string(), again.to_string());
            assert!(error.source().is_none());
            format!("{error}\n{error:?}")
        }
        Err(error) => panic!("no file was read, but: {error}"),
    };
    if secret_is_hidden(text) {
        assert!(!printed.contains(SECRET), "{text}\n{printed}");
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    let environment = |name: &str| match name {
        "EMPTY" => Some(String::new()),
        "PRIVATE_KEY" => Some(format!("pk_{SECRET}\n")),
        "TOKEN" => Some(SECRET.to_owned()),
        _ => None,
    };
    Config::parse(text, Path::new("folder/config.toml"), &environment)
}

/// What the sections promise each other.
fn consistent(config: &Config) {
    let ingest = &config.ingest;
    assert!(!ingest.sources.is_empty());
    assert!(ingest.max_event_bytes <= ingest.max_batch_bytes);
    assert!(ingest.max_batch_bytes <= ingest.max_bytes_in_progress);
    for (at, source) in ingest.sources.iter().enumerate() {
        assert!(!source.name.trim().is_empty());
        let same = |other: &&_| {
            let other: &&klaviyo_relay::config::SourceConfig = other;
            other.name == source.name
        };
        assert!(ingest.sources[at + 1..].iter().find(same).is_none());
    }
    assert!(config.delivery.first_retry <= config.delivery.longest_retry);
    assert!(config.clone().reloaded_from(config).1.is_empty());
    for warning in &config.warnings {
        assert!(!warning.is_empty());
    }
}

/// Each mistake is at a place of the text, and names it.
fn placed(text: &str, problems: &[Problem]) {
    assert!(!problems.is_empty());
    assert!(problems.is_sorted_by_key(|problem| problem.place));
    let lines: Vec<&str> = text.split('\n').collect();
    for problem in problems {
        assert!(!problem.what.is_empty() && !problem.hint.is_empty());
        let Some(place) = problem.place else {
            continue;
        };
        let line = lines.get(place.line.wrapping_sub(1));
        let line = line.unwrap_or_else(|| panic!("no line {place}: {}", problem.what));
        let columns = 1..=line.chars().count() + 1;
        assert!(columns.contains(&place.column), "{place}: {}", problem.what);
        let wrong = ConfigError::Invalid {
            file: "config.toml".into(),
            problems: vec![problem.clone()],
        };
        let printed = format!("config.toml:{place}: {}", problem.what);
        assert!(wrong.to_string().contains(&printed), "{wrong}");
    }
}

/// Whether the secret stands in the text as the value of a key for secrets and nowhere else. What follows `env:` is the
/// name of a variable, which an error must say; and where a text goes on over several lines, or keys are the user's
/// own, a line is not what it seems.
fn secret_is_hidden(text: &str) -> bool {
    let is_value = |line: &str| {
        let Some((key, value)) = line.split_once('=') else {
            return false;
        };
        SECRET_KEYS.contains(&key.trim()) && !key.contains(SECRET) && !value.contains("env:")
    };
    let own_keys = ["audience_lists", "after_dead_for"];
    let over_lines = ["\"\"\"", "'''", "[\n", "\r"];
    !own_keys.iter().chain(&over_lines).any(|part| text.contains(part))
        && text.lines().filter(|line| line.contains(SECRET)).all(is_value)
}
