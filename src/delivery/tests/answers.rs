//! The outcome for each status and form of body, by endpoint.

use OutcomeKind::{Accepted, Conflict, Refused, Retry, Stopped, Unknown};

use super::*;
use crate::klaviyo::bulk::{BulkJob, import_errors_route, import_job_route};
use crate::klaviyo::{Route, route};
use crate::model::{DeliveryKind, OutcomeKind};

const EMPTY_OBJECT: &str = "{}";
const DATA: &str = r#"{"data":[]}"#;
const META: &str = r#"{"meta":{"agent_hints":{"next_steps":[]}}}"#;
const JOB: &str = r#"{"data":{"type":"profile-bulk-import-job","id":"j1","attributes":{"status":"queued"}}}"#;
const BOTH: &str = r#"{"data":{"type":"profile","id":"01G"},"errors":[]}"#;

/// Every endpoint in use, by its name.
fn endpoints() -> Vec<(&'static str, Success)> {
    let single = |kind| route(kind, Some("baV129")).success;
    let job = |kind| BulkJob::new(kind, None).unwrap().route().success;
    vec![
        ("event", single(DeliveryKind::Event)),
        ("event job", job(DeliveryKind::Event)),
        ("profile", single(DeliveryKind::Profile)),
        ("profile job", job(DeliveryKind::Profile)),
        ("subscription", single(DeliveryKind::Subscription)),
        ("subscription job", job(DeliveryKind::Subscription)),
        ("list add", single(DeliveryKind::ListAdd)),
        ("list remove", single(DeliveryKind::ListRemove)),
        ("deletion", single(DeliveryKind::Deletion)),
        ("job state", import_job_route("j").success),
        ("job errors", import_errors_route("j").success),
        ("read", Route::read("/api/accounts").success),
    ]
}

