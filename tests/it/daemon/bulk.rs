//! A deep backlog goes in jobs, a shallow one does not, and one bad item never affects a good one.

use klaviyo_relay::sandbox::Snapshot;
use serde_json::{Value, json};

use super::track;
use crate::support::{Daemon, Klaviyo, count, eventually};

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

/// Single requests a minute where a backlog must go in jobs.
const SINGLES: u64 = 10;
/// Requests of the backlog.
const BACKLOG: u64 = 500;
/// So many requests or fewer are not worth a job.
const SHALLOW: u64 = 50;

/// Sends a deep backlog while single requests of a family hang at Klaviyo (`hangs`) and all that the limits allow are
/// in flight: only jobs can deliver it. When it has `arrived`, all but a shallow rest, the requests that hang are
/// answered, the limit is raised, and everything is settled.
async fn deep_backlog(
    family: &str,
    hangs: Option<&str>,
    more: &str,
    call: impl Fn(u64) -> Value,
    arrived: impl Fn(&Snapshot) -> usize,
) -> (Klaviyo, Daemon) {
    let klaviyo = Klaviyo::start().await;
    let limit = |burst, steady| format!("[delivery.limits.{family}]\nburst = {burst}\nsteady = {steady}\n");
    let (narrow, wide) = (limit(SINGLES, SINGLES), limit(500, 1000));
    let daemon = Daemon::start(
        &klaviyo,
        &format!("{more}{}", NARROW.replace(&limit(20, 1000), &narrow)),
    )
    .await;
    if let Some(path) = hangs {
        klaviyo.fault(json!({"hang": true, "path": path})).await;
        daemon.send("/v1/batch", &people(SINGLES, &call)).await;
        eventually("single requests hang", || async {
            (klaviyo.request_count() == SINGLES).then_some(())
        })
        .await;
    }
    daemon.send("/v1/batch", &people(BACKLOG, |n| call(SINGLES + n))).await;
    let enough = usize::try_from(BACKLOG - SHALLOW).unwrap();
    eventually("the backlog arrives in jobs", || async {
        (arrived(&klaviyo.snapshot()) >= enough).then_some(())
    })
    .await;
    daemon.reload(&narrow, &wide).await;
    klaviyo.behave().await;
    (klaviyo, daemon)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deep_backlog_of_events_goes_in_jobs() {
    let call = |n| track(&format!("u{n}"), n + 1);
    let arrived = |snapshot: &Snapshot| snapshot.events.len();
    let (klaviyo, daemon) = deep_backlog("event", Some("/api/events"), "", call, arrived).await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 510);
    assert_eq!(klaviyo.events().len(), 510);
    assert!(klaviyo.events().iter().all(|event| event.sent == 1));
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
async fn a_rejected_item_of_a_job_is_sent_singly_and_the_others_are_delivered() {
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
async fn the_items_of_a_job_without_an_answer_go_singly() {
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
async fn identifies_go_in_import_jobs_and_their_later_events_wait_for_their_end() {
    let identify = |n: u64| {
        json!({"type": "identify", "messageId": format!("i{n}"), "userId": format!("u{n}"),
            "traits": {"email": format!("u{n}@klaviyo-demo.com"), "n": n}})
    };
    let arrived = |snapshot: &Snapshot| snapshot.profiles.len();
    let (klaviyo, daemon) = deep_backlog("profile", Some("/api/profile-import"), "", identify, arrived).await;
    daemon
        .send("/v1/batch", &people(300, |n| track(&format!("u{n}"), n + 1)))
        .await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 810);
    let snapshot = klaviyo.snapshot();
    assert_eq!((snapshot.profiles.len(), snapshot.events.len()), (510, 300));
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_of_a_list_go_together() {
    let identify = |n: u64| {
        json!({"type": "identify", "messageId": format!("i{n}"), "userId": format!("u{n}"),
            "traits": {"email": format!("u{n}@klaviyo-demo.com")}})
    };
    let members = |snapshot: &Snapshot| snapshot.lists.iter().map(|list| list.members.len()).sum();
    let list = "[mapping]\nlist_id = \"LST1\"\n";
    let (klaviyo, daemon) = deep_backlog("subscription", None, list, identify, members).await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 500);
    assert_eq!(members(&klaviyo.snapshot()), 500);
}
