//! Heartbeats of the two loops that everything depends on: the outbox's writer and the relay.
//!
//! From outside, a task that sleeps because there is nothing to do looks like one that is stalled. So each loop reports
//! what it does: the writer when it begins and ends a write and whether the write succeeded, the relay each time it
//! looks for work, which is at least twice a minute even when nothing happens. [`stalled`] decides which loop is
//! stalled; it is pure.
//!
//! A loop that runs may still get nothing done. So the relay also reports claimed events that it could not read, and
//! events that are due while nothing is settled.
//!
//! Times are those of the monotonic clock: a jump of the wall clock does not affect the heartbeats.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::model::Timestamp;

/// The longest time of a write. A write that waits for another process's lock fails after 15 s, and its caller tries it
/// again.
const MAX_WRITE: Duration = Duration::from_secs(20);
/// A writer that failed and got no further write is not reported as stalled for longer than this, because it is unknown
/// whether it would still fail.
const FAILURE_VALID: Duration = Duration::from_secs(30);
/// The relay looks for work every 30 s at least.
const MAX_POLL_GAP: Duration = Duration::from_secs(90);
/// An intake of due events is a claim, a read and a commit, each for a few hundred events.
const MAX_INTAKE: Duration = Duration::from_secs(90);
/// Claimed events that cannot be read are requeued for a minute. After this time a second attempt has failed, and
/// nothing was read in between.
const MAX_UNREADABLE: Duration = Duration::from_secs(90);
/// A request may take ten minutes (`delivery.timeout`); until then nothing needs to be settled.
const MAX_UNSETTLED: Duration = Duration::from_mins(15);
/// How long the oldest due event may stay the same, with nothing that blocks it, before this is reported.
const MAX_HEAD_UNCHANGED: Duration = Duration::from_mins(5);
/// The heartbeats. Clones share them.
#[derive(Clone)]
pub struct Heartbeats {
    clock: Arc<dyn Clock>,
    beats: Arc<Mutex<Beats>>,
}

/// What was reported last, in monotonic time.
#[derive(Default)]
struct Beats {
    /// Since when the current write has lasted.
    write_since: Option<Duration>,
    /// Since when no write has succeeded, and when the last one failed.
    failing_since: Option<Duration>,
    failed_at: Option<Duration>,
    /// When the relay last looked for work.
    polled_at: Duration,
    /// Since when the current intake has lasted.
    intake_since: Option<Duration>,
    /// Since when no claimed events could be read.
    unreadable_since: Option<Duration>,
    /// Since when something is due, or since when nothing was settled although something is due.
    unsettled_since: Option<Duration>,
    /// The oldest due event's due time, and since when it has been the oldest.
    head: Option<(Timestamp, Duration)>,
}

/// How long ago each of these was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vitals {
    /// The duration of the current write.
    pub current_write: Option<Duration>,
    /// Its writes fail.
    pub failing_writes: Option<WriteFailures>,
    /// How long ago the relay last looked for work.
    pub since_poll: Duration,
    /// The duration of the current intake, without a report from the outbox.
    pub current_intake: Option<Duration>,
    /// How long claimed events could not be read.
    pub unreadable: Option<Duration>,
    /// How long something has been due with nothing settled and nothing that blocks it.
    pub unsettled: Option<Duration>,
    /// How long the oldest due event has been the same, with nothing that blocks it.
    pub head_unchanged: Option<Duration>,
}

impl Vitals {
    /// Whether the oldest due event should have been sent by now.
    pub fn head_is_overdue(&self) -> bool {
        self.head_unchanged > Some(MAX_HEAD_UNCHANGED)
    }
}

/// Consecutive writes that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteFailures {
    /// For how long.
    pub lasted: Duration,
    /// How long ago the last one failed.
    pub last: Duration,
}

/// What is stalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stalled {
    /// The writer: nothing is stored.
    Writer,
    /// The relay's loop.
    Relay,
    /// The intake of due events.
    Intake,
    /// The reading of claimed events: they are requeued unread.
    Reading,
    /// The relay's loop runs, but settles nothing of what is due.
    Settling,
}

/// What is stalled, by these values; empty: nothing.
pub fn stalled(vitals: &Vitals) -> Vec<Stalled> {
    let hangs = vitals.current_write > Some(MAX_WRITE);
    let fails = vitals.failing_writes.is_some_and(|failing| {
        let known = vitals.current_write.is_some() || failing.last < FAILURE_VALID;
        failing.lasted > MAX_WRITE && known
    });
    let causes = [
        (Stalled::Writer, hangs || fails),
        (Stalled::Relay, vitals.since_poll > MAX_POLL_GAP),
        (Stalled::Intake, vitals.current_intake > Some(MAX_INTAKE)),
        (Stalled::Reading, vitals.unreadable > Some(MAX_UNREADABLE)),
        (Stalled::Settling, vitals.unsettled > Some(MAX_UNSETTLED)),
    ];
    causes.into_iter().filter_map(|(what, is)| is.then_some(what)).collect()
}

