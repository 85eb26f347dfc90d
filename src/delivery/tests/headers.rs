//! What is read from an answer's headers.

use std::time::Duration;

use super::*;
use crate::model::{OutcomeKind, RateInfo};

#[test]
fn what_is_left_of_the_limit_is_read_from_any_answer_of_klaviyos_and_of_nobody_else() {
    let rate = |status, body| {
        let mut answer = answer(status, JSON, body);
        answer.rate = ["3500", "12", "41"].map(|text| Some(text.to_owned()));
        judged(&answer, Success::ACCEPTED).rate
    };
    let read = RateInfo {
        limit: Some(3500),
        remaining: Some(12),
        reset: Some(Duration::from_secs(41)),
    };
    assert_eq!(rate(202, ""), Some(read));
    assert_eq!(rate(400, ERRORS), Some(read), "a refusal has them too");
    assert_eq!(rate(404, ""), None, "a proxy's limit");
    assert_eq!(rate(200, ""), None);
}

#[test]
fn the_wait_that_a_proxy_names_is_kept() {
    let mut proxy = answer(503, HTML, PAGE);
    proxy.retry_after = Some("7".to_owned());
    let outcome = judged(&proxy, Success::ACCEPTED);
    assert_eq!(outcome.retry_after, Some(Duration::from_secs(7)));
    assert!(outcome.foreign);
}

#[test]
fn what_klaviyo_left_out_of_an_accepted_request_is_noted() {
    let noted = |status, body, header: &str| {
        let mut answer = answer(status, JSON, body);
        answer.left_out = Some(header.to_owned());
        judged(&answer, Success::ACCEPTED).note
    };
    let note = noted(202, "", "phone_number").unwrap();
    assert!(note.contains("without phone_number"), "{note}");
    assert_eq!(noted(400, ERRORS, "phone_number"), None);
    assert_eq!(noted(200, "", "phone_number"), None);
    assert_eq!(noted(202, "", ""), None);
}

#[test]
fn a_profile_id_is_read_from_an_accepted_answer_only() {
    let id = |status, success| {
        let outcome = judged(&answer(status, JSON, PROFILE), success);
        (outcome.kind == OutcomeKind::Accepted, outcome.profile_id)
    };
    let known = Some("01GDDKASAP8TKDDA2GRZDSVP4H".to_owned());
    assert_eq!(id(201, Success::PROFILE), (true, known));
    assert_eq!(id(202, Success::PROFILE), (false, None));
    assert_eq!(id(400, Success::PROFILE), (false, None));
}
