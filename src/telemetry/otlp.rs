//! Traces by OTLP over HTTP: one trace from a client's request to Klaviyo's answer.
//!
//! Only spans are sent, no log lines. Their fields are numbers, our own words and Klaviyo's request ids. An event is
//! stored with the `traceparent` of its request, so its trace continues after a restart too. No trace data is sent to
//! Klaviyo.

use std::collections::HashMap;
use std::sync::Arc;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer as _, Registry};

use super::{BoxedLayer, OURS, TelemetryError};

/// The W3C header, and the name of the column that keeps it.
const TRACEPARENT: &str = "traceparent";

/// The trace exporter.
#[derive(Debug)]
pub(super) struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Sends the remaining spans; blocks for a few seconds at most.
    pub(super) fn close(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// The layer that makes spans and sends them to the collector at `endpoint`.
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

/// The `traceparent` of a span that is sampled: what it stores belongs to its trace.
pub fn traceparent(span: &Span) -> Option<Arc<str>> {
    let context = span.context();
    if !context.span().span_context().is_sampled() {
        return None;
    }
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&context, &mut headers);
    headers.remove(TRACEPARENT).map(Arc::from)
}

/// This span goes on with the trace of a `traceparent`, if that is a valid one.
pub fn resumed(span: &Span, traceparent: Option<&str>) {
    if let Some(context) = traceparent.and_then(context_of) {
        // As an error, nobody makes traces, or not of this span.
        drop(span.set_parent(context));
    }
}

/// This span is about an event among others: it points to the trace of its `traceparent`.
pub fn linked(span: &Span, traceparent: Option<&str>) {
    if let Some(context) = traceparent.and_then(context_of) {
        span.add_link(context.span().span_context().clone());
    }
}

fn context_of(traceparent: &str) -> Option<Context> {
    let headers = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract(&headers);
    context.span().span_context().is_valid().then_some(context)
}
