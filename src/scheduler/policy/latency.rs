//! How long a request may take: a few times the usual time of its family, so that a request that is never answered does
//! not use its slot for the whole `timeout`. Pure.
//!
//! A request that timed out gets twice as long at its next attempt, up to `timeout`: an endpoint that is merely slow is
//! answered within a few attempts, and from then on the family's usual time includes it.

use std::time::Duration;

use crate::model::Family;

/// A family's requests may take this many times the longest recent answer.
const TIMES: u32 = 4;
/// The shortest time limit of any request, unless `timeout` is less: longer than an ordinary interruption of a network.
const FLOOR: Duration = Duration::from_secs(2);
/// The same for a job of events, which has up to 5 MB to send.
const FLOOR_OF_JOBS: Duration = Duration::from_secs(10);
/// The bounds of [`Latencies::patience`].
const LEAST_PATIENCE: Duration = Duration::from_millis(200);
const MOST_PATIENCE: Duration = Duration::from_secs(1);
/// With each answer the longest recent time decreases by this fraction, unless the answer took longer.
const DECAY: f64 = 0.01;

/// The longest recent answer time of each family.
#[derive(Debug, Clone, Default)]
pub struct Latencies([Option<Duration>; Family::ALL.len()]);

impl Latencies {
    /// An answer came after this time.
    pub fn answered(&mut self, family: Family, took: Duration) {
        let longest = &mut self.0[family as usize];
        let before = longest.unwrap_or_default().mul_f64(1.0 - DECAY);
        *longest = Some(took.max(before));
    }

    /// How long a request delays the next probe, or the next step after an outage: twice the usual time of its family.
    /// If it is not answered by then, it gives no information about the next request.
    pub fn patience(&self, family: Family) -> Duration {
        let usual = self.0[family as usize].unwrap_or_default() * 2;
        usual.clamp(LEAST_PATIENCE, MOST_PATIENCE)
    }

    /// How long a request may take that has failed this many times before, at most `ceiling`.
    pub fn timeout(&self, family: Family, failures: u32, ceiling: Duration) -> Duration {
        let floor = match family {
            // A subscription that is sent twice may mail a person twice. After a lost answer to an import, its people
            // wait until it is certain whether the job runs. So both get the full time.
            Family::Subscription | Family::ProfileBulk => return ceiling,
            Family::EventBulk => FLOOR_OF_JOBS,
            Family::Event | Family::Profile | Family::ProfileBulkStatus | Family::List | Family::Deletion => FLOOR,
        };
        let usual = self.0[family as usize].unwrap_or_default() * TIMES;
        let doubled = usual.max(floor) * 2_u32.saturating_pow(failures.min(16));
        doubled.min(ceiling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CEILING: Duration = Duration::from_secs(30);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_family_gets_four_times_its_longest_answer_between_the_floor_and_the_ceiling() {
        let mut latencies = Latencies::default();
        let timeout = |latencies: &Latencies| latencies.timeout(Family::Event, 0, CEILING);
        assert_eq!(timeout(&latencies), FLOOR, "nothing is known yet");
        for (took, expected) in [(0, 2), (1, 4), (20, 30)] {
            latencies.answered(Family::Event, secs(took));
            assert_eq!(timeout(&latencies), secs(expected), "{took}");
        }
        assert_eq!(latencies.timeout(Family::Profile, 0, CEILING), FLOOR);
        assert_eq!(latencies.timeout(Family::Event, 0, secs(1)), secs(1));
    }

    #[test]
    fn each_failure_doubles_it_up_to_the_ceiling() {
        let latencies = Latencies::default();
        let timeouts = [0, 1, 2, 3, 4, 40].map(|failures| {
            let timeout = latencies.timeout(Family::Event, failures, CEILING);
            timeout.as_secs()
        });
        assert_eq!(timeouts, [2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn one_slow_answer_is_forgotten_after_some_hundred_quick_ones() {
        let mut latencies = Latencies::default();
        latencies.answered(Family::Event, secs(10));
        for _ in 0..500 {
            latencies.answered(Family::Event, Duration::from_millis(50));
        }
        assert_eq!(latencies.timeout(Family::Event, 0, CEILING), FLOOR);
    }

    #[test]
    fn the_next_probe_waits_for_twice_the_usual_time_and_a_second_at_most() {
        let mut latencies = Latencies::default();
        for (took, patience) in [(10, 200), (300, 600), (9_000, 1_000)] {
            latencies.answered(Family::Event, Duration::from_millis(took));
            let expected = Duration::from_millis(patience);
            assert_eq!(latencies.patience(Family::Event), expected, "{took}");
        }
    }

    #[test]
    fn what_should_not_be_sent_twice_gets_all_the_time() {
        let latencies = Latencies::default();
        assert_eq!(latencies.timeout(Family::Subscription, 0, CEILING), CEILING);
        assert_eq!(latencies.timeout(Family::ProfileBulk, 0, CEILING), CEILING);
    }
}
