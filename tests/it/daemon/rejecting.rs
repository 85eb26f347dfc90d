//! A bad deploy is visible: rejected requests and events that are dead on arrival are in the log, in `status` and on
//! the page.

use serde_json::{Value, json};

use crate::support::{Daemon, eventually};

/// The rejected requests in `status --json`.
fn rejected(daemon: &Daemon) -> Vec<Value> {
    let shown = daemon.command(&["status", "--json"]).stdout;
    let status: Value = serde_json::from_slice(&shown).unwrap();
    let rows = status["refused_at_the_door"].as_array();
    rows.cloned().unwrap_or_default()
}

async fn post(daemon: &Daemon, key: &str, body: &Value) -> u16 {
    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = request.post(format!("http://{}/v1/track", daemon.ingest));
    let request = request
        .basic_auth(key, Some(""))
        .header("user-agent", "analytics-test/1.2.3");
    let answer = request.body(body.to_string()).send().await.unwrap();
    answer.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_dead_on_arrival_have_a_line_by_source_and_code() {
    let daemon = Daemon::start_alone("").await;
    let flawed = json!({"type": "track", "event": "Item Added"});
    let batch: Vec<_> = std::iter::repeat_n(flawed, 30).collect();
    daemon.send("/v1/batch", &json!({ "batch": batch })).await;
    let line = eventually("the dead calls are logged", || async {
        let log = daemon.log();
        let lines = log.lines().map(serde_json::from_str::<Value>);
        let mut lines = lines.map_while(Result::ok);
        lines.find(|line| line["calls"] == 30)
    })
    .await;
    assert_eq!(line["level"], "WARN", "{line}");
    assert_eq!(line["source"], "shop", "{line}");
    assert_eq!(line["code"], "no_user_anon_id", "{line}");
    let counted = r#"klaviyo_relay_ingest_events_total{source="shop",type="track",answer="dead"}"#;
    assert_eq!(daemon.counted(counted).await, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_request_is_shown_by_code_and_sender() {
    let mut daemon = Daemon::start_alone("").await;
    let (whole, flawed) = (json!({"userId": "u", "event": "A"}), json!({"event": "A"}));
    for _ in 0..3 {
        assert_eq!(post(&daemon, "wk_Rj5uWrite9tL", &whole).await, 401);
    }
    assert_eq!(post(&daemon, "dev", &flawed).await, 400);
    let rows = eventually("both are in the status", || async {
        let rows = rejected(&daemon);
        (rows.len() == 2).then_some(rows)
    })
    .await;
    let of = |status: u16| rows.iter().find(|row| row["status"] == status).unwrap();
    let wrong_key = of(401);
    assert_eq!(wrong_key["requests"], 3, "{wrong_key}");
    assert_eq!(wrong_key["key"], "wk…tL", "{wrong_key}");
    assert_eq!(wrong_key["source"], json!(null), "{wrong_key}");
    assert_eq!(wrong_key["client"], "analytics-test/1.2.3", "{wrong_key}");
    let flawed = of(400);
    assert_eq!((&flawed["source"], &flawed["key"]), (&json!("shop"), &json!(null)));
    assert_eq!(flawed["code"], "no_user_anon_id", "{flawed}");

    let shown = String::from_utf8(daemon.command(&["status"]).stdout).unwrap();
    assert!(shown.contains("rejected by ingest, last hour"), "{shown}");
    assert!(shown.contains("the unknown key wk…tL"), "{shown}");
    let page = daemon.page("/").await;
    assert!(page.contains("4 requests rejected by ingest"), "{page}");
    let log = daemon.log();
    assert!(log.contains("requests were rejected"), "{log}");
    assert!(!log.contains("wk_Rj5u"), "{log}");

    daemon.terminate().await;
    daemon.restart().await;
    assert_eq!(rejected(&daemon).len(), 2, "a restart keeps the hour before it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_at_a_url_is_shown_as_one_everywhere() {
    let klaviyo = crate::support::Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    eventually("the metric shows it", || async {
        (daemon.counted("klaviyo_relay_sandbox").await == 1).then_some(())
    })
    .await;
    let (_, ready) = daemon.look("/readyz").await;
    assert!(ready["notes"].to_string().contains("\"code\":\"sandbox\""), "{ready}");
    let (_, status) = daemon.look("/status").await;
    assert_eq!(status["sandbox"], true);
    let page = daemon.page("/").await;
    assert!(page.contains("Nothing reaches Klaviyo."), "{page}");
    eventually("`status` shows it", || async {
        let shown = String::from_utf8(daemon.command(&["status"]).stdout).unwrap();
        shown.contains("NOTHING REACHES KLAVIYO").then_some(())
    })
    .await;
}
