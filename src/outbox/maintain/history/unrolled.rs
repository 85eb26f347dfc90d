//! Counts what no written minute includes yet, from the events: those with a number after the last one counted, and
//! those that ended since.
//!
//! Read-only. The caller provides a transaction, so that all counts are of one snapshot.

use std::collections::BTreeMap;

use sqlx::FromRow;
use sqlx::sqlite::SqliteConnection;

use super::{MINUTE, Minute, span, start_of};
use crate::model::Timestamp;

/// When the oldest pending event arrived.
pub(in crate::outbox) const OLDEST_PENDING: &str =
    "SELECT min(received_ms) FROM event WHERE finished_ms IS NULL AND status = 'pending'";
pub(in crate::outbox) const CURSOR: &str = "
    SELECT (SELECT value FROM counter WHERE name = 'rollup_id') AS last_id,
           (SELECT nullif(value, 0) FROM counter WHERE name = 'rollup_ms') AS written_ms,
           (SELECT value FROM counter WHERE name = 'rollup_429s') AS throttled,
           (SELECT value FROM counter WHERE name = 'last_id') AS newest_id,
           (SELECT value FROM counter WHERE name = 'status_pending') AS pending";

/// Counts new events by their time of arrival. ?1: the last event counted; ?2, ?3: the expected times of arrival, from
/// the minute before the last write to the end of the current one; ?4: the minute of the last write. Other times (the
/// clock was set, or an import took hours) count as ?4.
pub(in crate::outbox) const CAME: &str = "
    SELECT iif(received_ms >= ?2 AND received_ms < ?3, received_ms, ?4) / 60000 * 60000 AS minute_ms, source,
           count(*) AS came
    FROM event WHERE id > ?1 GROUP BY 1, 2";

pub(in crate::outbox) const ENDED: &str = "
    SELECT finished_ms / 60000 * 60000 AS minute_ms, count(*) AS done, 0 AS died
    FROM event WHERE status IN ('delivered', 'skipped') AND finished_ms >= ?1 AND finished_ms < ?2 GROUP BY 1
    UNION ALL
    SELECT finished_ms / 60000 * 60000, 0, count(*)
    FROM event WHERE status = 'dead' AND finished_ms >= ?1 AND finished_ms < ?2 GROUP BY 1";

/// As one JSON array, because fetching a thousand rows costs more than finding them.
pub(in crate::outbox) const DELIVERED_AFTER: &str = "
    SELECT json_group_array(took) FROM (
        SELECT max(0, finished_ms - received_ms) AS took FROM event
        WHERE status IN ('delivered', 'skipped') AND finished_ms >= ?1 AND finished_ms < ?2
          AND status = 'delivered' AND generation = 1
        ORDER BY finished_ms DESC LIMIT 1000)";

/// The position up to which minutes are written.
#[derive(Debug, Clone, Copy, FromRow)]
pub(super) struct Cursor {
    /// The last event counted.
    last_id: i64,
    /// When the last write was; `None` when there was none.
    #[sqlx(rename = "written_ms")]
    written: Option<Timestamp>,
    /// The 429s that the running process had counted by then.
    throttled: i64,
    /// The last number given to an event.
    newest_id: i64,
    /// How many events are pending.
    pending: i64,
}

impl Cursor {
    pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        sqlx::query_as(CURSOR).fetch_one(connection).await
    }

    /// The minute of the last write: what arrived since is counted from here on. After the clock was set back, the
    /// current minute.
    fn base(&self, now: Timestamp) -> i64 {
        start_of(self.written.map_or(now, |written| written.min(now)))
    }

    /// How many events arrived since the last write, by minute and source.
    pub(super) async fn came(
        &self,
        connection: &mut SqliteConnection,
        now: Timestamp,
    ) -> Result<BTreeMap<(i64, String), i64>, sqlx::Error> {
        let came: Vec<(i64, String, i64)> = sqlx::query_as(CAME)
            .bind(self.last_id)
            .bind(self.base(now) - MINUTE)
            .bind(start_of(now) + MINUTE)
            .bind(self.base(now))
            .fetch_all(connection)
            .await?;
        let of = |(minute, source, came)| ((minute, source), came);
        Ok(came.into_iter().map(of).collect())
    }
}

