//! A deep backlog goes in jobs, a shallow one does not, and one bad item never costs a good one.

use serde_json::{Value, json};

use super::track;
use crate::support::{Daemon, Klaviyo, count};

/// Few single calls a second, so that a few hundred events are a deep backlog.
const NARROW: &str = "[delivery]\nfirst_retry = \"10ms\"\nlimit_share = 1.0\n\
    [delivery.limits.event]\nburst = 20\nsteady = 1000\n\
    [delivery.limits.profile]\nburst = 20\nsteady = 1000\n\
    [delivery.limits.subscription]\nburst = 20\nsteady = 1000\n";

async fn jobs(klaviyo: &Klaviyo, path: &str) -> usize {
    let requests = klaviyo.requests().await;
    requests
        .iter()
        .filter(|request| request.method == "POST" && request.path == path)
        .count()
}

fn people(count: u64, call: impl Fn(u64) -> Value) -> Value {
    json!({"batch": (0..count).map(call).collect::<Vec<_>>()})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_backlog_of_events_goes_in_jobs() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, NARROW).await;
    daemon
        .send("/v1/batch", &people(500, |n| track(&format!("u{n}"), n + 1)))
        .await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 500);
    assert_eq!(klaviyo.events().len(), 500);
    assert!(klaviyo.events().iter().all(|event| event.sent == 1));
    let (jobs, singles) = (
        jobs(&klaviyo, "/api/event-bulk-create-jobs").await,
        jobs(&klaviyo, "/api/events").await,
    );
    assert!(jobs >= 1 && singles < 250, "{jobs} jobs, {singles} single requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_can_be_switched_off_and_a_shallow_backlog_needs_none() {
    let klaviyo = Klaviyo::start().await;
    let settings = NARROW.replace("[delivery]\n", "[delivery]\nbulk = false\n");
    let daemon = Daemon::start(&klaviyo, &settings).await;
    daemon
        .send("/v1/batch", &people(60, |n| track(&format!("u{n}"), n + 1)))
        .await;
    daemon.settled().await;
    assert_eq!(jobs(&klaviyo, "/api/event-bulk-create-jobs").await, 0);
    assert_eq!(klaviyo.events().len(), 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_item_of_a_job_is_judged_alone_and_the_others_are_delivered() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, NARROW).await;
    let bad = |n: u64| {
        let mut call = track(&format!("u{n}"), n + 1);
        if n % 100 == 7 {
            call["properties"]["sandbox_script"] = json!(vec![400; 50]);
        }
        call
    };
    daemon.send("/v1/batch", &people(400, bad)).await;
    let status = daemon.settled().await;
    assert_eq!((count(&status, "delivered"), count(&status, "dead")), (396, 4));
    assert_eq!(klaviyo.events().len(), 396);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_a_job_is_unknown_and_its_items_go_singly() {
    let klaviyo = Klaviyo::start().await;
    klaviyo
        .fault(json!({"lost": true, "next": 1, "path": "/api/event-bulk-create-jobs"}))
        .await;
    let daemon = Daemon::start(&klaviyo, NARROW).await;
    daemon
        .send("/v1/batch", &people(200, |n| track(&format!("u{n}"), n + 1)))
        .await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 200);
    assert_eq!(klaviyo.events().len(), 200, "each once in effect");
}

#[tokio::test(flavor = "multi_thread")]
async fn identifies_go_in_import_jobs_and_what_follows_waits_for_their_end() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, NARROW).await;
    let identify = |n: u64| {
        json!({"type": "identify", "messageId": format!("i{n}"), "userId": format!("u{n}"),
            "traits": {"email": format!("u{n}@klaviyo-demo.com"), "n": n}})
    };
    daemon.send("/v1/batch", &people(300, identify)).await;
    daemon
        .send("/v1/batch", &people(300, |n| track(&format!("u{n}"), n + 1)))
        .await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 600);
    assert!(jobs(&klaviyo, "/api/profile-bulk-import-jobs").await >= 1);
    let snapshot = klaviyo.snapshot();
    assert_eq!((snapshot.profiles.len(), snapshot.events.len()), (300, 300));
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_of_a_list_go_together() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, &format!("[mapping]\nlist_id = \"LST1\"\n{NARROW}")).await;
    let identify = |n: u64| {
        json!({"type": "identify", "messageId": format!("i{n}"), "userId": format!("u{n}"),
            "traits": {"email": format!("u{n}@klaviyo-demo.com")}})
    };
    daemon.send("/v1/batch", &people(300, identify)).await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 300);
    let members: usize = klaviyo.snapshot().lists.iter().map(|list| list.members.len()).sum();
    assert_eq!(members, 300);
    assert!(jobs(&klaviyo, "/api/profile-subscription-bulk-create-jobs").await < 250);
}
