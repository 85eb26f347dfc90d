//! The history on a real file, with the time passed in.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Minute, came_by_source, rollup};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::{EventId, EventStatus, Family, Timestamp};
use crate::outbox::maintain::retention::Round;
use crate::outbox::tests::{because, claim_all, count, event, files};
use crate::outbox::{Next, Outbox, Replay, Transition};

/// 12:00:00.
const NOON: Timestamp = Timestamp::from_millis(1_795_435_200_000);

/// This many seconds after noon.
fn at(seconds: u64) -> Timestamp {
    NOON.plus(Duration::from_secs(seconds))
}

async fn come(outbox: &Outbox, message: &str, source: &str, time: Timestamp) {
    let mut event = event(message, &[]);
    event.source = source.to_owned();
    event.received_at = time;
    outbox.intake().append(vec![event]).await.unwrap();
}

/// Ends the event with this number.
async fn end(outbox: &Outbox, id: i64, status: EventStatus, time: Timestamp) {
    let next = Next::Complete {
        event: EventId(id),
        status,
        reason: (status != EventStatus::Delivered).then(|| because("because")),
        copy_of: None,
        hold: false,
        erase: false,
        now: time,
    };
    let step = Transition { settlement: None, next };
    outbox.queue().settle(vec![step]).await.unwrap();
}

/// A minute without traffic, this many minutes after noon.
fn quiet(minutes: u64) -> Minute {
    Minute::empty(at(60 * minutes))
}

/// Two events arrive in the first minute, and one of them is delivered after 20 s.
async fn a_minute(outbox: &Outbox) {
    outbox.roll_up(at(0), 0).await.unwrap();
    come(outbox, "m1", "shop", at(10)).await;
    come(outbox, "m2", "app", at(20)).await;
    end(outbox, 1, EventStatus::Delivered, at(30)).await;
}

fn that_minute() -> Minute {
    Minute {
        came: 2,
        done: 1,
        pending: 1,
        oldest_pending: Some(Duration::from_secs(40)),
        p50: Some(Duration::from_secs(20)),
        p95: Some(Duration::from_secs(20)),
        ..quiet(0)
    }
}

#[tokio::test]
async fn a_minute_is_the_same_before_and_after_it_is_written() {
    let files = files();
    let outbox = files.open().await;
    a_minute(&outbox).await;
    let running = outbox.history(NOON, at(40), 3).await.unwrap();
    let so_far = Minute {
        oldest_pending: Some(Duration::from_secs(20)),
        throttled: 3,
        ..that_minute()
    };
    assert_eq!(running, [so_far]);

    outbox.roll_up(at(60), 3).await.unwrap();
    let over = Minute {
        throttled: 3,
        ..that_minute()
    };
    let next = Minute {
        pending: 1,
        oldest_pending: Some(Duration::from_secs(41)),
        throttled: 2,
        ..quiet(1)
    };
    let minutes = outbox.history(NOON, at(61), 5).await.unwrap();
    assert_eq!(minutes, [over, next]);
    for (sql, expected) in [
        ("SELECT came FROM history WHERE minute = '2026-11-23T12:00:00.000Z'", 2),
        ("SELECT median_ms FROM history", 20_000),
        ("SELECT oldest_pending = '2026-11-23T12:00:20.000Z' FROM history", 1),
        ("SELECT count(*) FROM history", 1),
    ] {
        assert_eq!(count(&outbox, sql).await, expected, "{sql}");
    }
}

async fn sources(outbox: &Outbox, since: Timestamp, now: Timestamp) -> Vec<(String, i64)> {
    let mut reader = outbox.store.readers.acquire().await.unwrap();
    let sources = came_by_source(&mut reader, since, now).await.unwrap();
    sources.into_iter().collect()
}

#[tokio::test]
async fn events_are_counted_by_source_with_the_running_minute() {
    let files = files();
    let outbox = files.open().await;
    a_minute(&outbox).await;
    outbox.roll_up(at(60), 0).await.unwrap();
    come(&outbox, "m3", "shop", at(70)).await;
    come(&outbox, "m4", "shop", at(71)).await;
    let came = |source: &str, came| (source.to_owned(), came);
    let expected = [came("app", 1), came("shop", 3)];
    let since = sources(&outbox, at(59), at(75)).await;
    assert_eq!(since, expected, "from the minute of the given time on");
    assert_eq!(sources(&outbox, at(60), at(75)).await, [came("shop", 2)]);
}

