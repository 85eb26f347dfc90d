//! Where everything stands: one overview, which `status`, its JSON and the first page show.
//!
//! It promises that its cost does not depend on how many events are stored or wait: it reads look-ups, counts that are
//! kept up to date on each write, and the minutes of the history. The lists of [`super::status`] cost more.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;
use sqlx::sqlite::SqliteConnection;

use super::stopped::{self, Stopped};
use crate::metrics::Sample;
use crate::model::{EventStatus, Timestamp};
use crate::outbox::control::shared::{SharedIdentifier, shared_identifiers};
use crate::outbox::error::{ReadError, WriteError};
use crate::outbox::file::disk;
use crate::outbox::handles::Reader;
use crate::outbox::intake::rejections::{RejectedRequests, rejected_requests};
use crate::outbox::maintain::checkpoint::{WalTrouble, wal_trouble};
use crate::outbox::maintain::clocks::clock_ahead;
use crate::outbox::maintain::destination::config_rejected_since;
use crate::outbox::maintain::history::{OLDEST_PENDING, came_by_source};
use crate::outbox::queue::import_job::{self, ImportJobReport};
use crate::outbox::queue::limits::{self, LimitInUse, LimitsInUse};
use crate::outbox::queue::pause::{self, FailingAlone, Pause};
use crate::outbox::{commit, kv};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The counts that triggers keep, in one statement, so that they are consistent.
pub(in crate::outbox) const COUNTS: &str = "SELECT name, value FROM counter";
/// What [`Overview::repeats`] counts.
const REPEATS: &str = "SELECT value FROM counter WHERE name = 'repeats'";
/// What [`Overview::unknown_subscriptions`] counts.
pub(in crate::outbox) const UNKNOWN_SUBSCRIPTIONS: &str =
    "SELECT count(*) FROM delivery WHERE status = 'unknown' AND kind = 'subscription'";

/// Where everything stands.
#[derive(Debug, Clone)]
pub struct Overview {
    /// The number of events by what became of them.
    pub counts: Counts,
    /// When the oldest pending event arrived.
    pub oldest_pending: Option<Timestamp>,
    /// How many events died within the hour, are still dead, and were neither discarded nor erased.
    pub died: i64,
    /// How many events arrived, by source, including imported ones.
    pub sources: Vec<SourceRate>,
    /// What is paused, and why.
    pub pauses: Vec<Pause>,
    /// Events whose requests fail although their endpoint family is not paused; a few, the worst first.
    pub failing: Vec<FailingAlone>,
    /// Events that block others and need an operator to go on.
    pub stopped: Vec<Stopped>,
    /// Subscriptions that were sent and got no answer: Klaviyo may have accepted them.
    pub unknown_subscriptions: i64,
    /// Identifiers in whose queues events of many people wait.
    pub shared_identifiers: Vec<SharedIdentifier>,
    /// Calls that were received again and not stored again.
    pub repeats: i64,
    /// Import jobs that events wait for.
    pub import_jobs: Vec<ImportJobReport>,
    /// How much of Klaviyo's limits was used, as last reported by the scheduler.
    pub limits: Option<LimitsInUse>,
    /// Requests that ingest rejected within the last hour.
    pub rejected: Vec<RejectedRequests>,
    /// Since when the daemon rejects the configuration in its file; `None` where it accepted it.
    pub config_rejected_since: Option<Timestamp>,
    /// Why no new event is accepted; `None` where events are accepted. Only the daemon's own process knows it.
    pub rejection_cause: Option<WriteError>,
    /// What prevents the WAL from being checkpointed into the file, if anything does.
    pub wal: Option<WalTrouble>,
    /// How far the machine's clock is ahead of the trusted time; `None`: it is not ahead.
    pub clock_ahead: Option<Duration>,
    /// The file and its disk.
    pub disk: Disk,
}

/// The number of events by what became of them, since the first one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema, FromRow)]
pub struct Counts {
    /// Ever accepted.
    pub accepted: i64,
    /// Delivered, including those that retention has removed; likewise the next two.
    pub delivered: i64,
    /// Skipped.
    pub skipped: i64,
    /// Dead.
    pub dead: i64,
    /// Pending.
    pub pending: i64,
    /// Held by an operator.
    pub held: i64,
    /// Accepted ones that are in none of these states: 0, or the outbox has lost some.
    #[schemars(range(min = i64::MIN))]
    pub difference: i64,
    /// Finished events that retention has removed.
    #[serde(skip)]
    #[sqlx(skip)]
    pub removed: i64,
    /// How many of the stored skipped events were copies of another event.
    #[serde(skip)]
    #[sqlx(skip)]
    pub copies: i64,
    /// Stored events by state, all five states.
    #[serde(skip)]
    #[sqlx(skip)]
    pub stored: Vec<(EventStatus, i64)>,
}

