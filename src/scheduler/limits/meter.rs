//! One family's limit: what was sent, what Klaviyo said, and so how much more may go.

use std::time::Duration;

use crate::config::FamilyLimit;
use crate::model::{RateInfo, Timestamp};

use super::pace::Pace;
use super::window::Window;

/// How far two requests that left apart may move together on their way, at least: a connection that opens, a lost
/// packet that is sent again. Klaviyo's second then holds what left in a second and this. It costs nothing in the
/// long run, since the minute is the tighter limit of every family by a factor of four and more.
const JITTER_MS: u16 = 300;
/// Klaviyo's two windows, with a cell that is small against each: 66 counts and 122.
const SECOND: (u16, u16) = (1_000 + JITTER_MS, 20);
/// The guard of half a second is the jitter again, up to the next cell. It costs a hundredth.
const MINUTE: (u16, u16) = (60_500, 500);
/// `RateLimit-Reset` and `Retry-After` are whole seconds, and it is not said which way they are rounded.
const ROUNDING: Duration = Duration::from_secs(1);
/// Two answers speak of the same minute when the ends they tell are no further apart: rounding, and their own ways.
const SAME_MINUTE: Duration = Duration::from_secs(5);
/// Of the part of a limit that is left to others, a tenth is not touched even when others leave it: the remaining
/// count is approximate, and others send while an answer is on its way.
const RESERVE: f64 = 0.1;
/// After this long without an answer, what was said last may be far from true: others went on meanwhile.
const STALE: Duration = Duration::from_secs(2);
/// Then this part of a second's share goes ahead, and the rest when the first of it was answered. One way there and
/// back is a small price for not running a whole second's requests into a minute that others have used up.
const AHEAD: f64 = 0.05;

/// A minute's window ends within a minute, whatever a header says.
const LONGEST_RESET: Duration = Duration::from_secs(61);
/// A 429 that asks for more than this is probed with one request after it: nobody can mean to stop a shop for days.
pub(in crate::scheduler) const LONGEST_ASKED: Duration = Duration::from_mins(5);

/// What Klaviyo said is left of its current minute.
#[derive(Debug, Clone, Copy)]
struct Said {
    /// The least that any answer said: answers overtake each other, and within a minute it only falls.
    remaining: u32,
    until: Timestamp,
}

/// A family that a 429 closed.
#[derive(Debug, Clone, Copy)]
struct Closed {
    since: Timestamp,
    /// Until when it asked for, a day at most.
    until: Timestamp,
    /// From then on one request at a time may go, as a probe.
    probe_at: Timestamp,
}

/// One family's counts and corrections.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    limit: FamilyLimit,
    /// Requests a minute, as Klaviyo last told.
    told: Option<u32>,
    share: f64,
    second: Window,
    minute: Window,
    pace: Pace,
    /// Sent and not answered yet.
    in_air: u32,
    said: Option<Said>,
    /// When Klaviyo answered last.
    heard: Timestamp,
    closed: Option<Closed>,
    /// The latest time that was told, by which a clock that goes back is noticed.
    seen: Timestamp,
}

impl Meter {
    pub(super) fn new(limit: FamilyLimit, share: f64) -> Self {
        Self {
            limit,
            told: None,
            share,
            second: Window::new(SECOND.0, SECOND.1),
            minute: Window::new(MINUTE.0, MINUTE.1),
            pace: Pace::FULL,
            in_air: 0,
            said: None,
            heard: Timestamp::from_millis(0),
            closed: None,
            seen: Timestamp::from_millis(0),
        }
    }

    /// Another limit or share; what was sent and said stays.
    pub(super) fn set(&mut self, limit: FamilyLimit, share: f64) {
        (self.limit, self.share) = (limit, share);
    }

    /// Takes note of the time: what is over is over, and what lies ahead of a clock that went back comes along.
    pub(super) fn enter(&mut self, now: Timestamp) {
        let back = self.seen.since(now);
        if !back.is_zero() {
            self.pace.rewind(back);
            self.heard = self.heard.minus(back);
            self.closed = self.closed.map(|closed| Closed {
                since: closed.since.minus(back),
                until: closed.until.minus(back),
                probe_at: closed.probe_at.minus(back),
            });
            if let Some(said) = &mut self.said {
                said.until = said.until.minus(back);
            }
        }
        self.seen = now;
        self.second.advance(now);
        self.minute.advance(now);
        self.closed = self.closed.filter(|closed| now < closed.until);
        self.said = self.said.filter(|said| now < said.until);
    }

    /// How many may be sent now.
    pub(super) fn room(&self, now: Timestamp) -> u32 {
        let probe = match self.closed.filter(|closed| now < closed.until) {
            Some(closed) if now < closed.probe_at => return 0,
            Some(_) => 1_u32.saturating_sub(self.in_air),
            None => u32::MAX,
        };
        let second = self.burst(now).saturating_sub(self.second.used(now));
        let minute = self.steady(now).saturating_sub(self.minute.used(now));
        let said = self.left(now).unwrap_or(u32::MAX);
        let ahead = self.ahead(now).unwrap_or(u32::MAX);
        second.min(minute).min(said).min(ahead).min(probe)
    }

