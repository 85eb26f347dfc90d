//! The list of the metrics, in the order of the text: what each one counts, its labels and its name.
//!
//! The values of labels are our own words and codes, statuses that we answer, and the names of sources in the
//! configuration: nothing that a sender or Klaviyo chooses.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The prefix of every name.
const PREFIX: &str = "klaviyo_relay";

type Float = Gauge<f64, AtomicU64>;

/// The value of a label: our own words are borrowed, so that counting an event allocates nothing for them.
pub(super) type Label = Cow<'static, str>;

/// A metric with a series for each combination of its labels' values.
#[derive(Debug, Clone)]
pub(super) struct By<M, const N: usize> {
    labels: [&'static str; N],
    series: Family<[(&'static str, Label); N], M>,
}

impl<M: Clone + Default, const N: usize> By<M, N> {
    fn new(labels: [&'static str; N]) -> Self {
        let series = Family::default();
        Self { labels, series }
    }

    /// The series of these values, in the order of the labels. It is made, with 0, where there is none yet.
    pub(super) fn of<L: Into<Label>>(&self, values: [L; N]) -> M {
        let mut labels = self.labels.into_iter();
        let labels = values.map(|value| (labels.next().unwrap_or_default(), value.into()));
        self.series.get_or_create_owned(&labels)
    }
}

impl<M, const N: usize> EncodeMetric for By<M, N>
where
    Family<[(&'static str, Label); N], M>: EncodeMetric,
{
    fn encode(&self, encoder: MetricEncoder<'_>) -> std::fmt::Result {
        self.series.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        self.series.metric_type()
    }
}

/// Declares the metrics: `field: Type = value, "name";`, each with its documentation, which is its text in the output.
macro_rules! metrics {
    ($($(#[doc = $about:literal])+ $field:ident: $Type:ty = $new:expr, $name:literal;)+) => {
        /// The metrics, and the registry that writes them.
        #[derive(Debug)]
        pub(super) struct Declared {
            pub(super) registry: Registry,
            $($(#[doc = $about])+ pub(super) $field: $Type),+
        }

        impl Declared {
            /// All metrics, after those that the registry has, with our prefix.
            pub(super) fn new(mut registry: Registry) -> Self {
                let ours = registry.sub_registry_with_prefix(PREFIX);
                $(
                    let $field = $new;
                    ours.register($name, help(concat!($($about),+)), <$Type>::clone(&$field));
                )+
                Self { registry, $($field),+ }
            }
        }
    };
}

/// A metric's documentation as its text, to which the registry adds a full stop.
fn help(about: &str) -> String {
    about.trim().trim_end_matches('.').replace('`', "")
}

metrics! {
    /// 1, for the version that runs.
    build: By<Gauge, 1> = By::new(["version"]), "build_info";
    /// Events that are kept, by state: pending, delivered, skipped, dead, held.
    events: By<Gauge, 1> = By::new(["status"]), "events";
    /// Age of the oldest pending event; 0 when none is.
    oldest_pending: Float = Float::default(), "oldest_pending_age_seconds";
    /// Rows of the view `blocked_profiles`, counted once a minute, less often when counting takes long.
    blocked: Gauge = Gauge::default(), "blocked_profiles";
    /// When `blocked_profiles` was last counted, since 1970; 0 before the first time.
    blocked_at: Float = Float::default(), "blocked_profiles_counted_timestamp_seconds";
    /// 1 while new events are accepted, as far as disk and backlog go.
    accepting: Gauge = Gauge::default(), "accepting";
    /// Size of the outbox's file.
    database_bytes: Gauge = Gauge::default(), "outbox_database_bytes";
    /// Size of the outbox's WAL.
    wal_bytes: Gauge = Gauge::default(), "outbox_wal_bytes";
    /// Free space on the outbox's disk.
    free_bytes: Gauge = Gauge::default(), "disk_free_bytes";
    /// 1 for the present state: flowing, recovering (after an outage, step by step), unreachable or refused (both
    /// paused).
    delivery_state: By<Gauge, 1> = By::new(["state"]), "delivery_state";
    /// Requests in the last second or minute, as of the relay's last look, half a minute ago at most.
    limit_used: By<Gauge, 2> = By::new(["family", "window"]), "limit_used_requests";
    /// How many requests the second or minute may have at present.
    limit_allowed: By<Gauge, 2> = By::new(["family", "window"]), "limit_allowed_requests";
    /// 1 while a 429 keeps the endpoint family from sending.
    limit_closed: By<Gauge, 1> = By::new(["family"]), "limit_closed";
    /// 1 while the endpoint family, or the account, is paused: nothing but probes is sent.
    family_paused: By<Gauge, 1> = By::new(["family"]), "family_paused";
    /// 1 while the configuration read last is in effect, 0 while it has mistakes and the previous one stays.
    config_applied: Gauge = Gauge::default(), "config_last_reload_successful";
    /// When a configuration was last applied, since 1970.
    config_applied_at: Float = Float::default(), "config_last_reload_success_timestamp_seconds";
    /// 1 while nothing reaches Klaviyo: requests go to the sandbox in the program, or to one at a URL.
    sandbox: Gauge = Gauge::default(), "sandbox";
    /// Requests with calls, by the HTTP status and the code of their answer; the code of a 200 is ok.
    requests_in: By<Counter, 2> = By::new(["status", "code"]), "ingest_requests";
    /// Events that came in: stored, copy (the same call was stored before), dead (flawed, in a batch; or with the
    /// message id of another call), `turned_away` (429); a type that does not exist is other.
    events_in: By<Counter, 3> = By::new(["source", "type", "answer"]), "ingest_events";
    /// Events that came in and are dead, by the code of the reason.
    dead_in: By<Counter, 2> = By::new(["source", "reason"]), "ingest_dead";
    /// Times that the relay looked into the outbox for work; twice a minute when nothing happens.
    polls: Counter = Counter::default(), "looks_for_work";
    /// Attempts that were settled, those in bulk jobs one by one.
    attempts: By<Counter, 1> = By::new(["outcome"]), "attempts";
    /// Deliveries that came to their end: delivered, duplicate, rejected.
    deliveries: By<Counter, 2> = By::new(["kind", "status"]), "deliveries";
    /// Events that the relay finished: delivered, skipped, dead, the last two by the code of the reason; without those
    /// dead on arrival or discarded by an operator.
    finished: By<Counter, 2> = By::new(["status", "reason"]), "events_finished";
    /// Finished events that were skipped as copies of an event delivered before.
    copies: Counter = Counter::default(), "events_copied";
    /// HTTP requests to Klaviyo, a bulk job as one, by their answer: 2xx, 429, 4xx, 5xx, other, none (no answer).
    requests_out: By<Counter, 2> = By::new(["family", "status"]), "klaviyo_requests";
    /// HTTP requests that Klaviyo answered with 429.
    rate_limited: By<Counter, 1> = By::new(["family"]), "rate_limited";
    /// Time from arrival to delivery, of events that were never replayed.
    time_to_delivery: Histogram = Histogram::new([
        0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0, 86400.0,
    ]), "time_to_delivery_seconds";
    /// Time from the begin of a write transaction until it was committed: on disk, unless it was only claims and plans.
    commit: Histogram = Histogram::new([
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ]), "outbox_commit_seconds";
    /// Commands that shared one commit.
    group: Histogram = Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0]), "outbox_group_commands";
    /// Failed attempts to write the WAL into the outbox's file (checkpoints).
    checkpoints_failed: Counter = Counter::default(), "outbox_checkpoints_failed";
    /// Statements of the outbox that changed another number of rows than they must.
    unexpected_rows: Counter = Counter::default(), "outbox_unexpected_rows";
    /// Log lines that were dropped because nobody read the log.
    log_dropped: Counter = Counter::default(), "log_lines_dropped";
}