/// How many events of a source arrived, counted by whole minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SourceRate {
    /// The source.
    pub source: String,
    /// In the last hour.
    #[serde(rename = "last_hour")]
    pub hour: i64,
    /// In the last day.
    #[serde(rename = "last_day")]
    pub day: i64,
}

/// The outbox's file and its disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Disk {
    /// The file's size, in bytes.
    pub database_bytes: u64,
    /// The size of its WAL, in bytes.
    pub wal_bytes: u64,
    /// Free bytes on its disk; null when that is unknown.
    pub free_bytes: Option<u64>,
    /// With fewer free bytes, no new event is accepted.
    #[serde(skip)]
    pub min_free_bytes: u64,
}

impl Overview {
    /// How much of Klaviyo's limits was used, if that was reported within the last minute: older figures are outdated.
    pub fn recent_limits(&self, now: Timestamp) -> &[LimitInUse] {
        let at = |limits: &LimitsInUse| Timestamp::from_millis(limits.at_ms);
        let limits = self.limits.as_ref();
        let recent = limits.filter(|limits| now.since(at(limits)) < Duration::from_mins(1));
        recent.map_or(&[], |limits| &limits.families)
    }
}

impl Counts {
    fn of(counters: &BTreeMap<String, i64>) -> Self {
        let of = |prefix: &str, state: EventStatus| {
            let value = counters.get(&format!("{prefix}_{}", state.word()));
            value.copied().unwrap_or(0)
        };
        let all = |state| of("status", state) + of("pruned", state);
        let states = EventStatus::ALL.iter().copied();
        let named = |name: &str| counters.get(name).copied().unwrap_or(0);
        let accepted = named("accepted");
        Self {
            accepted,
            delivered: all(EventStatus::Delivered),
            skipped: all(EventStatus::Skipped),
            dead: all(EventStatus::Dead),
            pending: all(EventStatus::Pending),
            held: all(EventStatus::Held),
            difference: accepted - states.clone().map(all).sum::<i64>(),
            removed: states.clone().map(|state| of("pruned", state)).sum(),
            copies: named("copies"),
            stored: states.map(|state| (state, of("status", state))).collect(),
        }
    }

    /// The columns of the view `audit`.
    pub const fn audit(&self) -> [(&'static str, i64); 7] {
        [
            ("accepted", self.accepted),
            ("delivered", self.delivered),
            ("skipped", self.skipped),
            ("dead", self.dead),
            ("pending", self.pending),
            ("held", self.held),
            ("difference", self.difference),
        ]
    }

    /// How many events are stored in a state.
    pub fn stored(&self, state: EventStatus) -> i64 {
        let mut stored = self.stored.iter();
        stored.find(|(known, _)| *known == state).map_or(0, |(_, count)| *count)
    }
}

impl Reader {
    /// Where everything stands at this time.
    pub async fn overview(&self, now: Timestamp) -> Result<Overview, ReadError> {
        let overview = self.read_overview(now).await;
        overview.map_err(ReadError::of("the overview"))
    }

    async fn read_overview(&self, now: Timestamp) -> Result<Overview, sqlx::Error> {
        let mut snapshot = self.store.readers.begin().await?;
        let reader = &mut *snapshot;
        let (pauses, failing) = pause::hindered(reader).await?;
        let overview = Overview {
            counts: counts(reader).await?,
            oldest_pending: oldest_pending(reader).await?,
            died: stopped::dead_since(reader, now.minus(HOUR)).await?,
            sources: source_rates(reader, now).await?,
            pauses,
            failing,
            stopped: stopped::stopped(reader).await?,
            unknown_subscriptions: sqlx::query_scalar(UNKNOWN_SUBSCRIPTIONS)
                .fetch_one(&mut *reader)
                .await?,
            shared_identifiers: shared_identifiers(&mut *reader).await?,
            repeats: sqlx::query_scalar(REPEATS).fetch_one(&mut *reader).await?,
            import_jobs: sqlx::query_as(import_job::OPEN).fetch_all(&mut *reader).await?,
            limits: kv::get_json(&mut *reader, limits::KEY).await?,
            rejected: rejected_requests(&mut *reader, now).await?,
            config_rejected_since: config_rejected_since(&mut *reader).await?,
            rejection_cause: self.rejection_cause(),
            wal: wal_trouble(&mut *reader, &self.store.path).await?,
            clock_ahead: clock_ahead(reader).await?,
            disk: self.disk(),
        };
        snapshot.rollback().await?;
        Ok(overview)
    }

