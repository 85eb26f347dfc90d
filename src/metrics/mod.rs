//! Metrics of the running parts: counters, gauges and histograms for Prometheus, and heartbeats.
//!
//! A registry and nothing else: it reads no clock of its own, no file and no table, and is cheap enough for every
//! commit and every request. Counters begin at 0 with the process, and nothing here outlives it; the counts that
//! outlive it are in the outbox, and a scrape reads them there. No label has values without bound: sources come from
//! the configuration, reasons from the tables of codes, everything else from our enums. Names are a contract:
//! docs/reference/metrics.md lists them, and a test compares.
//!
//! May use `model` and `clock`. A measured part is given [`Instruments`].

mod gauges;
mod labels;
mod text;
mod watchdog;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family as Labelled;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::clock::Clock;
use crate::model::{DeliveryKind, DeliveryStatus, EventStatus, EventType, Family, OutcomeKind, Reason, Timestamp};

use gauges::Gauges;
pub use gauges::{DeliveryState, LimitUse, Sample};
pub use labels::{AnswerClass, EventResult};
use labels::{
    AttemptLabels, DeadLabels, DeliveryLabels, EventLabels, FamilyLabels, FinishedLabels, RequestInLabels,
    RequestOutLabels,
};
pub use watchdog::{Heartbeats, Stalled, Vitals, WriteFailures, stalled};

/// The prefix of every name.
const PREFIX: &str = "klaviyo_relay";
/// The media type of [`Metrics::text`].
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The media type of [`Metrics::open_metrics`].
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics and heartbeats that a part of the program is given.
#[derive(Debug, Clone)]
pub struct Instruments {
    /// The metrics.
    pub metrics: Metrics,
    /// The heartbeats.
    pub heartbeats: Heartbeats,
}

impl Instruments {
    /// Instruments of a process that starts now; `sources` are the names that events can come from.
    pub fn new<'a>(clock: Arc<dyn Clock>, sources: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            metrics: Metrics::new(clock.now(), sources),
            heartbeats: Heartbeats::new(clock),
        }
    }
}

/// The program's metrics. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    requests_in: Labelled<RequestInLabels, Counter>,
    events_in: Labelled<EventLabels, Counter>,
    dead_in: Labelled<DeadLabels, Counter>,
    polls: Counter,
    attempts: Labelled<AttemptLabels, Counter>,
    deliveries: Labelled<DeliveryLabels, Counter>,
    finished: Labelled<FinishedLabels, Counter>,
    copies: Counter,
    requests_out: Labelled<RequestOutLabels, Counter>,
    rate_limited: Labelled<FamilyLabels, Counter>,
    time_to_delivery: Histogram,
    commit: Histogram,
    group: Histogram,
    checkpoints_failed: Counter,
    unexpected_rows: Counter,
    log_dropped: Counter,
    gauges: Gauges,
}