#[tokio::test]
async fn what_comes_late_to_a_written_minute_is_added_to_it() {
    let files = files();
    let outbox = files.open().await;
    a_minute(&outbox).await;
    outbox.roll_up(at(60), 0).await.unwrap();
    // The request arrived before the end of the minute, and its commit happened after it.
    come(&outbox, "m3", "shop", at(59)).await;
    end(&outbox, 2, EventStatus::Delivered, at(59)).await;
    let late = |minutes: &[Minute]| {
        let first = &minutes[0];
        assert_eq!((first.came, first.done, first.pending), (3, 2, 1));
        assert_eq!(first.p95, Some(Duration::from_secs(39)));
    };
    late(&outbox.history(NOON, at(65), 0).await.unwrap());
    outbox.roll_up(at(120), 0).await.unwrap();
    late(&outbox.history(NOON, at(125), 0).await.unwrap());
}

#[tokio::test]
async fn a_minute_keeps_what_ended_in_it_when_that_is_replayed_or_removed() {
    let files = files();
    let outbox = files.open().await;
    a_minute(&outbox).await;
    come(&outbox, "m3", "shop", at(31)).await;
    end(&outbox, 3, EventStatus::Dead, at(32)).await;
    outbox.roll_up(at(60), 0).await.unwrap();
    let replayed = vec![EventId(3)];
    outbox.replay(at(61), replayed, Replay::default()).await.unwrap();
    let all = Round {
        delivered: at(600),
        dead: at(600),
        bodies: at(600),
        import_jobs: at(600),
        minutes: NOON,
    };
    outbox.run_round(all).await.unwrap();
    outbox.roll_up(at(120), 0).await.unwrap();
    let first = outbox.history(NOON, at(130), 0).await.unwrap().remove(0);
    assert_eq!((first.came, first.done, first.died), (3, 1, 1));
    assert_eq!(first.p50, Some(Duration::from_secs(20)));
}

#[tokio::test]
async fn a_kill_loses_no_count_but_the_429s_and_leaves_a_gap_while_no_daemon_runs() {
    let files = files();
    let outbox = files.open().await;
    a_minute(&outbox).await;
    outbox.roll_up(at(60), 4).await.unwrap();
    come(&outbox, "m3", "shop", at(70)).await;
    end(&outbox, 2, EventStatus::Delivered, at(75)).await;
    // The daemon is killed before the second minute is over; nothing writes that minute.
    outbox.close().await;

    let outbox = files.open().await;
    outbox.roll_up(at(600), 1).await.unwrap();
    let minutes = outbox.history(NOON, at(601), 1).await.unwrap();
    let starts: Vec<_> = minutes.iter().map(|minute| minute.at).collect();
    assert_eq!(starts, [at(0), at(60), at(600)]);
    assert_eq!((minutes[1].came, minutes[1].done, minutes[1].pending), (1, 1, 1));
    assert_eq!(minutes[1].p50, Some(Duration::from_secs(55)));
    let throttled: Vec<_> = minutes.iter().map(|minute| minute.throttled).collect();
    assert_eq!(throttled.iter().sum::<i64>(), 5, "the new process counts from 0");
    let came = sources(&outbox, NOON, at(601)).await;
    assert_eq!(came.iter().map(|(_, came)| came).sum::<i64>(), 3);
}

