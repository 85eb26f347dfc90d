//! A circuit breaker: whether requests of one endpoint family, or of the whole account, may go, and how many.
//!
//! It opens when Klaviyo refuses the key, its scopes or the revision, and when requests of several *different* events
//! fail. Then one request at a time goes out as a probe, less and less often. After an outage it closes step by step:
//! a service that has just come back does not meet all that waited at once. While it is not closed, no attempt counts.
//! Rates are not its matter, see [`Limits`](super::Limits): a 429 is an answer.
//!
//! A failure that is the request's own is no sign: what fails while the family takes the requests of others says
//! nothing about the family. Who fails for its own sake is decided by [`Breakers`](super::Breakers). Pure.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::model::{EventId, PauseKind, Timestamp};

use super::retry::retry_delay;

/// Failures of so many different events, with no success between them, make an outage.
const FAILURES: usize = 5;
/// And they last this long at least, from the start of the first of these requests: with many in flight, five fail
/// together in a moment that is over before a probe could go. Five without an answer have lasted.
const LASTS: Duration = Duration::from_secs(1);
/// Refusals of so many different events, with no success between them, are about the key and not about the events.
const REFUSALS: usize = 3;
/// The first probe comes this long after the key was refused.
const FIRST_PROBE_OF_KEY: Duration = Duration::from_secs(5);
/// The first probe comes this long after an outage was noticed: most are over in seconds.
const FIRST_PROBE_OF_OUTAGE: Duration = Duration::from_secs(1);
/// Probes are never further apart than this: a corrected key, or the end of an outage, is noticed within a minute.
pub(super) const LONGEST_PROBE: Duration = Duration::from_mins(1);
/// How long to wait for an answer that is due. Its arrival wakes the loop; this is only a bound.
const ANSWER_BOUND: Duration = Duration::from_millis(200);

/// The circuit breaker of one family, or of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CircuitBreaker {
    max_in_flight: usize,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Requests go. Moves to `Open` when enough different events fail or are refused. A restart begins here, unless
    /// the outbox holds a pause.
    Closed { failing: Failing, refused: Failing },
    /// Nothing goes but probes. A success moves it on: to `Closed` after a refused key, to `HalfOpen` after an
    /// outage. It is kept in the outbox, so that a restart goes on with it.
    Open { why: PauseKind, probe: Probe },
    /// After an outage, step by step: each step lets twice as many in flight. Moves to `Closed` when all may go, back
    /// to `Open` when a step fails. A restart begins with `Closed`.
    HalfOpen { step: Step, probe: Probe },
}

/// Different events that failed, with no success between them, and when the first of their requests was started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Failing {
    since: Option<Timestamp>,
    events: Vec<EventId>,
}

/// A step of the way back from an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    /// So many may be in flight.
    allowed: usize,
    /// So many were answered since it was raised.
    answered: usize,
    /// So many failed, one after the other.
    failing: usize,
}

/// When the next probe may go, and how many went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Probe {
    at: Timestamp,
    sent: u32,
}

/// A breaker that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenBreaker {
    /// Why.
    pub why: PauseKind,
    /// When the next probe may go.
    pub probe_at: Timestamp,
}

/// What may go at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// As many as there is room for.
    Free,
    /// So many more, one at least; an outage is just over.
    UpTo(usize),
    /// One, as a probe.
    Probe,
    /// Nothing before this time.
    Wait(Timestamp),
}

/// What an attempt says about the family or the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Klaviyo took or judged the request itself: it is there, and takes the key.
    Works,
    /// It is there, and says no more than that: 429.
    Answers,
    /// It refused this event's request as it refuses a wrong key.
    Refuses(EventId),
    /// This event's request failed: no answer, a server error, or an answer that is not Klaviyo's.
    Fails(EventId),
}

impl CircuitBreaker {
    /// A closed breaker. After an outage it closes again when this many were answered at once.
    pub(super) fn closed(max_in_flight: usize) -> Self {
        Self {
            max_in_flight,
            state: State::closed(),
        }
    }

