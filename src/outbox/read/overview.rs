//! The data of one screen: how fast events arrive and finish, what is blocked, how large the file is.
//!
//! It promises that its cost does not depend on how many events are stored: it reads the newest events, the unfinished
//! events, and counts that are kept up to date on each write.

use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::report::Status;
use crate::model::{EventId, Timestamp};
use crate::outbox::error::ReadError;
use crate::outbox::file::disk;
use crate::outbox::handles::Reader;
use crate::outbox::queue::limits::LimitsInUse;
use crate::outbox::{RejectedRequests, Stopped};

/// How many events are read to count arrivals.
const NEWEST: i64 = 200_000;
/// How many heads of queues are shown.
const WORST: u32 = 5;
/// The spans of time for which events are counted.
const SPANS: [Duration; 4] = [
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_hours(1),
    Duration::from_hours(24),
];

/// The status of the outbox, and its rates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The status of the outbox.
    pub status: Status,
    /// How many events arrived, by source, including imported ones.
    pub sources: Vec<SourceRate>,
    /// How many events arrived and how many finished, over all sources.
    pub flow: Flow,
    /// The events that others wait for.
    pub blocked: Blocked,
    /// How much of Klaviyo's limits was used, as last reported by the scheduler.
    pub limits: Option<LimitsInUse>,
    /// Events that block others and need an operator to go on.
    pub stopped: Vec<Stopped>,
    /// Since when the daemon has not accepted the configuration in its present form; `None` where it has accepted it.
    pub config_not_taken: Option<Timestamp>,
    /// Requests that ingest refused within the last hour.
    pub refused: Vec<RejectedRequests>,
    /// Finished events that retention has removed.
    pub removed: i64,
    /// The file's size, in bytes.
    pub database_bytes: u64,
    /// The size of its WAL, in bytes.
    pub wal_bytes: u64,
    /// Free bytes on its disk; `None` when that is unknown.
    pub free_bytes: Option<u64>,
}

/// How many events of a source arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRate {
    /// The source.
    pub source: String,
    /// In the last hour.
    pub hour: i64,
    /// In the last day.
    pub day: i64,
}

/// How many events arrived, and how many finished, in the last minute, five minutes, hour and day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flow {
    /// Arrived.
    pub came: [i64; 4],
    /// Delivered or skipped.
    pub done: [i64; 4],
    /// Died in the span and still dead: neither replayed, discarded nor erased.
    pub died: [i64; 4],
    /// In which spans more events arrived than were read: there `came` is a lower bound.
    pub at_least: [bool; 4],
}

/// The events that others wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// How many events others wait for.
    pub heads: i64,
    /// The heads with the most waiting events.
    pub worst: Vec<BlockedHead>,
}

/// An event that others wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedHead {
    /// Its number.
    pub event: EventId,
    /// The person it is about.
    pub profile: Option<String>,
    /// When it arrived.
    pub since: Timestamp,
    /// Its status.
    pub status: String,
    /// The reason for its status, or the latest error; `None` when nothing was tried yet.
    pub reason: Option<String>,
    /// How many events wait behind it in the longest of its queues.
    pub waiting: i64,
    /// Whether a request of it is in flight.
    pub in_flight: bool,
    /// When it is tried next; `None` while a request of it is in flight, and where it is held or dead.
    pub next_attempt_at: Option<Timestamp>,
}

impl Reader {
    /// The status and the rates of the outbox at this time.
    pub async fn overview(&self, now: Timestamp) -> Result<Overview, ReadError> {
        let failed = || ReadError::of("the overview");
        let (database_bytes, wal_bytes) = disk::file_bytes(&self.store.path);
        let (sources, came) = self.came(now).await.map_err(failed())?;
        let flow = Flow {
            came,
            done: self.ended(DONE, now).await.map_err(failed())?,
            died: self.ended(DIED, now).await.map_err(failed())?,
            at_least: self.more_came(now).await.map_err(failed())?,
        };
        Ok(Overview {
            status: self.status().await?,
            sources,
            flow,
            blocked: self.blocked_heads(WORST).await?,
            stopped: self.stopped().await?,
            config_not_taken: self.config_not_taken().await?,
            refused: self.rejected_requests(now).await?,
            removed: self.kept().await?.removed,
            limits: self.limits_in_use().await?,
            database_bytes,
            wal_bytes,
            free_bytes: disk::free_bytes(&self.store.path),
        })
    }

