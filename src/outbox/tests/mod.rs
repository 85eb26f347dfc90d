//! The outbox on a real file.

use std::time::Duration;

use tempfile::TempDir;

use super::*;

mod envelopes;
pub(super) mod import_jobs;
mod ledger;
mod ownership;
mod pages;
mod search;
mod unexpected;
use crate::model::{
    DeliveryId, DeliveryKind, DeliveryStatus, EventId, EventStatus, EventType, Identifier, IdentifierKind, NewEvent,
    Outcome, OutcomeKind, Reason,
};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_795_430_000_000);

pub(super) struct Files {
    _dir: TempDir,
    pub(super) config: OutboxConfig,
}

pub(super) fn files() -> Files {
    let dir = TempDir::new().unwrap();
    let config = OutboxConfig {
        path: dir.path().join("outbox.db"),
        retain_delivered: Duration::from_hours(24),
        retain_dead: Duration::from_hours(24),
        retain_bodies: Duration::from_hours(24),
        min_free_disk: 0,
        max_pending: None,
    };
    Files { _dir: dir, config }
}

impl Files {
    pub(super) async fn open(&self) -> Outbox {
        Outbox::open(&self.config, NOW).await.unwrap()
    }
}

pub(super) fn event(message: &str, users: &[&str]) -> NewEvent {
    let identifiers = users
        .iter()
        .map(|user| Identifier::new(IdentifierKind::UserId, user).unwrap())
        .collect();
    NewEvent {
        traceparent: None,
        source: "shop".to_owned(),
        message_id: message.to_owned(),
        kind: Some(EventType::Track),
        name: Some("Item Added".to_owned()),
        at: NOW,
        received_at: NOW,
        order_id: None,
        identifiers,
        payload: format!(r#"{{"messageId":"{message}", "n": 1.10}}"#),
        envelope: None,
        dead: None,
    }
}

pub(super) fn planned(key: Option<&str>) -> PlannedDelivery {
    PlannedDelivery {
        kind: DeliveryKind::Event,
        metric: Some("Placed Order".to_owned()),
        event_key: key.map(str::to_owned),
        list_id: None,
        request: Some("{}".to_owned()),
        rejected: None,
        warnings: Vec::new(),
    }
}

/// A reason with this text.
pub(super) fn because(text: &str) -> Reason {
    Reason::new("because", text)
}

pub(super) async fn claim_all(outbox: &Outbox) -> Vec<i64> {
    let ids = outbox.queue().claim(NOW, 100, 100, 0).await.unwrap();
    ids.into_iter().map(|claimed| claimed.event.0).collect()
}

pub(super) async fn finish(outbox: &Outbox, id: i64, status: EventStatus) {
    let reason = (status != EventStatus::Delivered).then(|| because("because"));
    let next = Next::Complete {
        event: EventId(id),
        status,
        reason,
        copy_of: None,
        hold: false,
        erase: false,
        now: NOW,
    };
    outbox
        .queue()
        .settle(vec![Transition { settlement: None, next }])
        .await
        .unwrap();
}

pub(super) async fn plan(outbox: &Outbox, event: i64, delivery: PlannedDelivery) -> DeliveryId {
    let event = EventId(event);
    outbox.queue().plan(vec![(event, vec![delivery])]).await.unwrap()[&event][0]
}

pub(super) fn start(delivery: DeliveryId) -> Start {
    Start {
        delivery,
        sent_to: "sandbox".to_owned(),
        request: None,
        now: NOW,
    }
}

pub(super) async fn begin(outbox: &Outbox, delivery: DeliveryId) -> Begun {
    let mut begun = outbox.queue().begin(vec![start(delivery)]).await.unwrap();
    begun.remove(0)
}

pub(super) async fn settle(outbox: &Outbox, delivery: DeliveryId, attempt: i64, status: DeliveryStatus) {
    let kind = if status == DeliveryStatus::Delivered {
        OutcomeKind::Accepted
    } else {
        OutcomeKind::Refused
    };
    let settlement = Settlement {
        delivery,
        attempt,
        outcome: Outcome::of(kind),
        status,
        reason: (status == DeliveryStatus::Rejected).then(|| because("no")),
        request: None,
        counts: true,
        failed: false,
        now: NOW,
    };
    outbox
        .queue()
        .settle(vec![Transition {
            settlement: Some(settlement),
            next: Next::Continue,
        }])
        .await
        .unwrap();
}

pub(super) async fn count(outbox: &Outbox, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&outbox.store.readers).await.unwrap()
}

