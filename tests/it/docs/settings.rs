//! The settings reference and the table of Klaviyo's limits, held against the keys that the program knows, the shipped
//! `config.toml`, and what a reload takes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use klaviyo_relay::config::Config;

use super::{Page, blocks, code_spans, only, root};

const SETTINGS: &str = "docs/reference/settings.md";

/// The section of Klaviyo's limits, one subsection for each family of endpoints.
const LIMITS: &str = "delivery.limits";

#[test]
fn the_settings_table_has_every_key_with_its_default() {
    let known = Config::known_keys();
    let is_section = |key: &String| {
        let inside = format!("{key}.");
        known.iter().any(|other| other.starts_with(&inside))
    };
    // The limits of each family have a table of their own.
    let keys = known.iter().filter(|key| match key.strip_prefix(LIMITS) {
        Some(family) => family.is_empty(),
        None => !is_section(key),
    });
    let keys: BTreeSet<&String> = keys.collect();
    assert!(keys.len() >= 42, "only {} keys are known", keys.len());
    let table = Page::read(SETTINGS).rows("## Every key");
    let documented: Vec<(String, &String)> = table
        .iter()
        .map(|row| (only(code_spans(&row[0])).unwrap(), &row[1]))
        .collect();
    assert_eq!(documented.iter().map(|(key, _)| key).collect::<BTreeSet<_>>(), keys);

    let shipped = shipped();
    for (key, default) in documented {
        let value = value_at(&shipped, &key);
        let text = default.as_str();
        if text.starts_with("required") || key == "mapping.garbage_ids" || key == LIMITS {
            continue;
        }
        if text == "none" {
            let empty = value.is_none_or(|value| value.as_table().is_some_and(toml::Table::is_empty));
            assert!(empty, "{key} has a default");
            continue;
        }
        let literal = format!("x = {}", text.trim_matches('`'));
        let literal: toml::Table = literal.parse().unwrap();
        assert_eq!(value, literal.get("x"), "{key}");
    }
}

#[test]
fn every_key_that_needs_a_restart_is_named_as_one() {
    let every = fs::read_to_string(root().join("tests/config/every_setting.toml")).unwrap();
    let value = |_: &str| Some("pk_of_the_environment".to_owned());
    let every = Config::parse(&every, Path::new("config.toml"), &value).unwrap();
    let (_, changes) = every.after(&Config::default());
    let page = Page::read(SETTINGS).text;
    let start = page.find("These need a restart").unwrap();
    let (named, _) = page[start..].split_once("Another").unwrap();
    let named: BTreeSet<String> = code_spans(&named.replace('\n', " ")).into_iter().collect();
    let mut expected: BTreeSet<String> = changes.needs_restart.into_iter().collect();
    // It goes with the endpoint here, and is told of apart.
    assert!(expected.remove("klaviyo.private_key"));
    expected.insert("\"env:NAME\"".to_owned());
    assert_eq!(named, expected);
}

#[test]
fn the_limits_table_has_every_family_with_its_default() {
    let table = Page::read("docs/concepts/speed.md").rows("## Limits");
    let shipped = shipped();
    let mut documented = BTreeSet::new();
    for row in &table {
        let family = only(code_spans(&row[0])).unwrap();
        for (name, figure) in [("burst", &row[2]), ("steady", &row[3])] {
            let key = format!("{LIMITS}.{family}.{name}");
            let set = value_at(&shipped, &key).and_then(toml::Value::as_integer);
            assert_eq!(set.map(|set| set.to_string()).as_ref(), Some(figure), "{key}");
            documented.insert(key);
        }
    }
    let known = Config::known_keys();
    let figures = known.iter().cloned().filter(|key: &String| {
        let figure = key.rsplit_once('.').map(|(_, last)| last);
        matches!(figure, Some("burst" | "steady"))
    });
    assert_eq!(documented, figures.collect());
}

#[test]
fn every_example_of_a_configuration_has_known_keys() {
    let known = Config::known_keys();
    let examples = blocks("toml");
    assert!(examples.len() >= 4, "only {} examples", examples.len());
    for example in examples {
        let mut keys = Vec::new();
        let parsed: toml::Table = example.parse().unwrap_or_else(|error| panic!("{example}\n{error}"));
        keys_of(&parsed, "", &mut keys);
        for key in keys {
            assert!(known.contains(&key), "there is no {key}:\n{example}");
        }
    }
}

/// The full names of a table's keys.
fn keys_of(table: &toml::Table, inside: &str, keys: &mut Vec<String>) {
    for (name, value) in table {
        let full = format!("{inside}{name}");
        let tables = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for table in tables.iter().filter_map(toml::Value::as_table) {
            keys_of(table, &format!("{full}."), keys);
        }
        keys.push(full);
    }
}

#[test]
fn every_example_of_json_is_json() {
    let examples = blocks("json");
    assert!(!examples.is_empty());
    for example in examples {
        let parsed = serde_json::from_str::<serde_json::Value>(&example);
        parsed.unwrap_or_else(|error| panic!("{example}\n{error}"));
    }
}

/// `config.toml` as shipped.
fn shipped() -> toml::Table {
    let text = fs::read_to_string(root().join("config.toml")).unwrap();
    text.parse().unwrap()
}

/// The value of a full key; of an array of sections its first counts.
fn value_at<'a>(table: &'a toml::Table, key: &str) -> Option<&'a toml::Value> {
    let (first, rest) = key
        .split_once('.')
        .map_or((key, None), |(first, rest)| (first, Some(rest)));
    let value = table.get(first)?;
    let Some(rest) = rest else {
        return Some(value);
    };
    let section = match value.as_array() {
        Some(sections) => sections.first()?,
        None => value,
    };
    value_at(section.as_table()?, rest)
}
