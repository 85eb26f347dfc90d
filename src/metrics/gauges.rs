//! The gauges: set where the value changes, or by a scrape just before it is read.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family as Labelled;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::PREFIX;
use super::labels::FamilyLabels;
use crate::model::{EventStatus, Family, Timestamp};

type Float = Gauge<f64, AtomicU64>;

/// Whether requests flow to Klaviyo: the breaker and the pause in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// Requests are sent.
    Flowing,
    /// After an outage, the rate rises step by step.
    Recovering,
    /// Paused: Klaviyo is not reachable.
    Unreachable,
    /// Paused: Klaviyo refuses the key, a scope or the revision.
    Refused,
}

impl DeliveryState {
    const ALL: [Self; 4] = [Self::Flowing, Self::Recovering, Self::Unreachable, Self::Refused];

    const fn word(self) -> &'static str {
        match self {
            Self::Flowing => "flowing",
            Self::Recovering => "recovering",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
        }
    }
}

/// The use of one family's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// The write-ahead log's size.
    pub wal_bytes: u64,
    /// Free bytes on the disk, where it can be measured.
    pub free_bytes: Option<u64>,
    /// Whether new events are accepted.
    pub accepting: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WindowLabels {
    family: &'static str,
    window: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct Gauges {
    events: Labelled<StatusLabels, Gauge>,
    oldest_pending: Float,
    blocked: Gauge,
    blocked_at: Float,
    delivery_state: Labelled<StateLabels, Gauge>,
    limit_used: Labelled<WindowLabels, Gauge>,
    limit_allowed: Labelled<WindowLabels, Gauge>,
    family_paused: Labelled<FamilyLabels, Gauge>,
    limit_closed: Labelled<FamilyLabels, Gauge>,
    database_bytes: Gauge,
    wal_bytes: Gauge,
    free_bytes: Gauge,
    accepting: Gauge,
    sandbox: Gauge,
    config_applied: Gauge,
    config_applied_at: Float,
}

impl Gauges {
    pub(super) fn new(registry: &mut Registry, started: Timestamp) -> Self {
        let gauges = Self::default();
        let start = Float::default();
        start.set(seconds(started));
        let name = "process_start_time_seconds";
        registry.register(name, "When the process started, since 1970", start);
        let build = Labelled::<BuildLabels, Gauge>::default();
        let version = env!("CARGO_PKG_VERSION");
        build.get_or_create(&BuildLabels { version }).set(1);
        let ours = registry.sub_registry_with_prefix(PREFIX);
        ours.register("build_info", "1, for the version that runs", build);
        gauges.register_outbox(ours);
        gauges.register_delivery(ours);
        gauges.delivery_state(DeliveryState::Flowing);
        for family in Family::ALL {
            gauges.limit(
                *family,
                LimitUse {
                    second: [0; 2],
                    minute: [0; 2],
                    closed: false,
                    paused: false,
                },
            );
        }
        gauges.sample(&Sample {
            events: EventStatus::ALL.iter().map(|status| (*status, 0)).collect(),
            ..Sample::default()
        });
        gauges
    }

    fn register_outbox(&self, ours: &mut Registry) {
        let events = "Events that are kept, by state: pending, delivered, skipped, dead, held";
        ours.register("events", events, self.events.clone());
        let oldest = "Age of the oldest pending event; 0 when none is";
        ours.register("oldest_pending_age_seconds", oldest, self.oldest_pending.clone());
        let blocked = "Rows of the view blocked_profiles, counted once a minute, less often when counting takes long";
        ours.register("blocked_profiles", blocked, self.blocked.clone());
        let counted = "When blocked_profiles was last counted, since 1970; 0 before the first time";
        let name = "blocked_profiles_counted_timestamp_seconds";
        ours.register(name, counted, self.blocked_at.clone());
        let accepting = "1 while new events are accepted, as far as disk and backlog go";
        ours.register("accepting", accepting, self.accepting.clone());
        let database = "Size of the outbox's file";
        ours.register("outbox_database_bytes", database, self.database_bytes.clone());
        let wal = "Size of the outbox's WAL";
        ours.register("outbox_wal_bytes", wal, self.wal_bytes.clone());
        let free = "Free space on the outbox's disk";
        ours.register("disk_free_bytes", free, self.free_bytes.clone());
    }

    fn register_delivery(&self, ours: &mut Registry) {
        let state = "1 for the present state: flowing, recovering (after an outage, step by step), unreachable or refused (both paused)";
        ours.register("delivery_state", state, self.delivery_state.clone());
        let used = "Requests in the last second or minute, as of the relay's last look, half a minute ago at most";
        ours.register("limit_used_requests", used, self.limit_used.clone());
        let allowed = "How many requests the second or minute may have at present";
        ours.register("limit_allowed_requests", allowed, self.limit_allowed.clone());
        let closed = "1 while a 429 keeps the endpoint family from sending";
        ours.register("limit_closed", closed, self.limit_closed.clone());
        let paused = "1 while the endpoint family, or the account, is paused: nothing but probes is sent";
        ours.register("family_paused", paused, self.family_paused.clone());
        let applied =
            "1 while the configuration read last is in effect, 0 while it has mistakes and the one before stays";
        let name = "config_last_reload_successful";
        ours.register(name, applied, self.config_applied.clone());
        let at = "When a configuration was last taken, since 1970";
        let name = "config_last_reload_success_timestamp_seconds";
        ours.register(name, at, self.config_applied_at.clone());
        let sandbox = "1 while nothing reaches Klaviyo: requests go to the sandbox in the program, or to one at a URL";
        ours.register("sandbox", sandbox, self.sandbox.clone());
    }

    pub(super) fn delivery_state(&self, now: DeliveryState) {
        for state in DeliveryState::ALL {
            let labels = StateLabels { state: state.word() };
            let gauge = self.delivery_state.get_or_create(&labels);
            gauge.set(i64::from(state == now));
        }
    }

    pub(super) fn limit(&self, of: Family, limit: LimitUse) {
        let family = of.word();
        for (window, [used, allowed]) in [("second", limit.second), ("minute", limit.minute)] {
            let labels = WindowLabels { family, window };
            self.limit_used.get_or_create(&labels).set(i64::from(used));
            let gauge = self.limit_allowed.get_or_create(&labels);
            gauge.set(i64::from(allowed));
        }
        let closed = self.limit_closed.get_or_create(&FamilyLabels::of(of));
        closed.set(i64::from(limit.closed));
        let paused = self.family_paused.get_or_create(&FamilyLabels::of(of));
        paused.set(i64::from(limit.paused));
    }

    pub(super) fn config_applied(&self, applied: bool, at: Timestamp) {
        self.config_applied.set(i64::from(applied));
        if applied {
            self.config_applied_at.set(seconds(at));
        }
    }

    pub(super) fn is_config_applied(&self) -> bool {
        self.config_applied.get() == 1
    }

    pub(super) fn is_sandbox(&self) -> bool {
        self.sandbox.get() == 1
    }

    pub(super) fn sandbox(&self, sandbox: bool) {
        self.sandbox.set(i64::from(sandbox));
    }

    pub(super) fn set_blocked_profiles(&self, profiles: i64, at: Timestamp) {
        self.blocked.set(profiles);
        self.blocked_at.set(seconds(at));
    }

    pub(super) fn blocked_profiles(&self) -> i64 {
        self.blocked.get()
    }

    pub(super) fn sample(&self, sample: &Sample) {
        for (status, count) in &sample.events {
            let status = status.word();
            self.events.get_or_create(&StatusLabels { status }).set(*count);
        }
        self.oldest_pending.set(sample.oldest_pending.as_secs_f64());
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.database_bytes.set(bytes(sample.database_bytes));
        self.wal_bytes.set(bytes(sample.wal_bytes));
        if let Some(free) = sample.free_bytes {
            self.free_bytes.set(bytes(free));
        }
        self.accepting.set(i64::from(sample.accepting));
    }
}

fn seconds(at: Timestamp) -> f64 {
    let millis = u64::try_from(at.as_millis()).unwrap_or(0);
    Duration::from_millis(millis).as_secs_f64()
}
