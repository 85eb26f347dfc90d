//! A refused key pauses everything and costs nothing.

use serde_json::json;

use super::track;
use crate::support::{Daemon, Klaviyo, count, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_pauses_everything_and_resumes_by_itself() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let refusal = json!({"errors": [{"id": "e", "status": 401, "code": "authentication_failed",
        "title": "Incorrect authentication credentials.", "detail": "Missing or invalid private key."}]});
    klaviyo
        .fault(json!({"status": 401, "body": refusal, "path": "/api/events"}))
        .await;
    let batch: Vec<_> = (0..30).map(|person| track(&format!("u{person}"), 1)).collect();
    daemon.send("/v1/batch", &json!({ "batch": batch })).await;
    let outbox = daemon.outbox().await;
    let pause = eventually("delivery is paused", || async { outbox.pauses().await.unwrap().pop() }).await;
    assert!(pause.reason.contains("klaviyo.private_key"), "{}", pause.reason);
    let (ready, body) = daemon.look("/readyz").await;
    assert_eq!(ready, 200, "events are accepted meanwhile: {body}");
    assert!(body["notes"].to_string().contains("paused"), "{body}");
    let shown = String::from_utf8(daemon.command(&["status"]).stdout).unwrap();
    assert!(shown.contains("is paused since"), "{shown}");
    daemon.send("/v1/track", &track("late", 1)).await;

    klaviyo.behave().await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 31);
    assert_eq!(status.overview.pauses, []);
    let refused = klaviyo
        .requests()
        .await
        .iter()
        .filter(|request| request.status == Some(401))
        .count();
    assert!(
        refused <= 18,
        "{refused} requests met the refusal: those in flight, then probes"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_outlives_a_restart() {
    let klaviyo = Klaviyo::start().await;
    let mut daemon = Daemon::start(&klaviyo, "").await;
    klaviyo
        .fault(json!({"status": 403, "path": "/api/events",
        "body": {"errors": [{"code": "permission_denied", "title": "t", "detail": "d"}]}}))
        .await;
    // One that is refused may be at fault itself; three are not.
    for person in ["u1", "u2", "u3"] {
        daemon.send("/v1/track", &track(person, 1)).await;
    }
    let outbox = daemon.outbox().await;
    eventually("delivery is paused", || async { outbox.pauses().await.unwrap().pop() }).await;
    drop(outbox);
    daemon.kill();
    daemon.restart().await;
    let outbox = daemon.outbox().await;
    let pause = outbox.pauses().await.unwrap().pop().expect("still paused");
    assert!(pause.reason.contains("scope"), "{}", pause.reason);
    klaviyo.behave().await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_delivery_is_paused_whatever_waits_can_be_stopped_given_up_and_forgotten() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    klaviyo
        .fault(json!({"status": 401, "path": "/api/events",
        "body": {"errors": [{"code": "authentication_failed", "title": "t", "detail": "d"}]}}))
        .await;
    let people = (0..30).map(|person| track(&format!("u{person}"), 1));
    let batch: Vec<_> = people.collect();
    daemon.send("/v1/batch", &json!({ "batch": batch })).await;
    let outbox = daemon.outbox().await;
    eventually("delivery is paused", || async { outbox.pauses().await.unwrap().pop() }).await;
    let run = |arguments: &[&str]| {
        let ran = daemon.command(arguments);
        assert!(ran.status.success(), "{arguments:?}: {ran:?}");
    };
    // A probe may be in flight at one look, and is not at the next.
    eventually("everything is held", || async {
        run(&["hold", "--status", "pending"]);
        let status = outbox.counts().await.unwrap();
        (count(&status, "held") == 30).then_some(())
    })
    .await;
    run(&["forget", "--profile", "user:u0"]);
    run(&["discard", "--profile", "user:u1"]);
    run(&["release", "--status", "held"]);
    klaviyo.behave().await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 28);
    assert_eq!(klaviyo.events().len(), 28, "each once, and nothing else");
    assert_eq!(count(&status, "dead"), 2);
    run(&["audit"]);
}
