//! After an erasure, no byte of the file and its WAL contains the person.

use std::time::Duration;

use crate::model::{DeliveryStatus, EventStatus};
use crate::outbox::control::erase::tests::{delete, finish_delete, track};
use crate::outbox::tests::{begin, claim_all, count, files, finish, plan, planned, settle};
use crate::outbox::*;

/// The name that must not be found.
const WANTED: &str = "jane.wanted@shop.example";
const OTHER: &str = "somebody.else@shop.example";
const ROUNDS: i64 = 40;
/// Events per round; every fifth is about the person.
const EVENTS: i64 = 25;

/// How often a file contains the name.
fn found_in(path: &Path) -> usize {
    let bytes = std::fs::read(path).unwrap_or_default();
    let wanted = WANTED.as_bytes();
    let parts = bytes.windows(wanted.len());
    parts.filter(|part| *part == wanted).count()
}

fn text(letter: &str, times: i64) -> String {
    letter.repeat(usize::try_from(times).unwrap())
}

/// Stores people with texts of many sizes, so that pages are filled, split and balanced while the person's rows are on
/// them.
async fn fill(outbox: &Outbox) {
    for round in 0..ROUNDS {
        let batch = (0..EVENTS).map(|at| {
            let message = format!("m{round}-{at}");
            let mine = at % 5 == 0;
            let mut event = if mine {
                let browser = format!("anonymous:{round}");
                track(&message, &["user:jane", &format!("email:{WANTED}"), &browser])
            } else {
                let other = format!("user:{round}-{at}");
                track(&message, &[&other, &format!("email:{at}@x.co")])
            };
            let (whose, pad) = (if mine { WANTED } else { OTHER }, (round * 7 + at * 131) % 900);
            event.payload = format!(r#"{{"of": "{whose}", "pad": "{}"}}"#, text("x", pad * 9));
            event
        });
        outbox.intake().append(batch.collect()).await.unwrap();
        deliver(outbox).await;
    }
}

/// Sends all events that are due, with the person's name in each of their requests.
async fn deliver(outbox: &Outbox) {
    loop {
        let ids = claim_all(outbox).await;
        if ids.is_empty() {
            return;
        }
        for id in ids {
            let mine = (id - 1) % EVENTS % 5 == 0;
            let whose = if mine { WANTED } else { OTHER };
            let mut request = planned(Some(&format!("k{id}")));
            let pad = text("y", id % 700);
            request.request = Some(format!(r#"{{"email": "{whose}", "pad": "{pad}"}}"#));
            let delivery = plan(outbox, id, request).await;
            begin(outbox, delivery).await;
            settle(outbox, delivery, 1, DeliveryStatus::Delivered).await;
            finish(outbox, id, EventStatus::Delivered).await;
        }
    }
}

#[tokio::test]
async fn no_page_of_the_file_or_its_wal_contains_the_name_after_an_erasure() {
    let files = files();
    let outbox = files.open().await;
    let wal = files.config.path.with_extension("db-wal");
    fill(&outbox).await;
    let before = found_in(&files.config.path) + found_in(&wal);
    assert!(before > 100, "the name is in the file before the erasure: {before}");
    outbox.intake().append(vec![delete(&["user:jane"])]).await.unwrap();
    let call = ROUNDS * EVENTS + 1;
    assert_eq!(claim_all(&outbox).await, [call]);
    finish_delete(&outbox, call, EventStatus::Delivered, None).await;
    let erased = "SELECT max(events) FROM erasures";
    assert_eq!(count(&outbox, erased).await, ROUNDS * EVENTS / 5 + 1);
    let cleared = tokio::time::timeout(Duration::from_mins(2), async {
        let noted = "SELECT count(*) FROM kv";
        while found_in(&wal) + found_in(&files.config.path) > 0 || count(&outbox, noted).await > 0 {
            tokio::task::yield_now().await;
        }
    });
    cleared.await.expect("the WAL is truncated and the file vacuumed");
    assert_eq!(count(&outbox, "SELECT difference FROM audit").await, 0);
}
