//! The mapping, case by case: every file below `tests/mapping` is one call, its settings, and the requests that
//! Klaviyo gets for it, whole. The expectations are written from the specification of Segment's destination.

#![expect(clippy::unwrap_used, reason = "these are tests: what cannot be read must fail them")]

mod case;
mod coverage;
mod differences;
mod frame;
mod hostile;
mod settings;

use case::{Case, Expected};
use klaviyo_relay::klaviyo::Request;

/// The requests of every case that becomes some, case by case, those that must not be sent left out: what the
/// program really sends, for tests of what happens to it later.
pub(crate) fn mapped_requests() -> Vec<Vec<Request>> {
    let sent = |case: &Case| {
        let planned = case.requests(false).into_iter();
        let sent = planned.filter(|planned| planned.rejected.is_none());
        sent.map(|planned| planned.request).collect()
    };
    let all: Vec<Vec<Request>> = Case::all().iter().map(sent).collect();
    all.into_iter().filter(|case| !case.is_empty()).collect()
}

/// Fewer than this, and somebody lost a folder.
const LEAST_CASES: usize = 130;

#[test]
fn every_case_maps_as_specified() {
    let cases = Case::all();
    assert!(cases.len() >= LEAST_CASES, "only {} cases", cases.len());
    let mut failures = Vec::new();
    for case in &cases {
        let found = case.run();
        let mut differing = Vec::new();
        differences::of(&case.expected(), &found, "", &mut differing);
        if !differing.is_empty() {
            failures.push(format!("{} ({})\n  {}", case.path, case.about, differing.join("\n  ")));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} cases differ:\n\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n\n")
    );
}

#[test]
fn every_field_of_every_request_names_its_rule_once() {
    let mut fields = 0;
    for case in Case::all() {
        for planned in case.requests(true) {
            let mut rules: Vec<&str> = planned.rules.iter().map(|rule| rule.field.as_str()).collect();
            rules.sort_unstable();
            for field in case::fields(&planned) {
                fields += 1;
                let first = rules.partition_point(|rule| *rule < field.as_str());
                let named = rules[first..].iter().take_while(|rule| **rule == field).count();
                assert_eq!(named, 1, "{}: rules of {field}", case.path);
            }
            for rule in &planned.rules {
                let of_the_call = rule.origin.note.text().contains("{from}");
                assert_eq!(of_the_call, rule.origin.from.is_some(), "{}: {rule:?}", case.path);
            }
        }
    }
    assert!(fields > 1000, "only {fields} fields");
}

#[test]
fn without_an_explanation_the_requests_are_the_same_and_no_rule_is_made() {
    for case in Case::all() {
        let mut explained = case.requests(true);
        assert!(
            explained.iter().all(|planned| !planned.rules.is_empty()),
            "{}",
            case.path
        );
        for planned in &mut explained {
            planned.rules.clear();
        }
        assert_eq!(case.requests(false), explained, "{}", case.path);
    }
}

#[test]
fn a_case_maps_the_same_way_each_time() {
    for case in Case::all() {
        if !matches!(case.expect, Expected::Unreadable(_)) {
            assert_eq!(case.run(), case.run(), "{}", case.path);
        }
    }
}
