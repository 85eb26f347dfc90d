//! Outboxes of older programs (`tests/upgrade`) are brought up to date and gone on with; newer ones are refused.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use klaviyo_relay::config::{Config, OutboxConfig};
use klaviyo_relay::model::{EventStatus, Timestamp};
use klaviyo_relay::outbox::{OpenError, Outbox, Selection};
use tempfile::TempDir;

use crate::support::{Daemon, Klaviyo, assert_ascending, count};

/// When the fixtures were made, roughly: later than all that is in them.
const LATER: Timestamp = Timestamp::from_millis(1_795_480_000_000);

/// A fixture, unpacked where it can be written.
fn unpack(name: &str, folder: &Path) -> PathBuf {
    let packed = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/upgrade").join(name)).unwrap();
    let mut file = Vec::new();
    flate2::read::GzDecoder::new(&*packed).read_to_end(&mut file).unwrap();
    let path = folder.join("outbox.db");
    fs::write(&path, file).unwrap();
    path
}

fn config(path: PathBuf) -> OutboxConfig {
    OutboxConfig {
        path,
        min_free_disk: 0,
        ..Config::default().outbox
    }
}

#[tokio::test]
async fn an_outbox_of_version_2_keeps_all_it_had() {
    let folder = TempDir::new().unwrap();
    let config = config(unpack("version-2.sqlite.gz", folder.path()));
    let outbox = Outbox::open(&config, LATER).await.unwrap();
    let status = outbox.status().await.unwrap();
    for (name, expected) in [
        ("accepted", 23),
        ("delivered", 14),
        ("skipped", 1),
        ("dead", 2),
        ("pending", 6),
        ("difference", 0),
    ] {
        assert_eq!(count(&status, name), expected, "{name}");
    }
    assert_eq!(outbox.pending().await.unwrap(), 6, "the new count of what waits");
    let order = outbox.find("order-1").await.unwrap();
    let order = outbox.report(order[0]).await.unwrap().unwrap();
    let keys = order
        .deliveries
        .iter()
        .map(|delivery| delivery.column("event_id_key").unwrap());
    assert_eq!(keys.collect::<Vec<_>>(), ["o-1", "o-1_a", "o-1_b"]);
    assert!(
        order
            .payload
            .unwrap()
            .contains(r#""productId":"b","price":3,"quantity":2"#)
    );
    let dead = Selection {
        states: vec![EventStatus::Dead],
        ..Selection::default()
    };
    assert_eq!(outbox.select(&dead).await.unwrap().len(), 2);
    outbox.close().await;

    let again = Outbox::open(&config, LATER).await.unwrap();
    assert_eq!(again.status().await.unwrap().audit, status.audit);
    // Two of the three people have their turn, each with the first of two events; another is behind its own.
    let claimed = again.claim(LATER, 10, 10, 0).await.unwrap();
    let claimed = claimed.into_iter().map(|claimed| claimed.event).collect();
    let firsts = again.briefs(&Selection::of(claimed), 10).await.unwrap();
    let mut people: Vec<_> = firsts.iter().filter_map(|brief| brief.profile.clone()).collect();
    people.sort();
    assert_eq!(people, ["user:late0", "user:late1", "user:late2"]);
    again.close().await;
}

#[tokio::test]
async fn an_outbox_of_version_7_keeps_all_it_had_and_its_minutes_begin_now() {
    let folder = TempDir::new().unwrap();
    let config = config(unpack("version-7.sqlite.gz", folder.path()));
    for _start in 0..2 {
        let outbox = Outbox::open(&config, LATER).await.unwrap();
        let status = outbox.status().await.unwrap();
        for (name, expected) in [
            ("accepted", 20),
            ("delivered", 10),
            ("skipped", 2),
            ("dead", 2),
            ("pending", 5),
            ("held", 1),
            ("difference", 0),
        ] {
            assert_eq!(count(&status, name), expected, "{name}");
        }
        let standing = outbox.standing().await.unwrap();
        assert_eq!(standing.accepted, 20);
        assert!(standing.counts.contains(&(EventStatus::Held, 1)));
        assert_eq!(standing.pauses, status.pauses);
        assert!(!standing.pauses.is_empty());
        let all = Timestamp::from_millis(0);
        let minutes = outbox.history(all, LATER, 0).await.unwrap();
        let came: Vec<_> = minutes
            .iter()
            .map(|minute| (minute.came, minute.done, minute.pending))
            .collect();
        assert_eq!(came, [(0, 0, 5)], "what came before is in no minute");
        outbox.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_goes_on_with_an_outbox_of_version_7() {
    let folder = TempDir::new().unwrap();
    let path = unpack("version-7.sqlite.gz", folder.path());
    let klaviyo = Klaviyo::start().await;
    let outbox = format!("path = \"{}\"\nmin_free_disk = 0", path.display());
    let daemon = Daemon::start_on(&klaviyo, &outbox, "").await;
    let status = daemon.settled().await;
    let counts = ["pending", "held", "delivered"].map(|name| count(&status, name));
    assert_eq!(counts, [0, 1, 15]);
    assert_eq!(
        klaviyo.events().len(),
        5,
        "what was delivered before is not sent again, what is held not at all"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_goes_on_with_an_outbox_of_version_2() {
    let folder = TempDir::new().unwrap();
    let path = unpack("version-2.sqlite.gz", folder.path());
    let klaviyo = Klaviyo::start().await;
    let outbox = format!("path = \"{}\"\nmin_free_disk = 0", path.display());
    let daemon = Daemon::start_on(&klaviyo, &outbox, "").await;
    let status = daemon.settled().await;
    assert_eq!((count(&status, "pending"), count(&status, "delivered")), (0, 20));
    let events = klaviyo.events();
    assert_eq!(events.len(), 6, "what was delivered before is not sent again");
    let mut people = BTreeMap::<_, Vec<_>>::new();
    for event in events {
        people.entry(event.profile).or_default().push(event.unique_id.unwrap());
    }
    assert_eq!(people.len(), 3);
    for (person, order) in people {
        assert_eq!(order.len(), 2);
        assert_ascending(&person, &order);
    }
}

#[tokio::test]
async fn an_outbox_of_a_newer_program_is_refused_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = unpack("version-2.sqlite.gz", folder.path());
    let mut bytes = fs::read(&path).unwrap();
    // `PRAGMA user_version`: four bytes at offset 60 of the file's header.
    bytes[60..64].copy_from_slice(&9999_u32.to_be_bytes());
    fs::write(&path, &bytes).unwrap();
    let refused = Outbox::open(&config(path.clone()), LATER).await.unwrap_err();
    assert!(matches!(refused, OpenError::Newer { found: 9999, .. }), "{refused}");
    let refused = Outbox::attach(&config(path.clone())).await.unwrap_err();
    assert!(refused.to_string().contains("newer klaviyo-relay"), "{refused}");
    let after = fs::read(&path).unwrap();
    let changed: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] != after[*at]).collect();
    assert_eq!(changed, [0_usize; 0]);
}
