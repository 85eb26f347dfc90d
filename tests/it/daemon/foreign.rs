//! What answers in Klaviyo's place: neither delivered nor dead by its word.

use klaviyo_relay::model::OutcomeKind;
use serde_json::json;

use super::track;
use crate::support::{Daemon, Klaviyo, count};

const PAGE: &str = "<!DOCTYPE html><html><body>Sign in to the network</body></html>";

#[tokio::test(flavor = "multi_thread")]
async fn a_portals_page_neither_delivers_an_event_nor_kills_it_whatever_its_status() {
    let statuses = [200, 202, 204, 302, 400, 401, 403, 404, 405, 407, 409, 413, 415, 451];
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[delivery]\nfirst_retry = \"10ms\"").await;
    for status in statuses {
        klaviyo
            .fault(json!({"status": status, "body": PAGE, "next": 1, "path": "/api/events"}))
            .await;
        daemon.send("/v1/track", &track(&format!("u{status}"), status)).await;
        daemon.settled().await;
    }
    let status = daemon.settled().await;
    let all = i64::try_from(statuses.len()).unwrap();
    assert_eq!((count(&status, "delivered"), count(&status, "dead")), (all, 0));
    assert_eq!(klaviyo.events().len(), statuses.len());
    let outbox = daemon.outbox().await;
    for status in statuses {
        let event = outbox.find(&format!("u{status}-{status}")).await.unwrap()[0];
        let report = outbox.report(event).await.unwrap().unwrap();
        let [first, second] = &report.deliveries[0].attempts[..] else {
            panic!("{status}: {report:?}");
        };
        assert_eq!(first.outcome, Some(OutcomeKind::Retry), "{status}");
        let error = first.error.as_deref().unwrap_or_default();
        let named = error.starts_with("answered by something that is not Klaviyo");
        assert!(named, "{status}: {error}");
        assert_eq!(second.outcome, Some(OutcomeKind::Accepted), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_of_a_person_is_not_accepted_by_a_document_without_an_id() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[delivery]\nfirst_retry = \"10ms\"").await;
    klaviyo
        .fault(json!({"status": 200, "body": {}, "next": 2, "path": "/api/profile-import"}))
        .await;
    let identify = json!({"userId": "u1", "messageId": "m1", "traits": {"email": "u1@klaviyo-demo.com"}});
    daemon.send("/v1/identify", &identify).await;
    assert_eq!(count(&daemon.settled().await, "delivered"), 1);
    let requests = klaviyo.requests().await;
    let statuses: Vec<_> = requests
        .iter()
        .filter(|request| request.path == "/api/profile-import")
        .map(|request| (request.status, request.outcome.as_str()))
        .collect();
    assert_eq!(
        statuses,
        [(Some(200), "fault"), (Some(200), "fault"), (Some(201), "stored")]
    );
}