    /// When to look again: there is no room before it, unless an answer makes some. `None` when there is room now.
    pub(super) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        if self.room(now) > 0 {
            return None;
        }
        let second = self.second.below(self.burst(now), now);
        let minute = self.minute.below(self.steady(now), now);
        let mut next = second.max(minute);
        if let Some(grown) = self.pace.grows_at(now) {
            // A pace that grows may make room before the windows do.
            next = next.min(grown);
        }
        if self.left(now) == Some(0) {
            next = next.max(self.said.map_or(now, |said| said.until));
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
        self.in_air = self.in_air.saturating_add(n);
    }

    /// One request's answer is given up.
    pub(super) fn lost(&mut self) {
        self.in_air = self.in_air.saturating_sub(1);
    }

    /// One request was answered.
    pub(super) fn answered(&mut self, rate: Option<&RateInfo>, now: Timestamp) {
        self.in_air = self.in_air.saturating_sub(1);
        self.heard = now;
        let Some(rate) = rate else {
            return;
        };
        if let (Some(limit), Some(remaining)) = (rate.limit, rate.remaining)
            && remaining >= limit
        {
            // Not even the request that was answered is counted: no limit is in force, as with a sandbox of ours.
            return;
        }
        self.told = rate.limit.filter(|limit| *limit > 0).or(self.told);
        if let (Some(remaining), Some(reset)) = (rate.remaining, rate.reset) {
            let reset = reset.saturating_add(ROUNDING).min(LONGEST_RESET);
            self.hear(remaining, now.plus(reset));
        }
    }

    fn hear(&mut self, remaining: u32, until: Timestamp) {
        match &mut self.said {
            // From a minute that is over for a later answer.
            Some(said) if until.plus(SAME_MINUTE) < said.until => {}
            Some(said) if until <= said.until.plus(SAME_MINUTE) => {
                said.remaining = said.remaining.min(remaining);
            }
            Some(_) | None => self.said = Some(Said { remaining, until }),
        }
    }

    /// A 429: nothing goes before the time it names, and less after it.
    pub(super) fn throttled(&mut self, retry_after: Option<Duration>, now: Timestamp) {
        // An immediate retry always gets another 429 (Klaviyo's page): the shorter window at least.
        let wait = retry_after.unwrap_or_default().max(ROUNDING);
        let asked = Closed {
            since: now,
            until: now.plus(wait),
            probe_at: now.plus(wait.min(LONGEST_ASKED)),
        };
        self.pace.throttled(now, asked.probe_at);
        self.closed = Some(match self.closed.filter(|closed| now < closed.until) {
            Some(closed) => Closed {
                since: closed.since,
                until: closed.until.max(asked.until),
                probe_at: closed.probe_at.max(asked.probe_at),
            },
            None => asked,
        });
    }

    /// One request may go now, whatever a 429 asked for.
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

    /// Told less than was set: what Klaviyo enforces counts. Told more: the operator's figure holds.
    fn minute_limit(&self) -> u32 {
        let told = self.told.unwrap_or(u32::MAX);
        self.limit.steady.min(told)
    }

    /// What of the present windows is used: of the second, and of the minute.
    pub(super) fn used(&self, now: Timestamp) -> [u32; 2] {
        [self.second.used(now), self.minute.used(now)]
    }

    /// Until when a 429 closed it.
    pub(super) fn closed_until(&self, now: Timestamp) -> Option<Timestamp> {
        let closed = self.closed.filter(|closed| now < closed.until)?;
        Some(closed.until)
    }

    /// Since when and until when a 429 closed it, and when a probe may go, where it asked for longer than a minute.
    pub(super) fn closed_long(&self, now: Timestamp) -> Option<[Timestamp; 3]> {
        let closed = self.closed.filter(|closed| now < closed.until)?;
        let long = closed.until.since(closed.since) > LONGEST_RESET;
        long.then_some([closed.since, closed.until, closed.probe_at])
    }

    /// The probe of a closed family was accepted: it is open.
    pub(super) fn opened(&mut self, now: Timestamp) {
        self.closed = self.closed.filter(|closed| now < closed.probe_at);
    }

    /// What Klaviyo's own count leaves us. All that is in the air counts as not counted there yet.
    fn left(&self, now: Timestamp) -> Option<u32> {
        let said = self.said.filter(|said| now < said.until)?;
        let reserve = whole(f64::from(self.minute_limit()) * (1.0 - self.share) * RESERVE);
        let left = said.remaining.saturating_sub(reserve);
        Some(left.saturating_sub(self.in_air))
    }

    /// What may go ahead while it is long since Klaviyo answered.
    fn ahead(&self, now: Timestamp) -> Option<u32> {
        let stale = now.since(self.heard) > STALE;
        stale.then(|| part(self.burst(now), AHEAD).saturating_sub(self.in_air))
    }
}

/// A part of a limit, rounded down, at least one: a limit of one a second is still one.
fn part(limit: u32, part: f64) -> u32 {
    whole(f64::from(limit) * part).max(1)
}

/// Rounded down, but for what binary fractions miss: 0.29 of 100 is 29.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and what is cast is not negative"
)]
fn whole(number: f64) -> u32 {
    (number + 1e-6) as u32
}
