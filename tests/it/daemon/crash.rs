//! The daemon killed at bad moments, and stopped at any.

use std::process::Command;

use serde_json::json;

use super::ordering::numbers_by_person;
use super::track;
use crate::support::{Daemon, Klaviyo, assert_ascending, count, eventually, require};

/// 1,000 events of 50 people; the sandbox hangs in the middle, the daemon is killed there, and again later.
/// Everything acknowledged must arrive, once in effect, in order.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_delivers_everything_once_and_in_order_after_its_restart() {
    let klaviyo = Klaviyo::start().await;
    // Singly, so that many requests hang.
    let settings = "[delivery]\nfirst_retry = \"10ms\"\nlongest_retry = \"50ms\"\nbulk = false";
    let mut daemon = Daemon::start(&klaviyo, settings).await;
    let call = |n: u64| track(&format!("user-{}", n % 50), n);
    for part in (1..=1000_u64).collect::<Vec<_>>().chunks(100) {
        if part[0] == 301 {
            klaviyo
                .fault(json!({"lost": true, "next": 3, "path": "/api/events"}))
                .await;
            klaviyo.fault(json!({"hang": true, "path": "/api/events"})).await;
        }
        let batch: Vec<_> = part.iter().map(|n| call(*n)).collect();
        daemon.send("/v1/batch", &json!({ "batch": batch })).await;
    }
    let hanging = || async {
        let requests = klaviyo.requests().await;
        let hang = requests
            .iter()
            .filter(|request| request.fault.as_deref() == Some("hang"));
        (hang.count() >= 10).then_some(())
    };
    eventually("many requests hang", hanging).await;
    daemon.kill();
    klaviyo.behave().await;
    daemon.restart().await;
    let before = klaviyo.request_count();
    eventually("it delivers again", || async {
        (klaviyo.request_count() > before + 100).then_some(())
    })
    .await;
    daemon.kill();
    daemon.restart().await;

    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 1000);
    assert_eq!(count(&status, "difference"), 0);
    let people = numbers_by_person(&klaviyo);
    assert_eq!(people.len(), 50);
    for (person, numbers) in &people {
        assert_eq!(numbers.len(), 20, "{person} got each event once");
        assert_ascending(person, numbers);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_daemon_finishes_the_requests_in_flight_and_exits_0() {
    let klaviyo = Klaviyo::start().await;
    let mut daemon = Daemon::start(&klaviyo, "").await;
    klaviyo.fault(json!({"delay_ms": 500, "path": "/api/events"})).await;
    let batch: Vec<_> = (0..100).map(|n| track(&format!("user-{n}"), n)).collect();
    daemon.send("/v1/batch", &json!({ "batch": batch })).await;
    eventually("requests are in flight", || async {
        (klaviyo.request_count() > 10).then_some(())
    })
    .await;
    let exit = daemon.terminate().await;
    assert!(exit.success(), "{exit}: {}", daemon.log());
    klaviyo.behave().await;
    let sent = klaviyo.events().len();
    daemon.restart().await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 100);
    assert!(
        klaviyo.events().iter().all(|event| event.sent == 1),
        "no request in flight was sent again"
    );
    assert!(sent < 100, "the shutdown did not wait for the whole backlog");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once_and_loses_nothing() {
    let klaviyo = Klaviyo::start().await;
    let mut daemon = Daemon::start(&klaviyo, "").await;
    klaviyo.fault(json!({"hang": true, "path": "/api/events"})).await;
    daemon.send("/v1/track", &track("u1", 1)).await;
    eventually("the request hangs", || async {
        (klaviyo.request_count() >= 2).then_some(())
    })
    .await;
    daemon.signal("-TERM");
    eventually("it is stopping", || async {
        daemon.log().contains("stopping").then_some(())
    })
    .await;
    daemon.signal("-INT");
    assert!(!daemon.end().await.success());
    klaviyo.behave().await;
    daemon.restart().await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 1);
    assert_eq!(klaviyo.events().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_the_same_outbox_is_refused() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let second = daemon.command(&["serve"]);
    let error = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(error.contains("in use by another klaviyo-relay (process "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_payload_was_erased_is_dead_and_holds_up_nobody() {
    let sqlite3 = Command::new("sqlite3").arg("-version").output().ok();
    let Some(_) = require("the sqlite3 command", sqlite3) else {
        return;
    };
    let klaviyo = Klaviyo::start().await;
    let mut daemon = Daemon::start(&klaviyo, "").await;
    klaviyo.fault(json!({"hang": true, "path": "/api/events"})).await;
    let batch = json!({"batch": [track("u1", 1), track("u1", 2)]});
    daemon.send("/v1/batch", &batch).await;
    eventually("the first hangs", || async {
        (klaviyo.request_count() >= 2).then_some(())
    })
    .await;
    daemon.kill();
    let erased = Command::new("sqlite3")
        .arg(daemon.database())
        .arg("INSERT INTO write_guard VALUES (1); DELETE FROM payload WHERE event_id = 1; DELETE FROM write_guard")
        .status();
    assert!(erased.unwrap().success());
    klaviyo.behave().await;
    daemon.restart().await;
    let status = daemon.settled().await;
    assert_eq!((count(&status, "dead"), count(&status, "delivered")), (1, 1));
    assert!(status.dead[0].code == "payload_erased", "{status:?}");
}
