//! What one screen tells of an outbox: how fast events come and go, who is blocked, how large the file is.
//!
//! It promises to cost about the same however many events there are: it looks at the newest ones, at what waits, and
//! at counts that are kept anyway.

use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::report::Status;
use crate::model::Timestamp;
use crate::outbox::error::ReadError;
use crate::outbox::file::disk;
use crate::outbox::queue::limits::LimitsInUse;
use crate::outbox::{EventId, Outbox, RefusedAtDoor, Stopped};

/// Events that are looked at for how many came when.
const NEWEST: i64 = 200_000;
/// Heads of lines that are shown.
const WORST: u32 = 5;
/// The spans of time in which events are counted.
const SPANS: [Duration; 4] = [
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_hours(1),
    Duration::from_hours(24),
];

/// Where everything stands, and how it moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// Where everything stands.
    pub status: Status,
    /// Events that came, by source, imported ones too.
    pub sources: Vec<SourceRate>,
    /// Events that came and ended, of all sources.
    pub flow: Flow,
    /// Who waits, and behind whom.
    pub blocked: Blocked,
    /// How full Klaviyo's limits were, when the relay last told it.
    pub limits: Option<LimitsInUse>,
    /// Events that hold up others and do not go on by themselves.
    pub stopped: Vec<Stopped>,
    /// Since when the daemon has not taken the configuration as it is, if that is so.
    pub config_not_taken: Option<Timestamp>,
    /// Requests that ingest refused within the hour.
    pub refused: Vec<RefusedAtDoor>,
    /// Finished events that retention has removed.
    pub removed: i64,
    /// The file's size, in bytes.
    pub database_bytes: u64,
    /// The size of its log, in bytes.
    pub wal_bytes: u64,
    /// Free bytes on its disk; `None` when that cannot be told.
    pub free_bytes: Option<u64>,
}

/// How many events of a source came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRate {
    /// The source.
    pub source: String,
    /// In the last hour.
    pub hour: i64,
    /// In the last day.
    pub day: i64,
}

/// How many events came, and how many were finished, in the last minute, five minutes, hour and day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flow {
    /// Accepted.
    pub came: [i64; 4],
    /// Delivered or skipped.
    pub done: [i64; 4],
    /// Given up, and dead now: neither sent again nor discarded nor erased.
    pub died: [i64; 4],
    /// In which spans more came than were looked at: there what came is at least that.
    pub at_least: [bool; 4],
}

/// Who waits behind somebody else's event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// Events that others wait for.
    pub heads: i64,
    /// Those that most wait for.
    pub worst: Vec<BlockedHead>,
}

/// An event that others wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedHead {
    /// Its number.
    pub event: EventId,
    /// Whose it is.
    pub profile: Option<String>,
    /// When it came.
    pub since: Timestamp,
    /// Where it stands.
    pub status: String,
    /// Why it stands there, or the latest error; `None` when nothing was tried yet.
    pub reason: Option<String>,
    /// How many wait behind it in its longest line.
    pub waiting: i64,
    /// Whether a request of it is in flight.
    pub in_flight: bool,
    /// When it is tried again; `None` while a request of it is in flight, and where it is held or dead.
    pub next_attempt_at: Option<Timestamp>,
}

impl Outbox {
    /// Where everything stands at this time, and how it moves.
    pub async fn overview(&self, now: Timestamp) -> Result<Overview, ReadError> {
        let failed = || ReadError::of("the overview");
        let (database_bytes, wal_bytes) = disk::file_bytes(&self.path);
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
            refused: self.refused_at_door(now).await?,
            removed: self.kept().await?.removed,
            limits: self.limits_in_use().await?,
            database_bytes,
            wal_bytes,
            free_bytes: disk::free_bytes(&self.path),
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
        .fetch_all(&self.readers)
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

    /// In which spans events lie behind those that are looked at.
    async fn more_came(&self, now: Timestamp) -> Result<[bool; 4], sqlx::Error> {
        let next: Option<i64> = sqlx::query_scalar("SELECT received_ms FROM event ORDER BY id DESC LIMIT 1 OFFSET ?1")
            .bind(NEWEST)
            .fetch_optional(&self.readers)
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
            .fetch_one(&self.readers)
            .await?;
        Ok([minute, five, hour, day])
    }

    /// The events that others wait for: how many, and the `most` that most wait for. Goes once through the lines of what
    /// waits.
    pub async fn blocked_heads(&self, most: u32) -> Result<Blocked, ReadError> {
        let failed = || ReadError::of("the blocked people");
        let rows = sqlx::query(include_str!("sql/blocked.sql"))
            .bind(most)
            .fetch_all(&self.readers)
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

/// Read from the index of finished events alone.
const DONE: &str = "
    SELECT coalesce(sum(finished_ms >= ?1), 0), coalesce(sum(finished_ms >= ?2), 0),
           coalesce(sum(finished_ms >= ?3), 0), count(*)
    FROM event WHERE status IN ('delivered', 'skipped') AND finished_ms >= ?4";
const DIED: &str = "
    SELECT coalesce(sum(finished_ms >= ?1), 0), coalesce(sum(finished_ms >= ?2), 0),
           coalesce(sum(finished_ms >= ?3), 0), count(*)
    FROM event WHERE status = 'dead' AND finished_ms >= ?4 AND reason NOT IN ('discarded by an operator', 'erased')";

/// When each span began.
fn starts(now: Timestamp) -> [i64; 4] {
    SPANS.map(|span| now.minus(span).as_millis())
}
