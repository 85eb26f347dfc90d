//! Calls that come with a `messageId` which another call had before.

use serde_json::json;

use crate::support::{Daemon, Klaviyo, count, eventually};

#[tokio::test]
async fn another_call_with_a_known_message_id_is_dead_until_it_is_replayed_and_a_copy_is_counted() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let identify = json!({"userId": "ann", "messageId": "o-1", "traits": {"email": "ann@example.org"}});
    let order = json!({"userId": "ann", "messageId": "o-1", "event": "Order Completed", "properties": {"total": 1}});
    daemon.send("/v1/identify", &identify).await;
    for _again in 0..3 {
        daemon.send("/v1/track", &order).await;
    }
    let status = daemon.settled().await;
    let counts = ["accepted", "delivered", "dead"].map(|name| count(&status, name));
    assert_eq!(counts, [2, 1, 1]);
    assert!(klaviyo.events().is_empty());
    let reported = daemon.command(&["status"]);
    let reported = String::from_utf8_lossy(&reported.stdout).into_owned();
    assert!(reported.contains("calls that came again: 2"), "{reported}");
    assert!(reported.contains("message_id_reused"), "{reported}");
    let counted = async |answer: &str| {
        let labels = format!("source=\"shop\",type=\"track\",answer=\"{answer}\"");
        let name = format!("klaviyo_relay_ingest_events_total{{{labels}}}");
        daemon.counted(&name).await
    };
    assert_eq!(
        [counted("stored").await, counted("copy").await, counted("dead").await],
        [0, 2, 1]
    );
    let replayed = daemon.command(&["replay", "--status", "dead"]);
    assert!(replayed.status.success(), "{replayed:?}");
    eventually("the order is delivered", || async {
        let events = klaviyo.events();
        events
            .iter()
            .any(|event| event.metric == "Order Completed" || event.metric == "Placed Order")
            .then_some(())
    })
    .await;
}
