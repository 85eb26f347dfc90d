//! The shop's traffic by minute, from which the charts are drawn.
//!
//! [`rollup()`] writes the counts of past minutes into the file. Newer minutes are counted from the events on each
//! read. So the current minute is as exact as the others, and a kill loses only the current 429s, which only the
//! process has counted. It promises that the cost of a read depends on what happened in the requested minutes, not on
//! how much is stored or waits.

mod batch;
mod rollup;
#[cfg(test)]
mod tests;
mod unrolled;

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection as _, Row};

use crate::model::Timestamp;
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;

pub(in crate::outbox) use batch::delete_minutes;
pub use rollup::rollup;
pub(in crate::outbox) use unrolled::OLDEST_PENDING;
#[cfg(test)]
pub(in crate::outbox) use unrolled::{CAME, CURSOR, DELIVERED_AFTER, ENDED};
use unrolled::{Cursor, Unrolled};

/// A minute, in milliseconds.
const MINUTE: i64 = 60_000;

/// One minute of the shop's traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minute {
    /// When it began.
    pub at: Timestamp,
    /// Events that arrived.
    pub came: i64,
    /// Events that were delivered or skipped, including replayed ones.
    pub done: i64,
    /// Events that died.
    pub died: i64,
    /// Requests that Klaviyo answered with 429.
    pub throttled: i64,
    /// Events that were pending at its end; in the current minute, that are pending now.
    pub pending: i64,
    /// How long the oldest of them had waited by then.
    pub oldest_pending: Option<Duration>,
    /// The p50 of the time from arrival to delivery, of the newest 1,000 events delivered in it that were never
    /// replayed.
    pub p50: Option<Duration>,
    /// The p95 of the same times.
    pub p95: Option<Duration>,
}

impl Minute {
    /// A minute in which nothing happened.
    pub const fn empty(at: Timestamp) -> Self {
        Self {
            at,
            came: 0,
            done: 0,
            died: 0,
            throttled: 0,
            pending: 0,
            oldest_pending: None,
            p50: None,
            p95: None,
        }
    }
}

pub(in crate::outbox) const WRITTEN: &str = "
    SELECT minute_ms, came, done, died, throttled, pending, oldest_ms, p50_ms, p95_ms
    FROM minute WHERE minute_ms >= ?1 AND minute_ms <= ?2";
pub(in crate::outbox) const WRITTEN_SOURCES: &str = "
    SELECT source, sum(came) AS came FROM minute_source WHERE minute_ms >= ?1 AND minute_ms <= ?2 GROUP BY source";

impl Reader {
    /// The minutes from the one of `since` to the one of `now`, oldest first. Minutes in which no daemon ran and
    /// nothing happened are left out; the last one is the current minute so far. `throttled` is the total that the
    /// process has counted ([`crate::metrics::Metrics::rate_limited`]), and 0 for a process that is not the daemon.
    pub async fn history(&self, since: Timestamp, now: Timestamp, throttled: u64) -> Result<Vec<Minute>, ReadError> {
        let failed = || ReadError::of("the history");
        let mut reader = self.store.readers.acquire().await.map_err(failed())?;
        // One snapshot: without it, the daemon could write a minute between two reads, which would then be missing or
        // counted twice.
        let mut snapshot = reader.begin().await.map_err(failed())?;
        let mut minutes = written(&mut snapshot, since, now).await.map_err(failed())?;
        let unrolled = Unrolled::read(&mut snapshot, now).await.map_err(failed())?;
        snapshot.rollback().await.map_err(failed())?;
        unrolled.add_to(&mut minutes, throttled);
        let requested = minutes.split_off(&start_of(since));
        Ok(requested.into_values().collect())
    }
}

/// How many events arrived from the minute of `since` on, by source; of the snapshot of the caller's transaction.
pub(in crate::outbox) async fn came_by_source(
    connection: &mut SqliteConnection,
    since: Timestamp,
    now: Timestamp,
) -> Result<BTreeMap<String, i64>, sqlx::Error> {
    let written: Vec<(String, i64)> = sqlx::query_as(WRITTEN_SOURCES)
        .bind(start_of(since))
        .bind(now.as_millis())
        .fetch_all(&mut *connection)
        .await?;
    let mut sources: BTreeMap<String, i64> = written.into_iter().collect();
    let cursor = Cursor::read(connection).await?;
    for ((minute, source), came) in cursor.came(connection, now).await? {
        if minute >= start_of(since) {
            *sources.entry(source).or_default() += came;
        }
    }
    Ok(sources)
}

/// The written minutes, by their start.
async fn written(
    connection: &mut SqliteConnection,
    since: Timestamp,
    now: Timestamp,
) -> Result<BTreeMap<i64, Minute>, sqlx::Error> {
    let rows = sqlx::query(WRITTEN)
        .bind(start_of(since))
        .bind(now.as_millis())
        .fetch_all(connection)
        .await?;
    let of = |row: &SqliteRow| Ok((row.try_get("minute_ms")?, minute_of(row)?));
    rows.iter().map(of).collect()
}

fn minute_of(row: &SqliteRow) -> Result<Minute, sqlx::Error> {
    let start: i64 = row.try_get("minute_ms")?;
    let oldest: Option<i64> = row.try_get("oldest_ms")?;
    let p50: Option<i64> = row.try_get("p50_ms")?;
    let p95: Option<i64> = row.try_get("p95_ms")?;
    Ok(Minute {
        at: Timestamp::from_millis(start),
        came: row.try_get("came")?,
        done: row.try_get("done")?,
        died: row.try_get("died")?,
        throttled: row.try_get("throttled")?,
        pending: row.try_get("pending")?,
        oldest_pending: oldest.map(|oldest| span(start + MINUTE - oldest)),
        p50: p50.map(span),
        p95: p95.map(span),
    })
}

/// The start of the minute of a time, in milliseconds.
fn start_of(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(MINUTE) * MINUTE
}

/// A span of so many milliseconds; 0 for a negative number, which results from a clock that was set back.
fn span(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
