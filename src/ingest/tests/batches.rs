//! The results of calls: their text, their envelope, their ids, and the bad ones among good ones.

use serde_json::{Value, json};

use super::{config, decide, event, events};
use crate::ingest::accept::Endpoint;
use crate::ingest::paths;
use crate::model::EventType;

fn track(fields: &Value) -> Value {
    let mut call = json!({"type": "track", "userId": "u", "event": "e"});
    for (key, value) in fields.as_object().unwrap() {
        call[key] = value.clone();
    }
    call
}

fn dev(path: &str, body: &str) -> Result<usize, (u16, &'static str, String)> {
    decide(path, &[("x-write-key", "dev")], body.into())
        .map(|accepted| accepted.events.len())
        .map_err(|rejection| (rejection.status().as_u16(), rejection.code(), rejection.to_string()))
}

#[test]
fn a_call_is_stored_byte_for_byte() {
    let odd = "{ \"type\":\"track\",\t\"userId\" : 7,\n \"event\":\"\\u00e9é\", \"properties\":{\"a\":0.1,\"a\":12345678901234567890,\"b\":1e400} }";
    let batch = format!("{{\"batch\":[ {odd} ,{odd}]}}");
    for event in events("/v1/batch", &batch) {
        assert_eq!(event.payload, odd);
        assert_eq!(event.dead, None);
        assert_eq!(event.name.as_deref(), Some("éé"));
        assert_eq!(event.identifiers[0].to_string(), "user:7");
    }
    let spaced = format!("\n {odd} \n");
    assert_eq!(event("/v1/t", &spaced).payload, spaced);
}

#[test]
fn the_envelope_keeps_the_text_around_the_calls() {
    let body = r#"{"sentAt":"2026-11-23T12:00:00Z","context": {"library":{"name":"go","v":1.0}},
        "messageId":"of-the-batch","integrations":null,"writeKey":"dev",
        "batch":[{"type":"track","userId":"u","event":"e"}]}"#;
    let event = event("/v1/batch", body);
    assert_eq!(
        event.envelope.as_deref(),
        Some(r#"{"context":{"library":{"name":"go","v":1.0}},"sentAt":"2026-11-23T12:00:00Z"}"#)
    );
    assert_eq!(event.message_id, "made-1");
    let plain = events("/v1/batch", r#"{"batch":[{"type":"track","userId":"u","event":"e"}]}"#);
    assert_eq!(plain[0].envelope, None);
}

#[test]
fn a_person_in_the_batchs_context_is_a_person_of_every_call() {
    let body = json!({"context": {"traits": {"email": "a@b.co"}}, "batch": [track(&json!({}))]});
    let event = event("/v1/batch", &body.to_string());
    let names: Vec<String> = event.identifiers.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["user:u", "email:a@b.co"]);
}

#[test]
fn one_bad_call_does_not_affect_the_others() {
    let deep = format!(
        "{{\"type\":\"track\",\"messageId\":\"deep\",\"userId\":\"u\",\"x\":{}{}}}",
        "[".repeat(200),
        "]".repeat(200)
    );
    let large = track(&json!({"messageId": "large", "x": "y".repeat(config().max_event_bytes)}));
    let body = format!(
        r#"{{"batch":[{},{deep},7,{},{large},{},{}]}}"#,
        track(&json!({})),
        track(&json!({"event": 42, "anonymousId": "a", "messageId": "named"})),
        json!({"userId": "u"}),
        track(&json!({})),
    );
    let events = events("/v1/batch", &body);
    let codes: Vec<Option<&str>> = events.iter().map(|event| Some(&*event.dead.as_ref()?.code)).collect();
    assert_eq!(
        codes,
        [
            None,
            Some("bad_request"),
            Some("bad_request"),
            Some("event_not_string"),
            Some("event_too_large"),
            Some("missing_type"),
            None
        ]
    );
    // What is known of a bad call is kept: its id, its type, its identifiers.
    assert_eq!(events[1].message_id, "deep");
    assert_eq!(events[1].kind, Some(EventType::Track));
    assert_eq!(events[1].payload, deep);
    assert_eq!((events[2].kind, events[2].payload.as_str()), (None, "7"));
    assert_eq!(events[3].identifiers.len(), 2);
    assert_eq!(events[4].message_id, "large");
    assert_eq!(events[5].message_id, "made-3");
}

