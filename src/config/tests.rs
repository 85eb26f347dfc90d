//! What a reload applies, and what it leaves to a restart.

use std::path::Path;

use super::declare::{ItemKind, Listing, Settings};
use super::{Changes, Config, SourceConfig};

const EVERY_SETTING: &str = include_str!("../../tests/config/every_setting.toml");
const PLAIN: &str = "[ingest]\n[[ingest.sources]]\nname = \"shop\"\nwrite_key = \"k\"\n\
                     [klaviyo]\nendpoint = \"https://a.klaviyo.com\"\nprivate_key = \"pk_1\"\n";

fn config(text: &str) -> Config {
    let environment = |_: &str| Some("pk_of_the_environment".to_owned());
    Config::parse(text, Path::new("config.toml"), &environment).unwrap()
}

/// The changes when `what` replaces `place`.
fn changes_by(place: &str, what: &str) -> Changes {
    assert!(PLAIN.contains(place), "{place}");
    let new = config(&PLAIN.replace(place, what));
    changes(&config(PLAIN), &new)
}

fn changes(old: &Config, new: &Config) -> Changes {
    new.clone().reloaded_from(old).1
}

#[test]
fn every_changed_key_is_reported() {
    // Of another name than any before, a source is new as a whole.
    let of_one_source = [
        "ingest.sources.write_key",
        "ingest.sources.side",
        "ingest.sources.allow",
        "ingest.sources.allowed_origins",
        "ingest.sources.shared_secret",
    ];
    let Changes {
        mut applied,
        needs_restart,
    } = changes(&Config::default(), &config(EVERY_SETTING));
    applied.extend(needs_restart);
    applied.sort_unstable();
    let mut listing = Listing::default();
    Config::default().list(&mut listing);
    let keys = listing
        .items
        .into_iter()
        .filter(|item| matches!(item.kind, ItemKind::Setting(..)));
    let mut all: Vec<String> = keys.map(|item| item.key).collect();
    all.retain(|name| !of_one_source.contains(&name.as_str()));
    all.sort_unstable();
    assert_eq!(applied, all);
}

#[test]
fn the_same_file_changes_nothing() {
    for text in [PLAIN, EVERY_SETTING] {
        assert!(changes(&config(text), &config(text)).is_empty());
    }
}

#[test]
fn a_source_is_compared_with_the_one_of_its_name() {
    for (place, what, changed) in [
        ("\"k\"", "\"k2\"", "write_key"),
        ("\"k\"", "\"k\"\nside = \"server\"", "side"),
        ("\"k\"", "\"k\"\nallow = [\"delete\"]", "allow"),
        (
            "\"k\"",
            "\"k\"\nallowed_origins = [\"https://shop.example\"]",
            "allowed_origins",
        ),
        ("\"k\"", "\"k\"\nshared_secret = \"12345678\"", "shared_secret"),
        ("\"shop\"", "\"store\"", "name"),
        (
            "[klaviyo]",
            "[[ingest.sources]]\nname = \"b\"\nwrite_key = \"b\"\n[klaviyo]",
            "name",
        ),
    ] {
        let changes = changes_by(place, what);
        assert_eq!(changes.applied, [format!("ingest.sources.{changed}")]);
        assert_eq!(changes.needs_restart, [""; 0]);
    }
}

#[test]
fn the_order_of_sources_is_not_a_change() {
    let mut old = config(PLAIN);
    let other = SourceConfig {
        name: "b".to_owned(),
        ..old.ingest.sources[0].clone()
    };
    old.ingest.sources.push(other);
    let mut new = old.clone();
    new.ingest.sources.reverse();
    assert!(changes(&old, &new).is_empty());
}

#[test]
fn a_private_key_is_changed_without_restart_only_for_the_same_endpoint() {
    assert_eq!(changes_by("pk_1", "pk_2").applied, ["klaviyo.private_key"]);
    let elsewhere = changes_by(
        "a.klaviyo.com\"\nprivate_key = \"pk_1",
        "b.klaviyo.com\"\nprivate_key = \"pk_2",
    );
    assert_eq!(elsewhere.applied, [""; 0]);
    assert_eq!(elsewhere.needs_restart, ["klaviyo.endpoint", "klaviyo.private_key"]);
    let sandbox = |key: &str| config(&PLAIN.replace("https://a.klaviyo.com", "sandbox").replace("pk_1", key));
    let changes = changes(&sandbox("pk_1"), &sandbox("pk_2"));
    assert_eq!(changes.needs_restart, ["klaviyo.private_key"]);
}

#[test]
fn what_needs_a_restart_stays_and_the_rest_is_applied() {
    let (old, new) = (Config::default(), config(EVERY_SETTING));
    let requested = changes(&old, &new);
    let (now, _) = new.clone().reloaded_from(&old);
    let done = changes(&old, &now);
    assert_eq!(done.applied, requested.applied);
    assert_eq!(done.needs_restart, [""; 0]);
    // Read again, it is still to come.
    let left = changes(&now, &new);
    assert_eq!(left.needs_restart, requested.needs_restart);
    assert_eq!(left.applied, [""; 0]);
}
