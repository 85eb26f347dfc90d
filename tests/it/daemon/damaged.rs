//! The outbox's file, damaged on the disk: a page of it, and all of it.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use serde_json::json;

use super::track;
use crate::support::{Daemon, Klaviyo, count, eventually};

const PAGE: usize = 4096;
/// The first byte of a page that has rows of a table on it (<https://sqlite.org/fileformat.html#b_tree_pages>).
const LEAF: u8 = 0x0d;

/// Makes the first page unreadable that has these bytes on it and rows of a table.
fn spoil_page_with(database: &Path, bytes: &str) {
    let bytes = bytes.as_bytes();
    let all = fs::read(database).unwrap();
    let has = |page: &[u8]| page.windows(bytes.len()).any(|part| part == bytes);
    let found = all.chunks(PAGE).position(|page| page[0] == LEAF && has(page));
    let mut file = fs::OpenOptions::new().write(true).open(database).unwrap();
    let place = found.expect("the bytes are in the file") * PAGE;
    file.seek(SeekFrom::Start(place as u64)).unwrap();
    file.write_all(&[0xff; 100]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_cannot_be_read_costs_its_own_events_alone() {
    let klaviyo = Klaviyo::start().await;
    let mut daemon = Daemon::start(&klaviyo, "").await;
    daemon.terminate().await;
    let archive = daemon.database().with_extension("ndjson");
    let lines = (1..=116).map(|number| {
        let mut call = track(&format!("u{number}"), number);
        call["properties"]["filler"] = json!(format!("needle-{number}-{}", "x".repeat(700)));
        call.to_string() + "\n"
    });
    fs::write(&archive, lines.collect::<String>()).unwrap();
    let ran = daemon.command(&["import", archive.to_str().unwrap()]);
    assert!(ran.status.success(), "{ran:?}");
    spoil_page_with(&daemon.database(), "needle-50-");
    daemon.restart().await;
    let status = daemon.settled().await;
    let (delivered, dead) = (count(&status, "delivered"), count(&status, "dead"));
    assert_eq!(delivered + dead, 116, "{status:?}");
    assert!((1..=6).contains(&dead), "{dead} are dead");
    assert_eq!(daemon.look("/healthz").await.0, 200);
    let (status, ready) = daemon.look("/readyz").await;
    assert_eq!((status, &ready["notes"][0]["code"]), (200, &json!("file_damaged")));
    let events = format!("{dead} events could not be read");
    assert!(ready.to_string().contains(&events), "{ready}");
    let checked = daemon.command(&["check"]);
    let output = String::from_utf8(checked.stdout).unwrap();
    assert!(output.contains("WRONG outbox: "), "{output}");
    assert!(output.contains(&events), "{output}");
    assert_eq!(checked.status.code(), Some(1));
    // What comes goes.
    daemon.send("/v1/track", &track("late", 1)).await;
    assert_eq!(count(&daemon.settled().await, "delivered"), delivered + 1);
}

/// What somebody does to the file.
type Deed = fn(&Path);

fn overwrite(database: &Path) {
    let length = fs::metadata(database).unwrap().len();
    let rubbish = vec![b'x'; usize::try_from(length).unwrap()];
    let file = fs::OpenOptions::new().write(true).open(database);
    file.unwrap().write_all(&rubbish).unwrap();
}

fn truncate(database: &Path) {
    let file = fs::OpenOptions::new().write(true).open(database);
    file.unwrap().set_len(0).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_readers_find_destroyed_is_written_no_more() {
    for deed in [overwrite as Deed, truncate] {
        let klaviyo = Klaviyo::start().await;
        let mut daemon = Daemon::start(&klaviyo, "").await;
        for number in 1..=20 {
            daemon.send("/v1/track", &track("u1", number)).await;
        }
        daemon.settled().await;
        // The WAL is checkpointed into the file before, so that readers need the file.
        daemon.terminate().await;
        daemon.restart().await;
        deed(&daemon.database());
        let mut acknowledged = 0;
        eventually("the daemon refuses", || {
            acknowledged += 1;
            let call = track("u1", 100 + acknowledged);
            let daemon = &daemon;
            async move { (daemon.try_post("/v1/track", &call).await != Some(200)).then_some(()) }
        })
        .await;
        assert!(!daemon.end().await.success(), "{}", daemon.log());
        assert!(acknowledged < 5, "{acknowledged} were acknowledged");
    }
}
