//! Metrics of the running parts: counters, gauges and histograms for Prometheus, and heartbeats.
//!
//! A registry and nothing else: it reads no clock of its own, no file and no table, and is cheap enough for every
//! commit and every request. Counters begin at 0 with the process, and nothing here outlives it; the counts that
//! outlive it are in the outbox, and a scrape reads them there. No label has values without bound: sources come from
//! the configuration, reasons from the tables of codes, everything else from our enums. Names are a contract:
//! docs/reference/metrics.md lists them, and a test compares.
//!
//! May use `model` and `clock`. A measured part is given [`Instruments`].

mod declared;
mod gauges;
mod labels;
mod text;
mod watchdog;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::clock::Clock;
use crate::model::{DeliveryKind, DeliveryStatus, EventStatus, EventType, Family, OutcomeKind, Reason, Timestamp};

use declared::{Declared, Label};
pub use gauges::{LimitUse, Sample};
pub use labels::{AnswerClass, DeliveryState, EventResult};
pub use watchdog::{Heartbeats, Stalled, Vitals, WriteFailures, stalled};

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
pub struct Metrics(Arc<Declared>);

impl Metrics {
    /// The metrics of a process that started at `started`, all 0. Every series that is known in advance exists from
    /// the start, so that a rate over it is right from the first event on; those with reasons by
    /// [`Metrics::create_series`].
    pub fn new<'a>(started: Timestamp, sources: impl IntoIterator<Item = &'a str>) -> Self {
        let mut registry = Registry::default();
        let start = ConstGauge::new(gauges::seconds(started));
        let help = "When the process started, since 1970";
        registry.register("process_start_time_seconds", help, start);
        let metrics = Self(Arc::new(Declared::new(registry)));
        metrics.0.build.of([env!("CARGO_PKG_VERSION")]).set(1);
        metrics.config_applied(true, started);
        metrics.create_known_series(sources);
        metrics
    }

    /// Creates every series that is known in advance.
    fn create_known_series<'a>(&self, sources: impl IntoIterator<Item = &'a str>) {
        self.delivery_state(DeliveryState::Flowing);
        self.sample(&Sample {
            events: EventStatus::ALL.iter().map(|status| (*status, 0)).collect(),
            ..Sample::default()
        });
        self.0.requests_in.of(["200", "ok"]);
        for source in sources {
            for kind in EventType::ALL {
                for result in [EventResult::Stored, EventResult::Copy, EventResult::Dead] {
                    self.event_series(source, Some(*kind), result);
                }
            }
            self.event_series(source, None, EventResult::Dead);
        }
        for outcome in OutcomeKind::ALL {
            self.0.attempts.of([outcome.word()]);
        }
        for kind in DeliveryKind::ALL {
            for status in DeliveryStatus::ALL.iter().filter(|status| status.is_final()) {
                self.0.deliveries.of([kind.word(), status.word()]);
            }
        }
        self.0.finished.of([EventStatus::Delivered.word(), ""]);
        for family in Family::ALL {
            self.limit(*family, LimitUse::default());
            for class in AnswerClass::ALL {
                self.0.requests_out.of([family.word(), class.word()]);
            }
            self.0.rate_limited.of([family.word()]);
        }
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
                self.0.dead_in.of([source.to_owned(), (*code).to_owned()]);
            }
        }
        for (status, code) in ended {
            self.0.finished.of([Label::from(status.word()), code.to_owned().into()]);
        }
    }

    /// A request that brought calls was answered with this status; `code` is the rejection's, or `ok`.
    pub fn request_in(&self, status: u16, code: &'static str) {
        self.0
            .requests_in
            .of([status.to_string().into(), Label::from(code)])
            .inc();
    }

    /// An event from `source` arrived, with this result. An event without a known type counts as `other`.
    pub fn event_in(&self, source: &str, kind: Option<EventType>, result: EventResult) {
        self.event_series(source, kind, result).inc();
    }

    fn event_series(&self, source: &str, kind: Option<EventType>, result: EventResult) -> Counter {
        let kind = kind.map_or("other", EventType::word);
        self.0
            .events_in
            .of([source.to_owned().into(), Label::from(kind), result.word().into()])
    }

    /// The relay polled the outbox for work.
    pub fn polled(&self) {
        self.0.polls.inc();
    }

    /// An attempt of a delivery was settled.
    pub fn attempt(&self, outcome: OutcomeKind) {
        self.0.attempts.of([outcome.word()]).inc();
    }

    /// A delivery has reached this status; only final ones are counted.
    pub fn delivery(&self, kind: DeliveryKind, status: DeliveryStatus) {
        if status.is_final() {
            self.0.deliveries.of([kind.word(), status.word()]).inc();
        }
    }

    /// An event from `source` is stored as dead, for the reason with this code.
    pub fn dead_in(&self, source: &str, code: &str) {
        self.0.dead_in.of([source.to_owned(), code.to_owned()]).inc();
    }

    /// The relay finished an event; the reason is that of a skipped or dead one.
    pub fn finished(&self, status: EventStatus, reason: Option<&Reason>) {
        let reason = reason.map_or("", Reason::label);
        self.0
            .finished
            .of([Label::from(status.word()), reason.to_owned().into()])
            .inc();
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
        self.0.requests_out.of([family.word(), class.word()]).inc();
        if class == AnswerClass::RateLimited {
            self.0.rate_limited.of([family.word()]).inc();
        }
    }

    /// How many requests Klaviyo answered with 429 since the process began.
    pub fn rate_limited(&self) -> u64 {
        let count = |family: &Family| self.0.rate_limited.of([family.word()]).get();
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
