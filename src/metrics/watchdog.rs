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

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
/// No time: milliseconds are counted from 1.
const UNSET: u64 = 0;

/// The heartbeats. Clones share them; each value has one writer.
#[derive(Clone)]
pub struct Heartbeats(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    /// Since when the current write has lasted.
    write_since: AtomicU64,
    /// Since when no write has succeeded, and when the last one failed.
    failing_since: AtomicU64,
    failed_at: AtomicU64,
    /// When the relay last looked for work.
    polled_at: AtomicU64,
    /// Since when the current intake has lasted.
    intake_since: AtomicU64,
    /// Since when no claimed events could be read.
    unreadable_since: AtomicU64,
    /// Since when something is due, or since when nothing was settled although something is due.
    unsettled_since: AtomicU64,
    /// The due time of the oldest due event, and since when it has been the oldest.
    head_due: AtomicU64,
    head_since: AtomicU64,
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
        self.head_unchanged.is_some_and(|span| span > MAX_HEAD_UNCHANGED)
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
    let hangs = vitals.current_write.is_some_and(|span| span > MAX_WRITE);
    let fails = vitals.failing_writes.is_some_and(|failing| {
        let known = vitals.current_write.is_some() || failing.last < FAILURE_VALID;
        failing.lasted > MAX_WRITE && known
    });
    let mut found = Vec::new();
    if hangs || fails {
        found.push(Stalled::Writer);
    }
    if vitals.since_poll > MAX_POLL_GAP {
        found.push(Stalled::Relay);
    }
    if vitals.current_intake.is_some_and(|span| span > MAX_INTAKE) {
        found.push(Stalled::Intake);
    }
    if vitals.unreadable.is_some_and(|span| span > MAX_UNREADABLE) {
        found.push(Stalled::Reading);
    }
    if vitals.unsettled.is_some_and(|span| span > MAX_UNSETTLED) {
        found.push(Stalled::Settling);
    }
    found
}

impl Heartbeats {
    /// Heartbeats that start now.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let heartbeats = Self(Arc::new(Inner {
            clock,
            write_since: AtomicU64::new(UNSET),
            failing_since: AtomicU64::new(UNSET),
            failed_at: AtomicU64::new(UNSET),
            polled_at: AtomicU64::new(UNSET),
            intake_since: AtomicU64::new(UNSET),
            unreadable_since: AtomicU64::new(UNSET),
            unsettled_since: AtomicU64::new(UNSET),
            head_due: AtomicU64::new(UNSET),
            head_since: AtomicU64::new(UNSET),
        }));
        heartbeats.polled();
        heartbeats
    }

    /// The monotonic time of the clock that the heartbeats use.
    pub fn monotonic(&self) -> Duration {
        self.0.clock.monotonic()
    }

    /// The wall-clock time of the same clock.
    pub fn wall(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The writer begins a write, or the next part of one.
    pub fn write_started(&self) {
        self.0.write_since.store(self.now(), Ordering::Relaxed);
    }

    /// The writer waits for work.
    pub fn writer_idle(&self) {
        self.0.write_since.store(UNSET, Ordering::Relaxed);
    }

    /// A write succeeded, or failed in a way that no restart would change (a full disk).
    pub fn write_succeeded(&self) {
        self.0.failing_since.store(UNSET, Ordering::Relaxed);
        self.write_started();
    }

    /// A write failed.
    pub fn write_failed(&self) {
        let (now, inner) = (self.now(), &self.0);
        let since = match inner.write_since.load(Ordering::Relaxed) {
            UNSET => now,
            writing => writing,
        };
        inner.failed_at.store(now, Ordering::Relaxed);
        // A failure after a failure continues the same period.
        if inner.failing_since.load(Ordering::Relaxed) == UNSET {
            inner.failing_since.store(since, Ordering::Relaxed);
        }
        self.write_started();
    }

    /// The relay looks for work.
    pub fn polled(&self) {
        self.0.polled_at.store(self.now(), Ordering::Relaxed);
    }

    /// An intake begins; or it still runs, and the outbox has just reported why it cannot write.
    pub fn intake_started(&self) {
        self.0.intake_since.store(self.now(), Ordering::Relaxed);
    }

    /// The outbox has reported why it cannot write: a task that waits for it is not stalled by itself.
    pub fn waiting_for_outbox(&self) {
        if self.0.intake_since.load(Ordering::Relaxed) != UNSET {
            self.intake_started();
        }
    }

    /// The intake has ended.
    pub fn intake_ended(&self) {
        self.0.intake_since.store(UNSET, Ordering::Relaxed);
    }

    /// Whether claimed events could be read.
    pub fn events_read(&self, ok: bool) {
        let since = &self.0.unreadable_since;
        if ok {
            since.store(UNSET, Ordering::Relaxed);
        } else if since.load(Ordering::Relaxed) == UNSET {
            since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Whether there is work that nothing blocks, and since when the oldest event in the outbox that may be sent is
    /// due.
    pub fn backlog(&self, has_work: bool, head: Option<Timestamp>) {
        let (now, inner) = (self.now(), &self.0);
        if !has_work {
            inner.unsettled_since.store(UNSET, Ordering::Relaxed);
        } else if inner.unsettled_since.load(Ordering::Relaxed) == UNSET {
            inner.unsettled_since.store(now, Ordering::Relaxed);
        }
        let head = head.map_or(UNSET, |due| u64::try_from(due.as_millis()).unwrap_or(0).max(1));
        if inner.head_due.swap(head, Ordering::Relaxed) != head {
            let since = if head == UNSET { UNSET } else { now };
            inner.head_since.store(since, Ordering::Relaxed);
        }
    }

    /// Something was settled.
    pub fn settled(&self) {
        if self.0.unsettled_since.load(Ordering::Relaxed) != UNSET {
            self.0.unsettled_since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// How long ago each of these was.
    pub fn vitals(&self) -> Vitals {
        let (now, inner) = (self.now(), &self.0);
        let ago = |at: &AtomicU64| match at.load(Ordering::Relaxed) {
            UNSET => None,
            at => Some(Duration::from_millis(now.saturating_sub(at))),
        };
        Vitals {
            current_write: ago(&inner.write_since),
            failing_writes: ago(&inner.failing_since).map(|lasted| WriteFailures {
                lasted,
                last: ago(&inner.failed_at).unwrap_or_default(),
            }),
            since_poll: ago(&inner.polled_at).unwrap_or_default(),
            current_intake: ago(&inner.intake_since),
            unreadable: ago(&inner.unreadable_since),
            unsettled: ago(&inner.unsettled_since),
            head_unchanged: ago(&inner.head_since),
        }
    }

    fn now(&self) -> u64 {
        let millis = self.monotonic().as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl std::fmt::Debug for Heartbeats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Heartbeats").field(&self.vitals()).finish()
    }
}

#[cfg(test)]
mod tests {
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