impl Metrics {
    /// The metrics of a process that started at `started`, all 0. Every series that is known in advance exists from
    /// the start, so that a rate over it is right from the first event on; those with reasons by [`Metrics::create_series`].
    pub fn new<'a>(started: Timestamp, sources: impl IntoIterator<Item = &'a str>) -> Self {
        let mut registry = Registry::default();
        let mut inner = Inner {
            gauges: Gauges::new(&mut registry, started),
            requests_in: Labelled::default(),
            events_in: Labelled::default(),
            dead_in: Labelled::default(),
            polls: Counter::default(),
            attempts: Labelled::default(),
            deliveries: Labelled::default(),
            finished: Labelled::default(),
            copies: Counter::default(),
            requests_out: Labelled::default(),
            rate_limited: Labelled::default(),
            time_to_delivery: Histogram::new([
                0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0, 86400.0,
            ]),
            commit: Histogram::new([
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
            ]),
            group: Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0]),
            checkpoints_failed: Counter::default(),
            unexpected_rows: Counter::default(),
            log_dropped: Counter::default(),
            registry: Registry::default(),
        };
        inner.gauges.config_applied(true, started);
        inner.register(&mut registry);
        inner.create_series(sources);
        inner.registry = registry;
        Self(Arc::new(inner))
    }

    /// Makes the series of these codes, all 0: of events that are dead on arrival, by source, and of events that end in
    /// a status.
    pub fn create_series<'a>(
        &self,
        sources: impl IntoIterator<Item = &'a str>,
        on_arrival: &[&str],
        ended: impl IntoIterator<Item = (EventStatus, &'a str)>,
    ) {
        for source in sources {
            for code in on_arrival {
                drop(self.0.dead_in.get_or_create(&DeadLabels::new(source, code)));
            }
        }
        for (status, code) in ended {
            drop(self.0.finished.get_or_create(&FinishedLabels::new(status, code)));
        }
    }

    /// A request that brought calls was answered with this status; `code` is the refusal's, or `ok`.
    pub fn request_in(&self, status: u16, code: &'static str) {
        let labels = RequestInLabels { status, code };
        self.0.requests_in.get_or_create(&labels).inc();
    }

    /// An event from `source` arrived, with this result. An event without a known type counts as `other`.
    pub fn event_in(&self, source: &str, kind: Option<EventType>, result: EventResult) {
        let labels = EventLabels::new(source, kind, result);
        self.0.events_in.get_or_create(&labels).inc();
    }

    /// The relay polled the outbox for work.
    pub fn polled(&self) {
        self.0.polls.inc();
    }

    /// An attempt of a delivery was settled.
    pub fn attempt(&self, outcome: OutcomeKind) {
        let labels = AttemptLabels {
            outcome: outcome.word(),
        };
        self.0.attempts.get_or_create(&labels).inc();
    }

    /// A delivery has reached this status; only final ones are counted.
    pub fn delivery(&self, kind: DeliveryKind, status: DeliveryStatus) {
        if status.is_final() {
            let labels = DeliveryLabels::new(kind, status);
            self.0.deliveries.get_or_create(&labels).inc();
        }
    }

    /// An event from `source` is stored as dead, for the reason with this code.
    pub fn dead_in(&self, source: &str, code: &str) {
        self.0.dead_in.get_or_create(&DeadLabels::new(source, code)).inc();
    }

    /// The relay finished an event; the reason is that of a skipped or dead one.
    pub fn finished(&self, status: EventStatus, reason: Option<&Reason>) {
        let labels = FinishedLabels::new(status, reason.map_or("", Reason::label));
        self.0.finished.get_or_create(&labels).inc();
    }

    /// A finished event was a copy of one that was delivered before.
    pub fn finished_as_copy(&self) {
        self.0.copies.inc();
    }

    /// An event that was never replayed was delivered this long after its arrival.
    pub fn delivered_after(&self, span: Duration) {
        self.0.time_to_delivery.observe(span.as_secs_f64());
    }

    /// Klaviyo answered a request of a family, or no answer came.
    pub fn request_out(&self, family: Family, http_status: Option<u16>) {
        let class = AnswerClass::of(http_status);
        let labels = RequestOutLabels::new(family, class);
        self.0.requests_out.get_or_create(&labels).inc();
        if class == AnswerClass::RateLimited {
            let labels = FamilyLabels::of(family);
            self.0.rate_limited.get_or_create(&labels).inc();
        }
    }

    /// How many requests Klaviyo answered with 429 since the process began.
    pub fn rate_limited(&self) -> u64 {
        let count = |family: &Family| {
            let labels = FamilyLabels::of(*family);
            self.0.rate_limited.get_or_create(&labels).get()
        };
        Family::ALL.iter().map(count).sum()
    }

    /// The writer committed a group of so many commands, in this time.
    pub fn commit(&self, took: Duration, commands: usize) {
        self.0.commit.observe(took.as_secs_f64());
        let commands = u32::try_from(commands).unwrap_or(u32::MAX);
        self.0.group.observe(f64::from(commands));
    }

    /// A checkpoint of the WAL failed.
    pub fn checkpoint_failed(&self) {
        self.0.checkpoints_failed.inc();
    }

    /// A statement of the outbox changed another number of rows than it must.
    pub fn unexpected_rows(&self) {
        self.0.unexpected_rows.inc();
    }

    /// So many log lines were dropped since the start.
    pub fn log_lines_dropped(&self, lines: u64) {
        self.0.log_dropped.inner().fetch_max(lines, Ordering::Relaxed);
    }

    /// The state of the delivery.
    pub fn delivery_state(&self, state: DeliveryState) {
        self.0.gauges.delivery_state(state);
    }

    /// The use of a family's limit.
    pub fn limit(&self, family: Family, limit: LimitUse) {
        self.0.gauges.limit(family, limit);
    }

    /// Whether requests go to a sandbox.
    pub fn sandbox(&self, sandbox: bool) {
        self.0.gauges.sandbox(sandbox);
    }

    /// Whether a configuration that was read is applied.
    pub fn config_applied(&self, applied: bool, at: Timestamp) {
        self.0.gauges.config_applied(applied, at);
    }

    /// Whether the configuration that was read last is in effect.
    pub fn is_config_applied(&self) -> bool {
        self.0.gauges.is_config_applied()
    }

    /// Whether requests go to a sandbox, in the program or at a URL, as far as known.
    pub fn is_sandbox(&self) -> bool {
        self.0.gauges.is_sandbox()
    }

    /// How many events others wait for, counted at `at`.
    pub fn set_blocked_profiles(&self, profiles: i64, at: Timestamp) {
        self.0.gauges.set_blocked_profiles(profiles, at);
    }

    /// How many events others waited for, when they were last counted.
    pub fn blocked_profiles(&self) -> i64 {
        self.0.gauges.blocked_profiles()
    }

    /// What a scrape found in the outbox.
    pub fn sample(&self, sample: &Sample) {
        self.0.gauges.sample(sample);
    }

    /// All metrics in Prometheus' text format, which `promtool check metrics` reads.
    pub fn text(&self) -> String {
        text::prometheus(&self.open_metrics())
    }

    /// All metrics as OpenMetrics, which Prometheus requests.
    pub fn open_metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0.registry)
            .expect("writing to a String never fails");
        text
    }
}