#[tokio::test]
async fn a_message_of_a_source_is_stored_once() {
    let files = files();
    let outbox = files.open().await;
    outbox
        .intake()
        .append(vec![event("m1", &["a"]), event("m1", &["a"]), event("m2", &["a"])])
        .await
        .unwrap();
    outbox
        .intake()
        .append(vec![event("m2", &["a"]), event("m3", &["a"])])
        .await
        .unwrap();
    let mut elsewhere = event("m1", &["a"]);
    elsewhere.source = "other".to_owned();
    outbox.intake().append(vec![elsewhere]).await.unwrap();
    assert_eq!(count(&outbox, "SELECT count(*) FROM events").await, 4);
    assert_eq!(count(&outbox, "SELECT accepted FROM audit").await, 4);
    assert_eq!(count(&outbox, "SELECT difference FROM audit").await, 0);
}

#[tokio::test]
async fn the_payload_is_kept_byte_for_byte() {
    let files = files();
    let outbox = files.open().await;
    let texts = [
        r#"{ "n":1.10,"big":12345678901234567890,"u":"\u0000\u00e9é\n" }"#.to_owned(),
        r#"["half a pair: \ud83d, \\ud83d, \ude00", "\\u0000", "whole: \ud83d\ude00 😀"]"#.to_owned(),
        "\"\u{7f}\u{85}\u{2028}\u{feff}\u{fffd}\u{ffff}\u{10ffff}\t \"".to_owned(),
        format!("\"{}\"", r"é\ud83d😀\\".repeat(500_000)),
    ];
    let events = texts.iter().enumerate().map(|(at, text)| NewEvent {
        payload: text.clone(),
        envelope: Some(text.as_str().into()),
        ..event(&format!("m{at}"), &[])
    });
    outbox.intake().append(events.collect()).await.unwrap();
    let ids = claim_all(&outbox).await;
    assert_eq!(ids.len(), texts.len());
    for (id, text) in ids.into_iter().zip(texts) {
        let stored = outbox.claimed(&[EventId(id)]).await.unwrap().remove(0);
        let shown: String = text.chars().take(80).collect();
        assert!(stored.payload == text, "{shown}");
        assert!(stored.envelope.as_deref() == Some(text.as_str()), "{shown}");
    }
}

#[tokio::test]
async fn events_that_share_an_identifier_take_turns_and_chains_hold() {
    let files = files();
    let outbox = files.open().await;
    let events = vec![
        event("browse", &["anon"]),
        event("identify", &["anon", "user"]),
        event("buy", &["user"]),
        event("stranger", &["other"]),
        event("nobody", &[]),
    ];
    outbox.intake().append(events).await.unwrap();
    assert_eq!(
        claim_all(&outbox).await,
        [1, 4, 5],
        "the heads of the lines, and who stands in none"
    );
    assert_eq!(
        claim_all(&outbox).await,
        [0_i64; 0],
        "the others wait, and nothing is claimed twice"
    );
    finish(&outbox, 1, EventStatus::Delivered).await;
    assert_eq!(claim_all(&outbox).await, [2]);
    outbox.intake().append(vec![event("later", &["anon"])]).await.unwrap();
    finish(&outbox, 2, EventStatus::Dead).await;
    assert_eq!(claim_all(&outbox).await, [3, 6], "a dead head lets its followers go");
}

#[tokio::test]
async fn a_released_event_keeps_its_place_until_its_time_comes() {
    let files = files();
    let outbox = files.open().await;
    outbox
        .intake()
        .append(vec![event("first", &["a"]), event("second", &["a"])])
        .await
        .unwrap();
    assert_eq!(claim_all(&outbox).await, [1]);
    let due = NOW.plus(Duration::from_mins(1));
    outbox
        .queue()
        .settle(vec![Transition {
            settlement: None,
            next: Next::Reschedule {
                parked: None,
                event: EventId(1),
                due,
            },
        }])
        .await
        .unwrap();
    assert_eq!(claim_all(&outbox).await, [0_i64; 0]);
    assert_eq!(outbox.queue().next_due().await.unwrap().live, Some(due));
    assert_eq!(
        outbox.queue().claim(due, 100, 100, 0).await.unwrap()[..],
        [Claimed {
            event: EventId(1),
            run: None
        }]
    );
}