impl Heartbeats {
    /// Heartbeats that start now.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let beats = Arc::default();
        let heartbeats = Self { clock, beats };
        heartbeats.polled();
        heartbeats
    }

    /// The monotonic time of the clock that the heartbeats use.
    pub fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    /// The wall-clock time of the same clock.
    pub fn wall(&self) -> Timestamp {
        self.clock.now()
    }

    /// The writer begins a write, or the next part of one.
    pub fn write_started(&self) {
        self.beats().write_since = Some(self.monotonic());
    }

    /// The writer waits for work.
    pub fn writer_idle(&self) {
        self.beats().write_since = None;
    }

    /// A write succeeded, or failed in a way that no restart would change (a full disk).
    pub fn write_succeeded(&self) {
        self.beats().failing_since = None;
        self.write_started();
    }

    /// A write failed.
    pub fn write_failed(&self) {
        let (now, mut beats) = (self.monotonic(), self.beats());
        let since = beats.write_since.unwrap_or(now);
        beats.failed_at = Some(now);
        // A failure after a failure continues the same period.
        beats.failing_since.get_or_insert(since);
        beats.write_since = Some(now);
    }

    /// The relay looks for work.
    pub fn polled(&self) {
        self.beats().polled_at = self.monotonic();
    }

    /// An intake begins; or it still runs, and the outbox has just reported why it cannot write.
    pub fn intake_started(&self) {
        self.beats().intake_since = Some(self.monotonic());
    }

    /// The outbox has reported why it cannot write: a task that waits for it is not stalled by itself.
    pub fn waiting_for_outbox(&self) {
        if let Some(since) = &mut self.beats().intake_since {
            *since = self.monotonic();
        }
    }

    /// The intake has ended.
    pub fn intake_ended(&self) {
        self.beats().intake_since = None;
    }

    /// Whether claimed events could be read.
    pub fn events_read(&self, ok: bool) {
        keep_since(&mut self.beats().unreadable_since, !ok, self.monotonic());
    }

    /// Whether there is work that nothing blocks, and since when the oldest event in the outbox that may be sent is
    /// due.
    pub fn backlog(&self, has_work: bool, head: Option<Timestamp>) {
        let (now, mut beats) = (self.monotonic(), self.beats());
        keep_since(&mut beats.unsettled_since, has_work, now);
        if beats.head.map(|(due, _)| due) != head {
            beats.head = head.map(|due| (due, now));
        }
    }

    /// Something was settled.
    pub fn settled(&self) {
        if let Some(since) = &mut self.beats().unsettled_since {
            *since = self.monotonic();
        }
    }

    /// How long ago each of these was.
    pub fn vitals(&self) -> Vitals {
        let (now, beats) = (self.monotonic(), self.beats());
        let ago = |at: Duration| now.saturating_sub(at);
        Vitals {
            current_write: beats.write_since.map(ago),
            failing_writes: beats.failing_since.map(|since| WriteFailures {
                lasted: ago(since),
                last: beats.failed_at.map(ago).unwrap_or_default(),
            }),
            since_poll: ago(beats.polled_at),
            current_intake: beats.intake_since.map(ago),
            unreadable: beats.unreadable_since.map(ago),
            unsettled: beats.unsettled_since.map(ago),
            head_unchanged: beats.head.map(|(_, since)| ago(since)),
        }
    }

    fn beats(&self) -> MutexGuard<'_, Beats> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins a time with a condition, and ends it with it.
fn keep_since(since: &mut Option<Duration>, lasts: bool, now: Duration) {
    *since = lasts.then(|| since.unwrap_or(now));
}