impl Inner {
    fn register(&self, registry: &mut Registry) {
        let ours = registry.sub_registry_with_prefix(PREFIX);
        let requests = "Requests with calls, by the HTTP status and the code of their answer; the code of a 200 is ok";
        ours.register("ingest_requests", requests, self.requests_in.clone());
        let events = "Events that came in: stored, copy (the same call was stored before), dead (flawed, in a batch; or with the \
            message id of another call), turned_away (429); a type that does not exist is other";
        ours.register("ingest_events", events, self.events_in.clone());
        let dead = "Events that came in and are dead, by the code of the reason";
        ours.register("ingest_dead", dead, self.dead_in.clone());
        let polls = "Times that the relay looked into the outbox for work; twice a minute when nothing happens";
        ours.register("looks_for_work", polls, self.polls.clone());
        let attempts = "Attempts that were settled, those in bulk jobs one by one";
        ours.register("attempts", attempts, self.attempts.clone());
        let deliveries = "Deliveries that came to their end: delivered, duplicate, rejected";
        ours.register("deliveries", deliveries, self.deliveries.clone());
        let finished = "Events that the relay finished: delivered, skipped, dead, the last two by the code of the reason; without \
            those dead on arrival or discarded by an operator";
        ours.register("events_finished", finished, self.finished.clone());
        let copies = "Finished events that were skipped as copies of an event delivered before";
        ours.register("events_copied", copies, self.copies.clone());
        let requests =
            "HTTP requests to Klaviyo, a bulk job as one, by their answer: 2xx, 429, 4xx, 5xx, other, none (no answer)";
        ours.register("klaviyo_requests", requests, self.requests_out.clone());
        let rate_limited = "HTTP requests that Klaviyo answered with 429";
        ours.register("rate_limited", rate_limited, self.rate_limited.clone());
        let delivery = "Time from arrival to delivery, of events that were never replayed";
        let histogram = self.time_to_delivery.clone();
        ours.register("time_to_delivery_seconds", delivery, histogram);
        let commit = "Time from the begin of a write transaction until it was on disk";
        ours.register("outbox_commit_seconds", commit, self.commit.clone());
        let group = "Commands that shared one commit";
        ours.register("outbox_group_commands", group, self.group.clone());
        let failed = "Failed attempts to write the WAL into the outbox's file (checkpoints)";
        let counter = self.checkpoints_failed.clone();
        ours.register("outbox_checkpoints_failed", failed, counter);
        let unexpected = "Statements of the outbox that changed another number of rows than they must";
        let counter = self.unexpected_rows.clone();
        ours.register("outbox_unexpected_rows", unexpected, counter);
        let dropped = "Log lines that were dropped because nobody read the log";
        ours.register("log_lines_dropped", dropped, self.log_dropped.clone());
    }

