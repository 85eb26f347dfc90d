//! `show` on an outbox without a daemon.

use expect_test::expect;
use serde_json::{Value, json};

use super::prepared::{BEHIND, ORDER, ORDER_CALL, WAITING};
use super::{Bench, masked};

/// The event of a number.
fn shown(bench: &Bench, number: &str) -> Value {
    bench.run(&["show", number, "--json"]).json()
}

#[tokio::test]
async fn a_number_gives_an_object_and_a_message_id_event_id_or_order_a_list() {
    let bench = Bench::prepared().await;
    assert_eq!(shown(&bench, "1")["id"], ORDER);
    for word in ["m-order", "o-1", "#o-1"] {
        let events = bench.run(&["show", word, "--json"]).json();
        assert_eq!(events.as_array().unwrap().len(), 1, "{word}");
        assert_eq!(events[0]["id"], ORDER, "{word}");
    }
    for unknown in ["7", "01", "m-", "o-2", "", "1 or 1"] {
        let ran = bench.run(&["show", unknown]);
        assert_eq!((ran.code, &*ran.out), (1, ""), "{unknown}");
        let start = "error: no event has the number, message id, $event_id or order id";
        let start = format!("{start} {unknown:?}");
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
    assert_eq!(of("http_status").collect::<Vec<_>>(), [503, 202]);
    assert_eq!(of("outcome").collect::<Vec<_>>(), ["retry", "accepted"]);

    let text = bench.run(&["show", "1"]).well();
    expect![[r#"
        event 1  track Order Completed  of user:ann  from shop  delivered

        2026-11-24T15:33:20.000Z  received as message m-order, about user:ann
        2026-11-24T15:33:20.000Z  request 1, attempt 1 to sandbox, after 0 ms: 503 retry: a server error
        2026-11-24T15:33:20.000Z  request 1, attempt 2 to sandbox, after 0 ms: 202 accepted
        2026-11-24T15:33:20.000Z  delivered

        call
          { "type":"track","messageId":"m-order","writeKey":"***","userId":"ann",
          "event":"Order Completed","properties":{"orderId":"o-1","total":30.10} }

        request 1  POST /api/events  delivered
          metric     Placed Order
          $event_id  o-1
          warning    a warning
          delivered  2026-11-24T15:33:20.000Z
          {"data":{}}
          the rules have changed since, or the answer to a request went in; by those of now:
          /data/attributes/metric/data/attributes/name          <- event, an Order Completed
          /data/attributes/time                                 <- the time of arrival
          /data/attributes/unique_id                            <- properties.orderId
          /data/attributes/value                                <- properties.total
          /data/attributes/profile/data/attributes/external_id  <- userId
          /data/attributes/properties/orderId                   <- properties.orderId
          /data/attributes/properties/total                     <- properties.total
    "#]]
    .assert_eq(&masked(&text));
}

#[tokio::test]
async fn an_event_that_was_not_mapped_yet_shows_what_it_would_become() {
    let bench = Bench::prepared().await;
    let text = bench.run(&["show", "5"]).well();
    expect![[r#"
        event 5  track Item Added  of user:eve  from shop  pending

        2026-11-24T15:33:20.000Z  received as message m-waiting, about user:eve
        2026-11-24T15:33:20.000Z  may go from then on

        1 wait for it: 6

        call
          {"type":"track","messageId":"m-waiting","userId":"eve","event":"Item Added"}

        it owes no request yet; by the rules of now it would owe

          POST /api/events
          /data/attributes/metric/data/attributes/name          <- event
          /data/attributes/time                                 <- the time of arrival
          /data/attributes/unique_id                            <- messageId
          /data/attributes/profile/data/attributes/external_id  <- userId
    "#]]
    .assert_eq(&masked(&text));
    let event = shown(&bench, "5");
    assert_eq!(event["waited_for_by"], json!({"count": 1, "first": [6]}));
    assert_eq!(event["rules"][0]["kind"], "event");
    let text = bench.run(&["show", "3"]).well();
    assert!(text.contains("\n  page calls are not sent to Klaviyo\n"), "{text}");
}

#[tokio::test]
async fn an_erased_event_shows_that() {
    let bench = Bench::prepared().await;
    bench.run(&["forget", "--profile", "ann"]).well();
    let text = bench.run(&["show", "1"]).well();
    expect![[r#"
        event 1  track Order Completed  of nobody  from shop  delivered

        2026-11-24T15:33:20.000Z  received as message m-order, about nobody, or somebody erased since
        2026-11-24T15:33:20.000Z  request 1, attempt 1 to sandbox, after 0 ms: 503 retry: erased
        2026-11-24T15:33:20.000Z  request 1, attempt 2 to sandbox, after 0 ms: 202 accepted
        2026-11-24T15:33:20.000Z  delivered

        call
          gone: the person was erased, or retention deleted it

        request 1  POST /api/events  delivered
          metric     Placed Order
          $event_id  o-1
          delivered  2026-11-24T15:33:20.000Z
          its body is made when it is sent, or is gone with the call
    "#]]
    .assert_eq(&masked(&text));
}

#[tokio::test]
async fn the_payload_is_shown_as_it_came_but_for_the_write_key() {
    let bench = Bench::prepared().await;
    let text = bench.run(&["show", "1"]).well();
    let payload = ORDER_CALL.replace("\"wk_shop\"", "\"***\"");
    assert_ne!(payload, ORDER_CALL);
    // Its own line breaks stand between its tokens: no line of it looks like one of the command's.
    let payload = payload.replace('\n', "\n  ");
    assert!(text.contains(&payload), "{text}");
    assert!(!text.contains("wk_shop"), "{text}");
    assert_eq!(shown(&bench, "1")["payload"]["writeKey"], "***");
}

#[tokio::test]
async fn an_event_shows_which_events_it_waits_for() {
    let bench = Bench::prepared().await;
    let behind = shown(&bench, &BEHIND.to_string());
    assert_eq!(behind["waits_for"], json!([WAITING]));
    let text = bench.run(&["show", "m-behind"]).well();
    assert!(text.contains("\nit waits for: 5\n"), "{text}");
}
