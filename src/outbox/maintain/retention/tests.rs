//! On a real file: what retention deletes, what it keeps, and that the file shrinks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::round::EVENTS;
use super::{Deleted, Round, keep};
use crate::clock::Clock;
use crate::clock::tests::FixedClock;
use crate::config::OutboxConfig;
use crate::model::{DeliveryStatus, EventId, EventStatus, Timestamp};
use crate::outbox::tests::{NOW, because, begin, claim_all, count, event, files, finish, plan, planned, settle};
use crate::outbox::{Begun, Next, Outbox, Replay, Transition};

const LONG_AGO: Timestamp = Timestamp::from_millis(0);
/// All events in these tests finished before this.
const LATER: Timestamp = Timestamp::from_millis(NOW.as_millis() + 1);

async fn run(outbox: &Outbox, round: Round) -> Deleted {
    outbox.run_round(round).await.unwrap()
}

/// Stores an event of `user` and ends it.
async fn ended(outbox: &Outbox, message: &str, user: &str, status: EventStatus) -> i64 {
    outbox.intake().append(vec![event(message, &[user])]).await.unwrap();
    let id = claim_all(outbox).await[0];
    finish(outbox, id, status).await;
    id
}

#[tokio::test]
async fn finished_events_go_when_their_time_is_over_and_the_audit_adds_up() {
    let files = files();
    let outbox = files.open().await;
    ended(&outbox, "m1", "a", EventStatus::Delivered).await;
    ended(&outbox, "m2", "b", EventStatus::Skipped).await;
    ended(&outbox, "m3", "c", EventStatus::Dead).await;
    outbox.intake().append(vec![event("m4", &["d"])]).await.unwrap();
    let nothing = Round {
        delivered: NOW,
        dead: NOW,
        bodies: NOW,
        import_jobs: LATER,
        minutes: LATER,
    };
    assert_eq!(run(&outbox, nothing).await, Deleted::default());

    let delivered = Round {
        delivered: LATER,
        dead: LONG_AGO,
        bodies: LATER,
        import_jobs: LATER,
        minutes: LATER,
    };
    assert_eq!(run(&outbox, delivered.clone()).await.events, 2);
    assert_eq!(count(&outbox, "SELECT group_concat(id) = '3,4' FROM events").await, 1);
    let dead = Round {
        dead: LATER,
        ..delivered
    };
    assert_eq!(run(&outbox, dead.clone()).await.events, 1);
    assert_eq!(run(&outbox, dead).await.events, 0);
    assert_eq!(
        count(
            &outbox,
            "SELECT accepted = 4 AND delivered = 1 AND skipped = 1 AND dead = 1 AND pending = 1 AND difference = 0
             FROM audit"
        )
        .await,
        1
    );
    assert_eq!(
        count(&outbox, "SELECT sum(value) FROM counter WHERE name GLOB 'status_*'").await,
        count(&outbox, "SELECT count(*) FROM event").await
    );
}

#[tokio::test]
async fn a_dead_event_that_others_wait_behind_stays() {
    let files = files();
    let outbox = files.open().await;
    let events = vec![event("m1", &["a"]), event("m2", &["a"])];
    outbox.intake().append(events).await.unwrap();
    let head = claim_all(&outbox).await[0];
    let next = Next::Complete {
        event: EventId(head),
        status: EventStatus::Dead,
        reason: Some(because("because")),
        copy_of: None,
        hold: true,
        erase: false,
        now: NOW,
    };
    let step = Transition { settlement: None, next };
    outbox.queue().settle(vec![step]).await.unwrap();
    let all = Round {
        delivered: LATER,
        dead: LATER,
        bodies: LATER,
        import_jobs: LATER,
        minutes: LATER,
    };
    assert_eq!(run(&outbox, all.clone()).await.events, 0);
    outbox.discard(NOW, vec![EventId(2)]).await.unwrap();
    let again = Replay::default();
    outbox.replay(NOW, vec![EventId(head)], again).await.unwrap();
    assert_eq!(claim_all(&outbox).await, [head]);
    finish(&outbox, head, EventStatus::Dead).await;
    assert_eq!(run(&outbox, all).await.events, 2);
}

#[tokio::test]
async fn bodies_go_before_the_history_and_are_not_looked_at_again() {
    let files = files();
    let outbox = files.open().await;
    outbox.intake().append(vec![event("m1", &["a"])]).await.unwrap();
    let id = claim_all(&outbox).await[0];
    let delivery = plan(&outbox, id, planned(Some("k"))).await;
    begin(&outbox, delivery).await;
    settle(&outbox, delivery, 1, DeliveryStatus::Delivered).await;
    finish(&outbox, id, EventStatus::Delivered).await;
    ended(&outbox, "m2", "b", EventStatus::Dead).await;

    let bodies = Round {
        delivered: LONG_AGO,
        dead: LONG_AGO,
        bodies: LATER,
        import_jobs: LATER,
        minutes: LATER,
    };
    assert_eq!(run(&outbox, bodies.clone()).await.bodies, 1);
    assert_eq!(run(&outbox, bodies.clone()).await.bodies, 0);
    for (what, expected) in [
        (
            "SELECT count(*) FROM events WHERE payload IS NULL AND status = 'delivered'",
            1,
        ),
        (
            "SELECT count(*) FROM events WHERE payload IS NOT NULL AND status = 'dead'",
            1,
        ),
        (
            "SELECT count(*) FROM deliveries WHERE request IS NULL AND event_id_key = 'k'",
            1,
        ),
        ("SELECT count(*) FROM attempts", 1),
    ] {
        assert_eq!(count(&outbox, what).await, expected, "{what}");
    }
    ended(&outbox, "m3", "c", EventStatus::Delivered).await;
    assert_eq!(run(&outbox, bodies).await.bodies, 1);
}

