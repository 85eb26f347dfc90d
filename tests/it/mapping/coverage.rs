//! The cases cover every rule: each row of both identify tables, each setting on and off, each
//! override of a call. A rule that loses its last case fails here.

use std::collections::BTreeSet;

use klaviyo_relay::mapper::{Mapped, Note, Rejection, Skip, Warning};
use klaviyo_relay::model::{DeliveryKind, ReasonCode, Side};
use klaviyo_relay::segment::find;
use serde_json::{Map, Value, json};

use super::case::{Case, Expected};

/// The tables of the destination's page: the trait, and where it goes below the attributes.
const SERVER_ROWS: [(&str, &str); 13] = [
    ("userId", "/external_id"),
    ("email", "/email"),
    ("phoneNumber", "/phone_number"),
    ("organization", "/organization"),
    ("firstName", "/first_name"),
    ("lastName", "/last_name"),
    ("title", "/title"),
    ("city", "/location/city"),
    ("region", "/location/region"),
    ("state", "/location/region"),
    ("country", "/location/country"),
    ("timezone", "/location/timezone"),
    ("zip", "/location/zip"),
];
const CLIENT_ROWS: [(&str, &str); 6] = [
    ("userId", "/external_id"),
    ("email", "/email"),
    ("phoneNumber", "/phone_number"),
    ("firstName", "/first_name"),
    ("lastName", "/last_name"),
    ("title", "/title"),
];

/// A case as its parts: the side it is mapped as, the call, the expected requests.
struct Parts {
    path: String,
    side: Side,
    event: Value,
    settings: Map<String, Value>,
    requests: Vec<Value>,
    skipped: Option<String>,
}

fn parts() -> Vec<Parts> {
    let read = |case: Case| {
        let call = case.call().ok()?;
        let (requests, skipped) = match case.expect {
            Expected::Requests(requests) => (requests, None),
            Expected::Skipped(reason) => (Vec::new(), Some(reason)),
            Expected::Unreadable(_) => return None,
        };
        Some(Parts {
            side: case.side.unwrap_or_else(|| call.side()),
            event: serde_json::from_str(&case.payload).unwrap(),
            path: case.path,
            settings: case.settings,
            requests,
            skipped,
        })
    };
    Case::all().into_iter().filter_map(read).collect()
}

fn assert_some(cases: &[Parts], what: &str, holds: impl Fn(&Parts) -> bool) {
    let found = cases.iter().any(holds);
    assert!(found, "no case for {what}");
}

/// The trait goes to this field, and to this field alone.
fn shows_row(parts: &Parts, side: Side, name: &str, field: &str) -> bool {
    let value = match name {
        "userId" => parts.event.get("userId"),
        _ => parts
            .event
            .get("traits")
            .and_then(|traits| find(traits.as_object()?, name)),
    };
    let Some(profile) = parts.requests.first() else {
        return false;
    };
    let sent = profile.pointer(&format!("/body/data/attributes{field}"));
    let repeated = profile.pointer(&format!("/body/data/attributes/properties/{name}"));
    parts.side == side && value.is_some() && sent == value && repeated.is_none()
}

#[test]
fn every_row_of_both_identify_tables_has_a_case() {
    let cases = parts();
    for (side, rows) in [(Side::Server, &SERVER_ROWS[..]), (Side::Client, &CLIENT_ROWS[..])] {
        for (name, field) in rows {
            let what = format!("{name} → {field} on the {side} side");
            assert_some(&cases, &what, |parts| shows_row(parts, side, name, field));
        }
    }
}

