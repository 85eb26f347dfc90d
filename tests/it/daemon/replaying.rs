//! `replay` beside a running daemon.

use serde_json::json;

use super::ordering::numbers_by_person;
use super::track;
use crate::support::{Daemon, Klaviyo, count};

#[tokio::test(flavor = "multi_thread")]
async fn dead_events_are_replayed_in_their_order_and_the_running_daemon_notices() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    klaviyo
        .fault(json!({"status": 400, "next": 5, "path": "/api/events"}))
        .await;
    let batch: Vec<_> = (1..=5).map(|number| track("u1", number)).collect();
    daemon.send("/v1/batch", &json!({ "batch": batch })).await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "dead"), 5);

    let dry = daemon.command(&["replay", "--status", "dead", "--dry-run"]);
    assert!(dry.status.success());
    assert_eq!(count(&daemon.settled().await, "dead"), 5, "a dry run changes nothing");
    let replay = daemon.command(&["replay", "--status", "dead"]);
    assert!(replay.status.success(), "{replay:?}");
    let status = daemon.settled().await;
    assert_eq!((count(&status, "delivered"), count(&status, "dead")), (5, 0));
    assert_eq!(count(&status, "difference"), 0);
    assert_eq!(numbers_by_person(&klaviyo).values().next().unwrap(), &[1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_sends_only_what_was_not_delivered_under_its_event_id() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    klaviyo
        .fault(json!({"status": 400, "next": 1, "match": "order-1_p2"}))
        .await;
    let order = json!({"userId": "u1", "event": "Order Completed", "messageId": "m", "properties": {
        "orderId": "order-1", "products": [{"id": "p1"}, {"id": "p2"}]}});
    daemon.send("/v1/track", &order).await;
    assert_eq!(count(&daemon.settled().await, "dead"), 1);
    assert!(daemon.command(&["replay", "--id", "1"]).status.success());
    assert_eq!(count(&daemon.settled().await, "delivered"), 1);
    let sent: Vec<u64> = klaviyo.events().iter().map(|event| event.sent).collect();
    assert_eq!(sent, [1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_consent_is_left_out_of_a_replay_unless_requested() {
    let klaviyo = Klaviyo::start().await;
    let settings = "[mapping]\nlist_id = \"LST1\"\n[delivery]\nreplay_consent_within = \"1ms\"";
    let daemon = Daemon::start(&klaviyo, settings).await;
    let identify = json!({"userId": "u1", "messageId": "m", "traits": {"email": "a@klaviyo-demo.com"}});
    daemon.send("/v1/identify", &identify).await;
    daemon.settled().await;
    let subscriptions = || async {
        let requests = klaviyo.requests().await;
        requests
            .iter()
            .filter(|request| request.path.contains("subscription"))
            .count()
    };
    assert_eq!(subscriptions().await, 1);
    assert!(daemon.command(&["replay", "--id", "1"]).status.success());
    daemon.settled().await;
    assert_eq!(subscriptions().await, 1, "left out");
    let shown = String::from_utf8(daemon.command(&["show", "1"]).stdout).unwrap();
    assert!(shown.contains("left out of this replay or import"), "{shown}");
    assert!(daemon.command(&["replay", "--id", "1", "--consent"]).status.success());
    daemon.settled().await;
    assert_eq!(subscriptions().await, 1, "it was delivered before");
    let again = daemon.command(&["replay", "--id", "1", "--consent", "--again"]);
    assert!(again.status.success(), "{again:?}");
    daemon.settled().await;
    assert_eq!(subscriptions().await, 2);

    // An event without a subscription has no such note.
    let order = json!({"userId": "u1", "event": "Order Completed", "messageId": "o", "properties": {
        "orderId": "order-1", "products": [{"id": "p1"}]}});
    daemon.send("/v1/track", &order).await;
    daemon.settled().await;
    let replay = daemon.command(&["replay", "--status", "delivered"]);
    assert!(replay.status.success(), "{replay:?}");
    daemon.settled().await;
    let shown = String::from_utf8(daemon.command(&["show", "o"]).stdout).unwrap();
    assert!(shown.contains("duplicate") && !shown.contains("left out"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_subscriptions_replay_sends_no_profile_over_newer_traits() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[mapping]\nlist_id = \"LST1\"").await;
    let fault = json!({"status": 400, "next": 1, "path": "/api/profile-subscription-bulk-create-jobs"});
    klaviyo.fault(fault).await;
    let traits = |message: &str, tier: &str| {
        json!({"userId": "u1", "messageId": message,
            "traits": {"email": "a@klaviyo-demo.com", "tier": tier}})
    };
    daemon.send("/v1/identify", &traits("m1", "silver")).await;
    assert_eq!(count(&daemon.settled().await, "dead"), 1);
    daemon.send("/v1/identify", &traits("m2", "gold")).await;
    daemon.settled().await;
    for (options, profiles) in [
        (vec![], ["silver", "gold"].as_slice()),
        (vec!["--again"], &["silver", "gold", "silver"]),
    ] {
        let mut replay = vec!["replay", "--id", "1"];
        replay.extend(options);
        assert!(daemon.command(&replay).status.success());
        let status = daemon.settled().await;
        assert_eq!((count(&status, "delivered"), count(&status, "dead")), (2, 0));
        let requests = klaviyo.requests().await;
        let sent = requests.iter().filter(|request| request.path == "/api/profile-import");
        let tiers: Vec<String> = sent
            .map(|request| {
                let body: serde_json::Value = serde_json::from_str(request.body.get()).unwrap();
                let tier = &body["data"]["attributes"]["properties"]["tier"];
                tier.as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(tiers, profiles);
    }
}