#[tokio::test]
async fn a_message_and_a_key_are_known_as_long_as_their_event() {
    let files = files();
    let outbox = files.open().await;
    let send_again = async |expected: Begun| {
        outbox.intake().append(vec![event("again", &["b"])]).await.unwrap();
        let id = claim_all(&outbox).await[0];
        let delivery = plan(&outbox, id, planned(Some("order"))).await;
        assert_eq!(begin(&outbox, delivery).await, expected);
        finish(&outbox, id, EventStatus::Skipped).await;
        id
    };
    outbox.intake().append(vec![event("m1", &["a"])]).await.unwrap();
    let id = claim_all(&outbox).await[0];
    let delivery = plan(&outbox, id, planned(Some("order"))).await;
    begin(&outbox, delivery).await;
    settle(&outbox, delivery, 1, DeliveryStatus::Delivered).await;
    finish(&outbox, id, EventStatus::Delivered).await;
    outbox.intake().append(vec![event("m1", &["a"])]).await.unwrap();
    assert_eq!(claim_all(&outbox).await, [0; 0]);
    let copied = crate::outbox::Copied {
        event: EventId(id),
        profile_id: None,
    };
    send_again(Begun::Duplicate(copied)).await;

    let all = Round {
        delivered: LATER,
        dead: LATER,
        bodies: LATER,
        import_jobs: LATER,
        minutes: LATER,
    };
    assert_eq!(run(&outbox, all).await.events, 2);
    for table in [
        "SELECT count(*) FROM message",
        "SELECT count(*) FROM dedup_key",
        "SELECT count(*) FROM payload",
        "SELECT count(*) FROM event_identifier",
        "SELECT count(*) FROM delivery",
        "SELECT count(*) FROM attempt",
    ] {
        assert_eq!(count(&outbox, table).await, 0, "{table}");
    }
    send_again(Begun::Go { attempt: 1 }).await;
}

#[tokio::test]
async fn the_file_gets_smaller_round_by_round() {
    let files = files();
    let outbox = files.open().await;
    let events = (0..3000).map(|number| {
        let mut event = event(&format!("m{number}"), &[]);
        event.payload = format!(r#"{{"filler":"{}"}}"#, "x".repeat(4000));
        event.dead = Some(because("because"));
        event
    });
    outbox.intake().append(events.collect()).await.unwrap();
    let pages = "SELECT page_count FROM pragma_page_count";
    let before = count(&outbox, pages).await;
    let all = Round {
        delivered: LATER,
        dead: LATER,
        bodies: LATER,
        import_jobs: LATER,
        minutes: LATER,
    };
    let mut rounds = 0;
    loop {
        let deleted = run(&outbox, all.clone()).await;
        assert!(deleted.events <= EVENTS);
        rounds += 1;
        assert!(rounds < 200, "it never ends");
        if !deleted.more {
            break;
        }
    }
    let after = count(&outbox, pages).await;
    assert!(
        rounds > 30 && after < before / 2,
        "{before} pages, then {after}, in {rounds} rounds"
    );
    assert_eq!(count(&outbox, "SELECT dead FROM audit").await, 3000);
}

#[test]
fn nothing_is_deleted_before_the_configured_time() {
    let config = OutboxConfig {
        retain_delivered: Duration::from_hours(48),
        retain_bodies: Duration::from_hours(1),
        retain_dead: Duration::from_hours(72),
        ..OutboxConfig::default()
    };
    let hours_ago = |hours| NOW.minus(Duration::from_hours(hours));
    let expected = Round {
        delivered: hours_ago(48),
        dead: hours_ago(72),
        bodies: hours_ago(1),
        import_jobs: hours_ago(24),
        minutes: hours_ago(8 * 24),
    };
    assert_eq!(Round::at(&config, NOW), expected);
}

/// One round by a daemon that starts at this time and stops at once.
async fn one_round(outbox: &Outbox, now: Timestamp) {
    let stop = CancellationToken::new();
    stop.cancel();
    let config = watch::Sender::new(OutboxConfig::default());
    let clock: Arc<dyn Clock> = Arc::new(FixedClock(now, Duration::ZERO));
    keep(outbox.control().clone(), config.subscribe(), clock, stop).await;
}

#[tokio::test]
async fn a_clock_that_leaps_deletes_nothing() {
    let files = files();
    let outbox = files.open().await;
    ended(&outbox, "m1", "a", EventStatus::Dead).await;
    ended(&outbox, "m2", "b", EventStatus::Delivered).await;
    let later = |days: u64| NOW.plus(Duration::from_hours(24 * days));
    for leap in [later(0), later(3652), Timestamp::from_millis(0), later(0), later(89)] {
        one_round(&outbox, leap).await;
        let kept = "SELECT count(*) FROM event JOIN payload ON event_id = event.id";
        assert_eq!(count(&outbox, kept).await, 2, "{leap}");
    }
}
