//! One family's limit: what was sent, what Klaviyo's headers report, and from these how much more may be sent.

use std::time::Duration;

use crate::config::FamilyLimit;
use crate::model::{RateInfo, Timestamp};

use super::pace::Pace;
use super::window::Window;

/// How much closer together two requests may arrive than they were sent, at least: because of a new connection, or a
/// lost packet that is sent again. One second of Klaviyo's can then contain what was sent in a second plus this time.
/// It costs nothing in the long run, since the minute is the tighter limit of every family by a factor of four or more.
const JITTER_MS: u16 = 300;
/// Klaviyo's two windows, each with a cell that is small compared to it: 66 counts and 122.
const SECOND: (u16, u16) = (1_000 + JITTER_MS, 20);
/// The guard of half a second is the jitter again, rounded up to the next cell. It costs a hundredth of the rate.
const MINUTE: (u16, u16) = (60_500, 500);
/// `RateLimit-Reset` and `Retry-After` are whole seconds, and it is not documented how they are rounded.
const ROUNDING: Duration = Duration::from_secs(1);
/// Two answers are about the same minute when their reset times differ by no more than this, because of rounding and
/// different transit times.
const SAME_MINUTE: Duration = Duration::from_secs(5);
/// A tenth of the part of a limit that is left to others is never used, even when others leave it unused: the remaining
/// count is approximate, and others send while an answer is in transit.
const RESERVE: f64 = 0.1;
/// After this time without an answer, the last reported figures may be wrong: others have continued to send.
const STALE: Duration = Duration::from_secs(2);
/// Then this fraction of a second's share is sent first, and the rest when the first of these requests was answered.
/// One round trip is a small price for not sending a whole second's requests into a minute that others have used up.
const AHEAD: f64 = 0.05;

/// A minute's window ends within a minute, whatever a header contains.
const LONGEST_RESET: Duration = Duration::from_secs(61);
/// A 429 with a longer wait than this is probed with one request after it: a server hardly means to stop a shop for
/// days.
pub(in super::super) const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(5);

/// What Klaviyo reported as left of its current minute.
#[derive(Debug, Clone, Copy)]
struct ServerRemaining {
    /// The lowest figure of all answers: answers overtake each other, and within a minute the figure only falls.
    remaining: u32,
    until: Timestamp,
}

/// How a 429 closed a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// Since when.
    pub since: Timestamp,
    /// The end of the wait in the 429, a day at most.
    pub until: Timestamp,
    /// From then on one request at a time may be sent, as a probe.
    pub probe_at: Timestamp,
}

/// One family's counts and corrections.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    limit: FamilyLimit,
    /// Requests a minute, as Klaviyo last reported.
    server_limit: Option<u32>,
    share: f64,
    second: Window,
    minute: Window,
    pace: Pace,
    /// Sent and not answered yet.
    in_flight: u32,
    server_remaining: Option<ServerRemaining>,
    /// When Klaviyo answered last.
    last_answer_at: Timestamp,
    closed: Option<Closed>,
    /// The latest time that was passed in, to detect a clock that was set back.
    last_now: Timestamp,
}

impl Meter {
    pub(super) fn new(limit: FamilyLimit, share: f64) -> Self {
        Self {
            limit,
            server_limit: None,
            share,
            second: Window::new(SECOND.0, SECOND.1),
            minute: Window::new(MINUTE.0, MINUTE.1),
            pace: Pace::FULL,
            in_flight: 0,
            server_remaining: None,
            last_answer_at: Timestamp::from_millis(0),
            closed: None,
            last_now: Timestamp::from_millis(0),
        }
    }

    /// Sets another limit or share; the counts and Klaviyo's figures stay.
    pub(super) fn set(&mut self, limit: FamilyLimit, share: f64) {
        (self.limit, self.share) = (limit, share);
    }

    /// Applies the current time: removes what has expired. If the clock was set back, the times that are then ahead
    /// move back with it.
    pub(super) fn enter(&mut self, now: Timestamp) {
        let back = self.last_now.since(now);
        if !back.is_zero() {
            self.pace.rewind(back);
            self.last_answer_at = self.last_answer_at.minus(back);
            self.closed = self.closed.map(|closed| Closed {
                since: closed.since.minus(back),
                until: closed.until.minus(back),
                probe_at: closed.probe_at.minus(back),
            });
            if let Some(server) = &mut self.server_remaining {
                server.until = server.until.minus(back);
            }
        }
        self.last_now = now;
        self.second.advance(now);
        self.minute.advance(now);
        self.closed = self.closed(now);
        self.server_remaining = self.server_remaining.filter(|server| now < server.until);
    }

    /// How many may be sent now.
    pub(super) fn room(&self, now: Timestamp) -> u32 {
        let probe = match self.closed(now) {
            Some(closed) if now < closed.probe_at => return 0,
            Some(_) => 1_u32.saturating_sub(self.in_flight),
            None => u32::MAX,
        };
        let second = self.burst(now).saturating_sub(self.second.used(now));
        let minute = self.steady(now).saturating_sub(self.minute.used(now));
        let server = self.left(now).unwrap_or(u32::MAX);
        let ahead = self.ahead(now).unwrap_or(u32::MAX);
        second.min(minute).min(server).min(ahead).min(probe)
    }

