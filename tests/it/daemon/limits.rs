//! How full Klaviyo's limits are can be seen beside the daemon.

use serde_json::Value;

use super::track;
use crate::support::{Daemon, Klaviyo, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_the_limits_in_use() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let mut number = 0;
    let reported = eventually("the relay reports it", || {
        number += 1;
        let call = track("u1", number);
        let daemon = &daemon;
        async move {
            daemon.send("/v1/track", &call).await;
            let outbox = daemon.outbox().await;
            let reported = outbox.limits_in_use().await.unwrap();
            outbox.close().await;
            reported.filter(|reported| !reported.families.is_empty())
        }
    })
    .await;
    let event = &reported.families[0];
    assert_eq!(event.family, "event");
    assert!(event.minute[0] > 0 && event.minute[0] <= event.minute[1]);
    let status: Value = serde_json::from_slice(&daemon.command(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["limits"]["families"][0]["family"], "event");
    let screen = daemon.command(&["status"]).stdout;
    let screen = String::from_utf8(screen).unwrap();
    assert!(screen.contains("limits in use"), "{screen}");
}
