//! What is sent once, and what only looks like a copy: the dedup key has the person in it.

use std::collections::BTreeSet;

use klaviyo_relay::model::EventId;
use serde_json::{Value, json};

use crate::support::{Daemon, Klaviyo, count};

fn order(user: &str, message: &str) -> Value {
    json!({"userId": user, "event": "Order Completed", "messageId": message, "properties": {
        "order_id": "#1001", "products": [{"product_id": "5", "price": 50}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_number_that_two_people_have_is_two_orders() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    for (user, message) in [("a-77", "x1"), ("b-12", "x2")] {
        daemon.send("/v1/track", &order(user, message)).await;
    }
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 2);
    let events = klaviyo.events();
    let keys: BTreeSet<_> = events.iter().map(|event| event.unique_id.as_deref()).collect();
    assert_eq!(events.len(), 4);
    assert_eq!(keys, BTreeSet::from([Some("#1001"), Some("#1001_5")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_order_of_one_person_is_skipped_and_counted_and_names_the_first() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    for message in ["x1", "x2"] {
        daemon.send("/v1/track", &order("u1", message)).await;
    }
    let status = daemon.settled().await;
    assert_eq!((count(&status, "delivered"), count(&status, "skipped")), (1, 1));
    let sent = klaviyo.events().into_iter().map(|event| event.sent);
    assert_eq!(sent.collect::<Vec<_>>(), [1, 1], "the order and its product");
    let report = daemon.outbox().await.report(EventId(2)).await;
    let report = report.unwrap().unwrap();
    assert_eq!(report.copy_of, Some(EventId(1)));
    assert!(report.reason.as_deref().unwrap().starts_with("a copy of event 1"));
    let copies = report.deliveries.iter().map(|delivery| delivery.copy_of);
    assert_eq!(copies.collect::<Vec<_>>(), [Some(EventId(1)); 2]);
    let shown = String::from_utf8(daemon.command(&["status"]).stdout).unwrap();
    assert!(shown.contains("copies skipped: 1"), "{shown}");
    assert_eq!(daemon.counted("klaviyo_relay_events_copied_total").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_with_one_line_more_sends_what_is_new_of_it() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let mut longer = order("u1", "x2");
    longer["properties"]["products"] = json!([{"product_id": "5"}, {"product_id": "6"}]);
    for call in [order("u1", "x1"), longer] {
        daemon.send("/v1/track", &call).await;
    }
    let status = daemon.settled().await;
    assert_eq!((count(&status, "delivered"), status.overview.counts.copies), (2, 0));
    assert_eq!(klaviyo.events().len(), 3);
}
