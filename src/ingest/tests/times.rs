//! When a call happened.

use serde_json::{Value, json};

use super::{event, events, now};
use crate::ingest::time;

/// A track at `/v1/track` with these fields; everything arrives at 12:00.
fn at(fields: &Value) -> String {
    let mut call = json!({"userId": "u", "event": "e"});
    for (key, value) in fields.as_object().unwrap() {
        call[key] = value.clone();
    }
    let at = event("/v1/track", &call.to_string()).at.to_string();
    at.strip_prefix("2026-11-23T").unwrap_or(&at).to_owned()
}

#[test]
fn the_error_of_the_clients_clock_is_corrected() {
    let cases = [
        // The client's clock is an hour slow, and the call was ten seconds old when it was sent.
        (
            json!({"timestamp": "2026-11-23T10:59:50Z", "sentAt": "2026-11-23T11:00:00Z"}),
            "11:59:50.000Z",
        ),
        // An hour fast.
        (
            json!({"timestamp": "2026-11-23T12:59:50Z", "sentAt": "2026-11-23T13:00:00Z"}),
            "11:59:50.000Z",
        ),
        // Sent before it happened: never after it arrived.
        (
            json!({"timestamp": "2026-11-23T11:00:10Z", "sentAt": "2026-11-23T11:00:00Z"}),
            "12:00:00.000Z",
        ),
        (json!({"timestamp": "2026-11-23T13:00:00Z"}), "12:00:00.000Z"),
        // One of the two is missing or no time.
        (json!({"timestamp": "2026-11-23T11:00:00Z"}), "11:00:00.000Z"),
        (
            json!({"timestamp": "2026-11-23T11:00:00Z", "sentAt": "soon"}),
            "11:00:00.000Z",
        ),
        (json!({"sentAt": "2026-11-23T11:00:00Z"}), "12:00:00.000Z"),
        (
            json!({"timestamp": "yesterday", "sentAt": "2026-11-23T11:00:00Z"}),
            "12:00:00.000Z",
        ),
        (json!({}), "12:00:00.000Z"),
        (json!({"timestamp": null}), "12:00:00.000Z"),
        // RudderStack's name for it, and a wrong `timestamp` next to a right one.
        (
            json!({"originalTimestamp": "2026-11-23T10:00:00Z", "sentAt": "2026-11-23T11:00:00Z"}),
            "11:00:00.000Z",
        ),
        (
            json!({"timestamp": [], "originalTimestamp": "2026-11-23T11:00:00Z"}),
            "11:00:00.000Z",
        ),
        // Forwarded by Segment: corrected there.
        (
            json!({"timestamp": "2026-11-23T09:00:00Z", "originalTimestamp": "2026-11-23T05:00:00Z",
                "sentAt": "2026-11-23T05:00:01Z", "receivedAt": "2026-11-23T09:00:01Z"}),
            "09:00:00.000Z",
        ),
        // Years ago, from an import.
        (
            json!({"timestamp": "2019-01-01T00:00:00Z", "sentAt": "2026-11-23T12:00:00Z"}),
            "2019-01-01T00:00:00.000Z",
        ),
    ];
    for (fields, expected) in cases {
        assert_eq!(at(&fields), expected, "{fields}");
    }
}

#[test]
fn the_batchs_sent_at_is_used_where_the_call_has_none() {
    let body = json!({"sentAt": "2026-11-23T11:00:00Z", "batch": [
        {"type": "track", "userId": "u", "event": "e", "timestamp": "2026-11-23T10:59:00Z"},
        {"type": "track", "userId": "u", "event": "e", "timestamp": "2026-11-23T10:59:00Z",
         "sentAt": "2026-11-23T10:59:30Z"},
    ]});
    let events = events("/v1/batch", &body.to_string());
    assert_eq!(events[0].at.to_string(), "2026-11-23T11:59:00.000Z");
    assert_eq!(events[1].at.to_string(), "2026-11-23T11:59:30.000Z");
    assert_eq!(events[0].received_at, now());
}

#[test]
fn times_are_read_in_every_form_that_facade_reads() {
    let moment = "2026-11-23T10:37:51.274Z";
    let whole = "2026-11-23T10:37:51.000Z";
    let cases = [
        (r#""2026-11-23T10:37:51.274Z""#, Some(moment)),
        (r#""2026-11-23T10:37:51.274567285Z""#, Some(moment)),
        (r#""1795430271274""#, Some(moment)),
        (r#""1795430271""#, Some(whole)),
        ("1795430271274", Some(moment)),
        ("1795430271", Some(whole)),
        ("1795430271.274", Some(moment)),
        ("1795430271274.0", Some(moment)),
        ("1.795430271274e12", Some(moment)),
        ("-1", Some("1969-12-31T23:59:59.000Z")),
        ("1e400", None),
        ("-1.5", None),
        (r#""17954302712""#, None),
        (r#""""#, None),
        ("true", None),
        ("{}", None),
        ("[1795430271]", None),
    ];
    for (text, expected) in cases {
        let value: Value = serde_json::from_str(text).unwrap();
        let read = time::parse(&value).map(|time| time.to_string());
        assert_eq!(read.as_deref(), expected, "{text}");
    }
}