    /// A breaker that was open before a restart: it probes at once.
    pub(super) fn open_before(why: PauseKind, max_in_flight: usize, now: Timestamp) -> Self {
        Self {
            max_in_flight,
            state: State::open(why, now),
        }
    }

    /// From now on it closes after an outage when this many were answered at once.
    pub(super) fn set_max_in_flight(&mut self, max_in_flight: usize) {
        self.max_in_flight = max_in_flight;
    }

    /// Opens a closed breaker: the key is known to be refused.
    pub(super) fn refuse(&mut self, now: Timestamp) {
        if self.is_closed() {
            self.state = State::opens(PauseKind::Refused, now);
        }
    }

    /// What is paused may be probed now: another key is used from now on, or an operator asked for it.
    pub(super) fn probe_now(&mut self, now: Timestamp) {
        if let State::Open { probe, .. } = &mut self.state {
            *probe = Probe { at: now, sent: 0 };
        }
    }

    /// What may go now, with this many in flight. Requests that have been in flight for long do not count: what one
    /// of them waits for says nothing about the next.
    pub(super) fn permit(&self, now: Timestamp, in_flight: usize) -> Permit {
        match &self.state {
            State::Closed { .. } => Permit::Free,
            State::Open { probe, .. } if probe.is_ahead(now) => Permit::Wait(probe.at),
            State::Open { .. } => Permit::Probe,
            State::HalfOpen { step, .. } if in_flight < step.allowed => Permit::UpTo(step.allowed - in_flight),
            State::HalfOpen { .. } => Permit::Wait(now.plus(ANSWER_BOUND)),
        }
    }

    /// A probe leaves now: the next one goes later, whatever becomes of this one.
    pub(super) fn probe_sent(&mut self, now: Timestamp) {
        if let State::Open { why, probe } = &mut self.state {
            let sent = probe.sent.saturating_add(1);
            *probe = Probe::after(*why, sent, now);
        }
    }

    /// What would have been a probe was not sent after all: it is still to be made.
    pub(super) fn probe_unsent(&mut self, now: Timestamp) {
        if let State::Open { probe, .. } = &mut self.state {
            *probe = Probe {
                at: now,
                sent: probe.sent.saturating_sub(1),
            };
        }
    }

    /// Takes in what an attempt says that was started then.
    pub(super) fn record(&mut self, sign: Sign, started: Timestamp, now: Timestamp) {
        let state = std::mem::replace(&mut self.state, State::closed());
        self.state = state.after(sign, self.max_in_flight, [started, now]);
    }

    /// Whether requests go freely. While they do not, a failed attempt does not count against `max_attempts`.
    pub(super) const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// The pause; `None` when it is closed, or closing again after an outage.
    pub(super) const fn open(&self) -> Option<OpenBreaker> {
        match &self.state {
            State::Open { why, probe } => Some(OpenBreaker {
                why: *why,
                probe_at: probe.at,
            }),
            State::Closed { .. } | State::HalfOpen { .. } => None,
        }
    }
}

impl State {
    fn closed() -> Self {
        Self::Closed {
            failing: Failing::default(),
            refused: Failing::default(),
        }
    }

    /// Open, with a probe that may go at once.
    const fn open(why: PauseKind, now: Timestamp) -> Self {
        let probe = Probe { at: now, sent: 0 };
        Self::Open { why, probe }
    }

    /// Open from now on.
    fn opens(why: PauseKind, now: Timestamp) -> Self {
        let probe = Probe::after(why, 0, now);
        Self::Open { why, probe }
    }

