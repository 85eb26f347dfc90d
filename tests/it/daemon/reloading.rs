//! A running daemon goes on with another configuration at SIGHUP.

use klaviyo_relay::config::OutboxConfig;
use klaviyo_relay::outbox::Outbox;
use serde_json::{Value, json};

use super::track;
use crate::support::{Daemon, Klaviyo, count, eventually};

/// Posts a call with this write key; answers the status.
async fn post_as(daemon: &Daemon, key: &str, call: &Value) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("http://{}/v1/track", daemon.ingest));
    let request = request.basic_auth(key, Some("")).body(call.to_string());
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_list_id_is_corrected_without_a_restart_and_a_replay_uses_the_right_one() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[mapping]\nlist_id = \"WRONG1\"").await;
    klaviyo.fault(json!({"status": 404, "match": "WRONG1"})).await;
    let identify = json!({"userId": "u1", "messageId": "m", "traits": {"email": "a@klaviyo-demo.com"}});
    daemon.send("/v1/identify", &identify).await;
    assert_eq!(count(&daemon.settled().await, "dead"), 1);

    daemon.reload("WRONG1", "RIGHT1").await;
    assert!(daemon.log().contains("\"keys\":\"mapping.list_id\""));
    assert!(daemon.command(&["replay", "--id", "1"]).status.success());
    let status = daemon.settled().await;
    assert_eq!((count(&status, "delivered"), count(&status, "dead")), (1, 0));
    let requests = klaviyo.requests().await;
    let right = |body: &str| body.contains("RIGHT1");
    assert!(requests.iter().any(|request| right(request.body.get())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_source_is_accepted_and_a_removed_one_is_not() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    assert_eq!(post_as(&daemon, "dev", &track("u1", 1)).await, 200);
    assert_eq!(post_as(&daemon, "other", &track("u2", 1)).await, 401);
    let shop = "name = \"shop\"\nwrite_key = \"dev\"";
    let server = "name = \"server\"\nwrite_key = \"other\"\nside = \"server\"";
    daemon.reload(shop, server).await;
    assert_eq!(post_as(&daemon, "dev", &track("u1", 2)).await, 401);
    assert_eq!(post_as(&daemon, "other", &track("u2", 2)).await, 200);
    // What the removed source sent before is delivered all the same.
    assert_eq!(count(&daemon.settled().await, "delivered"), 2);

    daemon.reload("\"other\"", "\"other-2\"").await;
    assert_eq!(post_as(&daemon, "other", &track("u2", 3)).await, 401);
    assert_eq!(post_as(&daemon, "other-2", &track("u2", 3)).await, 200);
    let log = daemon.log();
    assert!(log.contains("\"keys\":\"ingest.sources.write_key\""));
    assert!(!log.contains("other-2"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_sizes_and_bounds_change_while_it_runs() {
    let klaviyo = Klaviyo::start().await;
    let ingest = "listen = \"127.0.0.1:0\"\nmax_event_bytes = 100000";
    let outbox = "path = \"outbox.db\"\nmin_free_disk = 0\nmax_pending = 0";
    let daemon = Daemon::start_with(&klaviyo, ingest, outbox, "").await;
    daemon.send("/v1/track", &track("u1", 1)).await;
    daemon.settled().await;
    daemon
        .reload(
            "max_event_bytes = 100000",
            "max_event_bytes = 1024\npath_prefix = \"/segment\"",
        )
        .await;
    let mut large = track("u1", 2);
    large["properties"]["text"] = json!("x".repeat(2000));
    assert_eq!(daemon.post("/v1/track", &large).await.0, 413);
    daemon.send("/segment/v1/track", &track("u1", 3)).await;

    klaviyo.fault(json!({"status": 503})).await;
    daemon.send("/v1/track", &track("u1", 4)).await;
    daemon.reload("max_pending = 0", "max_pending = 1").await;
    let (status, body) = daemon.post("/v1/track", &track("u1", 5)).await;
    assert_eq!((status, &body["code"]), (429, &json!("cannot_store_now")));
    daemon.reload("max_pending = 1", "max_pending = 0").await;
    daemon.send("/v1/track", &track("u1", 6)).await;
    klaviyo.behave().await;
    assert_eq!(count(&daemon.settled().await, "delivered"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_it_delivers_changes_while_it_runs() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[delivery]\nafter_dead = \"continue\"").await;
    let refused = json!({"status": 400, "next": 1, "path": "/api/events"});
    klaviyo.fault(refused.clone()).await;
    let two = |number| json!({"batch": [track("u1", number), track("u1", number + 1)]});
    daemon.send("/v1/batch", &two(1)).await;
    let status = daemon.settled().await;
    assert_eq!((count(&status, "dead"), count(&status, "delivered")), (1, 1));

    let hold = "after_dead = \"hold\"\nmax_in_flight = 1\nwindow = 1\nlimit_share = 0.5\n\
                timeout = \"5s\"\nshutdown_deadline = \"1s\"";
    daemon.reload("after_dead = \"continue\"", hold).await;
    let keys = "delivery.max_in_flight, delivery.window, delivery.limit_share, delivery.after_dead, \
                delivery.timeout, delivery.shutdown_deadline";
    let log = daemon.log();
    assert!(log.contains(keys), "{log}");
    klaviyo.fault(refused).await;
    daemon.send("/v1/batch", &two(3)).await;
    let outbox = daemon.outbox().await;
    eventually("the third is dead", || async {
        let status = outbox.counts().await.unwrap();
        (count(&status, "dead") == 2).then_some(())
    })
    .await;
    assert_eq!(outbox.pending().await.unwrap(), 1, "the fourth waits for it");
    outbox.close().await;
    let dead = daemon.command(&["replay", "--id", "3"]);
    assert!(dead.status.success(), "{dead:?}");
    assert_eq!(count(&daemon.settled().await, "delivered"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_changes_nothing_and_every_mistake_is_logged() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[delivery]\nwindow = 2000").await;
    let broken = "[delivery]\nwindow = 0\nwindou = 1\n[mapping]\nlist_id = \"LST1\"";
    daemon.reload("[delivery]\nwindow = 2000", broken).await;
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("configuration was rejected"));
    let line: Value = serde_json::from_str(line.unwrap()).unwrap();
    let error = line["error"].as_str().unwrap();
    for part in ["2 mistakes", "delivery.window ", "delivery.windou "] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(line["level"], "ERROR");
    let applied = "klaviyo_relay_config_last_reload_successful";
    eventually("the metric shows it", || async {
        (daemon.counted(applied).await == 0).then_some(())
    })
    .await;
    let (status, ready) = daemon.look("/readyz").await;
    assert_eq!(status, 200);
    assert!(ready["notes"].to_string().contains("config_rejected"), "{ready}");
    assert!(
        daemon
            .page("/")
            .await
            .contains("The configuration has mistakes and was rejected at")
    );
    let config = OutboxConfig {
        path: daemon.database(),
        ..OutboxConfig::default()
    };
    let outbox = Outbox::attach(&config).await.unwrap();
    let rejected_since = outbox.config_rejected_since().await.unwrap();
    outbox.close().await;
    assert!(
        rejected_since.is_some(),
        "for `status`, once the file can be read again"
    );
    let identify = json!({"userId": "u1", "messageId": "m", "traits": {"email": "a@klaviyo-demo.com"}});
    daemon.send("/v1/identify", &identify).await;
    eventually("it is sent", || async {
        let requests = klaviyo.requests().await;
        let mut paths = requests.iter().map(|request| request.path.as_str());
        paths.any(|path| path == "/api/profile-import").then_some(())
    })
    .await;
    daemon.reload(broken, "[delivery]").await;
    eventually("it is applied", || async {
        (daemon.counted(applied).await == 1).then_some(())
    })
    .await;
    assert_eq!(count(&daemon.settled().await, "delivered"), 1);
    let requests = klaviyo.requests().await;
    assert!(requests.iter().all(|request| !request.body.get().contains("LST1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_named_and_stays() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let elsewhere = "path = \"elsewhere.db\"\nmax_pending = 7";
    daemon.reload("path = \"outbox.db\"", elsewhere).await;
    let warnings = || {
        let log = daemon.log();
        log.lines()
            .filter(|line| line.contains("takes effect at a restart"))
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["keys"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(warnings(), ["outbox.path"]);
    assert!(daemon.log().contains("\"keys\":\"outbox.max_pending\""));
    assert!(!daemon.database().with_file_name("elsewhere.db").exists());
    daemon.send("/v1/track", &track("u1", 1)).await;
    // Logged again as long as it is so, and not once it was put back.
    daemon.reload("max_pending = 7", "max_pending = 8").await;
    assert_eq!(warnings(), ["outbox.path", "outbox.path"]);
    daemon.reload("\"elsewhere.db\"", "\"outbox.db\"").await;
    assert_eq!(warnings().len(), 2);
    assert_eq!(count(&daemon.settled().await, "delivered"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_private_key_is_corrected_without_a_restart() {
    let klaviyo = Klaviyo::start().await;
    let mut daemon = Daemon::start(&klaviyo, "").await;
    // Klaviyo's side of it: the key that the daemon has is not known any more.
    daemon.reload("pk_sandbox", "pk_mistyped").await;
    let log = daemon.log();
    assert!(log.contains("klaviyo.private_key stays as it was"), "{log}");
    daemon.send("/v1/track", &track("u1", 1)).await;
    assert_eq!(count(&daemon.settled().await, "delivered"), 1);

    daemon.terminate().await;
    daemon.restart().await;
    daemon.send("/v1/track", &track("u1", 2)).await;
    let outbox = daemon.outbox().await;
    eventually("delivery is paused", || async { outbox.pauses().await.unwrap().pop() }).await;
    drop(outbox);
    daemon.reload("pk_mistyped", "pk_sandbox").await;
    let log = daemon.log();
    assert!(log.contains("\"keys\":\"klaviyo.private_key\""), "{log}");
    assert_eq!(count(&daemon.settled().await, "delivered"), 2);
    let outbox = daemon.outbox().await;
    eventually("the pause is over", || async {
        outbox.pauses().await.unwrap().is_empty().then_some(())
    })
    .await;
    outbox.close().await;
    assert!(!log.contains("pk_"), "{log}");
    assert!(daemon.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_key_in_a_file_is_read_again() {
    let klaviyo = Klaviyo::start().await;
    let files = Daemon::files_before(&klaviyo, "file:key");
    let key = files.path().join("key");
    std::fs::write(&key, "pk_mistyped\n").unwrap();
    let mut daemon = Daemon::start_in(files).await;
    daemon.send("/v1/track", &track("u1", 1)).await;
    let outbox = daemon.outbox().await;
    let pause = eventually("delivery is paused", || async { outbox.pauses().await.unwrap().pop() }).await;
    let advice = format!("write it to {} and reload (SIGHUP)", key.display());
    assert!(pause.reason.contains(&advice), "{}", pause.reason);
    outbox.close().await;
    std::fs::write(&key, "pk_sandbox\n").unwrap();
    daemon.reload("[admin]", "[admin]").await;
    assert_eq!(count(&daemon.settled().await, "delivered"), 1);
    assert!(daemon.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_of_the_environment_needs_a_restart() {
    let klaviyo = Klaviyo::start().await;
    let files = Daemon::files_before(&klaviyo, "env:RELAY_TEST_KEY");
    let mut daemon = Daemon::start_in_under(files, &["env", "RELAY_TEST_KEY=pk_mistyped"]).await;
    daemon.send("/v1/track", &track("u1", 1)).await;
    let advice = "set RELAY_TEST_KEY and restart: the environment is read at the start alone";
    eventually("`status` shows what to do", || async {
        let shown = String::from_utf8(daemon.command(&["status"]).stdout).unwrap();
        shown.contains(advice).then_some(())
    })
    .await;
    let log = daemon.log();
    assert!(log.contains(advice), "{log}");
    daemon.terminate().await;
    daemon.restart_under(&["env", "RELAY_TEST_KEY=pk_sandbox"]).await;
    assert_eq!(count(&daemon.settled().await, "delivered"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_of_the_log_changes_while_it_runs() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    daemon.send("/v1/track", &track("u1", 1)).await;
    daemon.settled().await;
    let attempts = || daemon.log().matches("\"message\":\"attempt\"").count();
    assert_eq!(attempts(), 0);
    let filter = "info,klaviyo_relay::ingest=debug";
    daemon.reload(filter, "debug").await;
    daemon.send("/v1/track", &track("u1", 2)).await;
    daemon.settled().await;
    eventually("the attempt is logged", || async { (attempts() == 1).then_some(()) }).await;
    daemon.reload("filter = \"debug\"", "filter = \"info\"").await;
    daemon.send("/v1/track", &track("u1", 3)).await;
    daemon.settled().await;
    assert_eq!(attempts(), 1);
}