#[test]
fn a_batch_of_only_bad_calls_is_stored_too() {
    let events = events("/v1/batch", r#"{"batch":[null,{"type":"order"}]}"#);
    let codes = events.iter().map(|event| &*event.dead.as_ref().unwrap().code);
    assert_eq!(codes.collect::<Vec<_>>(), ["bad_request", "invalid_type"]);
}

#[test]
fn the_path_determines_the_type_of_the_call() {
    assert_eq!(
        event("/v1/identify", r#"{"userId":"u"}"#).kind,
        Some(EventType::Identify)
    );
    let body = r#"{"type":"track","userId":"u","name":"Home"}"#;
    let page = event("/v1/p/", body);
    assert_eq!((page.kind, page.name.as_deref()), (Some(EventType::Page), Some("Home")));
    // On the batch path, the call's own type counts.
    assert_eq!(
        event("/v1/batch", r#"{"type":"group","userId":"u"}"#).kind,
        Some(EventType::Group)
    );
    assert_eq!(
        events("/import", r#"[{"type":"delete","userId":"u"}]"#)[0].kind,
        Some(EventType::Delete)
    );
}

#[test]
fn every_path_of_the_sdks_is_served() {
    let paths = paths::call_paths();
    let call = Endpoint::Call;
    for (path, expected) in [
        ("/v1/import/", Endpoint::Batch),
        ("/b", Endpoint::Batch),
        ("/v1/batch/b", Endpoint::Batch),
        ("/beacon/v1/batch", Endpoint::Batch),
        ("/v1/m", Endpoint::Metrics),
        ("/v1/s", call(EventType::Screen)),
        ("/api/s/identify", call(EventType::Identify)),
        ("/api/s/s2s/track", call(EventType::Track)),
        ("/alias/", call(EventType::Alias)),
    ] {
        assert!(paths.contains(&(path.to_owned(), expected)), "{path}");
    }
}

#[test]
fn a_missing_message_id_is_generated() {
    for (id, expected) in [
        (json!("m-1"), "m-1"),
        (json!(17), "17"),
        (json!(null), "made-1"),
        (json!("  "), "made-1"),
        (json!({}), "made-1"),
        (json!("x".repeat(255)), &*"x".repeat(255)),
    ] {
        let body = track(&json!({"messageId": id})).to_string();
        assert_eq!(event("/v1/track", &body).message_id, expected, "{id}");
    }
}

#[test]
fn empty_fields_of_real_sdks_are_accepted() {
    for (path, body) in [
        (
            "/v1/track",
            r#"{"userId":null,"anonymousId":"a","event":"e","properties":null}"#,
        ),
        (
            "/v1/track",
            r#"{"userId":12,"event":"e","properties":[],"context":[],"integrations":[]}"#,
        ),
        ("/v1/page", r#"{"userId":"u","name":null,"category":null}"#),
        ("/v1/screen", r#"{"anonymousId":"a"}"#),
        ("/v1/identify", r#"{"userId":"u","traits":[]}"#),
        ("/v1/alias", r#"{"userId":"u"}"#),
        ("/v1/group", "\u{feff}{\"userId\":\"u\"}"),
    ] {
        assert_eq!(event(path, body).dead, None, "{body}");
    }
}

#[test]
fn limits_are_inclusive() {
    let config = config();
    let call = |size: usize| {
        let empty = track(&json!({"x": ""})).to_string();
        track(&json!({"x": "y".repeat(size - empty.len())})).to_string()
    };
    assert_eq!(dev("/v1/track", &call(config.max_event_bytes)), Ok(1));
    let refused = dev("/v1/track", &call(config.max_event_bytes + 1)).unwrap_err();
    assert_eq!((refused.0, refused.1), (413, "event_too_large"));

    let item = track(&json!({})).to_string();
    let batch = |items: usize| format!("{{\"batch\":[{}]}}", vec![&*item; items].join(","));
    assert_eq!(dev("/v1/batch", &batch(2500)), Ok(2500));
    let refused = dev("/v1/batch", &batch(2501)).unwrap_err();
    assert_eq!((refused.0, refused.1), (400, "too_many_events"));
    assert!(refused.2.contains("more than 2500 calls"), "{}", refused.2);
}

#[test]
fn json_errors_name_the_call_they_are_in() {
    let place = |body: &str| dev("/v1/batch", body).unwrap_err().2;
    assert!(place(r#"{"batch":[{"type":"track"},{"type" "track"}]}"#).starts_with("`batch[1]` is not readable JSON"));
    assert!(place(r#"{"batch":[{}],"context":{]}"#).starts_with("the body is not readable JSON"));
    assert!(place("[{},{}").starts_with("`batch[2]`"));
    assert!(place("{\"batch\":[{}],\n\"sentAt\":}").contains("line 2 column 10"));
}