    async fn came(&self, now: Timestamp) -> Result<(Vec<SourceRate>, [i64; 4]), sqlx::Error> {
        let [minute, five, hour, day] = starts(now);
        let rows = sqlx::query(
            "SELECT source, sum(received_ms >= ?1) AS minute, sum(received_ms >= ?2) AS five,
                    sum(received_ms >= ?3) AS hour, sum(received_ms >= ?4) AS day
             FROM (SELECT source, received_ms FROM event ORDER BY id DESC LIMIT ?5)
             GROUP BY source ORDER BY source",
        )
        .bind(minute)
        .bind(five)
        .bind(hour)
        .bind(day)
        .bind(NEWEST)
        .fetch_all(&self.store.readers)
        .await?;
        let mut sources = Vec::with_capacity(rows.len());
        let mut came = [0; 4];
        for row in &rows {
            for (sum, span) in came.iter_mut().zip(["minute", "five", "hour", "day"]) {
                *sum += row.try_get::<i64, _>(span)?;
            }
            sources.push(SourceRate {
                source: row.try_get("source")?,
                hour: row.try_get("hour")?,
                day: row.try_get("day")?,
            });
        }
        Ok((sources, came))
    }

    /// In which spans there are events older than those that are read.
    async fn more_came(&self, now: Timestamp) -> Result<[bool; 4], sqlx::Error> {
        let next: Option<i64> = sqlx::query_scalar("SELECT received_ms FROM event ORDER BY id DESC LIMIT 1 OFFSET ?1")
            .bind(NEWEST)
            .fetch_optional(&self.store.readers)
            .await?;
        Ok(starts(now).map(|start| next.is_some_and(|received| received >= start)))
    }

    async fn ended(&self, sql: &'static str, now: Timestamp) -> Result<[i64; 4], sqlx::Error> {
        let [minute, five, hour, day] = starts(now);
        let (minute, five, hour, day) = sqlx::query_as(sql)
            .bind(minute)
            .bind(five)
            .bind(hour)
            .bind(day)
            .fetch_one(&self.store.readers)
            .await?;
        Ok([minute, five, hour, day])
    }

    /// How many events others wait for, and the `most` of them with the most waiting events. Reads all queue entries
    /// once.
    pub async fn blocked_heads(&self, most: u32) -> Result<Blocked, ReadError> {
        let failed = || ReadError::of("the blocked people");
        let rows = sqlx::query(include_str!("sql/blocked.sql"))
            .bind(most)
            .fetch_all(&self.store.readers)
            .await
            .map_err(failed())?;
        let heads = rows.first().map_or(Ok(0), |row| row.try_get("heads"));
        let worst: Result<_, sqlx::Error> = rows.iter().map(head).collect();
        Ok(Blocked {
            heads: heads.map_err(failed())?,
            worst: worst.map_err(failed())?,
        })
    }
}

fn head(row: &SqliteRow) -> Result<BlockedHead, sqlx::Error> {
    let due: Option<i64> = row.try_get("run_after_ms")?;
    let in_flight: bool = row.try_get("in_flight")?;
    Ok(BlockedHead {
        event: EventId(row.try_get("id")?),
        profile: row.try_get("profile")?,
        since: Timestamp::from_millis(row.try_get("received_ms")?),
        status: row.try_get("status")?,
        reason: row.try_get("words")?,
        waiting: row.try_get("waiting")?,
        in_flight,
        next_attempt_at: due.filter(|_| !in_flight).map(Timestamp::from_millis),
    })
}

/// Reads only the index of finished events.
const DONE: &str = "
    SELECT coalesce(sum(finished_ms >= ?1), 0), coalesce(sum(finished_ms >= ?2), 0),
           coalesce(sum(finished_ms >= ?3), 0), count(*)
    FROM event WHERE status IN ('delivered', 'skipped') AND finished_ms >= ?4";
const DIED: &str = "
    SELECT coalesce(sum(finished_ms >= ?1), 0), coalesce(sum(finished_ms >= ?2), 0),
           coalesce(sum(finished_ms >= ?3), 0), count(*)
    FROM event WHERE status = 'dead' AND finished_ms >= ?4 AND reason NOT IN ('discarded by an operator', 'erased')";

/// The start of each span.
fn starts(now: Timestamp) -> [i64; 4] {
    SPANS.map(|span| now.minus(span).as_millis())
}
