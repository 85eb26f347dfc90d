//! `show` on an outbox without a daemon.

use serde_json::{Value, json};

use super::Bench;
use super::prepared::{BEHIND, ORDER, ORDER_CALL, WAITING};

/// The only event that a word means.
fn shown(bench: &Bench, word: &str) -> Value {
    let mut events = bench.run(&["show", word, "--json"]).json();
    assert_eq!(events.as_array().unwrap().len(), 1, "{word}");
    events[0].take()
}

#[tokio::test]
async fn an_event_is_found_by_number_message_id_and_event_id() {
    let bench = Bench::prepared().await;
    for word in ["1", "m-order", "o-1"] {
        assert_eq!(shown(&bench, word)["id"], ORDER.to_string(), "{word}");
    }
    for unknown in ["7", "01", "m-", "o-2", "", "1 or 1"] {
        let ran = bench.run(&["show", unknown]);
        assert_eq!((ran.code, &*ran.out), (1, ""), "{unknown}");
        let start = format!("error: no event has the number, message id or $event_id {unknown:?}");
        assert!(ran.err.starts_with(&start), "{}", ran.err);
    }
}

#[tokio::test]
async fn an_event_is_shown_with_its_deliveries_and_attempts() {
    let bench = Bench::prepared().await;
    let event = shown(&bench, "1");
    assert_eq!(event["status"], "delivered");
    assert_eq!(event["identifiers"], json!(["user:ann"]));
    assert_eq!(event["payload"]["properties"]["total"].to_string(), "30.10");
    let delivery = &event["deliveries"][0];
    assert_eq!(delivery["event_id_key"], "o-1");
    assert_eq!(delivery["sent_to"], "sandbox");
    assert_eq!(delivery["request"], json!({"data": {}}));
    let attempts = delivery["attempts"].as_array().unwrap();
    let of = |name| attempts.iter().map(move |attempt| attempt[name].clone());
    assert_eq!(of("http_status").collect::<Vec<_>>(), ["503", "202"]);
    assert_eq!(of("outcome").collect::<Vec<_>>(), ["retry", "accepted"]);

    let text = bench.run(&["show", "1"]).well();
    for line in [
        "event 1\n",
        "  identifiers      user:ann\n",
        "    event_id_key     o-1\n",
        "    warnings         a warning\n",
        "    request          {\"data\":{}}\n",
        "http_status=503  outcome=retry  error=a server error\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

#[tokio::test]
async fn the_payload_is_shown_as_it_came_but_for_the_write_key() {
    let bench = Bench::prepared().await;
    let text = bench.run(&["show", "1"]).well();
    let payload = ORDER_CALL.replace("\"wk_shop\"", "\"***\"");
    assert_ne!(payload, ORDER_CALL);
    assert!(text.contains(&payload), "{text}");
    assert!(!text.contains("wk_shop"), "{text}");
    assert_eq!(shown(&bench, "1")["payload"]["writeKey"], "***");
}

#[tokio::test]
async fn an_event_says_whom_it_waits_for() {
    let bench = Bench::prepared().await;
    let behind = shown(&bench, &BEHIND.to_string());
    assert_eq!(behind["waits_for"], json!([WAITING]));
    let text = bench.run(&["show", "m-behind"]).well();
    assert!(text.contains("  waits for        events 5\n"), "{text}");
}