#[test]
fn every_setting_has_a_case_on_and_off() {
    let cases = parts();
    for setting in [
        "enforce_email",
        "fallback_to_anonymous_id",
        "confirm_optin",
        "order_completed_as_is",
        "delete_profiles",
    ] {
        for value in [json!(true), json!(false)] {
            let what = format!("{setting} = {value}");
            assert_some(&cases, &what, |parts| parts.settings.get(setting) == Some(&value));
        }
    }
    for setting in [
        "list_id",
        "order_id_events",
        "event_id_events",
        "audience_lists",
        "garbage_ids",
    ] {
        assert_some(&cases, setting, |parts| parts.settings.contains_key(setting));
        let what = format!("{setting} left out");
        assert_some(&cases, &what, |parts| !parts.settings.contains_key(setting));
    }
}

#[test]
fn every_override_of_a_call_has_a_case() {
    let cases = parts();
    for (pointer, value) in [
        ("/integrations/Klaviyo", json!(false)),
        ("/integrations/Klaviyo", json!(true)),
        ("/integrations/Klaviyo (Actions)", json!(false)),
        ("/integrations/All", json!(false)),
        ("/integrations/Klaviyo/listId", json!("baV129")),
        ("/integrations/Klaviyo/confirmOptin", json!(true)),
        ("/integrations/Klaviyo/confirmOptin", json!(false)),
    ] {
        let what = format!("{pointer} = {value}");
        assert_some(&cases, &what, |parts| parts.event.pointer(pointer) == Some(&value));
    }
}

#[test]
fn every_kind_of_request_has_a_case() {
    let cases = parts();
    for kind in DeliveryKind::ALL.iter().map(|kind| kind.word()) {
        assert_some(&cases, kind, |parts| parts.requests.iter().any(|r| r["kind"] == kind));
    }
    for kind in ["page", "screen", "group", "alias"] {
        let is_of_kind = |parts: &Parts| parts.skipped.as_ref().is_some_and(|s| s.starts_with(kind));
        assert_some(&cases, kind, is_of_kind);
    }
}

#[test]
fn every_reason_has_a_case() {
    let mut shown = BTreeSet::new();
    for case in Case::all() {
        match case.outcome(false) {
            Ok(Mapped::Skipped(skip)) => drop(shown.insert(skip.code())),
            Ok(Mapped::Requests(planned)) => {
                shown.extend(planned.iter().flat_map(|one| &one.warnings).map(Warning::code));
                shown.extend(planned.iter().filter_map(|one| Some(one.rejected.as_ref()?.code())));
            }
            Err(_) => {}
        }
    }
    let codes: BTreeSet<&str> = reasons().map(|reason| reason.code).collect();
    assert_eq!(shown, codes);
}

#[test]
fn every_reason_has_a_code_and_a_meaning_of_its_own() {
    let snake = |code: &str| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    for reason in reasons() {
        assert!(snake(reason.code), "{}", reason.code);
        assert!(
            reason.about.ends_with('.') && !reason.about.starts_with(' '),
            "{reason:?}"
        );
    }
    let codes: BTreeSet<&str> = reasons().map(|reason| reason.code).collect();
    assert_eq!(codes.len(), reasons().count());
}

fn reasons() -> impl Iterator<Item = &'static ReasonCode> {
    [Skip::CODES, Rejection::CODES, Warning::CODES].into_iter().flatten()
}

#[test]
fn every_note_of_a_rule_has_a_case_and_a_code_of_its_own() {
    let requests = Case::all().into_iter().flat_map(|case| case.requests(true));
    let rules = requests.flat_map(|planned| planned.rules);
    let shown: BTreeSet<&str> = rules.map(|rule| rule.origin.note.code()).collect();
    let codes: BTreeSet<&str> = Note::ALL.iter().map(|note| note.code()).collect();
    assert_eq!(codes.len(), Note::ALL.len());
    assert_eq!(shown, codes);
}

#[test]
fn the_examples_of_the_page_have_a_case_each() {
    let cases = parts();
    for path in [
        "identify_server/page_example.json",
        "lists/page_example.json",
        "track/page_example.json",
        "order/page_example.json",
        "personas/computed_trait_true.json",
        "personas/computed_trait_false.json",
    ] {
        assert_some(&cases, path, |parts| parts.path == path);
    }
}
