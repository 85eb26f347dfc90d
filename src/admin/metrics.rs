//! `/metrics`: what the running parts count, and what a few look-ups in the outbox tell. A scrape costs the same
//! however many events are kept or wait. The one number that no look-up gives, the blocked profiles, is counted on a
//! slow timer, and says when.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use tokio_util::sync::CancellationToken;

use super::Admin;
use super::refusal::Refusal;
use crate::metrics::{OPEN_METRICS, TEXT};
use crate::telemetry;

/// The pause between two counts of the blocked profiles, at least.
const COUNT_EVERY: Duration = Duration::from_mins(1);
/// And at least this many times as long as the last count took: counting takes a twentieth of one reader's time.
const REST: u32 = 20;

/// All numbers, in the format that the scraper asks for.
pub(super) async fn scrape(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let metrics = &admin.instruments.metrics;
    metrics.log_lines_dropped(telemetry::dropped_lines());
    metrics.sample(&admin.outbox.sample(admin.clock.now()).await?);
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let (media_type, text) = if accept.contains("application/openmetrics-text") {
        (OPEN_METRICS, metrics.open_metrics())
    } else {
        (TEXT, metrics.text())
    };
    Ok(([(header::CONTENT_TYPE, media_type)], text).into_response())
}

/// Counts the blocked profiles now and then, until `stop`.
pub async fn count_blocked(admin: Admin, stop: CancellationToken) {
    // Given up in the middle, the count itself ends when the outbox closes.
    stop.run_until_cancelled(count(admin)).await;
}

async fn count(admin: Admin) {
    let pulse = &admin.instruments.pulse;
    loop {
        let began = pulse.monotonic();
        match admin.outbox.count_blocked().await {
            Ok(profiles) => admin.instruments.metrics.blocked(profiles, admin.clock.now()),
            Err(error) => tracing::warn!(%error, "failed to count the blocked profiles"),
        }
        let took = pulse.monotonic().saturating_sub(began);
        tokio::time::sleep((took * REST).max(COUNT_EVERY)).await;
    }
}
