//! Replaces `otlp` in a program that was built without it: no traces, and an error if they are configured.

use std::sync::Arc;

use tracing::Span;
use tracing_subscriber::Registry;

use super::{BoxedLayer, TelemetryError};

/// The trace exporter, which never exists.
#[derive(Debug)]
pub(super) enum Exporter {}

impl Exporter {
    pub(super) fn close(self) {
        match self {}
    }
}

pub(super) fn layer(_: &str) -> Result<(BoxedLayer<Registry>, Exporter), TelemetryError> {
    Err(TelemetryError::NotBuiltIn)
}

/// Does nothing.
pub fn resumed(_: &Span, _: Option<&str>) {}

/// Does nothing.
pub fn linked(_: &Span, _: Option<&str>) {}

/// There is none.
pub fn traceparent(_: &Span) -> Option<Arc<str>> {
    None
}
