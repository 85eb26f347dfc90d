//! What operators choose: after a dead event, on a replay, after an outage.

use klaviyo_relay::model::Family;
use serde_json::{Value, json};

use super::ordering::numbers_by_person;
use super::track;
use crate::support::{Daemon, Klaviyo, count, eventually};

async fn one_dies(klaviyo: &Klaviyo, daemon: &Daemon) {
    klaviyo
        .fault(json!({"status": 400, "next": 1, "path": "/api/events"}))
        .await;
    let batch: Vec<_> = (1..=4).map(|number| track("u1", number)).collect();
    daemon.send("/v1/batch", &json!({ "batch": batch })).await;
    let outbox = daemon.outbox().await;
    eventually("the first event is dead", || async {
        let status = outbox.counts().await.unwrap();
        (count(&status, "dead") == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_dead_event_that_holds_everything_waits_until_it_is_replayed() {
    let klaviyo = Klaviyo::start().await;
    let settings = "[delivery]\nafter_dead = \"continue\"\n[delivery.after_dead_for]\nStep = \"hold\"";
    let daemon = Daemon::start(&klaviyo, settings).await;
    one_dies(&klaviyo, &daemon).await;
    daemon.send("/v1/track", &track("other", 1)).await;
    eventually("another person's event goes", || async {
        (klaviyo.events().len() == 1).then_some(())
    })
    .await;
    let status = daemon.outbox().await.counts().await.unwrap();
    assert_eq!(count(&status, "pending"), 3, "they wait");
    assert!(daemon.command(&["replay", "--id", "1"]).status.success());
    daemon.settled().await;
    let people = numbers_by_person(&klaviyo);
    assert!(people.values().any(|numbers| numbers == &[1, 2, 3, 4]), "{people:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discard_lets_those_behind_go() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[delivery]\nafter_dead = \"hold\"").await;
    one_dies(&klaviyo, &daemon).await;
    assert!(daemon.command(&["discard", "--id", "1"]).status.success());
    let status = daemon.settled().await;
    assert_eq!((count(&status, "delivered"), count(&status, "dead")), (3, 1));
    assert_eq!(numbers_by_person(&klaviyo).values().next().unwrap(), &[2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_can_be_recorded_without_flows_or_sent_as_it_was() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    one_dies(&klaviyo, &daemon).await;
    daemon.settled().await;
    assert!(daemon.command(&["replay", "--id", "1", "--backfill"]).status.success());
    daemon.settled().await;
    let first = klaviyo
        .events()
        .into_iter()
        .find(|event| event.unique_id.as_deref() == Some("u1-1"));
    assert!(first.unwrap().backfill);

    klaviyo
        .fault(json!({"status": 400, "next": 1, "path": "/api/events"}))
        .await;
    daemon.send("/v1/track", &track("u2", 1)).await;
    daemon.settled().await;
    assert!(
        daemon
            .command(&["replay", "--status", "dead", "--as-sent"])
            .status
            .success()
    );
    daemon.settled().await;
    let requests = klaviyo.requests().await;
    let bodies: Vec<&str> = requests
        .iter()
        .filter(|request| request.unique_id.as_deref() == Some("u2-1"))
        .map(|request| request.body.get())
        .collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1], "byte for byte");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_reported_probed_and_recovered_from() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[delivery]\nfirst_retry = \"100ms\"").await;
    klaviyo.fault(json!({"reset": true, "path": "/api/events"})).await;
    let batch: Vec<_> = (0..30).map(|n| track(&format!("u{n}"), n + 1)).collect();
    daemon.send("/v1/batch", &json!({ "batch": batch })).await;
    let outbox = daemon.outbox().await;
    let pause = eventually("the outage is noticed", || async {
        outbox.pauses().await.unwrap().pop()
    })
    .await;
    assert_eq!(pause.family, Some(Family::Event));
    assert!(pause.reason.contains("endpoint `event`"), "{}", pause.reason);
    let (ready, body) = daemon.look("/readyz").await;
    assert_eq!(ready, 200, "events are accepted meanwhile: {body}");
    let before = klaviyo.request_count();
    eventually("it is probed", || async {
        (klaviyo.request_count() > before).then_some(())
    })
    .await;
    daemon.send("/v1/track", &track("late", 1)).await;

    klaviyo.behave().await;
    let status = daemon.settled().await;
    assert_eq!((count(&status, "delivered"), count(&status, "dead")), (31, 0));
    assert_eq!(status.overview.pauses, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unanswered_subscription_is_resent_unless_configured_otherwise() {
    for (resend, expected) in [("true", ("delivered", 2)), ("false", ("dead", 1))] {
        let klaviyo = Klaviyo::start().await;
        let settings = format!(
            "[mapping]\nlist_id = \"LST1\"\n[delivery]\nfirst_retry = \"10ms\"\n\
             resend_unknown_subscriptions = {resend}"
        );
        let daemon = Daemon::start(&klaviyo, &settings).await;
        let path = "/api/profile-subscription-bulk-create-jobs";
        klaviyo.fault(json!({"lost": true, "next": 1, "path": path})).await;
        let identify: Value = json!({"userId": "u1", "messageId": "m", "traits": {"email": "a@klaviyo-demo.com"}});
        daemon.send("/v1/identify", &identify).await;
        let status = daemon.settled().await;
        assert_eq!(count(&status, expected.0), 1, "resend = {resend}");
        let sent = klaviyo
            .requests()
            .await
            .iter()
            .filter(|request| request.path == path)
            .count();
        assert_eq!(sent, expected.1, "resend = {resend}");
    }
}
