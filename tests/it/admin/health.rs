//! `/healthz` goes by what is done, `/readyz` by what is accepted.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::Port;
use crate::support::{Daemon, Klaviyo, eventually, require};

fn codes(answer: &Value, list: &str) -> Vec<String> {
    let reasons = answer[list].as_array().unwrap().iter();
    reasons
        .map(|reason| reason["code"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_failed_disk_is_death_and_a_sandbox_is_a_note() {
    let port = Port::new().await;
    assert_eq!(port.get("/healthz").await.well(), json!({"alive": true, "reasons": []}));
    assert_eq!(codes(&port.get("/readyz").await.well(), "notes"), ["sandbox"]);
    port.outbox.fatal().cancel();
    let answer = port.get("/healthz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(codes(&answer.json(), "reasons"), ["disk_failed"]);
}

/// Another process that holds the file's write lock until it is ended.
struct Holder(Child);

impl Holder {
    fn of(daemon: &Daemon) -> Option<Self> {
        let holder = Command::new("sqlite3")
            .arg(daemon.database())
            .stdin(Stdio::piped())
            .spawn();
        let mut holder = Self(require("the sqlite3 command", holder.ok())?);
        holder.write_line(".timeout 60000\nBEGIN IMMEDIATE;\n");
        Some(holder)
    }

    fn write_line(&mut self, words: &str) {
        self.0.stdin.as_mut().unwrap().write_all(words.as_bytes()).unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_gets_nowhere_is_not_alive_until_it_does() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let Some(mut holder) = Holder::of(&daemon) else {
        return;
    };
    let call = json!({"type": "track", "messageId": "m", "userId": "u", "event": "e"});
    let reasons = eventually("the daemon reports that it is stuck", || async {
        // Writes something, again and again, as SDKs do.
        daemon.try_post("/v1/track", &call).await;
        let (status, answer) = daemon.look("/healthz").await;
        (status == 503).then(|| codes(&answer, "reasons"))
    })
    .await;
    assert_eq!(reasons, ["writer_stuck"]);
    let (status, answer) = daemon.look("/readyz").await;
    assert_eq!(status, 503, "{answer}");
    holder.write_line("ROLLBACK;\n");
    daemon.send("/v1/track", &call).await;
    eventually("the daemon is alive again", || async {
        let (status, _) = daemon.look("/healthz").await;
        (status == 200).then_some(())
    })
    .await;
}