    /// What a scrape of the metrics reads.
    pub async fn sample(&self, now: Timestamp) -> Result<Sample, ReadError> {
        let failed = || ReadError::of("the sample");
        let mut reader = self.store.readers.begin().await.map_err(failed())?;
        let counts = counts(&mut reader).await.map_err(failed())?;
        let oldest = oldest_pending(&mut reader).await.map_err(failed())?;
        let disk = self.disk();
        Ok(Sample {
            events: counts.stored,
            oldest_pending: oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)),
            database_bytes: disk.database_bytes,
            wal_bytes: disk.wal_bytes,
            free_bytes: disk.free_bytes,
            accepting: self.store.admission.rejection_cause().is_none() && !self.has_ended(),
        })
    }

    /// The number of events by what became of them. [`Reader::audit`] compares it with the rows.
    pub async fn counts(&self) -> Result<Counts, ReadError> {
        let failed = || ReadError::of("the kept counts");
        let mut reader = self.store.readers.acquire().await.map_err(failed())?;
        counts(&mut reader).await.map_err(failed())
    }

    /// The outbox's file and its disk.
    pub fn disk(&self) -> Disk {
        let (database_bytes, wal_bytes) = disk::file_bytes(&self.store.path);
        Disk {
            database_bytes,
            wal_bytes,
            free_bytes: disk::free_bytes(&self.store.path),
            min_free_bytes: self.store.admission.min_free(),
        }
    }

    /// How many events are pending; held events are not included.
    pub async fn pending(&self) -> Result<i64, ReadError> {
        let pending = sqlx::query_scalar(commit::PENDING);
        self.store.value("the number of waiting events", pending).await
    }
}

async fn source_rates(reader: &mut SqliteConnection, now: Timestamp) -> Result<Vec<SourceRate>, sqlx::Error> {
    let hour = came_by_source(reader, now.minus(HOUR), now).await?;
    let day = came_by_source(reader, now.minus(DAY), now).await?;
    let rates = day.into_iter().map(|(source, day)| SourceRate {
        hour: hour.get(&source).copied().unwrap_or(0),
        day,
        source,
    });
    Ok(rates.collect())
}

async fn counts(reader: &mut SqliteConnection) -> Result<Counts, sqlx::Error> {
    let counters: Vec<(String, i64)> = sqlx::query_as(COUNTS).fetch_all(reader).await?;
    Ok(Counts::of(&counters.into_iter().collect()))
}

async fn oldest_pending(reader: &mut SqliteConnection) -> Result<Option<Timestamp>, sqlx::Error> {
    sqlx::query_scalar(OLDEST_PENDING).fetch_one(reader).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventId, PauseKind};
    use crate::outbox::maintain::retention::Round;
    use crate::outbox::tests::{NOW, claim_all, count, event, files, finish};

    #[tokio::test]
    async fn an_overview_agrees_with_the_audit_whatever_retention_removed() {
        let files = files();
        let outbox = files.open().await;
        let events = (1..=6).map(|number| event(&format!("m{number}"), &[]));
        outbox.intake().append(events.collect()).await.unwrap();
        claim_all(&outbox).await;
        finish(&outbox, 1, EventStatus::Delivered).await;
        let later = Timestamp::from_millis(NOW.as_millis() + 1);
        let delivered = Round {
            delivered: later,
            dead: NOW,
            bodies: NOW,
            import_jobs: NOW,
            minutes: NOW,
        };
        outbox.run_round(delivered).await.unwrap();
        finish(&outbox, 2, EventStatus::Delivered).await;
        finish(&outbox, 3, EventStatus::Dead).await;
        let mut back = event("m7", &[]);
        back.received_at = later;
        outbox.intake().append(vec![back]).await.unwrap();
        outbox.hold(vec![EventId(7)]).await.unwrap();
        outbox
            .queue()
            .set_pauses(vec![Pause {
                family: None,
                kind: PauseKind::Refused,
                since: NOW,
                reason: "the key".to_owned(),
                reason_code: "refused".to_owned(),
                probe_at: later,
            }])
            .await
            .unwrap();

        let overview = outbox.overview(NOW).await.unwrap();
        let expected = [
            (EventStatus::Pending, 3),
            (EventStatus::Delivered, 1),
            (EventStatus::Skipped, 0),
            (EventStatus::Dead, 1),
            (EventStatus::Held, 1),
        ];
        for state in expected {
            assert!(overview.counts.stored.contains(&state), "{state:?}");
        }
        assert_eq!((overview.counts.stored.len(), overview.counts.removed), (5, 1));
        let accepted = count(&outbox, "SELECT accepted FROM audit").await;
        assert_eq!((overview.counts.accepted, accepted), (7, 7));
        assert_eq!(overview.oldest_pending, Some(NOW));
        let pause = &overview.pauses[0];
        assert_eq!((pause.since, pause.reason.as_str()), (NOW, "the key"));
        assert_eq!(overview.unknown_subscriptions, 0);
        assert!(overview.rejection_cause.is_none());
        assert!(overview.disk.database_bytes > 0);
    }
}
