//! Traces by OTLP over HTTP: one from a client's request to Klaviyo's answer.
//!
//! Spans alone are sent, no log lines; their fields are numbers, words of ours and Klaviyo's request ids. An event is
//! stored without its trace, so that what belongs together is remembered in memory, for the events of late and until the
//! process ends. Nothing of a trace is told to Klaviyo.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash as _, Hasher as _};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer as _, Registry};

use super::{BoxedLayer, OURS, TelemetryError};
use crate::model::NewEvent;

/// Events whose trace is remembered: some ten megabytes. Of more that wait, the latest.
const REMEMBERED: usize = 100_000;

/// What sends traces.
#[derive(Debug)]
pub(super) struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Sends what is left; blocks while it does, a few seconds at most.
    pub(super) fn close(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// The layer that makes traces of spans, and sends them to the collector at `endpoint`.
pub(super) fn layer(endpoint: &str) -> Result<(BoxedLayer<Registry>, Exporter), TelemetryError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .build()
        .map_err(|source| TelemetryError::Exporter(Box::new(source)))?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name("klaviyo-relay").build())
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(OURS))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(filter_fn(|of| of.is_span() && of.target().starts_with(OURS)));
    Ok((layer.boxed(), Exporter(provider)))
}

/// A request came in: its span goes on with the trace that its `traceparent` (W3C) names, if there is a valid one.
pub fn received(span: &Span, traceparent: Option<&str>) {
    struct Header<'h>(&'h str);
    impl Extractor for Header<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            (key == "traceparent").then_some(self.0)
        }

        fn keys(&self) -> Vec<&str> {
            vec!["traceparent"]
        }
    }
    if let Some(header) = traceparent {
        let context = TraceContextPropagator::new().extract(&Header(header));
        if context.span().span_context().is_valid() {
            // As an error, nobody makes traces, or not of this span.
            drop(span.set_parent(context));
        }
    }
}

/// These events are stored in this span: what becomes of them belongs to its trace.
pub fn stored(span: &Span, events: &[NewEvent]) {
    let context = span.context().span().span_context().clone();
    if context.is_valid() && context.is_sampled() {
        let mut remembered = remembered();
        for event in events {
            remembered.keep(key(&event.source, &event.message_id), context.clone());
        }
    }
}

/// This span is about an event: it goes on with the trace in which the event was stored, where that is remembered.
pub fn resumed(span: &Span, source: &str, message_id: &str) {
    if let Some(context) = remembered().find(source, message_id) {
        drop(span.set_parent(Context::new().with_remote_span_context(context)));
    }
}

/// This span is about an event among others: it points to the trace in which the event was stored.
pub fn linked(span: &Span, source: &str, message_id: &str) {
    if let Some(context) = remembered().find(source, message_id) {
        span.add_link(context);
    }
}

/// The spans in which events were stored.
#[derive(Default)]
struct Remembered {
    contexts: HashMap<u64, SpanContext>,
    /// The oldest first.
    order: VecDeque<u64>,
}

impl Remembered {
    fn keep(&mut self, key: u64, context: SpanContext) {
        // A message that comes again: its sender knows of the later request alone.
        if self.contexts.insert(key, context).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.contexts.remove(&oldest);
        }
    }

    fn find(&self, source: &str, message_id: &str) -> Option<SpanContext> {
        self.contexts.get(&key(source, message_id)).cloned()
    }
}

/// As the subscriber is the process's, so is this.
fn remembered() -> MutexGuard<'static, Remembered> {
    static REMEMBERED: LazyLock<Mutex<Remembered>> = LazyLock::new(Mutex::default);
    REMEMBERED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(source: &str, message_id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (source, message_id).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_when_there_are_too_many() {
        let mut remembered = Remembered::default();
        for number in 0..=REMEMBERED {
            remembered.keep(key("shop", &number.to_string()), SpanContext::NONE);
        }
        assert_eq!(remembered.find("shop", "0"), None);
        assert!(remembered.find("shop", "1").is_some());
        assert_eq!(remembered.find("other", "1"), None);
        assert_eq!(remembered.contexts.len(), REMEMBERED);
    }
}
