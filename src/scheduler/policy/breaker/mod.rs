//! A circuit breaker: whether requests of one endpoint family, or of the whole account, may be sent, and how many.
//!
//! It opens when Klaviyo refuses the key, its scopes or the revision, and when requests of several *different* events
//! fail. Then one request at a time is sent as a probe, at growing intervals. After an outage it closes step by step,
//! so that a service that has just recovered does not get the whole backlog at once. While it is not closed, no attempt
//! counts. It does not limit rates (see [`Limits`](super::Limits)): a 429 is an answer.
//!
//! A failure caused by the request itself is ignored: when a request fails while the family accepts the requests of
//! others, that gives no information about the family. [`Breakers`](super::Breakers) decides which failures these are.
//! Pure.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::model::{EventId, PauseKind, Timestamp};

use super::retry::retry_delay;

/// Failures of this many different events, with no success between them, are an outage.
const FAILURES: usize = 5;
/// They must also span this time, from the start of the first of these requests: with many in flight, five can fail in
/// one moment, and the trouble is over before a probe could be sent. Five requests without an answer span it.
const LASTS: Duration = Duration::from_secs(1);
/// Refusals of this many different events, with no success between them, concern the key and not the events.
const REFUSALS: usize = 3;
/// The delay of the first probe after the key was refused.
const FIRST_PROBE_OF_KEY: Duration = Duration::from_secs(5);
/// The delay of the first probe after an outage was noticed: most outages end within seconds.
const FIRST_PROBE_OF_OUTAGE: Duration = Duration::from_secs(1);
/// The longest interval between probes: a corrected key, or the end of an outage, is noticed within a minute.
pub(super) const LONGEST_PROBE: Duration = Duration::from_mins(1);
/// How long to wait for an answer that is expected. Its arrival wakes the loop; this is only a bound.
const ANSWER_BOUND: Duration = Duration::from_millis(200);

/// The circuit breaker of one family, or of the account. It is closed at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CircuitBreaker {
    /// Requests are sent. Changes to `Open` when enough different events fail or are refused. A restart begins in this
    /// state, unless the outbox has a pause.
    Closed { failing: Failing, refused: Failing },
    /// Only probes are sent. A success changes it to `Closed` after a refused key, and to `HalfOpen` after an outage.
    /// The state is stored in the outbox, so that it survives a restart.
    Open { why: PauseKind, probe: Probe },
    /// After an outage, step by step: each step allows twice as many in flight. Changes to `Closed` when all may be
    /// sent, back to `Open` when a step fails. A restart begins with `Closed`.
    HalfOpen { step: Step, probe: Probe },
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::Closed {
            failing: Failing::default(),
            refused: Failing::default(),
        }
    }
}

/// Different events that failed, with no success between them, and when the first of their requests was started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Failing {
    since: Option<Timestamp>,
    events: Vec<EventId>,
}

/// A step of the recovery from an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// How many may be in flight.
    allowed: usize,
    /// How many were answered in this step.
    answered: usize,
    /// How many failed in a row.
    failing: usize,
}

/// When the next probe may be sent, and how many were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe {
    at: Timestamp,
    sent: u32,
}

/// What may be sent at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// As many as the limits allow.
    Free,
    /// This many more, at least one; an outage has just ended.
    UpTo(usize),
    /// One, as a probe.
    Probe,
    /// Nothing before this time.
    Wait(Timestamp),
}

/// What an attempt shows about the family or the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Klaviyo accepted or judged the request itself: it is available, and accepts the key.
    Works,
    /// It is available, and nothing more is known: 429.
    Answers,
    /// It refused this event's request in the way it refuses a wrong key.
    Refuses(EventId),
    /// This event's request failed: no answer, a server error, or an answer that is not Klaviyo's.
    Fails(EventId),
}

impl CircuitBreaker {
    /// Open, with a probe that may be sent at once: it was open before a restart.
    pub(super) const fn open_before(why: PauseKind, now: Timestamp) -> Self {
        let probe = Probe { at: now, sent: 0 };
        Self::Open { why, probe }
    }

    /// Opens now.
    fn opens(why: PauseKind, now: Timestamp) -> Self {
        let probe = Probe::after(why, 0, now);
        Self::Open { why, probe }
    }

    /// Opens a closed breaker: the key is known to be refused.
    pub(super) fn refuse(&mut self, now: Timestamp) {
        if self.is_closed() {
            *self = Self::opens(PauseKind::Refused, now);
        }
    }

    /// Allows a probe at once: the key was changed, or an operator requested it.
    pub(super) fn probe_now(&mut self, now: Timestamp) {
        if let Self::Open { probe, .. } = self {
            *probe = Probe { at: now, sent: 0 };
        }
    }

