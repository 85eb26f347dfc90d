//! The running daemon deletes events after the configured time, and still stops in order.

use klaviyo_relay::model::EventStatus;

use super::track;
use crate::support::{Daemon, Klaviyo, count, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_kept_for_no_time_go_once_their_events_are_delivered() {
    let klaviyo = Klaviyo::start().await;
    let outbox = "path = \"outbox.db\"\nmin_free_disk = 0\nretain_bodies = \"0s\"";
    let mut daemon = Daemon::start_on(&klaviyo, outbox, "").await;
    for number in 1..=3 {
        daemon.send("/v1/track", &track("u1", number)).await;
    }
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 3);
    let outbox = daemon.outbox().await;
    let ids = outbox.find("u1-3").await.unwrap();
    eventually("the body is gone", || async {
        let event = outbox.report(ids[0]).await.unwrap().unwrap();
        let request = &event.deliveries[0].request;
        (event.payload.is_none() && request.is_none()).then_some(())
    })
    .await;
    let event = outbox.report(ids[0]).await.unwrap().unwrap();
    assert_eq!(event.status, EventStatus::Delivered);
    assert_eq!(event.deliveries[0].attempts.len(), 1);
    outbox.close().await;
    assert!(daemon.terminate().await.success());
}
