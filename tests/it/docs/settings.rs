//! The table of Klaviyo's limits and the examples of configurations, held against the keys that the program knows and
//! the shipped `config.toml`. (The reference of the settings is generated.)

use std::collections::BTreeSet;
use std::fs;

use klaviyo_relay::config::Config;

use super::{Page, blocks, code_spans, only, root};

/// The section of Klaviyo's limits, one subsection for each family of endpoints.
const LIMITS: &str = "delivery.limits";

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
    let figures = known.iter().filter(|key| {
        let figure = key.rsplit_once('.').map(|(_, last)| last);
        matches!(figure, Some("burst" | "steady"))
    });
    assert_eq!(documented, figures.cloned().collect());
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
