//! How fast each family of endpoints may be called, so that Klaviyo seldom has to answer 429.
//!
//! Klaviyo counts in two fixed windows at once, a second and a minute, for each endpoint and account, and does not
//! publish when they start. So ours slide: any second and any minute of ours contain no more than our share, and so
//! does any window of Klaviyo's, wherever it starts. Klaviyo's figures, which include other programs that use the
//! account, and a 429 correct this downwards, for each family separately. Pure: the time is passed in. Nothing is
//! stored across a restart; the first answers after it report what is left of the minute.

mod meter;
mod pace;
mod window;

#[cfg(test)]
mod tests;

use crate::config::DeliveryConfig;
use crate::model::{Family, Outcome, Timestamp};

pub use meter::Closed;
pub(super) use meter::LONGEST_RETRY_AFTER;
use meter::Meter;

pub(super) const TOO_MANY_REQUESTS: u16 = 429;

/// The limits of every family.
///
/// Each request is reported twice: [`sent`](Self::sent) when it is sent, and [`answered`](Self::answered) when it was
/// answered or its answer is not expected any more.
#[derive(Debug, Clone)]
pub struct Limits([Meter; Family::ALL.len()]);

/// One family's limit at a moment, for `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyUse {
    /// The family.
    pub family: Family,
    /// Requests in the last second and its guard time, and those allowed in it.
    pub second: [u32; 2],
    /// Requests in the last minute and its guard time, and those allowed in it.
    pub minute: [u32; 2],
    /// Until when a 429 closed the family.
    pub closed_until: Option<Timestamp>,
}

impl Limits {
    /// Limits with nothing sent so far.
    pub fn new(settings: &DeliveryConfig) -> Self {
        let meter = |place| Meter::new(settings.limits.of(Family::ALL[place]), settings.limit_share);
        Self(std::array::from_fn(meter))
    }

    /// Sets other limits. The counts of what was sent and Klaviyo's figures stay.
    pub fn set(&mut self, settings: &DeliveryConfig) {
        for (meter, family) in self.0.iter_mut().zip(Family::ALL) {
            meter.set(settings.limits.of(*family), settings.limit_share);
        }
    }

    /// How many requests may be sent at this instant.
    pub fn room(&mut self, family: Family, now: Timestamp) -> usize {
        let meter = self.meter_mut(family, now);
        usize::try_from(meter.room(now)).unwrap_or(usize::MAX)
    }

    /// When to try again, if there is no room now: there is none before this, unless an answer makes some.
    pub fn next(&self, family: Family, now: Timestamp) -> Option<Timestamp> {
        self.0[family as usize].next(now)
    }

    /// `n` requests are sent now.
    pub fn sent(&mut self, family: Family, n: usize, now: Timestamp) {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        self.meter_mut(family, now).sent(n, now);
    }

    /// One request was answered; `None`, or without a status, when its answer never came.
    pub fn answered(&mut self, family: Family, answer: Option<&Outcome>, now: Timestamp) {
        let meter = self.meter_mut(family, now);
        let Some((answer, status)) = answer.and_then(|answer| Some((answer, answer.http_status?))) else {
            meter.lost();
            return;
        };
        meter.answered(answer.rate, now);
        if status == TOO_MANY_REQUESTS {
            meter.rate_limited(answer.retry_after, now);
        } else {
            meter.opened(now);
        }
    }

    /// Ends the stop after a 429: one request may be sent now, and its answer decides.
    pub fn probe_now(&mut self, family: Family, now: Timestamp) {
        self.meter_mut(family, now).probe_now(now);
    }

    /// The families that an answer closed for longer than a minute.
    pub fn closed_long(&self, now: Timestamp) -> Vec<(Family, Closed)> {
        let one = |family: &Family| Some((*family, self.0[*family as usize].closed_long(now)?));
        Family::ALL.iter().filter_map(one).collect()
    }

    /// How many requests the two windows allow within about a second: what can be sent singly.
    pub fn clears(&mut self, family: Family, now: Timestamp) -> usize {
        let meter = self.meter_mut(family, now);
        let [_, minute] = meter.used(now);
        let left = meter.steady(now).saturating_sub(minute);
        usize::try_from(meter.burst(now).min(left)).unwrap_or(usize::MAX)
    }

    /// The current use of every family's limit.
    pub fn snapshot(&self, now: Timestamp) -> Vec<FamilyUse> {
        let one = |family: &Family| {
            let meter = &self.0[*family as usize];
            let [second, minute] = meter.used(now);
            FamilyUse {
                family: *family,
                second: [second, meter.burst(now)],
                minute: [minute, meter.steady(now)],
                closed_until: meter.closed(now).map(|closed| closed.until),
            }
        };
        Family::ALL.iter().map(one).collect()
    }

    fn meter_mut(&mut self, family: Family, now: Timestamp) -> &mut Meter {
        let meter = &mut self.0[family as usize];
        meter.enter(now);
        meter
    }
}
