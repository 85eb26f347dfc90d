//! `import` beside a running daemon: every event once and in order through kills, and history that stays history.

use std::fs;

use klaviyo_relay::clock::{Clock as _, SystemClock};
use serde_json::json;

use super::ordering::numbers_by_person;
use super::track;
use crate::support::{Daemon, Klaviyo, assert_ascending, count, eventually};

const PEOPLE: u64 = 40;
/// No more than the limits let through in a minute.
const EVENTS: u64 = 2500;

#[tokio::test(flavor = "multi_thread")]
async fn an_import_killed_in_the_middle_goes_on_and_each_event_leaves_once_in_order() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let file = daemon.database().with_file_name("calls.ndjson");
    let lines: Vec<String> = (1..=EVENTS)
        .map(|number| {
            let mut call = track(&format!("u{}", number % PEOPLE), number);
            if number % 3 == 0 {
                // Without an id of its own.
                call.as_object_mut().unwrap().remove("messageId");
            }
            call.to_string()
        })
        .collect();
    fs::write(&file, lines.join("\n")).unwrap();
    let file = file.to_str().unwrap();

    let outbox = daemon.outbox().await;
    let accepted = || async { count(&outbox.counts().await.unwrap(), "accepted") };
    let mut kills = 0;
    for share in [1, 2] {
        let enough = i64::try_from(EVENTS * share / 6).unwrap();
        let mut import = daemon.start_command(&["import", file]);
        eventually("a part is imported", || async {
            (accepted().await >= enough).then_some(())
        })
        .await;
        import.kill().unwrap();
        import.wait().unwrap();
        kills += usize::from(accepted().await < i64::try_from(EVENTS).unwrap());
    }
    outbox.close().await;
    assert!(kills > 0, "it was killed before its end");
    let last = daemon.command(&["import", file]);
    assert!(last.status.success(), "{last:?}");
    let output = String::from_utf8(last.stderr).unwrap();
    assert!(output.contains(" lines were imported before"), "{output}");

    let status = daemon.settled().await;
    let all = i64::try_from(EVENTS).unwrap();
    assert_eq!((count(&status, "accepted"), count(&status, "delivered")), (all, all));
    let people = numbers_by_person(&klaviyo);
    let sent: usize = people.values().map(Vec::len).sum();
    assert_eq!((people.len() as u64, sent as u64), (PEOPLE, EVENTS));
    for (person, numbers) in people {
        assert_ascending(&person, &numbers);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_starts_no_flows_and_subscribes_nobody_again_unless_requested() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[mapping]\nlist_id = \"LST1\"").await;
    let file = daemon.database().with_file_name("calls.ndjson");
    let calls = |run: &str| {
        let identify = |id: &str, time: &str| {
            json!({"type": "identify", "messageId": format!("{id}-{run}"), "userId": format!("{id}-{run}"),
                "timestamp": time, "traits": {"email": format!("{id}-{run}@klaviyo-demo.com")}})
        };
        let now = SystemClock.now().to_string();
        let order = json!({"type": "track", "messageId": format!("o-{run}"), "userId": "ann",
            "timestamp": "2025-11-28T10:00:00Z", "event": "Order Completed", "properties": {"orderId": run}});
        let lines = [
            order.to_string(),
            identify("old", "2025-11-28T10:00:00Z").to_string(),
            identify("new", &now).to_string(),
        ];
        fs::write(&file, lines.join("\n")).unwrap();
    };
    let requests = || async {
        let requests = klaviyo.requests().await;
        let subscribed = requests.iter().filter(|request| request.path.contains("subscription"));
        let backfilled = requests.iter().filter(|request| {
            let body = request.body.get();
            body.contains("\"backfill\":true") || body.contains("\"backfill\": true")
        });
        (subscribed.count(), backfilled.count())
    };
    let path = file.to_str().unwrap();
    for (run, options, expected) in [
        ("a", &["--backfill"][..], (1, 1)),
        ("b", &["--backfill", "--consent"], (3, 2)),
        ("c", &[], (4, 2)),
    ] {
        calls(run);
        let arguments = [&["import", path][..], options].concat();
        let import = daemon.command(&arguments);
        assert!(import.status.success(), "{import:?}");
        daemon.settled().await;
        assert_eq!(requests().await, expected, "{options:?}");
    }
    let shown = daemon.command(&["show", "old-a"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("the subscription was left out"), "{shown}");
}
