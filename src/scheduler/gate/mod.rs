//! The account's gate: whether anything may be sent to Klaviyo at all, and how much.
//!
//! It closes when Klaviyo refuses the key, its scopes or the revision, and when Klaviyo cannot be reached. Then one
//! event at a time goes out as a probe, less and less often, and what comes back decides. After an outage it opens
//! step by step: a service that just came back is not met by all that waited. While it is not open, no attempt
//! counts. Rates are not its matter, see [`Limits`](super::Limits): a 429 is an answer.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::model::{OutcomeKind, PauseKind, Timestamp};

use super::retry::retry_delay;

/// Failures in a row that make an outage. One or two happen to anybody; with five in a row the next would fail too.
const FAILURES: u32 = 5;
/// And they lie this far apart at least: with many requests in the air, five fail together in a moment that is over
/// before a probe could go.
const LASTS: Duration = Duration::from_secs(1);
/// The first probe comes this long after the key was refused.
const FIRST_PROBE_OF_KEY: Duration = Duration::from_secs(5);
/// The first probe comes this long after an outage was noticed: most are over in seconds.
const FIRST_PROBE_OF_OUTAGE: Duration = Duration::from_secs(1);
/// Probes are never further apart than this: a mended key, or the end of an outage, is noticed within a minute.
const LONGEST_PROBE: Duration = Duration::from_mins(1);
/// How long to wait for an answer that is due. Its coming is a notice; this is only a bound.
const ANSWER_BOUND: Duration = Duration::from_secs(5);

/// The gate. A value: each answer makes the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    max_in_flight: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everything may go.
    Open { failing: Option<Failing> },
    /// Nothing may go but probes.
    Closed { why: PauseKind, probe: Probe },
    /// After an outage, step by step.
    Ramp { step: Step, probe: Probe },
}

/// Attempts that came to nothing, one after the other, with no answer between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failing {
    since: Timestamp,
    times: u32,
}

/// A step of the way back from an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    /// So many may be in the air.
    allowed: usize,
    /// So many were answered since it was raised.
    answered: usize,
    /// So many failed, one after the other.
    failing: usize,
}

/// When the next probe may go, and how many of them failed, the one that closed the gate included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Probe {
    at: Timestamp,
    failed: u32,
}

/// A gate that is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Why.
    pub why: PauseKind,
    /// When the next probe may go.
    pub probe_at: Timestamp,
}

/// What may pass at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// As many as there is room for.
    Free,
    /// So many more, one at least; an outage is just over.
    UpTo(usize),
    /// One, as a probe.
    Probe,
    /// Nothing before this time.
    Wait(Timestamp),
}

/// What an attempt tells of Klaviyo as a whole.
#[derive(Clone, Copy)]
enum Sign {
    /// It took or judged the request itself: it is there, and takes the key.
    Works,
    /// It is there, and says no more than that: 429.
    Answers,
    /// It refuses everything.
    Refuses,
    /// Nothing came, or a server error.
    Fails,
}

impl Gate {
    /// An open gate. After an outage it is open again when this many were answered at once.
    pub const fn open(max_in_flight: usize) -> Self {
        Self {
            max_in_flight,
            state: State::OPEN,
        }
    }

    /// A gate that was closed before a restart: it probes at once.
    pub const fn closed_before(why: PauseKind, max_in_flight: usize, now: Timestamp) -> Self {
        let probe = Probe { at: now, failed: 0 };
        Self {
            max_in_flight,
            state: State::Closed { why, probe },
        }
    }

    /// The same gate, fully open again after an outage when this many were answered at once.
    #[must_use]
    pub const fn with_max_in_flight(&self, max_in_flight: usize) -> Self {
        Self {
            max_in_flight,
            state: self.state,
        }
    }

    /// The gate when another key is used from now on: what was closed for the former one is probed at once.
    #[must_use]
    pub const fn with_another_key(&self, now: Timestamp) -> Self {
        match self.state {
            State::Closed {
                why: PauseKind::Refused,
                ..
            } => Self::closed_before(PauseKind::Refused, self.max_in_flight, now),
            State::Closed {
                why: PauseKind::Unreachable,
                ..
            }
            | State::Open { .. }
            | State::Ramp { .. } => Self {
                max_in_flight: self.max_in_flight,
                state: self.state,
            },
        }
    }

    /// What may pass now, with this many in the air.
    pub fn passage(&self, now: Timestamp, in_flight: usize) -> Passage {
        match self.state {
            State::Open { .. } => Passage::Free,
            State::Closed { probe, .. } if probe.is_ahead(now) => Passage::Wait(probe.at),
            State::Closed { .. } if in_flight == 0 => Passage::Probe,
            State::Ramp { step, .. } if in_flight < step.allowed => {
                Passage::UpTo(step.allowed - in_flight)
            }
            State::Closed { .. } | State::Ramp { .. } => Passage::Wait(now.plus(ANSWER_BOUND)),
        }
    }

