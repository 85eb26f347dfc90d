//! The shop's traffic, minute by minute: what plots are drawn from.
//!
//! Minutes that are over are written down ([`chronicle()`]), counts alone. What is newer than the last of them is counted
//! from the events whenever somebody asks, so that the running minute is as true as the others, and a kill loses
//! nothing of it but the 429s, which only the process knew. It promises to read what happened in the minutes asked for,
//! however much is kept or waits.

mod chronicle;
mod fresh;
mod note;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection as _, Row};

use crate::model::Timestamp;
use crate::outbox::Outbox;
use crate::outbox::error::ReadError;

pub use chronicle::chronicle;
pub(in crate::outbox) use fresh::OLDEST_PENDING;
#[cfg(test)]
pub(in crate::outbox) use fresh::{CAME, DELIVERED_AFTER, ENDED, MARK};
use fresh::{Fresh, Mark};
pub(in crate::outbox) use note::forget;

/// A minute, in milliseconds.
const MINUTE: i64 = 60_000;

/// One minute of the shop's traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minute {
    /// When it began.
    pub at: Timestamp,
    /// Events that were taken in.
    pub came: i64,
    /// Events that were delivered or skipped, replayed ones too.
    pub done: i64,
    /// Events that were given up.
    pub died: i64,
    /// Requests that Klaviyo answered with 429.
    pub throttled: i64,
    /// Events that waited at its end; in the running minute, that wait now.
    pub pending: i64,
    /// How long the oldest of them had waited by then.
    pub oldest_pending: Option<Duration>,
    /// From arrival to delivery, the median; of events delivered in it that never were replayed, the 1,000 newest.
    pub half: Option<Duration>,
    /// The same, the 95th percentile.
    pub most: Option<Duration>,
}

/// How many events of a source were taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCame {
    /// The source.
    pub source: String,
    /// How many.
    pub came: i64,
}

pub(in crate::outbox) const WRITTEN: &str = "
    SELECT minute_ms, came, done, died, throttled, pending, oldest_ms, p50_ms, p95_ms
    FROM minute WHERE minute_ms >= ?1 AND minute_ms <= ?2";
pub(in crate::outbox) const WRITTEN_SOURCES: &str = "
    SELECT source, sum(came) AS came FROM minute_source WHERE minute_ms >= ?1 AND minute_ms <= ?2 GROUP BY source";

impl Outbox {
    /// The minutes from the one of `since` to the one of `now`, oldest first. Those in which no daemon ran and nothing
    /// happened are left out; the last is the running one so far. `throttled` is what the process has counted in all
    /// ([`crate::metrics::Metrics::throttled`]), 0 for one that is not the daemon.
    pub async fn history(&self, since: Timestamp, now: Timestamp, throttled: u64) -> Result<Vec<Minute>, ReadError> {
        let failed = || ReadError::of("the history");
        let mut reader = self.readers.acquire().await.map_err(failed())?;
        // One moment: between two, the daemon may write a minute down, which would then be missing or there twice.
        let mut moment = reader.begin().await.map_err(failed())?;
        let mut minutes = written(&mut moment, since, now).await.map_err(failed())?;
        let fresh = Fresh::read(&mut moment, now).await.map_err(failed())?;
        moment.rollback().await.map_err(failed())?;
        fresh.add_to(&mut minutes, throttled);
        let asked = minutes.split_off(&start_of(since));
        Ok(asked.into_values().collect())
    }

    /// Events that were taken in from the minute of `since` on, by source, in the order of their names.
    pub async fn came_by_source(&self, since: Timestamp, now: Timestamp) -> Result<Vec<SourceCame>, ReadError> {
        let failed = || ReadError::of("the history of the sources");
        let mut reader = self.readers.acquire().await.map_err(failed())?;
        let mut moment = reader.begin().await.map_err(failed())?;
        let written: Vec<(String, i64)> = sqlx::query_as(WRITTEN_SOURCES)
            .bind(start_of(since))
            .bind(now.as_millis())
            .fetch_all(&mut *moment)
            .await
            .map_err(failed())?;
        let mark = Mark::read(&mut moment).await.map_err(failed())?;
        let came = mark.came(&mut moment, now).await.map_err(failed())?;
        moment.rollback().await.map_err(failed())?;
        let mut sources: BTreeMap<String, i64> = written.into_iter().collect();
        for ((minute, source), came) in came {
            if minute >= start_of(since) {
                *sources.entry(source).or_default() += came;
            }
        }
        let of = |(source, came)| SourceCame { source, came };
        Ok(sources.into_iter().map(of).collect())
    }
}

/// The minutes that are written down, by their start.
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
    let half: Option<i64> = row.try_get("p50_ms")?;
    let most: Option<i64> = row.try_get("p95_ms")?;
    Ok(Minute {
        at: Timestamp::from_millis(start),
        came: row.try_get("came")?,
        done: row.try_get("done")?,
        died: row.try_get("died")?,
        throttled: row.try_get("throttled")?,
        pending: row.try_get("pending")?,
        oldest_pending: oldest.map(|oldest| span(start + MINUTE - oldest)),
        half: half.map(span),
        most: most.map(span),
    })
}

/// When the minute of a time began, in milliseconds.
fn start_of(time: Timestamp) -> i64 {
    time.as_millis().div_euclid(MINUTE) * MINUTE
}

/// A span of so many milliseconds; none below 0, which a clock set back can make.
fn span(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
