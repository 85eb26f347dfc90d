//! Heartbeats of the two loops that everything depends on: the outbox's writer and the relay.
//!
//! A task that is asleep because there is nothing to do looks like one that is stuck, from outside. So each tells what
//! it is about: the writer when it begins and ends to write and whether that came to anything, the relay each time it
//! looks round, which it does twice a minute on the quietest night. [`stuck`] judges, and is pure.
//!
//! A loop that turns may still get nothing done. So the relay reports that too: claimed events that it could not read, and
//! events that are due while nothing is settled.
//!
//! Times are the clock's monotonic ones: a jump of the wall clock stops no heart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::model::Timestamp;

/// A write may take this long. One that waits for another process's lock is given up after 15 s; then it is tried
/// again by whoever asked.
const WRITE_BOUND: Duration = Duration::from_secs(20);
/// A writer that failed and has not been asked since is not called stuck for longer than this: whether it still would
/// fail, nobody knows.
const FAILURE_KEPT: Duration = Duration::from_secs(30);
/// The relay looks round every 30 s at least.
const RELAY_BOUND: Duration = Duration::from_secs(90);
/// Taking in events that are due is a claim, a look and a commit, each for a few hundred events.
const INTAKE_BOUND: Duration = Duration::from_secs(90);
/// Claimed events that cannot be read are given back for a minute: this is the second time, and nothing was read between.
const READ_BOUND: Duration = Duration::from_secs(90);
/// A request may take ten minutes (`delivery.timeout`); until then nothing needs to be settled.
const SETTLE_BOUND: Duration = Duration::from_mins(15);
/// The oldest event that is due may be so for this long, with nothing to hinder it, before somebody should know.
const HEAD_BOUND: Duration = Duration::from_mins(5);
/// No time: milliseconds are counted from 1.
const NEVER: u64 = 0;

/// The heartbeats. Clones share them; each beat has one writer.
#[derive(Clone)]
pub struct Pulse(Arc<Beats>);

struct Beats {
    clock: Arc<dyn Clock>,
    /// Since when the writer writes.
    writing: AtomicU64,
    /// Since when no write has come to anything, and when the last failed.
    failing: AtomicU64,
    failed: AtomicU64,
    /// When the relay looked round.
    looked: AtomicU64,
    /// Since when it takes events in.
    taking_in: AtomicU64,
    /// Since when no claimed events could be read.
    unread: AtomicU64,
    /// Since when something is due, or nothing was settled although something is.
    owing: AtomicU64,
    /// The due time of the oldest event that is due, and since when it has been that one.
    head: AtomicU64,
    head_since: AtomicU64,
}

/// How long ago what was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signs {
    /// The writer has been at one write for this long.
    pub writing: Option<Duration>,
    /// Its writes fail.
    pub failing: Option<Failing>,
    /// The relay looked round this long ago.
    pub looked: Duration,
    /// It has been taking events in for this long, without a word from the outbox.
    pub taking_in: Option<Duration>,
    /// For this long it could not read what it had claimed.
    pub unread: Option<Duration>,
    /// For this long something has been due and nothing was settled, with nothing to hinder it.
    pub owing: Option<Duration>,
    /// For this long the oldest event that is due has been the same, with nothing to hinder it.
    pub same_head: Option<Duration>,
}

impl Signs {
    /// Whether the oldest event that is due should have gone by now.
    pub fn head_waits(&self) -> bool {
        self.same_head.is_some_and(|span| span > HEAD_BOUND)
    }
}

/// Writes that fail one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failing {
    /// For how long.
    pub lasted: Duration,
    /// How long ago the last one failed.
    pub last: Duration,
}

/// What has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stuck {
    /// The writer: nothing is stored.
    Writer,
    /// The relay's loop.
    Relay,
    /// What takes in the events that are due.
    Intake,
    /// The reading of claimed events: they come back unread.
    Reading,
    /// The relay turns, and settles nothing of what is due.
    Settling,
}

/// What has stopped, by these signs; empty: all is alive.
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
    /// Hearts that begin to beat now.
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

    /// The clock by which the heart is felt: since some moment, never backwards.
    pub fn monotonic(&self) -> Duration {
        self.0.clock.monotonic()
    }

    /// The time of day, by the same clock.
    pub fn wall(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The writer begins to write, or goes on to the next part of it.
    pub fn writing(&self) {
        self.0.writing.store(self.now(), Ordering::Relaxed);
    }

    /// The writer waits to be asked.
    pub fn writer_rests(&self) {
        self.0.writing.store(NEVER, Ordering::Relaxed);
    }

    /// A write came to what it should, or to an answer that no restart would change (a full disk).
    pub fn written(&self) {
        self.0.failing.store(NEVER, Ordering::Relaxed);
        self.writing();
    }

    /// A write came to nothing.
    pub fn write_failed(&self) {
        let (now, beats) = (self.now(), &self.0);
        let since = match beats.writing.load(Ordering::Relaxed) {
            NEVER => now,
            writing => writing,
        };
        beats.failed.store(now, Ordering::Relaxed);
        // A failure after a failure is one trouble.
        if beats.failing.load(Ordering::Relaxed) == NEVER {
            beats.failing.store(since, Ordering::Relaxed);
        }
        self.writing();
    }

    /// The relay looks round.
    pub fn looked(&self) {
        self.0.looked.store(self.now(), Ordering::Relaxed);
    }

    /// The relay takes events in; or still does, and the outbox has just told why it cannot write.
    pub fn taking_in(&self) {
        self.0.taking_in.store(self.now(), Ordering::Relaxed);
    }

    /// The outbox has told why it cannot write: whoever waits for it is not stuck by himself.
    pub fn waits_for_the_outbox(&self) {
        if self.0.taking_in.load(Ordering::Relaxed) != NEVER {
            self.taking_in();
        }
    }

    /// The relay has taken in what it could.
    pub fn taken_in(&self) {
        self.0.taking_in.store(NEVER, Ordering::Relaxed);
    }

    /// Claimed events were read, or could not be.
    pub fn read(&self, well: bool) {
        let unread = &self.0.unread;
        if well {
            unread.store(NEVER, Ordering::Relaxed);
        } else if unread.load(Ordering::Relaxed) == NEVER {
            unread.store(self.now(), Ordering::Relaxed);
        }
    }

    /// How the relay finds its work: whether something may go that nothing hinders, and since when the oldest event of the
    /// outbox is due that may.
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

    /// How long ago what was.
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
