//! Order per person, whatever the answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::track;
use crate::support::{Daemon, Klaviyo, assert_ascending, count};

/// The numbers of the events that each person got, in the order in which the sandbox first accepted them.
pub(super) fn numbers_by_person(klaviyo: &Klaviyo) -> BTreeMap<String, Vec<u64>> {
    let mut people: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in klaviyo.events() {
        let properties: Value = serde_json::from_str(event.properties.get()).unwrap();
        people
            .entry(event.profile.to_string())
            .or_default()
            .push(properties["number"].as_u64().unwrap());
    }
    people
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_one_profile_leave_in_order_of_arrival() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[delivery]\nfirst_retry = \"10ms\"\nlongest_retry = \"50ms\"").await;
    for (fault, every) in [
        (json!({"status": 500}), 7),
        (json!({"lost": true}), 5),
        (json!({"status": 429}), 3),
    ] {
        let mut fault = fault;
        fault["next"] = json!(every * 3);
        fault["path"] = json!("/api/events");
        klaviyo.fault(fault).await;
    }
    let mut batch = Vec::new();
    for number in 1..=20 {
        for person in 0..10 {
            batch.push(track(&format!("user-{person}"), number));
        }
    }
    daemon.send("/v1/batch", &json!({ "batch": batch })).await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 200);
    assert_eq!(count(&status, "difference"), 0);
    let people = numbers_by_person(&klaviyo);
    assert_eq!(people.len(), 10);
    for (person, numbers) in &people {
        assert_eq!(numbers.len(), 20);
        assert_ascending(person, numbers);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn browsing_then_identify_then_buying_leave_in_that_order() {
    let klaviyo = Klaviyo::start().await;
    let settings = "[mapping]\nfallback_to_anonymous_id = true\n[delivery]\nfirst_retry = \"50ms\"";
    let daemon = Daemon::start(&klaviyo, settings).await;
    // The first request fails a few times: what shares no id with it must overtake, what does must not.
    klaviyo
        .fault(json!({"status": 503, "next": 3, "match": "Browsed"}))
        .await;
    let batch = json!({"batch": [
        {"type": "track", "messageId": "1", "anonymousId": "anon", "event": "Browsed"},
        {"type": "identify", "messageId": "2", "anonymousId": "anon", "userId": "u1", "traits": {}},
        {"type": "track", "messageId": "3", "userId": "u1", "event": "Bought"},
        {"type": "track", "messageId": "4", "userId": "stranger", "event": "Elsewhere"},
    ]});
    daemon.send("/v1/batch", &batch).await;
    daemon.settled().await;
    let accepted: Vec<String> = klaviyo
        .requests()
        .await
        .iter()
        .filter(|request| request.outcome == "stored" && request.method == "POST")
        .map(|request| request.metric.clone().unwrap_or_else(|| "identify".to_owned()))
        .collect();
    assert_eq!(accepted, ["Elsewhere", "Browsed", "identify", "Bought"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_person_does_not_delay_the_others() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[delivery]\nmax_in_flight = 2").await;
    klaviyo
        .fault(json!({"hang": true, "match": "\"external_id\":\"stuck\""}))
        .await;
    let mut batch: Vec<Value> = (1..=50).map(|number| track("stuck", number)).collect();
    batch.extend((1..=10).map(|number| track("fine", number)));
    daemon.send("/v1/batch", &json!({ "batch": batch })).await;
    let fine = || async {
        let people = numbers_by_person(&klaviyo);
        people.values().next().filter(|numbers| numbers.len() == 10).cloned()
    };
    let numbers = crate::support::eventually("the other person's events arrive", fine).await;
    assert_ascending("fine", &numbers);
}
