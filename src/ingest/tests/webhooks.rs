//! Forwarded calls: what the webhook path accepts, stores and requires.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use super::{decide, event, events, gzip};
use crate::model::NewEvent;

/// A call as Segment forwards it: corrected there, a day ago.
const SEGMENT: &str = r#"{"type":"track","userId":"u","event":"e","messageId":"s","channel":"server","version":2,
    "projectId":"p","timestamp":"2026-11-22T09:00:00.000Z","originalTimestamp":"2026-11-22T05:00:00.000Z",
    "sentAt":"2026-11-22T05:00:01.000Z","receivedAt":"2026-11-22T09:00:01.000Z","n": 1.10}"#;
/// A call as RudderStack forwards it: without nulls, and maybe without `timestamp`.
const RUDDER: &str = r#"{"type":"track","userId":"u","event":"e","messageId":"r","channel":"server","rudderId":"x",
    "request_ip":"203.0.113.7","context":{"ip":"203.0.113.7"},"originalTimestamp":"2026-11-22T05:00:00.000Z",
    "sentAt":"2026-11-22T05:00:01.000Z","receivedAt":"2026-11-22T09:00:01.000Z"}"#;
const CORRECTED: &str = "2026-11-22T09:00:00.000Z";

fn signature(text: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(b"Jefe's secret").unwrap();
    mac.update(text.as_bytes());
    mac.finalize()
        .into_bytes()
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// The number of accepted events, or the rejection's status and code.
fn signed(path: &str, signature: Option<&str>, body: &str) -> String {
    let mut headers = vec![("x-write-key", "wk_segment")];
    headers.extend(signature.map(|signature| ("x-signature", signature)));
    match decide(path, &headers, body.into()) {
        Ok(accepted) => accepted.events.len().to_string(),
        Err(rejection) => format!("{} {}", rejection.status().as_u16(), rejection.code()),
    }
}

#[test]
fn a_forwarded_time_is_not_corrected_twice() {
    for call in [SEGMENT, RUDDER] {
        assert_eq!(event("/v1/webhook", call).at.to_string(), CORRECTED);
        for body in [
            format!("[{call},{call}]"),
            format!(r#"{{"batch":[{call}]}}"#),
            format!(r#"{{"sentAt":"2026-11-23T11:00:00Z","batch":[{call}]}}"#),
        ] {
            for event in events("/webhook/", &body) {
                assert_eq!(event.at.to_string(), CORRECTED, "{body}");
                assert_eq!(event.payload, call);
            }
        }
    }
}

#[test]
fn an_undeliverable_call_is_stored_as_dead_even_if_it_is_the_only_one() {
    for (call, code) in [
        (
            r#"{"type":"audience_entered","userId":"u","messageId":"m"}"#,
            "invalid_type",
        ),
        (r#"{"userId":"u","messageId":"m"}"#, "missing_type"),
        (r#"{"type":"track","event":"e","messageId":"m"}"#, "no_user_anon_id"),
        (r#"{"type":"track","userId":"u","messageId":"m"}"#, "event_not_defined"),
    ] {
        for body in [call.to_owned(), format!("[{call}]")] {
            let kept = event("/v1/webhook", &body);
            assert!(kept.dead.unwrap().code == code, "{body}");
            assert_eq!((kept.payload.as_str(), kept.message_id.as_str()), (call, "m"));
        }
    }
    // What is not a call at all would be useless to store.
    for (body, code) in [
        ("", "bad_request"),
        ("[]", "empty_batch"),
        ("{", "bad_request"),
        ("7", "bad_request"),
    ] {
        let rejection = decide("/v1/webhook", &[("x-write-key", "dev")], body.into()).unwrap_err();
        assert_eq!((rejection.status().as_u16(), rejection.code()), (400, code), "{body}");
    }
}

#[test]
fn only_a_source_with_the_right_to_delete_deletes() {
    let delete = r#"{"type":"delete","userId":"victim"}"#;
    for path in ["/v1/webhook", "/v1/batch", "/v1/import"] {
        for key in ["dev", "wk_shop"] {
            let body = format!("{{\"batch\":[{delete}]}}");
            let kept = decide(path, &[("x-write-key", key)], body.into()).unwrap();
            let reason = kept.events[0].dead.as_ref().unwrap();
            assert!(reason.text.starts_with("delete_not_allowed: "), "{reason}");
            // Its identifiers are kept, so that the operator sees them.
            assert_eq!(kept.events[0].identifiers[0].to_string(), "user:victim");
        }
    }
    let rejection = decide("/v1/batch", &[("x-write-key", "dev")], delete.into()).unwrap_err();
    assert_eq!(
        (rejection.status().as_u16(), rejection.code()),
        (400, "delete_not_allowed")
    );
    let signed = signature(delete);
    let headers = [("x-write-key", "wk_segment"), ("x-signature", &*signed)];
    let kept = decide("/v1/webhook", &headers, delete.into()).unwrap();
    assert_eq!(kept.events[0].dead, None);
}

#[test]
fn after_a_signed_call_only_calls_of_its_type_are_accepted() {
    let delete = r#"{"type":"delete","userId":"victim"}"#;
    let unsigned = |first: &str, calls: &[&str]| -> Vec<bool> {
        let body = format!("[{}]", calls.join(","));
        let headers = [("x-write-key", "wk_segment"), ("x-signature", &*signature(first))];
        let events = decide("/v1/webhook", &headers, body.into()).unwrap().events;
        let not_signed = |event: &NewEvent| event.dead.as_ref().is_some_and(|reason| reason.code == "not_signed");
        events.iter().map(not_signed).collect()
    };
    let identify = r#"{"type":"identify","userId":"u"}"#;
    assert_eq!(
        unsigned(SEGMENT, &[SEGMENT, RUDDER, identify, delete]),
        [false, false, true, true]
    );
    assert_eq!(unsigned(delete, &[delete, delete]), [true, true]);
    assert_eq!(unsigned(delete, &[delete]), [false]);
}

#[test]
fn a_source_with_a_shared_secret_accepts_only_signed_webhooks() {
    let array = format!(" [ {SEGMENT} ,{RUDDER}]");
    let batch = format!(r#"{{"batch":[{SEGMENT},{RUDDER}]}}"#);
    for (body, text, count) in [(SEGMENT, SEGMENT, "1"), (&array, SEGMENT, "2"), (&batch, &batch, "2")] {
        let right = signature(text);
        assert_eq!(signed("/v1/webhook", Some(&right), body), count);
        assert_eq!(signed("/v1/webhook", None, body), "401 signature_missing");
        let wrong = signature(&text.replace("1.10", "1.1"));
        assert_eq!(signed("/v1/webhook", Some(&wrong), body), "401 signature_wrong");
        for path in ["/v1/batch", "/v1/track", "/v1/import"] {
            assert_eq!(signed(path, Some(&right), body), "401 webhook_only", "{path}");
        }
    }
    // The text counts, not its encoding.
    let headers = [
        ("x-write-key", "wk_segment"),
        ("x-signature", &signature(SEGMENT)),
        ("content-encoding", "gzip"),
    ];
    assert!(decide("/v1/webhook", &headers, gzip(SEGMENT.as_bytes())).is_ok());
    // The signature is required in addition to the key, not instead of it.
    let unknown = decide("/v1/webhook", &headers[1..2], SEGMENT.into()).unwrap_err();
    assert_eq!(unknown.code(), "unknown_source");
}
