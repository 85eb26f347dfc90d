//! Heartbeats of the two loops that everything depends on: the outbox's writer and the relay.
//!
//! From outside, a task that sleeps because there is nothing to do looks like one that is stuck. So each loop reports
//! what it does: the writer when it begins and ends a write and whether the write succeeded, the relay each time it
//! looks for work, which is at least twice a minute even when nothing happens. [`stuck`] decides which loop is stuck;
//! it is pure.
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
const WRITE_BOUND: Duration = Duration::from_secs(20);
/// A writer that failed and got no further write is not reported as stuck for longer than this, because it is unknown
/// whether it would still fail.
const FAILURE_KEPT: Duration = Duration::from_secs(30);
/// The relay looks for work every 30 s at least.
const RELAY_BOUND: Duration = Duration::from_secs(90);
/// An intake of due events is a claim, a read and a commit, each for a few hundred events.
const INTAKE_BOUND: Duration = Duration::from_secs(90);
/// Claimed events that cannot be read are requeued for a minute. After this time a second attempt has failed, and
/// nothing was read in between.
const READ_BOUND: Duration = Duration::from_secs(90);
/// A request may take ten minutes (`delivery.timeout`); until then nothing needs to be settled.
const SETTLE_BOUND: Duration = Duration::from_mins(15);
/// How long the oldest due event may stay the same, with nothing that blocks it, before this is reported.
const HEAD_BOUND: Duration = Duration::from_mins(5);
/// No time: milliseconds are counted from 1.
const NEVER: u64 = 0;

/// The heartbeats. Clones share them; each value has one writer.
#[derive(Clone)]
pub struct Pulse(Arc<Beats>);

struct Beats {
    clock: Arc<dyn Clock>,
    /// Since when the current write has lasted.
    writing: AtomicU64,
    /// Since when no write has succeeded, and when the last one failed.
    failing: AtomicU64,
    failed: AtomicU64,
    /// When the relay last looked for work.
    looked: AtomicU64,
    /// Since when the current intake has lasted.
    taking_in: AtomicU64,
    /// Since when no claimed events could be read.
    unread: AtomicU64,
    /// Since when something is due, or since when nothing was settled although something is due.
    owing: AtomicU64,
    /// The due time of the oldest due event, and since when it has been the oldest.
    head: AtomicU64,
    head_since: AtomicU64,
}

/// How long ago each of these was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signs {
    /// The duration of the current write.
    pub writing: Option<Duration>,
    /// Its writes fail.
    pub failing: Option<Failing>,
    /// How long ago the relay last looked for work.
    pub looked: Duration,
    /// The duration of the current intake, without a report from the outbox.
    pub taking_in: Option<Duration>,
    /// How long claimed events could not be read.
    pub unread: Option<Duration>,
    /// How long something has been due with nothing settled and nothing that blocks it.
    pub owing: Option<Duration>,
    /// How long the oldest due event has been the same, with nothing that blocks it.
    pub same_head: Option<Duration>,
}

impl Signs {
    /// Whether the oldest due event should have been sent by now.
    pub fn head_waits(&self) -> bool {
        self.same_head.is_some_and(|span| span > HEAD_BOUND)
    }
}

/// Consecutive writes that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// For how long.
    pub lasted: Duration,
    /// How long ago the last one failed.
    pub last: Duration,
}

/// What is stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuck {
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

/// What is stuck, by these values; empty: nothing.
pub fn stuck(signs: &Signs) -> Vec<Stuck> {
    let hangs = signs.writing.is_some_and(|span| span > WRITE_BOUND);
    let fails = signs.failing.is_some_and(|failing| {
        let known = signs.writing.is_some() || failing.last < FAILURE_KEPT;
        failing.lasted > WRITE_BOUND && known
    });
    let mut found = Vec::new();
    if hangs || fails {
        found.push(Stuck::Writer);
    }
    if signs.looked > RELAY_BOUND {
        found.push(Stuck::Relay);
    }
    if signs.taking_in.is_some_and(|span| span > INTAKE_BOUND) {
        found.push(Stuck::Intake);
    }
    if signs.unread.is_some_and(|span| span > READ_BOUND) {
        found.push(Stuck::Reading);
    }
    if signs.owing.is_some_and(|span| span > SETTLE_BOUND) {
        found.push(Stuck::Settling);
    }
    found
}

