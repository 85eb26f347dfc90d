//! Whether anything may be sent: a pause after Klaviyo refused the key, its scopes or the revision.
//!
//! While it lasts, one event at a time goes out as a probe, less and less often; its answer alone decides.

use std::time::Duration;

use crate::model::{OutcomeKind, Timestamp};

use super::retry::retry_delay;

/// The first probe comes this long after the refusal.
const FIRST_PROBE: Duration = Duration::from_secs(5);
/// Probes are never further apart than this: a mended key is noticed within a minute.
const LONGEST_PROBE: Duration = Duration::from_mins(1);

/// Open, or closed since some refusal.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Gate {
    /// Everything may go.
    #[default]
    Open,
    /// Nothing may go but probes.
    Closed {
        /// The next probe's time.
        probe_at: Timestamp,
        /// Probes that were refused so far.
        probes: u32,
    },
}

/// What may pass at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// As many as there is room for.
    Free,
    /// One, as a probe.
    Probe,
    /// Nothing before this time.
    Wait(Timestamp),
}

impl Gate {
    /// A gate that was closed before a restart: it probes at once.
    pub const fn closed_before(now: Timestamp) -> Self {
        Self::Closed {
            probe_at: now,
            probes: 0,
        }
    }

    /// What may pass now, with this many events in the air.
    pub fn passage(&self, now: Timestamp, in_flight: usize) -> Passage {
        match self {
            Self::Open => Passage::Free,
            Self::Closed { probe_at, .. } if now < *probe_at => Passage::Wait(*probe_at),
            Self::Closed { .. } if in_flight == 0 => Passage::Probe,
            // The probe is in the air: its end wakes the relay, the time is only a bound.
            Self::Closed { .. } => Passage::Wait(now.plus(FIRST_PROBE)),
        }
    }

    /// The gate after an answer. Only an answer that Klaviyo gave to the request itself opens it: a time-out or a
    /// 5xx says nothing about the key.
    #[must_use]
    pub fn after(&self, kind: OutcomeKind, now: Timestamp) -> Self {
        use OutcomeKind::{Accepted, Conflict, Refused, Retry, Stopped, Unknown};
        match (self, kind) {
            (_, Accepted | Refused | Conflict) | (Self::Open, Retry | Unknown) => Self::Open,
            (Self::Open, Stopped) => Self::closed(now, 1),
            // The answer to what was in the air when the gate closed is no probe's.
            (Self::Closed { probe_at, .. }, Stopped | Retry | Unknown) if now < *probe_at => {
                self.clone()
            }
            (Self::Closed { probes, .. }, Stopped | Retry | Unknown) => {
                Self::closed(now, probes + 1)
            }
        }
    }

    fn closed(now: Timestamp, probes: u32) -> Self {
        let wait = retry_delay(probes, FIRST_PROBE, LONGEST_PROBE, None, 1.0);
        Self::Closed {
            probe_at: now.plus(wait),
            probes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn later(secs: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(secs))
    }

    #[test]
    fn a_refused_key_closes_the_gate_until_a_probe_is_answered() {
        let gate = Gate::Open.after(OutcomeKind::Stopped, NOW);
        assert_eq!(gate.passage(later(1), 0), Passage::Wait(later(5)));
        assert_eq!(gate.passage(later(5), 0), Passage::Probe);
        assert!(
            matches!(gate.passage(later(5), 1), Passage::Wait(_)),
            "one probe at a time"
        );
        let refused = gate.after(OutcomeKind::Stopped, later(5));
        assert_eq!(refused.passage(later(14), 0), Passage::Wait(later(15)));
        assert_eq!(
            refused.passage(later(15), 0),
            Passage::Probe,
            "10 s after the first probe"
        );
        assert_eq!(refused.after(OutcomeKind::Accepted, later(15)), Gate::Open);
    }

    #[test]
    fn probes_are_never_further_apart_than_a_minute() {
        let mut gate = Gate::Open;
        let mut now = NOW;
        for _ in 0..20 {
            gate = gate.after(OutcomeKind::Stopped, now);
            let Gate::Closed { probe_at, .. } = gate else {
                panic!("open")
            };
            assert!(probe_at.since(now) <= LONGEST_PROBE);
            now = probe_at;
        }
    }

    #[test]
    fn refusals_of_what_was_in_the_air_are_one_refusal() {
        let gate = Gate::Open.after(OutcomeKind::Stopped, NOW);
        assert_eq!(gate.after(OutcomeKind::Stopped, later(1)), gate);
    }

    #[test]
    fn a_server_error_says_nothing_about_the_key() {
        let gate = Gate::Open.after(OutcomeKind::Stopped, NOW);
        assert!(matches!(
            gate.after(OutcomeKind::Retry, later(5)),
            Gate::Closed { .. }
        ));
        assert_eq!(Gate::Open.after(OutcomeKind::Retry, NOW), Gate::Open);
    }
}
