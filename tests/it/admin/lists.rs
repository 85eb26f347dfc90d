//! What can be looked at: filters, pages, one event, groups.

use klaviyo_relay::model::EventType;
use serde_json::{Value, json};

use super::{Port, event};

fn ids(list: &Value) -> Vec<i64> {
    let events = list["events"].as_array().unwrap().iter();
    events.map(|event| event["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn a_list_means_what_all_its_filters_mean() {
    let port = Port::filled().await;
    for (query, expected) in [
        ("", &[6, 5, 4, 3, 2, 1][..]),
        ("?status=dead", &[6, 5]),
        ("?status=dead,pending&profile=u2", &[4, 2]),
        ("?event=Step&source=shop", &[6, 5, 3, 2, 1]),
        ("?event=identify", &[4]),
        ("?type=identify", &[4]),
        ("?type=track&source=shop", &[6, 5, 3, 2, 1]),
        ("?order_id=1001", &[]),
        ("?code=no_email", &[]),
        ("?id=1,3,9", &[3, 1]),
        ("?reason=nobody", &[6, 5]),
        ("?sent_to=sandbox", &[]),
        ("?since=1h", &[]),
        ("?until=2100-01-01&before=3", &[2, 1]),
    ] {
        let list = port.get(&format!("/api/v1/events{query}")).await.well();
        assert_eq!(ids(&list), expected, "{query}");
    }
    for (query, status) in [
        ("?stauts=dead", 400),
        ("?limit=0", 400),
        ("?limit=501", 400),
        ("?limit=x", 400),
        ("?status=lost", 400),
        ("?id=x", 400),
        ("?profile=", 400),
        ("?profile=%20", 404),
        ("?since=soon", 400),
        ("?type=buy", 400),
        ("?order_id=", 400),
        ("?order_id=%23", 404),
        ("?code=", 400),
    ] {
        let answer = port.get(&format!("/api/v1/events{query}")).await;
        assert_eq!(answer.status, status, "{query}");
        assert!(answer.json()["error"].is_string());
    }
}

#[tokio::test]
async fn pages_hold_every_event_once_and_show_where_they_stopped_early() {
    let port = Port::new().await;
    for portion in 0..42 {
        let numbers = portion * 500 + 1..=(portion + 1) * 500;
        let events = numbers.map(|number| {
            let kind = if number % 7000 == 1 {
                EventType::Identify
            } else {
                EventType::Track
            };
            event(&format!("u{number}"), number, kind)
        });
        port.outbox.intake().append(events.collect()).await.unwrap();
    }
    let (mut found, mut pages, mut before) = (Vec::new(), 0, String::new());
    loop {
        let path = format!("/api/v1/events?event=identify&limit=500{before}");
        let page = port.get(&path).await.well();
        found.extend(ids(&page));
        pages += 1;
        let Some(next) = page["next_before"].as_i64() else {
            break;
        };
        before = format!("&before={next}");
    }
    assert_eq!(found, [14_001, 7_001, 1]);
    // A page looks through more than these, so that the first shows all; the outbox's own tests have more events.
    assert_eq!(pages, 1);
    let page = port.get("/api/v1/events?limit=1").await.well();
    assert_eq!(
        (&page["next_before"], &page["looked_back_to"]),
        (&json!(21_000), &Value::Null)
    );
}

#[tokio::test]
async fn a_number_gives_one_event_with_its_write_key_masked_and_another_word_is_a_search() {
    let port = Port::filled().await;
    let answer = port.get("/api/v1/events/3").await;
    let event = answer.well();
    assert_eq!(
        (&event["id"], &event["message_id"], &event["waits_for"]),
        (&json!(3), &json!("m3"), &json!([1]))
    );
    assert!(!answer.text.contains("wk_secret_key"), "{answer:?}");
    for (query, expected) in [
        ("find=3", &[3][..]),
        ("find=m3", &[3]),
        ("find=m3&id=3,4", &[3]),
        ("find=m3&id=4", &[]),
        ("find=m3&status=dead", &[]),
        ("find=none", &[]),
    ] {
        let list = port.get(&format!("/api/v1/events?{query}")).await.well();
        assert_eq!(ids(&list), expected, "{query}");
    }
    assert_eq!(port.get("/api/v1/events?find=").await.status, 400);
    for word in ["99", "03", "+3", "m3", "none", "%FF", "a%2Fb"] {
        let answer = port.get(&format!("/api/v1/events/{word}")).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (404, &json!("no_such_event")),
            "{word}"
        );
    }
}

#[tokio::test]
async fn dead_events_are_grouped_and_blocked_people_are_named() {
    let port = Port::filled().await;
    let dead = port.get("/api/v1/dead").await.well();
    let group = &dead["reasons"][0];
    assert_eq!((&group["count"], &group["people"]), (&json!(2), &json!(1)));
    assert_eq!((&group["sample"], &dead["older_left_out"]), (&json!(6), &json!(false)));
    let body = json!({"filter": {"code": group["reason_code"]}, "dry_run": true});
    let found = port.post("/api/v1/replay", &body).await.well();
    assert_eq!(found["count"], group["count"]);
    let blocked = port.get("/api/v1/blocked?limit=1").await.well();
    assert_eq!(blocked["profiles"].as_array().unwrap().len(), 1);
    assert_eq!(blocked["profiles"][0]["head_event"], 1);
    assert_eq!(
        port.outbox.count_blocked().await.unwrap(),
        2,
        "as many as the view has rows"
    );
}

/// The sentence of the commands. The port's configuration has the source `dev` alone, and its events are of `shop`.
const NO_SOURCE: &str = "no source is named nope; there are: dev";

#[tokio::test]
async fn a_source_that_there_is_not_is_refused_and_one_that_only_events_have_is_a_filter() {
    let port = Port::filled().await;
    let list = port.get("/api/v1/events?source=shop").await.well();
    assert_eq!(ids(&list), [6, 5, 4, 3, 2, 1]);
    let refused = port.get("/api/v1/events?source=nope").await;
    assert_eq!(refused.status, 404);
    assert_eq!(refused.json(), json!({"code": "no_such_source", "error": NO_SOURCE}));
    for change in ["replay", "hold", "release", "discard"] {
        let path = format!("/api/v1/{change}");
        let body = |source: &str| json!({"filter": {"source": source}, "dry_run": true});
        port.post(&path, &body("shop")).await.well();
        let refused = port.post(&path, &body("nope")).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]),
            (404, &json!(NO_SOURCE)),
            "{change}"
        );
    }
    // The list shows what is wrong at its field; a change and a file are of nothing that there is.
    for (page, status) in [
        ("/events?", 400),
        ("/change?do=replay&status=dead&", 404),
        ("/export?", 404),
    ] {
        let known = port.get(&format!("{page}source=shop")).await;
        assert_eq!(known.status, 200, "{page}: {}", known.text);
        let refused = port.get(&format!("{page}source=nope")).await;
        assert_eq!(refused.status, status, "{page}");
        assert!(refused.text.contains(NO_SOURCE), "{page}: {}", refused.text);
    }
}