    /// When to try again: there is no room before this, unless an answer makes some. `None` when there is room now.
    pub(super) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        if self.room(now) > 0 {
            return None;
        }
        let second = self.second.below(self.burst(now), now);
        let minute = self.minute.below(self.steady(now), now);
        let mut next = second.max(minute);
        if let Some(grown) = self.pace.grows_at(now) {
            // A growing pace may make room before the windows do.
            next = next.min(grown);
        }
        if self.left(now) == Some(0) {
            next = next.max(self.server_remaining.map_or(now, |server| server.until));
        }
        if self.ahead(now) == Some(0) {
            next = next.max(now.plus(STALE));
        }
        let probe_at = self.closed.map_or(now, |closed| closed.probe_at);
        Some(next.max(probe_at))
    }

    pub(super) fn sent(&mut self, n: u32, now: Timestamp) {
        self.second.add(n, now);
        self.minute.add(n, now);
        self.in_flight = self.in_flight.saturating_add(n);
    }

    /// The answer to one request is not expected any more.
    pub(super) fn lost(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// One request was answered.
    pub(super) fn answered(&mut self, rate: Option<RateInfo>, now: Timestamp) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.last_answer_at = now;
        let Some(rate) = rate else {
            return;
        };
        if let (Some(limit), Some(remaining)) = (rate.limit, rate.remaining)
            && remaining >= limit
        {
            // Not even the answered request is counted: no limit is in force, as in our sandbox.
            return;
        }
        self.server_limit = rate.limit.filter(|limit| *limit > 0).or(self.server_limit);
        if let (Some(remaining), Some(reset)) = (rate.remaining, rate.reset) {
            let reset = reset.saturating_add(ROUNDING).min(LONGEST_RESET);
            self.update_server_remaining(remaining, now.plus(reset));
        }
    }

    fn update_server_remaining(&mut self, remaining: u32, until: Timestamp) {
        match &mut self.server_remaining {
            // The answer is about an older minute than the stored figures.
            Some(server) if until.plus(SAME_MINUTE) < server.until => {}
            Some(server) if until <= server.until.plus(SAME_MINUTE) => {
                server.remaining = server.remaining.min(remaining);
            }
            Some(_) | None => self.server_remaining = Some(ServerRemaining { remaining, until }),
        }
    }

    /// Applies a 429: nothing is sent before the time it names, and less after it.
    pub(super) fn rate_limited(&mut self, retry_after: Option<Duration>, now: Timestamp) {
        // An immediate retry always gets another 429 (Klaviyo's page), so wait for the shorter window at least.
        let wait = retry_after.unwrap_or_default().max(ROUNDING);
        let named = Closed {
            since: now,
            until: now.plus(wait),
            probe_at: now.plus(wait.min(LONGEST_RETRY_AFTER)),
        };
        self.pace.rate_limited(now, named.probe_at);
        self.closed = Some(match self.closed(now) {
            Some(closed) => Closed {
                since: closed.since,
                until: closed.until.max(named.until),
                probe_at: closed.probe_at.max(named.probe_at),
            },
            None => named,
        });
    }

    /// Allows one request now, in spite of a 429.
    pub(super) fn probe_now(&mut self, now: Timestamp) {
        if let Some(closed) = &mut self.closed {
            closed.probe_at = now;
        }
    }

    /// What may be sent in a second.
    pub(super) fn burst(&self, now: Timestamp) -> u32 {
        part(self.limit.burst, self.share * self.pace.at(now))
    }

    /// What may be sent in a minute.
    pub(super) fn steady(&self, now: Timestamp) -> u32 {
        part(self.minute_limit(), self.share * self.pace.at(now))
    }

    /// If Klaviyo reports less than is configured, its figure counts, because it is enforced. If it reports more, the
    /// operator's figure counts.
    fn minute_limit(&self) -> u32 {
        let server_limit = self.server_limit.unwrap_or(u32::MAX);
        self.limit.steady.min(server_limit)
    }

    /// How much of the current windows is used: of the second, and of the minute.
    pub(super) fn used(&self, now: Timestamp) -> [u32; 2] {
        [self.second.used(now), self.minute.used(now)]
    }

    /// How a 429 closed it, until the wait is over.
    pub(super) fn closed(&self, now: Timestamp) -> Option<Closed> {
        self.closed.filter(|closed| now < closed.until)
    }

    /// As [`closed`](Self::closed), if the wait is longer than a minute.
    pub(super) fn closed_long(&self, now: Timestamp) -> Option<Closed> {
        let long = |closed: &Closed| closed.until.since(closed.since) > LONGEST_RESET;
        self.closed(now).filter(long)
    }

    /// The probe of a closed family was accepted: the family is open.
    pub(super) fn opened(&mut self, now: Timestamp) {
        self.closed = self.closed.filter(|closed| now < closed.probe_at);
    }

    /// What is left to us by Klaviyo's own count. All requests in flight are assumed not to be counted there yet.
    fn left(&self, now: Timestamp) -> Option<u32> {
        let server = self.server_remaining.filter(|server| now < server.until)?;
        let reserve = whole(f64::from(self.minute_limit()) * (1.0 - self.share) * RESERVE);
        let left = server.remaining.saturating_sub(reserve);
        Some(left.saturating_sub(self.in_flight))
    }

    /// How many may be sent first when Klaviyo has not answered for long.
    fn ahead(&self, now: Timestamp) -> Option<u32> {
        let stale = now.since(self.last_answer_at) > STALE;
        stale.then(|| part(self.burst(now), AHEAD).saturating_sub(self.in_flight))
    }
}

/// A fraction of a limit, rounded down, at least one: a limit of one a second is still one.
fn part(limit: u32, part: f64) -> u32 {
    whole(f64::from(limit) * part).max(1)
}

/// Rounded down, but corrected for binary fractions: 0.29 of 100 is 29.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and what is cast is not negative"
)]
fn whole(number: f64) -> u32 {
    (number + 1e-6) as u32
}
