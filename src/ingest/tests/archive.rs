//! Lines of archives: their content, and the times of their calls.

use serde_json::{Value, json};

use super::{config, now};
use crate::ingest::{Archive, NotJson};
use crate::model::{EventType, GarbageIds, NewEvent};

fn read(line: &str) -> Result<Vec<NewEvent>, NotJson> {
    let config = config();
    let archive = Archive {
        source: &config.sources[3],
        config: &config,
        garbage: &GarbageIds::default(),
        accept_unreadable_times: false,
    };
    archive.read(line, &mut || "made".to_owned(), now())
}

fn with(times: &Value) -> Value {
    let mut call = json!({"type": "track", "messageId": "m", "userId": "ann", "event": "E"});
    for (name, time) in times.as_object().unwrap() {
        call[name] = time.clone();
    }
    call
}

#[test]
fn a_call_is_read_unchanged() {
    let line = r#"{"type":"identify","userId":"ann",  "traits":{"n":1.10}}"#;
    let [event] = &read(line).unwrap()[..] else {
        panic!("one call");
    };
    assert_eq!((&*event.payload, &*event.source), (line, "shop"));
    assert_eq!((event.kind, &*event.message_id), (Some(EventType::Identify), "made"));
    assert_eq!((event.received_at, &event.dead), (now(), &None));
}

#[test]
fn times_of_the_archive_are_used_and_not_corrected_twice() {
    let received = "2026-01-02T12:00:10.000Z";
    for (what, times) in [
        (
            "corrected by its keeper",
            json!({"originalTimestamp": "2026-01-02T13:00:00Z", "sentAt": "2026-01-02T13:00:05Z",
                "receivedAt": received, "timestamp": "2026-01-02T12:00:05Z"}),
        ),
        (
            "not corrected, and what the sender's clock was off is known",
            json!({"timestamp": "2026-01-02T13:00:00Z", "sentAt": "2026-01-02T13:00:05Z", "receivedAt": received}),
        ),
        (
            "the same, as RudderStack's servers send it",
            json!({"originalTimestamp": "2026-01-02T13:00:00Z", "sentAt": "2026-01-02T13:00:05Z",
                "receivedAt": received}),
        ),
        (
            "nobody knows when it arrived",
            json!({"timestamp": "2026-01-02T12:00:05Z", "sentAt": "2026-01-02T12:00:09Z"}),
        ),
        ("it has no time but that", json!({"receivedAt": "2026-01-02T12:00:05Z"})),
        (
            "it cannot have happened after it arrived",
            json!({"receivedAt": "2026-01-02T12:00:05Z", "timestamp": "2026-01-02T12:09:00Z"}),
        ),
    ] {
        let events = read(&with(&times).to_string()).unwrap();
        assert_eq!(events[0].at.to_string(), "2026-01-02T12:00:05.000Z", "{what}");
    }
    let events = read(&with(&json!({})).to_string()).unwrap();
    assert_eq!(events[0].at, now(), "nothing is known of when");
    let events = read(&with(&json!({"receivedAt": "2099-01-01"})).to_string()).unwrap();
    assert_eq!(events[0].at, now(), "not in the future");
}

#[test]
fn a_line_is_the_body_of_a_batch_or_contains_one() {
    let body = json!({"receivedAt": "2026-01-02T12:00:10Z", "sentAt": "2026-01-02T13:00:05Z",
        "context": {"library": {"name": "go"}},
        "batch": [with(&json!({"timestamp": "2026-01-02T13:00:00Z"})), {"type": "page", "userId": "bob"}, 7]});
    let archived = json!({"userId": "ann", "createdAt": "2026-01-02T12:00:11Z", "messageId": "", "payload": body});
    for line in [body.to_string(), archived.to_string()] {
        let events = read(&line).unwrap();
        let ids: Vec<&str> = events.iter().map(|event| &*event.message_id).collect();
        assert_eq!(ids, ["m", "made", "made-2"], "{line}");
        assert_eq!(events[0].at.to_string(), "2026-01-02T12:00:05.000Z");
        assert!(events[0].envelope.as_deref().unwrap().contains("\"go\""));
        assert!(events[1].dead.is_none() && events[2].dead.is_some());
    }
    let single = json!({"userId": "ann", "createdAt": "", "payload": with(&json!({}))});
    assert_eq!(read(&single.to_string()).unwrap()[0].message_id, "m");
}

#[test]
fn json_that_is_no_call_is_dead_and_a_line_that_is_not_json_is_an_error() {
    assert_eq!(read("[]").unwrap(), [], "a batch of none");
    for line in [
        "7",
        "{}",
        r#"{"type":"purchase","userId":"ann"}"#,
        r#"{"data":{"id":"x"}}"#,
    ] {
        let events = read(line).unwrap();
        assert!(events.iter().all(|event| event.dead.is_some()), "{line}");
        assert_eq!(events.len(), 1, "{line}");
    }
    for line in ["{", "no", "{} {}", "{\"type\":\"track\",}"] {
        let error = read(line).unwrap_err().to_string();
        assert!(
            error.starts_with("not JSON: ") && error.contains(" at column "),
            "{error}"
        );
    }
}

#[test]
fn a_call_with_an_unreadable_time_is_not_dated_to_its_import() {
    let dead_reason = |times: &Value| read(&with(times).to_string()).unwrap().remove(0).dead;
    let unreadable = json!({"timestamp": "01/05/2026 10:00"});
    assert!(dead_reason(&unreadable).unwrap().code == "time_unreadable");
    for dated in [
        json!({"timestamp": "01/05/2026 10:00", "receivedAt": "2026-01-05T10:00:00Z"}),
        json!({"timestamp": "01/05/2026 10:00", "originalTimestamp": "2026-01-05T10:00:00Z"}),
        json!({"timestamp": "2026-01-05 10:00:00 UTC"}),
        json!({"timestamp": null}),
        json!({}),
    ] {
        assert_eq!(dead_reason(&dated), None, "{dated}");
    }
}