#[test]
fn an_endpoint_accepts_with_its_documented_answer_and_with_no_other() {
    let bodies = [
        ("", JSON),
        ("", HTML),
        ("", ""),
        (" \r\n", "text/plain"),
        (EMPTY_OBJECT, JSON),
        (META, JSON),
        (META, "application/json"),
        (DATA, JSON),
        (PROFILE, JSON),
        (JOB, "text/plain"),
        // None of the following is accepted.
        (PROFILE, HTML),
        (PAGE, HTML),
        (PAGE, JSON),
        ("ok", "text/plain"),
        ("1", HTML),
        ("null", JSON),
        ("[]", JSON),
        (r#"{"ok":true}"#, JSON),
        (RETIRED, JSON),
        (ERRORS, JSON),
        (BOTH, JSON),
        (r#"{"data":{"type":"profile","id":"01G"#, JSON),
        ("\u{1f}\u{8b}", JSON),
    ];
    // The success statuses, and the range of accepted bodies: indexes in `bodies` up to the tenth.
    let empty = 0..10;
    let document = 7..10;
    let resource = 8..10;
    for (name, success) in endpoints() {
        let (statuses, good) = match name {
            "event" | "event job" | "subscription" | "subscription job" | "deletion" => (&[202][..], &empty),
            "list add" | "list remove" => (&[204][..], &empty),
            "profile" => (&[200, 201][..], &resource),
            "profile job" => (&[202][..], &resource),
            "job state" => (&[200][..], &resource),
            "job errors" | "read" => (&[200][..], &document),
            other => panic!("{other}"),
        };
        for status in 200..=299 {
            for (at, (body, content_type)) in bodies.iter().enumerate() {
                let expected = if statuses.contains(&status) && good.contains(&at) {
                    Accepted
                } else {
                    Retry
                };
                let outcome = judged(&answer(status, content_type, body), success);
                let case = format!("{name}: {status} {content_type} {body}");
                assert_eq!(outcome.kind, expected, "{case}");
                assert_eq!(outcome.foreign, expected == Retry, "{case}");
                assert_eq!(outcome.error.is_none(), expected == Accepted, "{case}");
            }
        }
    }
}

/// The meaning of Klaviyo's errors by status, without `duplicate_profile`.
const STOPPED: [u16; 5] = [401, 403, 405, 410, 415];
const REFUSED: [u16; 16] = [
    400, 402, 404, 406, 407, 409, 411, 413, 414, 418, 421, 422, 423, 431, 451, 499,
];
const RETRIED: [u16; 11] = [408, 425, 429, 500, 502, 503, 504, 520, 524, 530, 599];

/// Bodies that are not Klaviyo's errors.
const FOREIGN: [(&str, &str); 14] = [
    (HTML, PAGE),
    (JSON, PAGE),
    (HTML, ERRORS),
    (JSON, ""),
    ("", ""),
    ("text/plain", "no healthy upstream"),
    (JSON, EMPTY_OBJECT),
    (JSON, "[]"),
    (JSON, PROFILE),
    (JSON, r#"{"errors":[]}"#),
    (JSON, r#"{"errors":["no route"]}"#),
    (JSON, r#"{"errors":[{"code":1000,"message":"no route"}]}"#),
    (JSON, r#"{"error":"invalid_token"}"#),
    (JSON, r#"{"errors":[{"code":"inv"#),
];

fn refusals() -> impl Iterator<Item = (u16, OutcomeKind)> {
    let all = |statuses: &'static [u16], kind| statuses.iter().map(move |status| (*status, kind));
    let answers = all(&STOPPED, Stopped).chain(all(&REFUSED, Refused));
    answers.chain(all(&RETRIED, Retry))
}

#[test]
fn a_refusal_is_final_in_klaviyos_words_alone() {
    for (name, success) in endpoints() {
        for (status, kind) in refusals() {
            for content_type in [JSON, "application/json", ""] {
                let outcome = judged(&answer(status, content_type, ERRORS), success);
                assert_eq!(outcome.kind, kind, "{name}: {status} {content_type}");
                let words = outcome.error.as_deref();
                assert_eq!(words, Some("invalid: Invalid input. d"), "{name}: {status}");
                assert_eq!(outcome.request_id.as_deref(), Some("e1"));
                assert!(!outcome.foreign, "{name}: {status}");
            }
            for (content_type, body) in FOREIGN {
                let outcome = judged(&answer(status, content_type, body), success);
                let case = format!("{name}: {status} {content_type} {body}");
                assert_eq!((outcome.kind, outcome.foreign), (Retry, true), "{case}");
            }
            let retired = judged(&answer(status, JSON, RETIRED), success);
            let expected = if status == 410 { Stopped } else { Retry };
            assert_eq!(retired.kind, expected, "{name}: {status} of a retired API");
            assert_eq!(retired.foreign, status != 410, "{name}: {status}");
            let duplicate = judged(&answer(status, JSON, DUPLICATE), success);
            let expected = if status == 409 { Conflict } else { kind };
            assert_eq!(duplicate.kind, expected, "{name}: {status} duplicate");
        }
    }
}

#[test]
fn an_answer_that_is_not_the_apis_is_tried_again_whatever_its_body() {
    for (name, success) in endpoints() {
        for status in [101, 199, 300, 301, 302, 303, 304, 307, 308, 399, 600, 999] {
            for (content_type, body) in [(JSON, ""), (JSON, PROFILE), (JSON, ERRORS), (HTML, PAGE)] {
                let outcome = judged(&answer(status, content_type, body), success);
                let case = format!("{name}: {status} {body}");
                assert_eq!((outcome.kind, outcome.foreign), (Retry, true), "{case}");
            }
        }
    }
}

#[test]
fn an_answer_that_broke_off_is_unknown_with_the_status_of_success_and_a_retry_otherwise() {
    for (name, success) in endpoints() {
        for (body, content_type) in [("", JSON), (PROFILE, JSON), (ERRORS, JSON), (PAGE, HTML)] {
            for status in [101, 200, 201, 202, 204, 302, 400, 401, 404, 409, 429, 503] {
                let mut answer = answer(status, content_type, body);
                answer.end = End::Broken("no answer in time".to_owned());
                let outcome = judged(&answer, success);
                let due = success.statuses.contains(&status);
                let expected = if due { Unknown } else { Retry };
                let case = format!("{name}: {status} {body}");
                assert_eq!(outcome.kind, expected, "{case}");
                assert_eq!(outcome.http_status, Some(status), "{case}");
                // An incomplete error body may be Klaviyo's; the success status of another endpoint is not.
                assert_eq!(outcome.foreign, !due && status < 400, "{case}");
            }
        }
    }
}

#[test]
fn more_than_is_read_is_never_accepted_and_refuses_when_it_begins_with_klaviyos_errors() {
    let too_long = |status, content_type, body: &str, success| {
        let mut answer = answer(status, content_type, body);
        answer.end = End::TooLong;
        let outcome = judged(&answer, success);
        (outcome.kind, outcome.foreign)
    };
    let errors = r#"{"errors":[{"code":"invalid","title":"t"},{"code":"inv"#;
    for (name, success) in endpoints() {
        let due = success.statuses[0];
        for body in ["", r#"{"data":{"id":"01G","x":""#, "xxxx", PROFILE] {
            assert_eq!(too_long(due, JSON, body, success), (Unknown, false), "{name}");
        }
        assert_eq!(too_long(due, HTML, "<html>", success), (Retry, true));
        assert_eq!(too_long(400, JSON, errors, success), (Refused, false));
        assert_eq!(too_long(401, JSON, errors, success), (Stopped, false));
        assert_eq!(too_long(503, JSON, errors, success), (Retry, false));
        assert_eq!(too_long(400, HTML, errors, success), (Retry, true));
        assert_eq!(too_long(404, JSON, "xxxx", success), (Retry, true));
    }
}

#[test]
fn what_answered_instead_of_klaviyo_is_described() {
    let words = |status, content_type, body| {
        let outcome = judged(&answer(status, content_type, body), Success::ACCEPTED);
        let words = outcome.error.unwrap();
        let start = "answered by something that is not Klaviyo (a proxy, a portal, or Cloudflare in front of it): ";
        words.strip_prefix(start).map(str::to_owned).expect(&words)
    };
    assert_eq!(words(404, HTML, PAGE), "an HTML page");
    assert_eq!(words(401, "", ""), "an empty body");
    assert_eq!(words(503, "", "down"), "a body that is not JSON");
    assert_eq!(words(404, JSON, RETIRED), "JSON of another form");
    assert_eq!(words(400, JSON, PROFILE), "a document without errors");
    assert_eq!(words(302, HTML, ""), "a redirect, with an empty body");
    assert_eq!(words(101, "", ""), "an empty body");
    assert_eq!(words(204, "", ""), "a 204 where 202 is due, with an empty body");
    assert_eq!(words(200, HTML, PAGE), "a 200 where 202 is due, with an HTML page");
    assert_eq!(words(202, HTML, PAGE), "an HTML page where no body is due");
    assert_eq!(
        words(202, JSON, ERRORS),
        "errors (invalid: Invalid input. d) where no body is due"
    );
    let cut = judged(&answer(201, JSON, DATA), Success::PROFILE).error;
    let cut = cut.unwrap();
    assert!(
        cut.ends_with(": a document without errors where a document with an id is due"),
        "{cut}"
    );
}
