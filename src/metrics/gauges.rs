//! The gauges: set where the value changes, or by a scrape just before it is read.

use std::time::Duration;

use super::{DeliveryState, Metrics};
use crate::model::{EventStatus, Family, Timestamp};

/// The use of one family's limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LimitUse {
    /// Requests in the last second, and how many it may hold.
    pub second: [u32; 2],
    /// Requests in the last minute, and how many it may hold.
    pub minute: [u32; 2],
    /// A 429 has closed the family for a while.
    pub closed: bool,
    /// The family, or the account, is paused: only probes are sent.
    pub paused: bool,
}

/// What a scrape reads from the outbox, by look-ups only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Events that are kept, by state.
    pub events: Vec<(EventStatus, i64)>,
    /// The age of the oldest pending event; zero when none is.
    pub oldest_pending: Duration,
    /// The database file's size.
    pub database_bytes: u64,
    /// The WAL's size.
    pub wal_bytes: u64,
    /// Free bytes on the disk, where it can be measured.
    pub free_bytes: Option<u64>,
    /// Whether new events are accepted.
    pub accepting: bool,
}

impl Metrics {
    /// The state of the delivery.
    pub fn delivery_state(&self, now: DeliveryState) {
        for state in DeliveryState::ALL {
            self.0.delivery_state.of([state.word()]).set(i64::from(*state == now));
        }
    }

    /// The use of a family's limit.
    pub fn limit(&self, family: Family, limit: LimitUse) {
        let family = family.word();
        for (window, [used, allowed]) in [("second", limit.second), ("minute", limit.minute)] {
            self.0.limit_used.of([family, window]).set(i64::from(used));
            self.0.limit_allowed.of([family, window]).set(i64::from(allowed));
        }
        self.0.limit_closed.of([family]).set(i64::from(limit.closed));
        self.0.family_paused.of([family]).set(i64::from(limit.paused));
    }

    /// Whether requests go to a sandbox.
    pub fn sandbox(&self, sandbox: bool) {
        self.0.sandbox.set(i64::from(sandbox));
    }

    /// Whether requests go to a sandbox, in the program or at a URL, as far as known.
    pub fn is_sandbox(&self) -> bool {
        self.0.sandbox.get() == 1
    }

    /// Whether a configuration that was read is applied.
    pub fn config_applied(&self, applied: bool, at: Timestamp) {
        self.0.config_applied.set(i64::from(applied));
        if applied {
            self.0.config_applied_at.set(seconds(at));
        }
    }

    /// Whether the configuration that was read last is in effect.
    pub fn is_config_applied(&self) -> bool {
        self.0.config_applied.get() == 1
    }

    /// How many events others wait for, counted at `at`.
    pub fn set_blocked_profiles(&self, profiles: i64, at: Timestamp) {
        self.0.blocked.set(profiles);
        self.0.blocked_at.set(seconds(at));
    }

    /// How many events others waited for, when they were last counted.
    pub fn blocked_profiles(&self) -> i64 {
        self.0.blocked.get()
    }

    /// What a scrape found in the outbox.
    pub fn sample(&self, sample: &Sample) {
        for (status, count) in &sample.events {
            self.0.events.of([status.word()]).set(*count);
        }
        self.0.oldest_pending.set(sample.oldest_pending.as_secs_f64());
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.0.database_bytes.set(bytes(sample.database_bytes));
        self.0.wal_bytes.set(bytes(sample.wal_bytes));
        if let Some(free) = sample.free_bytes {
            self.0.free_bytes.set(bytes(free));
        }
        self.0.accepting.set(i64::from(sample.accepting));
    }
}

/// A time as Prometheus has it: seconds since 1970.
pub(super) fn seconds(at: Timestamp) -> f64 {
    let millis = u64::try_from(at.as_millis()).unwrap_or(0);
    Duration::from_millis(millis).as_secs_f64()
}