/// The counts to write into a minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Events to add.
    pub(super) came: i64,
    /// All events that were delivered or skipped in it.
    pub(super) done: i64,
    /// All events that died in it.
    pub(super) died: i64,
    /// The p50 of the time to delivery, in milliseconds.
    pub(super) p50_ms: Option<i64>,
    /// The p95.
    pub(super) p95_ms: Option<i64>,
}

/// What is not written yet.
#[derive(Debug)]
pub(super) struct Unrolled {
    pub(super) now: Timestamp,
    /// The minute of the last write.
    pub(super) base: i64,
    pub(super) newest_id: i64,
    pub(super) pending: i64,
    pub(super) oldest_ms: Option<i64>,
    /// 429s that are already written.
    known_throttled: i64,
    pub(super) minutes: BTreeMap<i64, Counts>,
    pub(super) sources: BTreeMap<(i64, String), i64>,
}

impl Unrolled {
    pub(super) async fn read(connection: &mut SqliteConnection, now: Timestamp) -> Result<Self, sqlx::Error> {
        let cursor = Cursor::read(connection).await?;
        let sources = cursor.came(connection, now).await?;
        let base = cursor.base(now);
        let mut minutes = ended(connection, base - MINUTE, start_of(now) + MINUTE).await?;
        // The minute of the last write has a row even if nothing happened in it.
        minutes.entry(base).or_default();
        for ((minute, _), came) in &sources {
            minutes.entry(*minute).or_default().came += came;
        }
        let oldest_ms = sqlx::query_scalar(OLDEST_PENDING).fetch_one(connection).await?;
        Ok(Self {
            now,
            base,
            newest_id: cursor.newest_id,
            pending: cursor.pending,
            oldest_ms,
            known_throttled: cursor.throttled,
            minutes,
            sources,
        })
    }

    /// How many 429s are new if the process has counted this many. They count in the minute of the last write.
    pub(super) fn throttled(&self, counted: u64) -> i64 {
        let counted = i64::try_from(counted).unwrap_or(i64::MAX);
        counted.saturating_sub(self.known_throttled).max(0)
    }

    /// Adds the new counts to written minutes in memory, in the same way as writing them would.
    pub(super) fn add_to(&self, minutes: &mut BTreeMap<i64, Minute>, throttled: u64) {
        for (start, counts) in &self.minutes {
            let minute = minutes
                .entry(*start)
                .or_insert_with(|| Minute::empty(Timestamp::from_millis(*start)));
            minute.came += counts.came;
            if counts.done >= minute.done {
                minute.p50 = counts.p50_ms.map(span);
                minute.p95 = counts.p95_ms.map(span);
            }
            minute.done = minute.done.max(counts.done);
            minute.died = minute.died.max(counts.died);
            if *start == self.base {
                minute.throttled += self.throttled(throttled);
            }
        }
        let running = start_of(self.now);
        minutes
            .entry(running)
            .or_insert_with(|| Minute::empty(Timestamp::from_millis(running)));
        for (start, minute) in minutes.range_mut(self.base..=running) {
            let end = self.now.as_millis().min(start + MINUTE);
            minute.pending = self.pending;
            minute.oldest_pending = self.oldest_ms.map(|oldest| span(end - oldest));
        }
    }
}

/// What ended in these minutes.
async fn ended(connection: &mut SqliteConnection, from: i64, to: i64) -> Result<BTreeMap<i64, Counts>, sqlx::Error> {
    let ended: Vec<(i64, i64, i64)> = sqlx::query_as(ENDED)
        .bind(from)
        .bind(to)
        .fetch_all(&mut *connection)
        .await?;
    let mut minutes: BTreeMap<i64, Counts> = BTreeMap::new();
    for (minute, done, died) in ended {
        let counts = minutes.entry(minute).or_default();
        counts.done += done;
        counts.died += died;
    }
    for (start, counts) in &mut minutes {
        if counts.done == 0 {
            continue;
        }
        let times: String = sqlx::query_scalar(DELIVERED_AFTER)
            .bind(*start)
            .bind(start + MINUTE)
            .fetch_one(&mut *connection)
            .await?;
        let mut times: Vec<i64> = serde_json::from_str(&times).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        times.sort_unstable();
        counts.p50_ms = percentile(&times, 50);
        counts.p95_ms = percentile(&times, 95);
    }
    Ok(minutes)
}

/// The nearest-rank percentile: the smallest value that is not exceeded by this many hundredths of the sorted values.
fn percentile(sorted: &[i64], hundredths: usize) -> Option<i64> {
    let rank = (sorted.len() * hundredths).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}