impl Pulse {
    /// Heartbeats that start now.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let pulse = Self(Arc::new(Beats {
            clock,
            writing: AtomicU64::new(NEVER),
            failing: AtomicU64::new(NEVER),
            failed: AtomicU64::new(NEVER),
            looked: AtomicU64::new(NEVER),
            taking_in: AtomicU64::new(NEVER),
            unread: AtomicU64::new(NEVER),
            owing: AtomicU64::new(NEVER),
            head: AtomicU64::new(NEVER),
            head_since: AtomicU64::new(NEVER),
        }));
        pulse.looked();
        pulse
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
    pub fn writing(&self) {
        self.0.writing.store(self.now(), Ordering::Relaxed);
    }

    /// The writer waits for work.
    pub fn writer_rests(&self) {
        self.0.writing.store(NEVER, Ordering::Relaxed);
    }

    /// A write succeeded, or failed in a way that no restart would change (a full disk).
    pub fn written(&self) {
        self.0.failing.store(NEVER, Ordering::Relaxed);
        self.writing();
    }

    /// A write failed.
    pub fn write_failed(&self) {
        let (now, beats) = (self.now(), &self.0);
        let since = match beats.writing.load(Ordering::Relaxed) {
            NEVER => now,
            writing => writing,
        };
        beats.failed.store(now, Ordering::Relaxed);
        // A failure after a failure continues the same period.
        if beats.failing.load(Ordering::Relaxed) == NEVER {
            beats.failing.store(since, Ordering::Relaxed);
        }
        self.writing();
    }

    /// The relay looks for work.
    pub fn looked(&self) {
        self.0.looked.store(self.now(), Ordering::Relaxed);
    }

    /// An intake begins; or it still runs, and the outbox has just reported why it cannot write.
    pub fn taking_in(&self) {
        self.0.taking_in.store(self.now(), Ordering::Relaxed);
    }

    /// The outbox has reported why it cannot write: a task that waits for it is not stuck by itself.
    pub fn waits_for_the_outbox(&self) {
        if self.0.taking_in.load(Ordering::Relaxed) != NEVER {
            self.taking_in();
        }
    }

    /// The intake has ended.
    pub fn taken_in(&self) {
        self.0.taking_in.store(NEVER, Ordering::Relaxed);
    }

    /// Whether claimed events could be read.
    pub fn read(&self, well: bool) {
        let unread = &self.0.unread;
        if well {
            unread.store(NEVER, Ordering::Relaxed);
        } else if unread.load(Ordering::Relaxed) == NEVER {
            unread.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Whether there is work that nothing blocks, and since when the oldest event in the outbox that may be sent is
    /// due.
    pub fn owes(&self, something: bool, head: Option<Timestamp>) {
        let (now, beats) = (self.now(), &self.0);
        if !something {
            beats.owing.store(NEVER, Ordering::Relaxed);
        } else if beats.owing.load(Ordering::Relaxed) == NEVER {
            beats.owing.store(now, Ordering::Relaxed);
        }
        let head = head.map_or(NEVER, |due| u64::try_from(due.as_millis()).unwrap_or(0).max(1));
        if beats.head.swap(head, Ordering::Relaxed) != head {
            let since = if head == NEVER { NEVER } else { now };
            beats.head_since.store(since, Ordering::Relaxed);
        }
    }

    /// Something was settled.
    pub fn settled(&self) {
        if self.0.owing.load(Ordering::Relaxed) != NEVER {
            self.0.owing.store(self.now(), Ordering::Relaxed);
        }
    }

    /// How long ago each of these was.
    pub fn signs(&self) -> Signs {
        let (now, beats) = (self.now(), &self.0);
        let ago = |at: &AtomicU64| match at.load(Ordering::Relaxed) {
            NEVER => None,
            at => Some(Duration::from_millis(now.saturating_sub(at))),
        };
        Signs {
            writing: ago(&beats.writing),
            failing: ago(&beats.failing).map(|lasted| Failing {
                lasted,
                last: ago(&beats.failed).unwrap_or_default(),
            }),
            looked: ago(&beats.looked).unwrap_or_default(),
            taking_in: ago(&beats.taking_in),
            unread: ago(&beats.unread),
            owing: ago(&beats.owing),
            same_head: ago(&beats.head_since),
        }
    }

    fn now(&self) -> u64 {
        let millis = self.monotonic().as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl std::fmt::Debug for Pulse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pulse").field(&self.signs()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Hands(AtomicU64);

    impl Clock for Hands {
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

    fn beating() -> (Pulse, impl Fn(u64)) {
        let hands = Arc::new(Hands::default());
        let pulse = Pulse::new(Arc::clone(&hands) as Arc<dyn Clock>);
        (pulse, move |seconds| {
            hands.0.fetch_add(seconds, Ordering::Relaxed);
        })
    }

    fn found(pulse: &Pulse) -> Vec<Stuck> {
        stuck(&pulse.signs())
    }

    #[test]
    fn an_idle_night_is_alive() {
        let (pulse, pass) = beating();
        pulse.writing();
        pulse.written();
        pulse.writer_rests();
        for _ in 0..1000 {
            pass(30);
            pulse.looked();
        }
        assert_eq!(found(&pulse), []);
    }

    #[test]
    fn a_write_that_does_not_end_is_stuck_until_it_does() {
        let (pulse, pass) = beating();
        pulse.writing();
        pass(20);
        assert_eq!(found(&pulse), []);
        pass(1);
        assert_eq!(found(&pulse), [Stuck::Writer]);
        pulse.written();
        pulse.writer_rests();
        assert_eq!(found(&pulse), []);
    }

    #[test]
    fn writes_that_fail_one_after_the_other_are_one_trouble() {
        let (pulse, pass) = beating();
        for _ in 0..2 {
            pulse.writing();
            pass(15);
            pulse.write_failed();
            pulse.writer_rests();
            pass(1);
        }
        assert_eq!(found(&pulse), [Stuck::Writer], "between two tries too");
        pulse.writing();
        pulse.written();
        pulse.writer_rests();
        assert_eq!(found(&pulse), []);
    }

    #[test]
    fn a_failure_that_nobody_asked_after_is_forgotten() {
        let (pulse, pass) = beating();
        pulse.writing();
        pass(25);
        pulse.write_failed();
        pulse.writer_rests();
        assert_eq!(found(&pulse), [Stuck::Writer]);
        pass(30);
        pulse.looked();
        assert_eq!(found(&pulse), []);
        pulse.writing();
        assert_eq!(found(&pulse), [Stuck::Writer], "it is remembered when asked");
    }

    #[test]
    fn a_relay_that_does_not_look_round_is_stuck() {
        let (pulse, pass) = beating();
        pass(90);
        assert_eq!(found(&pulse), []);
        pass(1);
        assert_eq!(found(&pulse), [Stuck::Relay]);
        pulse.looked();
        assert_eq!(found(&pulse), []);
    }

    #[test]
    fn an_intake_is_stuck_unless_the_outbox_told_why() {
        let (pulse, pass) = beating();
        let turns = |times: u64| {
            for _ in 0..times {
                pass(30);
                pulse.looked();
            }
        };
        pulse.taking_in();
        turns(3);
        pulse.waits_for_the_outbox();
        turns(3);
        assert_eq!(found(&pulse), []);
        turns(1);
        assert_eq!(found(&pulse), [Stuck::Intake]);
        pulse.taken_in();
        pulse.waits_for_the_outbox();
        turns(10);
        assert_eq!(found(&pulse), []);
    }

    #[test]
    fn claims_that_come_back_unread_are_found_until_one_is_read() {
        let (pulse, pass) = beating();
        let turn = |well| {
            pass(60);
            pulse.looked();
            pulse.read(well);
        };
        turn(false);
        turn(false);
        assert_eq!(found(&pulse), []);
        turn(false);
        assert_eq!(found(&pulse), [Stuck::Reading]);
        turn(true);
        assert_eq!(found(&pulse), []);
    }

    #[test]
    fn what_is_due_must_be_settled_now_and_then_unless_something_hinders_it() {
        let (pulse, pass) = beating();
        let turns = |times: u64, due| {
            for _ in 0..times {
                pulse.owes(due, None);
                pass(30);
                pulse.looked();
            }
        };
        turns(31, true);
        assert_eq!(found(&pulse), [Stuck::Settling]);
        pulse.settled();
        assert_eq!(found(&pulse), []);
        turns(30, true);
        turns(31, false);
        turns(30, true);
        assert_eq!(found(&pulse), [], "a pause, or nothing to do");
    }

    #[test]
    fn a_head_that_stays_the_same_for_minutes_waits() {
        let (pulse, pass) = beating();
        let head = |millis| {
            pulse.owes(true, Some(Timestamp::from_millis(millis)));
            pulse.settled();
            pass(200);
            pulse.signs().head_waits()
        };
        assert!(!head(5));
        assert!(!head(6), "another");
        assert!(head(6));
        pulse.owes(false, None);
        assert!(!pulse.signs().head_waits());
    }
}
