//! What arrives, how often, and the results of requests that Klaviyo refuses.

use klaviyo_relay::model::OutcomeKind;
use serde_json::{Value, json};

use super::track;
use crate::support::{Daemon, Klaviyo, count, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_comes_in_and_a_klaviyo_request_goes_out() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let call = json!({"userId": "u1", "event": "Item Added", "messageId": "m1",
        "properties": {"price": 39.95, "big": 12_345_678_901_234_i64}});
    daemon.send("/v1/track", &call).await;
    daemon.settled().await;
    let events = klaviyo.events();
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].metric.as_str(), events[0].unique_id.as_deref()),
        ("Item Added", Some("m1"))
    );
    let sent: Value = serde_json::from_str(events[0].properties.get()).unwrap();
    assert_eq!(sent, json!({"price": 39.95, "big": 12_345_678_901_234_i64}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_message_is_answered_200_and_delivered_once() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    for _ in 0..3 {
        daemon.send("/v1/track", &track("u1", 1)).await;
    }
    let status = daemon.settled().await;
    assert_eq!(count(&status, "accepted"), 1);
    assert_eq!(klaviyo.events()[0].sent, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_sends_the_same_bytes_and_what_succeeded_is_not_repeated() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[delivery]\nfirst_retry = \"10ms\"").await;
    let second = json!({"status": 500, "next": 2, "match": "order-1_p2"});
    klaviyo.fault(second).await;
    let order = json!({"userId": "u1", "event": "Order Completed", "messageId": "m", "properties": {
        "orderId": "order-1", "products": [{"id": "p1"}, {"id": "p2"}, {"id": "p3"}]}});
    daemon.send("/v1/track", &order).await;
    daemon.settled().await;
    let sent: Vec<String> = klaviyo
        .requests()
        .await
        .iter()
        .filter_map(|request| request.unique_id.clone())
        .collect();
    assert_eq!(
        sent,
        [
            "order-1",
            "order-1_p1",
            "order-1_p2",
            "order-1_p2",
            "order-1_p2",
            "order-1_p3"
        ]
    );
    let bodies: Vec<String> = klaviyo.requests().await[3..6]
        .iter()
        .map(|r| r.body.get().to_owned())
        .collect();
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bodies[0], bodies[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_klaviyo_refuses_is_dead_with_its_own_words_and_blocks_nobody() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let words = json!({"errors": [{"id": "e-1", "status": 400, "code": "invalid", "title": "Invalid input.",
        "detail": "The metric is not welcome here.", "source": {"pointer": "/data"}}]});
    klaviyo
        .fault(json!({"status": 400, "body": words, "next": 1, "match": "\"number\":1"}))
        .await;
    daemon
        .send("/v1/batch", &json!({"batch": [track("u1", 1), track("u1", 2)]}))
        .await;
    let status = daemon.settled().await;
    assert_eq!((count(&status, "delivered"), count(&status, "dead")), (1, 1));
    assert_eq!(status.dead[0].code, "klaviyo_400_invalid");
    assert!(
        status.dead[0].example.contains("The metric is not welcome here."),
        "{status:?}"
    );
    let shown = daemon.command(&["show", "u1-1"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("The metric is not welcome here.") && shown.contains("e-1"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_unknown_then_sent_again_and_recorded_once() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[delivery]\nfirst_retry = \"10ms\"").await;
    klaviyo
        .fault(json!({"lost": true, "next": 1, "path": "/api/events"}))
        .await;
    daemon.send("/v1/track", &track("u1", 1)).await;
    daemon.settled().await;
    let events = klaviyo.events();
    assert_eq!((events.len(), events[0].sent), (1, 2));
    let outbox = daemon.outbox().await;
    let id = outbox.find("u1-1").await.unwrap()[0];
    let report = outbox.report(id).await.unwrap().unwrap();
    let attempts = report.deliveries[0].attempts.iter();
    let outcomes: Vec<OutcomeKind> = attempts.map(|attempt| attempt.outcome.unwrap()).collect();
    assert_eq!(outcomes, [OutcomeKind::Unknown, OutcomeKind::Accepted]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_of_identifiers_is_resent_without_the_weaker_one() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let identify = |message: &str, traits: Value| json!({"messageId": message, "userId": message, "traits": traits});
    // The sandbox, as Klaviyo, refuses an e-mail and a phone of two profiles with 409 duplicate_profile.
    let conflict = json!({"errors": [{"id": "e", "status": 409, "code": "duplicate_profile",
        "title": "t", "detail": "d", "meta": {"duplicate_profile_id": "x"}}]});
    klaviyo.fault(json!({"status": 409, "body": conflict, "next": 1})).await;
    let both = json!({"email": "a@klaviyo-demo.com", "phone": "+15005550006"});
    daemon.send("/v1/identify", &identify("u1", both)).await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 1);
    let requests = klaviyo.requests().await;
    assert_eq!(requests.len(), 3, "who am I, refused, accepted");
    let second: Value = serde_json::from_str(requests[2].body.get()).unwrap();
    let attributes = &second["data"]["attributes"];
    assert_eq!(attributes["email"], "a@klaviyo-demo.com");
    assert_eq!(attributes.get("phone_number"), None);
    let shown = String::from_utf8(daemon.command(&["show", "1"]).stdout).unwrap();
    assert!(shown.contains("sent again without the weaker one"), "{shown}");
}

/// An order of somebody with three names, in a currency.
fn order_of_three_names() -> Value {
    json!({"messageId": "c1", "userId": "u1", "event": "Step",
        "context": {"traits": {"email": "ann@klaviyo-demo.com", "phone": "+15551230987"}},
        "properties": {"revenue": 5, "currency": "EUR"}})
}

/// The attributes of the event that was sent last.
async fn last_sent(klaviyo: &Klaviyo) -> Value {
    let requests = klaviyo.requests().await;
    let body: Value = serde_json::from_str(requests.last().unwrap().body.get()).unwrap();
    body["data"]["attributes"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_drop_one_identifier_after_another_until_one_is_left() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let conflict = json!({"errors": [{"id": "e", "status": 409, "code": "duplicate_profile",
        "title": "t", "detail": "d", "meta": {"duplicate_profile_id": "x"}}]});
    let fault = json!({"status": 409, "body": conflict, "next": 2, "path": "/api/events"});
    klaviyo.fault(fault).await;
    daemon.send("/v1/track", &order_of_three_names()).await;
    assert_eq!(count(&daemon.settled().await, "delivered"), 1);
    let sent = last_sent(&klaviyo).await;
    let names = json!({"email": "ann@klaviyo-demo.com"});
    assert_eq!(sent["profile"]["data"]["attributes"], names);
    assert_eq!(sent["properties"]["external_id"], "u1");
    assert_eq!(sent["properties"]["phone_number"], "+15551230987");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_optional_attribute_that_klaviyo_refuses_costs_no_event() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    for place in ["value_currency", "profile/data/attributes/email"] {
        let refused = json!({"errors": [{"id": "e", "status": 400, "code": "invalid", "title": "t", "detail": "d",
            "source": {"pointer": format!("/data/attributes/{place}")}}]});
        let fault = json!({"status": 400, "body": refused, "next": 1, "path": "/api/events"});
        klaviyo.fault(fault).await;
    }
    daemon.send("/v1/track", &order_of_three_names()).await;
    assert_eq!(count(&daemon.settled().await, "delivered"), 1);
    let sent = last_sent(&klaviyo).await;
    let names = json!({"external_id": "u1", "phone_number": "+15551230987"});
    assert_eq!(sent["profile"]["data"]["attributes"], names);
    assert_eq!(sent["value"], 5);
    assert_eq!(sent.get("value_currency"), None);
    assert_eq!(sent["properties"]["value_currency"], "EUR");
    let shown = String::from_utf8(daemon.command(&["show", "1"]).stdout).unwrap();
    assert!(shown.contains("Klaviyo refused its `email` (400)"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_name_of_a_person_is_never_dropped() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let refused = json!({"errors": [{"id": "e", "status": 400, "code": "invalid", "title": "t", "detail": "d",
        "source": {"pointer": "/data/attributes/profile/data/attributes/external_id"}}]});
    klaviyo
        .fault(json!({"status": 400, "body": refused, "path": "/api/events"}))
        .await;
    daemon.send("/v1/track", &track("u1", 1)).await;
    assert_eq!(count(&daemon.settled().await, "dead"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audience_puts_the_person_on_its_list_and_takes_it_off_again() {
    let klaviyo = Klaviyo::start().await;
    let lists = "[mapping.audience_lists]\nbig_spenders = \"LST1\"";
    let daemon = Daemon::start(&klaviyo, lists).await;
    let audience = |message: &str, member: bool| {
        json!({"messageId": message, "userId": "u1",
            "traits": {"big_spenders": member},
            "context": {"personas": {"computation_class": "audience", "computation_key": "big_spenders"}}})
    };
    daemon.send("/v1/identify", &audience("m1", true)).await;
    daemon.settled().await;
    let members = || {
        klaviyo
            .snapshot()
            .lists
            .iter()
            .map(|list| list.members.len())
            .sum::<usize>()
    };
    assert_eq!(members(), 1);
    daemon.send("/v1/identify", &audience("m2", false)).await;
    let status = daemon.settled().await;
    assert_eq!(members(), 0);
    assert_eq!(count(&status, "delivered"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_waited_out_for_five_minutes_at_most() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[delivery]\nfirst_retry = \"10ms\"").await;
    klaviyo
        .fault(json!({"status": 429, "headers": {"Retry-After": "3600"}, "next": 1, "path": "/api/events"}))
        .await;
    daemon.send("/v1/track", &track("u1", 1)).await;
    let outbox = daemon.outbox().await;
    let due = eventually("the event waits for its second attempt", || async {
        let id = *outbox.find("u1-1").await.unwrap().first()?;
        let report = outbox.report(id).await.unwrap()?;
        report.next_attempt_at.filter(|_| report.attempts == 1)
    })
    .await;
    let received = outbox
        .report(outbox.find("u1-1").await.unwrap()[0])
        .await
        .unwrap()
        .unwrap();
    let waits = due.since(received.received_at);
    let delay = 300..3600;
    assert!(delay.contains(&waits.as_secs()), "{waits:?}");
    let (_, ready) = daemon.look("/readyz").await;
    assert_eq!(ready["notes"][0]["code"], "paused_rate_limited", "{ready}");
    assert_eq!(ready["notes"][0]["scope"], "event", "{ready}");
    // Nobody else waits for as long as it requires either: a release tries at once.
    daemon.send("/v1/track", &track("u2", 1)).await;
    let release = daemon.command(&["release", "--status", "pending"]);
    assert!(release.status.success(), "{release:?}");
    let status = daemon.settled().await;
    assert_eq!((count(&status, "delivered"), status.overview.pauses), (2, Vec::new()));
}