    fn after(self, sign: Sign, max_in_flight: usize, [started, now]: [Timestamp; 2]) -> Self {
        use PauseKind::{Refused, Unreachable};
        match (self, sign) {
            (Self::Closed { .. } | Self::Open { why: Refused, .. }, Sign::Works) => Self::closed(),
            (Self::Closed { refused, .. }, Sign::Answers) => Self::Closed {
                failing: Failing::default(),
                refused,
            },
            (Self::Closed { failing, refused }, Sign::Fails(event)) => {
                let failing = failing.with(event, started);
                if failing.events.len() >= FAILURES && failing.lasts(now) >= LASTS {
                    return Self::opens(Unreachable, now);
                }
                Self::Closed { failing, refused }
            }
            (Self::Closed { failing, refused }, Sign::Refuses(event)) => {
                let refused = refused.with(event, started);
                if refused.events.len() >= REFUSALS {
                    return Self::opens(Refused, now);
                }
                Self::Closed { failing, refused }
            }
            // The probes of a refused key know why they wait: only a success ends that. What fails in an outage is
            // nothing new.
            (open @ Self::Open { why: Refused, .. }, _) | (open @ Self::Open { .. }, Sign::Fails(_)) => open,
            (Self::Open { probe, .. }, Sign::Answers | Sign::Works) => Self::HalfOpen {
                step: Step::FIRST,
                probe,
            },
            (Self::Open { probe, .. }, Sign::Refuses(_)) => Self::Open { why: Refused, probe },
            (Self::HalfOpen { step, probe }, Sign::Works) => match step.answered() {
                step if step.allowed > max_in_flight => Self::closed(),
                step => Self::HalfOpen { step, probe },
            },
            // Rate limited: it is there, and no more should go than does.
            (half_open @ Self::HalfOpen { .. }, Sign::Answers) => half_open,
            (Self::HalfOpen { step, probe }, Sign::Fails(_) | Sign::Refuses(_)) => {
                if let Some(step) = step.failed() {
                    return Self::HalfOpen { step, probe };
                }
                // It broke down under what was let through, or some of it fails for its own sake: it takes others, so the
                // next probe comes soon.
                Self::Open {
                    why: Unreachable,
                    probe: Probe::after(Unreachable, probe.sent.saturating_add(1).min(1), now),
                }
            }
        }
    }
}

impl Failing {
    /// With this event too; one that is in already counts once.
    fn with(mut self, event: EventId, started: Timestamp) -> Self {
        // A clock that went back starts the time again.
        self.since = Some(self.since.map_or(started, |since| since.min(started)));
        if self.events.len() < FAILURES && !self.events.contains(&event) {
            self.events.push(event);
        }
        self
    }

    fn lasts(&self, now: Timestamp) -> Duration {
        self.since.map_or(Duration::ZERO, |since| now.since(since))
    }
}

impl Probe {
    /// The next probe when so many went since the breaker opened.
    fn after(why: PauseKind, sent: u32, now: Timestamp) -> Self {
        let first = match why {
            PauseKind::Refused => FIRST_PROBE_OF_KEY,
            PauseKind::Unreachable | PauseKind::RateLimited => FIRST_PROBE_OF_OUTAGE,
        };
        let wait = retry_delay(sent.saturating_add(1), first, LONGEST_PROBE, None, 1.0);
        Self {
            at: now.plus(wait),
            sent,
        }
    }

    /// Whether it is too early for it. A time further away than any probe is of a clock that went back since.
    fn is_ahead(self, now: Timestamp) -> bool {
        now < self.at && self.at.since(now) <= LONGEST_PROBE
    }
}

impl Step {
    const FIRST: Self = Self {
        allowed: 1,
        answered: 0,
        failing: 0,
    };

    /// When all that were allowed in flight were answered, twice as many are.
    fn answered(self) -> Self {
        if self.answered + 1 < self.allowed {
            return Self {
                answered: self.answered + 1,
                failing: 0,
                ..self
            };
        }
        Self {
            allowed: self.allowed.saturating_mul(2),
            answered: 0,
            failing: 0,
        }
    }

    /// `None` when all that were allowed in flight failed, or as many in a row as make an outage. A failure among
    /// answers is none: one in twenty, and the way back of 31 answers to 16 in flight would hardly ever be gone.
    fn failed(self) -> Option<Self> {
        let failing = self.failing + 1;
        (failing < self.allowed.min(FAILURES)).then_some(Self { failing, ..self })
    }
}