impl std::fmt::Debug for Heartbeats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Heartbeats").field(&self.vitals()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[derive(Default)]
    struct TestClock(AtomicU64);

    impl Clock for TestClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(0)
        }
        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::Relaxed))
        }
        fn chance(&self) -> f64 {
            0.0
        }
    }

    fn heartbeats() -> (Heartbeats, impl Fn(u64)) {
        let clock = Arc::new(TestClock::default());
        let heartbeats = Heartbeats::new(Arc::clone(&clock) as Arc<dyn Clock>);
        (heartbeats, move |seconds| {
            clock.0.fetch_add(seconds, Ordering::Relaxed);
        })
    }

    fn stalled_now(heartbeats: &Heartbeats) -> Vec<Stalled> {
        stalled(&heartbeats.vitals())
    }

    #[test]
    fn an_idle_program_is_not_stalled() {
        let (heartbeats, pass) = heartbeats();
        heartbeats.write_started();
        heartbeats.write_succeeded();
        heartbeats.writer_idle();
        for _ in 0..1000 {
            pass(30);
            heartbeats.polled();
        }
        assert_eq!(stalled_now(&heartbeats), []);
    }

    #[test]
    fn a_write_that_does_not_end_is_stalled_until_it_does() {
        let (heartbeats, pass) = heartbeats();
        heartbeats.write_started();
        pass(20);
        assert_eq!(stalled_now(&heartbeats), []);
        pass(1);
        assert_eq!(stalled_now(&heartbeats), [Stalled::Writer]);
        heartbeats.write_succeeded();
        heartbeats.writer_idle();
        assert_eq!(stalled_now(&heartbeats), []);
    }

    #[test]
    fn consecutive_failed_writes_are_one_stall() {
        let (heartbeats, pass) = heartbeats();
        for _ in 0..2 {
            heartbeats.write_started();
            pass(15);
            heartbeats.write_failed();
            heartbeats.writer_idle();
            pass(1);
        }
        assert_eq!(stalled_now(&heartbeats), [Stalled::Writer], "between two tries too");
        heartbeats.write_started();
        heartbeats.write_succeeded();
        heartbeats.writer_idle();
        assert_eq!(stalled_now(&heartbeats), []);
    }

    #[test]
    fn a_failure_without_a_further_write_expires() {
        let (heartbeats, pass) = heartbeats();
        heartbeats.write_started();
        pass(25);
        heartbeats.write_failed();
        heartbeats.writer_idle();
        assert_eq!(stalled_now(&heartbeats), [Stalled::Writer]);
        pass(30);
        heartbeats.polled();
        assert_eq!(stalled_now(&heartbeats), []);
        heartbeats.write_started();
        assert_eq!(
            stalled_now(&heartbeats),
            [Stalled::Writer],
            "a new write makes it count again"
        );
    }

    #[test]
    fn a_relay_that_does_not_poll_is_stalled() {
        let (heartbeats, pass) = heartbeats();
        pass(90);
        assert_eq!(stalled_now(&heartbeats), []);
        pass(1);
        assert_eq!(stalled_now(&heartbeats), [Stalled::Relay]);
        heartbeats.polled();
        assert_eq!(stalled_now(&heartbeats), []);
    }

    #[test]
    fn an_intake_is_stalled_unless_the_outbox_reports_why() {
        let (heartbeats, pass) = heartbeats();
        let turns = |times: u64| {
            for _ in 0..times {
                pass(30);
                heartbeats.polled();
            }
        };
        heartbeats.intake_started();
        turns(3);
        heartbeats.waiting_for_outbox();
        turns(3);
        assert_eq!(stalled_now(&heartbeats), []);
        turns(1);
        assert_eq!(stalled_now(&heartbeats), [Stalled::Intake]);
        heartbeats.intake_ended();
        heartbeats.waiting_for_outbox();
        turns(10);
        assert_eq!(stalled_now(&heartbeats), []);
    }

    #[test]
    fn unreadable_claims_are_a_stall_until_one_is_read() {
        let (heartbeats, pass) = heartbeats();
        let turn = |ok| {
            pass(60);
            heartbeats.polled();
            heartbeats.events_read(ok);
        };
        turn(false);
        turn(false);
        assert_eq!(stalled_now(&heartbeats), []);
        turn(false);
        assert_eq!(stalled_now(&heartbeats), [Stalled::Reading]);
        turn(true);
        assert_eq!(stalled_now(&heartbeats), []);
    }

    #[test]
    fn due_events_must_be_settled_within_a_bound_unless_they_are_blocked() {
        let (heartbeats, pass) = heartbeats();
        let turns = |times: u64, due| {
            for _ in 0..times {
                heartbeats.backlog(due, None);
                pass(30);
                heartbeats.polled();
            }
        };
        turns(31, true);
        assert_eq!(stalled_now(&heartbeats), [Stalled::Settling]);
        heartbeats.settled();
        assert_eq!(stalled_now(&heartbeats), []);
        turns(30, true);
        turns(31, false);
        turns(30, true);
        assert_eq!(stalled_now(&heartbeats), [], "blocked, or nothing to do");
    }

    #[test]
    fn a_head_that_stays_the_same_for_minutes_is_overdue() {
        let (heartbeats, pass) = heartbeats();
        let head = |millis| {
            heartbeats.backlog(true, Some(Timestamp::from_millis(millis)));
            heartbeats.settled();
            pass(200);
            heartbeats.vitals().head_is_overdue()
        };
        assert!(!head(5));
        assert!(!head(6), "another");
        assert!(head(6));
        heartbeats.backlog(false, None);
        assert!(!heartbeats.vitals().head_is_overdue());
    }
}