#[tokio::test]
async fn requests_in_flight_at_a_crash_are_unknown_and_may_be_claimed_again() {
    let files = files();
    let outbox = files.open().await;
    outbox.intake().append(vec![event("m", &["a"])]).await.unwrap();
    claim_all(&outbox).await;
    let delivery = plan(&outbox, 1, planned(Some("k"))).await;
    assert_eq!(begin(&outbox, delivery).await, Begun::Go { attempt: 1 });
    let writer = outbox.tasks.clone();
    drop(outbox);
    writer.close();
    writer.wait().await;

    let outbox = files.open().await;
    assert_eq!(
        count(&outbox, "SELECT count(*) FROM deliveries WHERE status = 'unknown'").await,
        1
    );
    assert_eq!(
        count(&outbox, "SELECT count(*) FROM attempts WHERE outcome = 'unknown'").await,
        1
    );
    assert_eq!(claim_all(&outbox).await, [1]);
    assert_eq!(
        begin(&outbox, delivery).await,
        Begun::Go { attempt: 2 },
        "the key is still its own"
    );
}

#[tokio::test]
async fn replayed_events_queue_behind_what_their_person_waits_for_in_their_own_order() {
    let files = files();
    let outbox = files.open().await;
    let people = vec![
        event("m1", &["a"]),
        event("m2", &["a"]),
        event("m3", &["a"]),
        event("m4", &["b"]),
    ];
    outbox.intake().append(people).await.unwrap();
    for id in [1, 2] {
        assert!(claim_all(&outbox).await.contains(&id));
        finish(&outbox, id, EventStatus::Dead).await;
    }
    outbox
        .replay(NOW, vec![EventId(1), EventId(2), EventId(4)], Replay::default())
        .await
        .unwrap();
    for id in [3, 1, 2] {
        assert_eq!(claim_all(&outbox).await, [id]);
        finish(&outbox, id, EventStatus::Delivered).await;
    }
    assert_eq!(count(&outbox, "SELECT difference FROM audit").await, 0);
    let event = outbox.claimed(&[EventId(1)]).await.unwrap().remove(0);
    assert_eq!(
        (event.generation, event.deliveries.len()),
        (2, 0),
        "a replay is a new generation"
    );
}

#[tokio::test]
async fn an_event_that_is_dead_on_arrival_has_its_reason_and_blocks_nobody() {
    let files = files();
    let outbox = files.open().await;
    let mut bad = event("bad", &["a"]);
    bad.dead = Some(because("event_not_defined: no name"));
    bad.kind = None;
    outbox.intake().append(vec![bad, event("good", &["a"])]).await.unwrap();
    assert_eq!(claim_all(&outbox).await, [2]);
    let reason: (String, String) = sqlx::query_as("SELECT reason, reason_code FROM dead_letters")
        .fetch_one(&outbox.store.readers)
        .await
        .unwrap();
    assert_eq!(reason, ("event_not_defined: no name".to_owned(), "because".to_owned()));
}

#[tokio::test]
async fn a_second_daemon_on_the_same_file_is_refused_with_the_firsts_pid() {
    let files = files();
    let _outbox = files.open().await;
    let error = Outbox::open(&files.config, NOW).await.unwrap_err();
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_outbox_leaves_no_log_beside_its_file() {
    let rounds = (0..8).map(|_| async {
        let files = files();
        files.open().await.close().await;
        for _ in 0..40 {
            let outbox = Outbox::attach(&files.config).await.unwrap();
            outbox.close().await;
            assert!(!files.config.path.with_extension("db-wal").exists());
        }
    });
    futures_util::future::join_all(rounds).await;
}

#[tokio::test]
async fn a_commit_of_another_process_wakes_the_relay() {
    let files = files();
    let daemon = files.open().await;
    daemon.intake().append(vec![event("m", &["a"])]).await.unwrap();
    claim_all(&daemon).await;
    finish(&daemon, 1, EventStatus::Dead).await;
    let beside = Outbox::attach(&files.config).await.unwrap();
    // The writer must have checked once before it can detect a change.
    let mut woken = false;
    for _ in 0..100 {
        let notice = daemon.wake().notified();
        beside.kv_set("ping".to_owned(), "pong".to_owned()).await.unwrap();
        woken = tokio::time::timeout(Duration::from_secs(5), notice).await.is_ok();
        if woken {
            break;
        }
    }
    assert!(woken);
}
