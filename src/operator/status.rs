//! The status as JSON: what `status --json` prints and the admin port answers. Its only personal data are the names of
//! the blocked profiles and of shared identifiers.

use serde::Serialize;
use serde_json::{Value, json};

use super::clock::{clock_code, clock_message};
use super::disk::disk_message;
use super::masked::masked_text;
use super::refused::RefusedJson;
use super::wal::{wal_code, wal_message};
use crate::config::OutboxConfig;
use crate::model::{EventId, PauseKind, Timestamp};
use crate::outbox::{
    BacklogRow, BlockedHead, ClockTrouble, Counts, DeadCount, Disk, FailingAlone, Flow, ImportJobReport, LimitInUse,
    LogTrouble, Pause, SharedIdentifier, SourceRate, Status, Stopped,
};

/// The whole status.
#[derive(Debug, Serialize)]
struct StatusJson<'a> {
    sandbox: bool,
    audit: &'a Counts,
    backlog: &'a [BacklogRow],
    dead: Vec<DeadJson<'a>>,
    paused: Vec<PauseJson<'a>>,
    failing: &'a [FailingAlone],
    copies: i64,
    repeats: i64,
    unknown_subscriptions: i64,
    shared_identifiers: &'a [SharedIdentifier],
    import_jobs: &'a [ImportJobReport],
    log: Option<WalJson>,
    clock: Vec<ClockJson>,
    sources: &'a [SourceRate],
    flow: &'a Flow,
    blocked: BlockedJson<'a>,
    limits: Option<LimitsJson<'a>>,
    disk: &'a Disk,
    refused_at_the_door: Vec<RefusedJson<'a>>,
    config_not_taken_since: Option<Timestamp>,
    refuses: Option<String>,
    retention: RetentionJson,
}

#[derive(Debug, Serialize)]
struct DeadJson<'a> {
    reason: &'a str,
    count: i64,
    sample: EventId,
    example: String,
}

#[derive(Debug, Serialize)]
struct PauseJson<'a> {
    scope: &'static str,
    kind: PauseKind,
    since: Timestamp,
    reason: &'a str,
    next_probe_at: Timestamp,
}

#[derive(Debug, Serialize)]
struct WalJson {
    code: &'static str,
    since: Timestamp,
    message: String,
    wal_bytes: u64,
}

#[derive(Debug, Serialize)]
struct ClockJson {
    code: &'static str,
    message: String,
}

#[derive(Debug, Serialize)]
struct BlockedJson<'a> {
    events: i64,
    worst: &'a [BlockedHead],
    stopped: &'a [Stopped],
}

#[derive(Debug, Serialize)]
struct LimitsJson<'a> {
    at: Timestamp,
    families: &'a [LimitInUse],
}

#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the keys name their unit")]
struct RetentionJson {
    delivered_seconds: u64,
    bodies_seconds: u64,
    dead_seconds: u64,
    removed: i64,
}

/// Everything that the screen of `status` shows.
pub fn status_json(status: &Status, outbox: &OutboxConfig, sandbox: bool) -> Value {
    let overview = &status.overview;
    let limits = overview.limits.as_ref();
    json!(StatusJson {
        sandbox,
        audit: &overview.counts,
        backlog: &status.backlog,
        dead: status.dead.iter().map(DeadJson::of).collect(),
        paused: overview.pauses.iter().map(PauseJson::of).collect(),
        failing: &overview.failing,
        copies: overview.counts.copies,
        repeats: overview.repeats,
        unknown_subscriptions: overview.unknown_subscriptions,
        shared_identifiers: &overview.shared_identifiers,
        import_jobs: &overview.import_jobs,
        log: overview.log.as_ref().map(WalJson::of),
        clock: overview.clock.iter().copied().map(ClockJson::of).collect(),
        sources: &overview.sources,
        flow: &status.flow,
        blocked: BlockedJson {
            events: status.blocked.heads,
            worst: &status.blocked.worst,
            stopped: &overview.stopped,
        },
        limits: limits.map(|limits| LimitsJson {
            at: Timestamp::from_millis(limits.at_ms),
            families: &limits.families,
        }),
        disk: &overview.disk,
        refused_at_the_door: overview.refused.iter().map(RefusedJson::of).collect(),
        config_not_taken_since: overview.config_not_taken,
        refuses: disk_message(overview.disk.free_bytes, outbox.min_free_disk),
        retention: RetentionJson {
            delivered_seconds: outbox.retain_delivered.as_secs(),
            bodies_seconds: outbox.retain_bodies.as_secs(),
            dead_seconds: outbox.retain_dead.as_secs(),
            removed: overview.counts.removed,
        },
    })
}

impl<'a> DeadJson<'a> {
    fn of(dead: &'a DeadCount) -> Self {
        Self {
            reason: &dead.reason,
            count: dead.count,
            sample: dead.sample,
            example: masked_text(&dead.example),
        }
    }
}

impl<'a> PauseJson<'a> {
    fn of(pause: &'a Pause) -> Self {
        Self {
            scope: pause.scope(),
            kind: pause.kind,
            since: pause.since,
            reason: &pause.reason,
            next_probe_at: pause.probe_at,
        }
    }
}

impl WalJson {
    fn of(trouble: &LogTrouble) -> Self {
        Self {
            code: wal_code(trouble),
            since: trouble.since,
            message: wal_message(trouble),
            wal_bytes: trouble.wal_bytes,
        }
    }
}

impl ClockJson {
    fn of(trouble: ClockTrouble) -> Self {
        Self {
            code: clock_code(trouble),
            message: clock_message(trouble),
        }
    }
}
