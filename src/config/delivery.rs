//! `[delivery]`: how requests are sent, sent again, and given up.

use std::time::Duration;

use super::section::Section;
use super::values::duration_text;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// How requests are sent and sent again.
#[derive(Debug, Clone)]
pub struct DeliveryConfig {
    /// Requests in the air at once. Default 16.
    pub max_in_flight: usize,
    /// Attempts after which a delivery may be given up, once `max_age` has passed too. Default 20.
    pub max_attempts: u32,
    /// Age of an event, since it arrived or was replayed, after which it may be given up. Default 3 days.
    pub max_age: Duration,
    /// The upper bound of the wait before the second attempt. Default 1 s.
    pub first_retry: Duration,
    /// The longest wait between attempts. Default 10 min.
    pub longest_retry: Duration,
    /// How long one request may take, from connecting to the last byte of its answer. Default 30 s.
    pub timeout: Duration,
    /// How old a subscription may be when it is replayed; older ones are left out. Default 24 h.
    pub replay_consent_within: Duration,
    /// How long a shutdown waits for requests in the air. Default 30 s.
    pub shutdown_deadline: Duration,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            max_in_flight: 16,
            max_attempts: 20,
            max_age: DAY * 3,
            first_retry: SECOND,
            longest_retry: MINUTE * 10,
            timeout: SECOND * 30,
            replay_consent_within: DAY,
            shutdown_deadline: SECOND * 30,
        }
    }
}

impl DeliveryConfig {
    pub(super) fn read(section: &Section<'_>) -> Self {
        const TEN_MILLIS: Duration = Duration::from_millis(10);
        const ZERO: Duration = Duration::ZERO;
        let default = Self::default();
        let duration = |key, default, range| section.duration(key, default, range);
        let in_flight = u32::try_from(default.max_in_flight).unwrap_or(u32::MAX);
        let in_flight = section.count("max_in_flight", in_flight, 1..=1000);
        let read = Self {
            max_in_flight: usize::try_from(in_flight).unwrap_or(usize::MAX),
            max_attempts: section.count("max_attempts", default.max_attempts, 1..=1000),
            max_age: duration("max_age", default.max_age, ZERO..=DAY * 365),
            first_retry: duration("first_retry", default.first_retry, TEN_MILLIS..=HOUR),
            longest_retry: duration("longest_retry", default.longest_retry, TEN_MILLIS..=DAY),
            timeout: duration("timeout", default.timeout, SECOND / 10..=MINUTE * 10),
            replay_consent_within: duration(
                "replay_consent_within",
                default.replay_consent_within,
                ZERO..=DAY * 365,
            ),
            shutdown_deadline: duration(
                "shutdown_deadline",
                default.shutdown_deadline,
                ZERO..=MINUTE * 10,
            ),
        };
        if read.first_retry > read.longest_retry {
            let [first, longest] = [read.first_retry, read.longest_retry].map(duration_text);
            section.disagree(
                ["first_retry", "longest_retry"],
                [
                    &format!("is {first}, longer than"),
                    &format!("which is {longest}"),
                ],
                "lower first_retry, or raise longest_retry",
            );
        }
        read
    }
}
