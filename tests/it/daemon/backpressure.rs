//! The answers to senders while the outbox is full, and that they can rely on them.

use std::collections::BTreeMap;

use serde_json::json;

use super::track;
use crate::support::{Daemon, Klaviyo, count, eventually};

const AT_MOST_FIVE: &str = "path = \"outbox.db\"\nmin_free_disk = 0\nmax_pending = 5";

#[tokio::test(flavor = "multi_thread")]
async fn too_many_waiting_events_are_a_429_until_some_are_delivered() {
    let klaviyo = Klaviyo::start().await;
    klaviyo.fault(json!({"status": 503, "path": "/api/events"})).await;
    let daemon = Daemon::start_on(&klaviyo, AT_MOST_FIVE, "").await;
    let mut answers = BTreeMap::new();
    for number in 1..=8 {
        let (status, _) = daemon.post("/v1/track", &track("u1", number)).await;
        answers.entry(status).or_insert_with(Vec::new).push(number);
    }
    assert_eq!(answers[&200], [1, 2, 3, 4, 5]);
    assert_eq!(answers[&429], [6, 7, 8]);
    let (status, ready) = daemon.look("/readyz").await;
    assert_eq!(status, 503);
    assert_eq!(ready["notes"][0]["code"], "backlog_full", "{ready}");

    klaviyo.behave().await;
    eventually("event 6 is accepted", || async {
        let status = daemon.try_post("/v1/track", &track("u1", 6)).await;
        (status == Some(200)).then_some(())
    })
    .await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 6);
    let sent: Vec<_> = klaviyo
        .events()
        .into_iter()
        .filter_map(|event| event.unique_id)
        .collect();
    assert_eq!(sent, ["u1-1", "u1-2", "u1-3", "u1-4", "u1-5", "u1-6"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_sender_gets_a_retry_after_in_whole_seconds() {
    let klaviyo = Klaviyo::start().await;
    klaviyo.fault(json!({"status": 503})).await;
    let mut daemon = Daemon::start_on(&klaviyo, AT_MOST_FIVE, "").await;
    for number in 1..=5 {
        daemon.send("/v1/track", &track("u1", number)).await;
    }
    // It counts what an earlier run left.
    daemon.kill();
    daemon.restart().await;
    let answer = reqwest::Client::builder()
        .no_proxy()
        .build()
        .unwrap()
        .post(format!("http://{}/v1/batch?writeKey=dev", daemon.ingest))
        .body(json!({"batch": [track("u2", 1)]}).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 429);
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=300).contains(&wait), "{wait}");
    assert_eq!(daemon.outbox().await.counts().await.unwrap().accepted, 5);
}
