//! The overview, as `status --json` prints it and the admin port answers it.

use serde_json::{Value, json};

use crate::config::OutboxConfig;
use crate::model::Timestamp;
use crate::outbox::Overview;

use super::disk::disk_message;
use super::json::status_json;
use super::refused::refused_json;

/// The time spans of every rate.
const SPANS: [&str; 4] = ["minute", "five_minutes", "hour", "day"];

/// Everything that the screen of `status` shows. Its only personal data are the names of the blocked profiles.
pub fn overview_json(overview: &Overview, outbox: &OutboxConfig, sandbox: bool) -> Value {
    let mut status = status_json(&overview.status, sandbox);
    let sources = overview.sources.iter();
    let sources =
        sources.map(|source| json!({"source": source.source, "last_hour": source.hour, "last_day": source.day}));
    let ages = overview.status.backlog.iter().map(|row| {
        json!({
            "status": row.status, "type": row.kind, "count": row.count, "oldest": row.oldest,
            "under_1m": row.ages[0], "under_10m": row.ages[1], "under_1h": row.ages[2], "under_1d": row.ages[3],
            "older": row.ages[4],
        })
    });
    let worst = overview.blocked.worst.iter().map(|head| {
        json!({
            "event": head.event.0, "profile": head.profile, "since": head.since.to_string(),
            "status": head.status, "reason": head.reason, "waiting": head.waiting,
        })
    });
    let flow = &overview.flow;
    status["backlog"] = ages.collect();
    status["sources"] = sources.collect();
    status["flow"] = json!({
        "came": spans(flow.came), "done": spans(flow.done), "died": spans(flow.died),
        "came_at_least": spans(flow.at_least),
    });
    status["blocked"] = json!({"events": overview.blocked.heads, "worst": worst.collect::<Vec<_>>()});
    status["limits"] = json!(
        overview
            .limits
            .as_ref()
            .map(|told| { json!({"at": Timestamp::from_millis(told.at_ms).to_string(), "families": told.families}) })
    );
    status["disk"] = json!({
        "database_bytes": overview.database_bytes, "wal_bytes": overview.wal_bytes,
        "free_bytes": overview.free_bytes,
    });
    status["refused_at_the_door"] = refused_json(&overview.refused);
    let not_taken = overview.config_not_taken.map(|since| since.to_string());
    status["config_not_taken_since"] = json!(not_taken);
    status["refuses"] = json!(disk_message(overview.free_bytes, outbox.min_free_disk));
    let stopped = overview.stopped.iter().map(|stopped| {
        json!({
            "status": stopped.status, "events": stopped.heads, "waiting": stopped.behind,
            "sample": stopped.sample.0,
        })
    });
    status["blocked"]["stopped"] = stopped.collect();
    status["retention"] = json!({
        "delivered_seconds": outbox.retain_delivered.as_secs(), "bodies_seconds": outbox.retain_bodies.as_secs(),
        "dead_seconds": outbox.retain_dead.as_secs(), "removed": overview.removed,
    });
    status
}

fn spans<T: serde::Serialize>(counts: [T; 4]) -> Value {
    SPANS
        .iter()
        .zip(counts)
        .map(|(span, count)| ((*span).to_owned(), json!(count)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
