//! Klaviyo's rate limits: two fixed windows at once, a second and a minute, of each endpoint.
//!
//! Pure but for its own counts: the time is handed in. Uses `model` for time and the endpoint's tier.

use std::collections::HashMap;

use super::endpoint::{Endpoint, Tier};
use super::options::RateLimits;
use crate::model::Timestamp;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60_000;

/// The counts of every endpoint's current windows.
#[derive(Debug, Default)]
pub(crate) struct Windows(HashMap<Endpoint, Counts>);

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    second: i64,
    in_second: u32,
    minute: i64,
    in_minute: u32,
}

/// What the windows decide for one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may pass; this is what the `RateLimit-*` headers show of the steady window.
    Pass {
        /// Requests per minute.
        limit: u32,
        /// What is left of them.
        remaining: u32,
        /// Seconds until they are full again.
        reset: u64,
    },
    /// It is throttled for this many seconds.
    Throttled(u64),
}

impl Windows {
    /// Counts one request, unless it is throttled.
    pub(crate) fn count(&mut self, endpoint: Endpoint, limits: RateLimits, now: Timestamp) -> Verdict {
        let now = now.as_millis();
        let to_minute_end = seconds_left(now, MINUTE_MS);
        let tier = match limits {
            RateLimits::Off => {
                let limit = endpoint.tier().steady;
                return Verdict::Pass {
                    limit,
                    remaining: limit,
                    reset: to_minute_end,
                };
            }
            RateLimits::Published { factor } => scaled(endpoint.tier(), factor),
        };
        let counts = self.0.entry(endpoint).or_default();
        counts.enter(now);
        if counts.in_minute >= tier.steady {
            return Verdict::Throttled(to_minute_end);
        }
        if counts.in_second >= tier.burst {
            return Verdict::Throttled(seconds_left(now, SECOND_MS));
        }
        counts.in_second += 1;
        counts.in_minute += 1;
        Verdict::Pass {
            limit: tier.steady,
            remaining: tier.steady - counts.in_minute,
            reset: to_minute_end,
        }
    }
}

impl Counts {
    fn enter(&mut self, now: i64) {
        let (second, minute) = (now.div_euclid(SECOND_MS), now.div_euclid(MINUTE_MS));
        if self.second != second {
            (self.second, self.in_second) = (second, 0);
        }
        if self.minute != minute {
            (self.minute, self.in_minute) = (minute, 0);
        }
    }
}

/// Whole seconds until the window ends, at least one: `Retry-After` is an integer.
fn seconds_left(now: i64, window: i64) -> u64 {
    let millis = window - now.rem_euclid(window);
    u64::try_from((millis + SECOND_MS - 1) / SECOND_MS).map_or(1, |seconds| seconds.max(1))
}

fn scaled(tier: Tier, factor: f64) -> Tier {
    Tier {
        burst: times(tier.burst, factor),
        steady: times(tier.steady, factor),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the range of u32 before the cast"
)]
fn times(limit: u32, factor: f64) -> u32 {
    if !factor.is_finite() {
        return limit;
    }
    (f64::from(limit) * factor).round().clamp(1.0, f64::from(u32::MAX)) as u32
}
