//! `config.toml`: the shipped file is the default and names every key; wrong files are told what is wrong, all of it;
//! secrets are never shown.
//!
//! `tests/config/wrong/` holds the wrong files, each with the exact error beside it.

use std::fs;
use std::path::{Path, PathBuf};

use klaviyo_relay::config::{Config, ConfigError, Endpoint};
use secrecy::{ExposeSecret, SecretString};

/// A value that must not be seen again, wherever it was put.
const SECRET: &str = "Zq7Xw2Lk9Vb4Nm1R";

/// The environment of every test here.
fn environment(name: &str) -> Option<String> {
    match name {
        "EMPTY" => Some(String::new()),
        "PRIVATE_KEY" => Some(format!("pk_{SECRET}\n")),
        "TOKEN" => Some(SECRET.to_owned()),
        "SHORT_TOKEN" => Some("Zq7Xw2".to_owned()),
        "NO_PRIVATE_KEY" => Some(SECRET.to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("config.toml"), &environment)
}

/// The smallest configuration that is complete, and more.
fn minimal_and(more: &str) -> String {
    format!(
        "klaviyo.endpoint = \"sandbox\"\n[[ingest.sources]]\nname = \"dev\"\nwrite_key = \"dev\"\n{more}"
    )
}

fn exposed(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(ExposeSecret::expose_secret)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn shipped() -> String {
    fs::read_to_string(root().join("config.toml")).unwrap()
}

/// `Debug` shows every field but the secrets, which are compared apart.
fn assert_is_the_default(config: &Config) {
    let default = Config::default();
    assert_eq!(format!("{config:#?}"), format!("{default:#?}"));
    let keys = |config: &Config| -> Vec<String> {
        let sources = config.ingest.sources.iter();
        sources
            .map(|source| source.write_key.expose_secret().to_owned())
            .collect()
    };
    assert_eq!(keys(config), ["dev"]);
    assert_eq!(keys(&default), ["dev"]);
    assert!(config.klaviyo.private_key.is_none() && config.admin.token.is_none());
}

#[test]
fn the_shipped_file_is_the_default() {
    assert_is_the_default(&parse(&shipped()).unwrap());
}

#[test]
fn what_is_left_out_takes_its_default() {
    assert_is_the_default(&parse(&minimal_and("")).unwrap());
}

#[test]
fn the_shipped_file_explains_every_key() {
    let shipped = shipped();
    let keys = Config::known_keys();
    assert!(keys.len() >= 43, "only {} keys are known", keys.len());
    let lines: Vec<&str> = shipped.lines().map(str::trim).collect();
    for key in &keys {
        let name = key.rsplit('.').next().unwrap();
        let is_it = |line: &str| {
            let line = line.trim_start_matches(['#', ' ']);
            line.split_once('=').is_some_and(|(left, _)| left.trim() == name)
                || line == format!("[{key}]")
                || line == format!("[[{key}]]")
        };
        let at = lines.iter().position(|line| is_it(line));
        let at = at.unwrap_or_else(|| panic!("config.toml does not have {key}"));
        let comment = lines[..at].iter().rev().find(|line| !is_setting(line));
        assert!(
            comment.is_some_and(|line| line.starts_with('#')),
            "config.toml does not explain {key}"
        );
    }
}

fn is_setting(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

#[test]
fn every_commented_example_of_the_shipped_file_can_be_switched_on() {
    let mut examples = 0;
    let switched_on: Vec<String> = shipped()
        .lines()
        .map(|line| {
            let key = line.strip_prefix("# ").and_then(|rest| rest.split_once(" = "));
            let is_key = |key: &str| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            match key {
                Some((key, value)) if is_key(key) => {
                    examples += 1;
                    let value = value
                        .replace("env:KLAVIYO_PRIVATE_KEY", "env:PRIVATE_KEY")
                        .replace("env:KLAVIYO_RELAY_TOKEN", "env:TOKEN");
                    format!("{key} = {value}")
                }
                _ => line.to_owned(),
            }
        })
        .collect();
    let config = parse(&switched_on.join("\n")).unwrap();
    assert_eq!(examples, 4);
    assert_eq!(config.mapping.list_id.as_deref(), Some("baV129"));
    assert_eq!(config.mapping.audience_lists["order_completed_last_30days"], "baV129");
    assert_eq!(exposed(config.admin.token.as_ref()), Some(SECRET));
    assert_eq!(
        exposed(config.klaviyo.private_key.as_ref()),
        Some(format!("pk_{SECRET}").as_str()),
        "without the newline of the environment"
    );
}

#[test]
fn every_wrong_file_is_told_all_that_is_wrong() {
    let folder = root().join("tests/config/wrong");
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 25, "only {} wrong files", cases.len());
    let update = std::env::var_os("RELAY_TESTS_UPDATE").is_some();
    for case in cases {
        let text = fs::read_to_string(&case).unwrap();
        let error = parse(&text).expect_err(&format!("{} was taken", case.display()));
        let error = format!("{error}\n");
        let expected = case.with_extension("txt");
        if update {
            fs::write(&expected, &error).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(error, expected, "{}", case.display());
        assert!(!error.contains(SECRET), "{} shows a secret", case.display());
    }
}
