//! One `anonymousId` for everybody: all wait in one queue, until the operator sees which, and adds it to the garbage
//! list.

use serde_json::json;

use crate::support::{Daemon, Klaviyo, eventually};

const PEOPLE: usize = 30;

#[tokio::test]
async fn an_identifier_that_everybody_shares_is_named_and_its_queue_dissolved_by_a_reload() {
    let klaviyo = Klaviyo::start().await;
    let garbage = "garbage_ids = [\"null\"]";
    let daemon = Daemon::start(&klaviyo, &format!("\n[delivery]\nbulk = false\n\n[mapping]\n{garbage}")).await;
    // The first one is never answered; all others wait for it.
    klaviyo
        .fault(json!({"hang": true, "next": 1, "path": "/api/events"}))
        .await;
    for number in 0..PEOPLE {
        let user = format!("u{number}");
        let call = json!({"userId": user, "anonymousId": "Kiosk-1", "event": "Seen", "messageId": user});
        daemon.send("/v1/track", &call).await;
    }
    let name = "anonymous:Kiosk-1";
    let (status, ready) = daemon.look("/readyz").await;
    assert_eq!(status, 200);
    let notes = ready["notes"].as_array().unwrap();
    let note = notes.iter().find(|note| note["code"] == "shared_identifier");
    let message = note.unwrap()["message"].as_str().unwrap();
    assert!(message.contains(name) && message.contains("garbage_ids"), "{message}");
    let shown = daemon.command(&["status"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(name) && shown.contains("garbage_ids"), "{shown}");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let page = client.get(format!("http://{}/", daemon.admin));
    let page = page.send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains(name) && page.contains("garbage_ids"), "{page}");
    let (_, status) = daemon.look("/status").await;
    assert_eq!(status["shared_identifiers"][0]["identifier"], name, "{status}");

    daemon.reload(garbage, "garbage_ids = [\"kiosk-1\"]").await;
    eventually("all but the first are delivered", || async {
        (klaviyo.events().len() == PEOPLE - 1).then_some(())
    })
    .await;
    let (_, ready) = daemon.look("/readyz").await;
    assert!(!ready.to_string().contains("shared_identifier"), "{ready}");
    klaviyo.behave().await;
}