    /// Creates every series that is known in advance.
    fn create_series<'a>(&self, sources: impl IntoIterator<Item = &'a str>) {
        let (status, code) = (200, "ok");
        drop(self.requests_in.get_or_create(&RequestInLabels { status, code }));
        for source in sources {
            for kind in EventType::ALL {
                for result in [EventResult::Stored, EventResult::Copy, EventResult::Dead] {
                    let labels = EventLabels::new(source, Some(*kind), result);
                    drop(self.events_in.get_or_create(&labels));
                }
            }
            let unknown = EventLabels::new(source, None, EventResult::Dead);
            drop(self.events_in.get_or_create(&unknown));
        }
        for outcome in OutcomeKind::ALL {
            let outcome = outcome.word();
            drop(self.attempts.get_or_create(&AttemptLabels { outcome }));
        }
        for kind in DeliveryKind::ALL {
            let last = DeliveryStatus::ALL.iter().filter(|status| status.is_final());
            for status in last {
                let labels = DeliveryLabels::new(*kind, *status);
                drop(self.deliveries.get_or_create(&labels));
            }
        }
        drop(
            self.finished
                .get_or_create(&FinishedLabels::new(EventStatus::Delivered, "")),
        );
        for family in Family::ALL {
            for class in AnswerClass::ALL {
                let labels = RequestOutLabels::new(*family, *class);
                drop(self.requests_out.get_or_create(&labels));
            }
            drop(self.rate_limited.get_or_create(&FamilyLabels::of(*family)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn metrics() -> Metrics {
        Metrics::new(Timestamp::from_millis(1_795_440_000_000), ["shop"])
    }

    #[test]
    fn counted_values_are_in_the_text() {
        let metrics = metrics();
        metrics.event_in("shop", None, EventResult::Dead);
        metrics.request_out(Family::Event, Some(429));
        metrics.request_out(Family::Event, None);
        metrics.delivery(DeliveryKind::Event, DeliveryStatus::Pending);
        metrics.commit(Duration::from_millis(3), 2);
        let text = metrics.text();
        for line in [
            r#"klaviyo_relay_ingest_events_total{source="shop",type="other",answer="dead"} 1"#,
            r#"klaviyo_relay_klaviyo_requests_total{family="event",status="429"} 1"#,
            r#"klaviyo_relay_klaviyo_requests_total{family="event",status="none"} 1"#,
            r#"klaviyo_relay_rate_limited_total{family="event"} 1"#,
            r#"klaviyo_relay_deliveries_total{kind="event",status="delivered"} 0"#,
            r#"klaviyo_relay_outbox_commit_seconds_bucket{le="0.0025"} 0"#,
            r#"klaviyo_relay_outbox_commit_seconds_bucket{le="0.005"} 1"#,
            "klaviyo_relay_outbox_group_commands_sum 2.0",
        ] {
            assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
        }
        assert!(!text.contains(r#"status="pending"} 1"#), "{text}");
    }

    #[test]
    fn an_unknown_http_status_creates_no_new_series() {
        let metrics = metrics();
        let before = metrics.text().lines().count();
        for status in 100..1000 {
            metrics.request_out(Family::List, Some(status));
        }
        assert_eq!(metrics.text().lines().count(), before);
    }
}