    /// What may be sent now, with this many in flight. Requests that have been in flight for long do not count: their
    /// delay gives no information about the next request.
    pub(super) fn permit(&self, now: Timestamp, in_flight: usize) -> Permit {
        match self {
            Self::Closed { .. } => Permit::Free,
            Self::Open { probe, .. } if probe.is_ahead(now) => Permit::Wait(probe.at),
            Self::Open { .. } => Permit::Probe,
            Self::HalfOpen { step, .. } if in_flight < step.allowed => Permit::UpTo(step.allowed - in_flight),
            Self::HalfOpen { .. } => Permit::Wait(now.plus(ANSWER_BOUND)),
        }
    }

    /// A probe is sent now. The next one is scheduled, whatever the result of this one.
    pub(super) fn probe_sent(&mut self, now: Timestamp) {
        if let Self::Open { why, probe } = self {
            let sent = probe.sent.saturating_add(1);
            *probe = Probe::after(*why, sent, now);
        }
    }

    /// The request that was a probe was not sent after all: the probe is still due.
    pub(super) fn probe_unsent(&mut self, now: Timestamp) {
        if let Self::Open { probe, .. } = self {
            *probe = Probe {
                at: now,
                sent: probe.sent.saturating_sub(1),
            };
        }
    }

    /// Applies the result of an attempt. After an outage it closes again when `max_in_flight` concurrent requests were
    /// answered.
    pub(super) fn record(&mut self, sign: Sign, max_in_flight: usize, started: Timestamp, now: Timestamp) {
        let before = std::mem::take(self);
        *self = before.after(sign, max_in_flight, started, now);
    }

    /// Whether it is closed. While it is not, a failed attempt does not count against `max_attempts`.
    pub(super) const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }

    /// Why it is open, and when the next probe may be sent; `None` when it is closed, or half open after an outage.
    pub(super) const fn open(&self) -> Option<(PauseKind, Timestamp)> {
        match self {
            Self::Open { why, probe } => Some((*why, probe.at)),
            Self::Closed { .. } | Self::HalfOpen { .. } => None,
        }
    }

    /// `started`: when the attempt was started.
    fn after(self, sign: Sign, max_in_flight: usize, started: Timestamp, now: Timestamp) -> Self {
        use PauseKind::{Refused, Unreachable};
        match (self, sign) {
            (Self::Closed { .. } | Self::Open { why: Refused, .. }, Sign::Works) => Self::default(),
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
            // Only a success ends the wait after a refused key. A failure during an outage is nothing new.
            (open @ Self::Open { why: Refused, .. }, _) | (open @ Self::Open { .. }, Sign::Fails(_)) => open,
            (Self::Open { probe, .. }, Sign::Answers | Sign::Works) => Self::HalfOpen {
                step: Step::FIRST,
                probe,
            },
            (Self::Open { probe, .. }, Sign::Refuses(_)) => Self::Open { why: Refused, probe },
            (Self::HalfOpen { step, probe }, Sign::Works) => match step.answered() {
                step if step.allowed > max_in_flight => Self::default(),
                step => Self::HalfOpen { step, probe },
            },
            // Rate limited: the service is available, but no more requests should be in flight than are.
            (half_open @ Self::HalfOpen { .. }, Sign::Answers) => half_open,
            (Self::HalfOpen { step, probe }, Sign::Fails(_) | Sign::Refuses(_)) => {
                if let Some(step) = step.failed() {
                    return Self::HalfOpen { step, probe };
                }
                // It failed under the requests that were allowed, or some of them fail by themselves. It accepts
                // others, so the next probe comes soon.
                Self::Open {
                    why: Unreachable,
                    probe: Probe::after(Unreachable, 1, now),
                }
            }
        }
    }
}

impl Failing {
    /// Adds this event; one that is already contained counts once.
    fn with(mut self, event: EventId, started: Timestamp) -> Self {
        // A clock that was set back starts the time again.
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
    /// The next probe after `sent` probes since the breaker opened.
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

    /// Whether it is too early for it. A time further away than the longest interval was written by a clock that has
    /// been set back since.
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

    /// When all requests that were allowed in flight are answered, twice as many are allowed.
    fn answered(self) -> Self {
        let (allowed, answered) = match self.answered + 1 {
            answered if answered < self.allowed => (self.allowed, answered),
            _ => (self.allowed.saturating_mul(2), 0),
        };
        Self {
            allowed,
            answered,
            failing: 0,
        }
    }

    /// `None` when all requests that were allowed in flight failed, or as many in a row as make an outage. A failure
    /// among answers is ignored: otherwise, with one failure in twenty, the recovery (31 answers up to 16 in flight)
    /// would hardly ever be completed.
    fn failed(self) -> Option<Self> {
        let failing = self.failing + 1;
        (failing < self.allowed.min(FAILURES)).then_some(Self { failing, ..self })
    }
}