#[tokio::test]
async fn a_clock_set_back_or_far_ahead_loses_no_event_from_the_counts() {
    let files = files();
    let outbox = files.open().await;
    a_minute(&outbox).await;
    outbox.roll_up(at(7200), 0).await.unwrap();
    come(&outbox, "m3", "shop", at(7210)).await;
    // Set back to the second minute after noon.
    come(&outbox, "m4", "shop", at(65)).await;
    end(&outbox, 4, EventStatus::Dead, at(66)).await;
    let total = async || {
        let minutes = outbox.history(NOON, at(130), 0).await.unwrap();
        let last = minutes.last().map(|minute| minute.at);
        assert_eq!(last, Some(at(120)), "nothing that is still to come");
        let died: i64 = minutes.iter().map(|minute| minute.died).sum();
        (minutes.iter().map(|minute| minute.came).sum::<i64>(), died)
    };
    assert_eq!(total().await, (4, 1));
    outbox.roll_up(at(120), 0).await.unwrap();
    assert_eq!(total().await, (4, 1));
    outbox.roll_up(at(121), 0).await.unwrap();
    assert_eq!(total().await, (4, 1));
    assert_eq!(count(&outbox, "SELECT sum(came) FROM minute_source").await, 4);
}

#[tokio::test]
async fn minutes_are_deleted_by_retention_and_not_by_the_clock() {
    let files = files();
    let outbox = files.open().await;
    a_minute(&outbox).await;
    outbox.roll_up(at(60), 0).await.unwrap();
    let minutes = "SELECT (SELECT count(*) FROM minute WHERE minute_ms = 1795435200000)
                          + (SELECT count(*) FROM minute_source)";
    let before = count(&outbox, minutes).await;
    for leap in [
        at(10 * 366 * 24 * 3600),
        at(0).minus(Duration::from_hours(1)),
        Timestamp::from_millis(0),
        at(120),
    ] {
        outbox.roll_up(leap, 0).await.unwrap();
        assert_eq!(count(&outbox, minutes).await, before, "{leap}");
    }
    let round = |minutes| Round {
        delivered: NOON,
        dead: NOON,
        bodies: NOON,
        import_jobs: NOON,
        minutes,
    };
    outbox.run_round(round(NOON)).await.unwrap();
    assert_eq!(count(&outbox, minutes).await, before);
    outbox.run_round(round(at(60))).await.unwrap();
    assert_eq!(count(&outbox, minutes).await, 0);
}

#[tokio::test]
async fn the_times_to_delivery_are_of_events_that_never_were_replayed() {
    let files = files();
    let outbox = files.open().await;
    outbox.roll_up(at(0), 0).await.unwrap();
    for id in 1..=20 {
        come(&outbox, &format!("m{id}"), "shop", at(0)).await;
        let ended = NOON.plus(Duration::from_millis(100 * id));
        let id = i64::try_from(id).unwrap();
        end(&outbox, id, EventStatus::Delivered, ended).await;
    }
    come(&outbox, "skipped", "shop", at(0)).await;
    end(&outbox, 21, EventStatus::Skipped, at(59)).await;
    outbox
        .replay(at(30), vec![EventId(20)], Replay::default())
        .await
        .unwrap();
    claim_all(&outbox).await;
    end(&outbox, 20, EventStatus::Delivered, at(50)).await;
    let minute = outbox.history(NOON, at(59), 0).await.unwrap().remove(0);
    assert_eq!(minute.done, 21);
    assert_eq!(minute.p50, Some(Duration::from_secs(1)));
    assert_eq!(minute.p95, Some(Duration::from_millis(1900)));
}

/// A clock that does not advance.
struct Stopped(Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

#[tokio::test]
async fn the_rollup_writes_at_its_start_and_at_its_end() {
    let files = files();
    let outbox = files.open().await;
    come(&outbox, "m1", "shop", at(10)).await;
    let metrics = Metrics::new(NOON, ["shop"]);
    let stop = CancellationToken::new();
    let clock: Arc<dyn Clock> = Arc::new(Stopped(at(15)));
    let running = rollup(outbox.control().clone(), metrics.clone(), clock, stop.clone());
    let running = tokio::spawn(running);
    let came = async || count(&outbox, "SELECT coalesce(sum(came), 0) FROM minute").await;
    let begun = async {
        while came().await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), begun)
        .await
        .expect("the first minute is written at the start");
    come(&outbox, "m2", "shop", at(14)).await;
    metrics.request_out(Family::Event, Some(429));
    metrics.request_out(Family::Profile, Some(429));
    stop.cancel();
    running.await.unwrap();
    assert_eq!(came().await, 2);
    assert_eq!(count(&outbox, "SELECT sum(throttled) FROM minute").await, 2);
}