    /// The gate after an attempt.
    #[must_use]
    pub fn after(&self, kind: OutcomeKind, http_status: Option<u16>, now: Timestamp) -> Self {
        Self {
            max_in_flight: self.max_in_flight,
            state: self
                .state
                .after(sign(kind, http_status), self.max_in_flight, now),
        }
    }

    /// Whether a failed attempt counts against `max_attempts`: not while Klaviyo takes nothing from anybody.
    pub const fn counts(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// The pause; `None` when it is open, or opening again after an outage.
    pub const fn pause(&self) -> Option<Pause> {
        match self.state {
            State::Closed { why, probe } => Some(Pause {
                why,
                probe_at: probe.at,
            }),
            State::Open { .. } | State::Ramp { .. } => None,
        }
    }
}

impl State {
    const OPEN: Self = Self::Open { failing: None };

    fn after(self, sign: Sign, max_in_flight: usize, now: Timestamp) -> Self {
        use PauseKind::{Refused, Unreachable};
        let refused = || Self::closed(Refused, 1, now);
        match (self, sign) {
            (Self::Open { failing }, Sign::Fails) => Self::failed_once_more(failing, now),
            (Self::Open { .. }, Sign::Works | Sign::Answers) => Self::OPEN,
            (Self::Open { .. } | Self::Ramp { .. }, Sign::Refuses) => refused(),
            (Self::Closed { why, probe }, sign) => match (why, sign) {
                (Refused, Sign::Works) => Self::OPEN,
                (Unreachable, Sign::Works | Sign::Answers) => Self::Ramp {
                    step: Step::FIRST,
                    probe,
                },
                (Unreachable, Sign::Refuses) => refused(),
                // What was in the air when the gate closed is no probe, and so says nothing new.
                (Refused, Sign::Answers | Sign::Refuses | Sign::Fails)
                | (Unreachable, Sign::Fails)
                    if probe.is_ahead(now) =>
                {
                    self
                }
                (Refused, Sign::Answers | Sign::Refuses | Sign::Fails)
                | (Unreachable, Sign::Fails) => {
                    Self::closed(why, probe.failed.saturating_add(1), now)
                }
            },
            (Self::Ramp { step, probe }, Sign::Works) => match step.answered() {
                step if step.allowed > max_in_flight => Self::OPEN,
                step => Self::Ramp { step, probe },
            },
            // Throttled: it is there, and no more should go than does.
            (Self::Ramp { .. }, Sign::Answers) => self,
            (Self::Ramp { step, probe }, Sign::Fails) => match step.failed() {
                Some(step) => Self::Ramp { step, probe },
                // It broke down under what was let through: the next probe comes later than the last.
                None => Self::closed(Unreachable, probe.failed.saturating_add(1), now),
            },
        }
    }

    fn failed_once_more(failing: Option<Failing>, now: Timestamp) -> Self {
        let before = failing.unwrap_or(Failing {
            since: now,
            times: 0,
        });
        let failing = Failing {
            // A clock that went back starts the time anew.
            since: before.since.min(now),
            times: before.times.saturating_add(1),
        };
        if failing.times >= FAILURES && now.since(failing.since) >= LASTS {
            return Self::closed(PauseKind::Unreachable, 1, now);
        }
        Self::Open {
            failing: Some(failing),
        }
    }

    /// After so many failed probes, the failure that closed the gate counted as one.
    fn closed(why: PauseKind, failed: u32, now: Timestamp) -> Self {
        let first = match why {
            PauseKind::Refused => FIRST_PROBE_OF_KEY,
            PauseKind::Unreachable => FIRST_PROBE_OF_OUTAGE,
        };
        let wait = retry_delay(failed, first, LONGEST_PROBE, None, 1.0);
        Self::Closed {
            why,
            probe: Probe {
                at: now.plus(wait),
                failed,
            },
        }
    }
}

impl Probe {
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

    /// When all that were allowed in the air were answered, twice as many are.
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

    /// `None` when all that were allowed in the air failed, or as many in a row as make an outage. A failure among
    /// answers is none: one in twenty, and the way back of 31 answers to 16 in the air would hardly ever be gone.
    fn failed(self) -> Option<Self> {
        let failing = self.failing + 1;
        let outage = usize::try_from(FAILURES).unwrap_or(usize::MAX);
        (failing < self.allowed.min(outage)).then_some(Self { failing, ..self })
    }
}

fn sign(kind: OutcomeKind, http_status: Option<u16>) -> Sign {
    match kind {
        OutcomeKind::Accepted | OutcomeKind::Refused | OutcomeKind::Conflict => Sign::Works,
        OutcomeKind::Stopped => Sign::Refuses,
        OutcomeKind::Retry if http_status == Some(429) => Sign::Answers,
        OutcomeKind::Retry | OutcomeKind::Unknown => Sign::Fails,
    }
}
