//! The status as JSON: what `status --json` prints and the admin port answers. Its only personal data are the names of
//! the blocked profiles and of shared identifiers.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::rejected::RejectedJson;
use crate::config::OutboxConfig;
use crate::model::Timestamp;
use crate::outbox::{
    BacklogRow, BlockedHead, Counts, DeadCount, Disk, FailingAlone, Flow, ImportJobReport, LimitInUse, Pause,
    SharedIdentifier, SourceRate, Status, Stopped, WalTrouble,
};

/// Where everything stands.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Status")]
pub struct StatusJson<'a> {
    /// Nothing reaches Klaviyo.
    sandbox: bool,
    /// The number of events by what became of them.
    audit: &'a Counts,
    /// The unfinished events, by state, type and age.
    backlog: &'a [BacklogRow],
    /// Dead events by reason, the largest groups first.
    #[schemars(length(max = 10))]
    dead: &'a [DeadCount],
    /// What is paused: the account, or families of endpoints.
    paused: &'a [Pause],
    /// Events that fail although their endpoint family is not paused, the worst first.
    #[schemars(length(max = 5))]
    failing: &'a [FailingAlone],
    /// Of the skipped events that are kept, those that were copies of an event delivered before.
    copies: i64,
    /// Copies of calls that were stored before; they are not stored again.
    repeats: i64,
    /// Subscriptions that were sent and got no answer.
    unknown_subscriptions: i64,
    /// Identifiers in whose queues many people wait for each other, the longest queue first.
    #[schemars(length(max = 3))]
    shared_identifiers: &'a [SharedIdentifier],
    /// Bulk imports on which Klaviyo works: their events wait for them.
    import_jobs: &'a [ImportJobReport],
    /// What prevents the outbox's WAL from being checkpointed into its file. Nothing is lost, but the WAL grows.
    wal: Option<WalJson>,
    /// Signs that the machine's clock is wrong. Meanwhile no event is deleted or dead because of its age.
    #[schemars(length(max = 1))]
    clock: Vec<ClockJson>,
    /// Events that came, by source, imported ones too.
    sources: &'a [SourceRate],
    /// Events that came and ended, of all sources.
    flow: &'a Flow,
    /// Events that later events of the same person wait for.
    blocked: BlockedJson<'a>,
    /// How full Klaviyo's limits were when the relay last looked; null before it first did.
    limits: Option<LimitsJson<'a>>,
    /// The outbox's file and its disk.
    disk: &'a Disk,
    /// Requests that ingest rejected within the hour, the latest first.
    refused_at_the_door: Vec<RejectedJson<'a>>,
    /// Since when the daemon rejects the configuration in its file.
    config_rejected_since: Option<Timestamp>,
    /// Why new requests are rejected because the disk is too full: a sentence.
    refuses: Option<String>,
    /// How long finished events are kept.
    retention: RetentionJson,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct WalJson {
    #[schemars(extend("enum" = ["checkpoint_failing", "wal_held"]))]
    code: &'static str,
    since: Timestamp,
    message: String,
    wal_bytes: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct ClockJson {
    #[schemars(extend("enum" = ["clock_leapt"]))]
    code: &'static str,
    message: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct BlockedJson<'a> {
    /// How many they are.
    events: i64,
    /// Those that most wait for.
    worst: &'a [BlockedHead],
    /// Of them, those that do not go on by themselves.
    stopped: &'a [Stopped],
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct LimitsJson<'a> {
    at: Timestamp,
    families: &'a [LimitInUse],
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct RetentionJson {
    delivered_seconds: u64,
    bodies_seconds: u64,
    dead_seconds: u64,
    /// Finished events that retention has removed.
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
        dead: &status.dead,
        paused: &overview.pauses,
        failing: &overview.failing,
        copies: overview.counts.copies,
        repeats: overview.repeats,
        unknown_subscriptions: overview.unknown_subscriptions,
        shared_identifiers: &overview.shared_identifiers,
        import_jobs: &overview.import_jobs,
        wal: overview.wal.as_ref().map(WalJson::of),
        clock: overview.clock_ahead.into_iter().map(ClockJson::of).collect(),
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
        refused_at_the_door: overview.rejected.iter().map(RejectedJson::of).collect(),
        config_rejected_since: overview.config_rejected_since,
        refuses: Problem::disk(overview.disk.free_bytes, outbox.min_free_disk).map(|problem| problem.message),
        retention: RetentionJson {
            delivered_seconds: outbox.retain_delivered.as_secs(),
            bodies_seconds: outbox.retain_bodies.as_secs(),
            dead_seconds: outbox.retain_dead.as_secs(),
            removed: overview.counts.removed,
        },
    })
}

impl WalJson {
    fn of(trouble: &WalTrouble) -> Self {
        let Problem { code, message, .. } = Problem::wal(trouble);
        Self {
            code,
            since: trouble.since,
            message,
            wal_bytes: trouble.wal_bytes,
        }
    }
}

impl ClockJson {
    fn of(ahead: Duration) -> Self {
        let Problem { code, message, .. } = Problem::clock(ahead);
        Self { code, message }
    }
}
