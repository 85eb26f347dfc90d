//! `/metrics`: the counters of the running parts and a few look-ups in the outbox. The cost of a scrape does not depend
//! on how many events are stored or waiting. The blocked profiles cannot be counted by a look-up: they are counted on a
//! slow timer, and the time of the count is reported with it.

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

/// The minimum pause between two counts of the blocked profiles.
const COUNT_EVERY: Duration = Duration::from_mins(1);
/// The pause is also at least this many times the duration of the last count, so that counting takes at most a
/// twentieth of one reader's time.
const REST: u32 = 20;

/// All metrics, in the format that the scraper requests.
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

/// Counts the blocked profiles periodically, until `stop`.
pub async fn count_blocked(admin: Admin, stop: CancellationToken) {
    // When the loop is cancelled during a count, that count ends when the outbox closes.
    stop.run_until_cancelled(count(admin)).await;
}

async fn count(admin: Admin) {
    let pulse = &admin.instruments.heartbeats;
    loop {
        let began = pulse.monotonic();
        match admin.outbox.count_blocked().await {
            Ok(profiles) => admin
                .instruments
                .metrics
                .set_blocked_profiles(profiles, admin.clock.now()),
            Err(error) => tracing::warn!(%error, "failed to count the blocked profiles"),
        }
        let took = pulse.monotonic().saturating_sub(began);
        tokio::time::sleep((took * REST).max(COUNT_EVERY)).await;
    }
}
