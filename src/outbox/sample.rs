//! What a scrape of the metrics reads: look-ups alone, so that it costs the same however much is kept. And what no
//! look-up tells, which is counted on a slow timer.

use std::path::Path;
use std::time::Duration;

use sqlx::Row;

use super::error::ReadError;
use super::{Outbox, disk};
use crate::metrics::Sample;
use crate::model::{EventStatus, Timestamp};

pub(super) const OLDEST_PENDING: &str =
    "SELECT min(received_ms) FROM event WHERE finished_ms IS NULL AND status = 'pending'";

/// Rows of the view `blocked_profiles`, without what it says of each. Reads a row of `turn` for each identifier of
/// each unfinished event.
const BLOCKED: &str = "
    WITH head AS (SELECT identifier, min(seq) AS seq FROM turn GROUP BY identifier HAVING count(*) > 1)
    SELECT count(DISTINCT e.id) FROM head AS h
    JOIN turn AS t ON t.identifier = h.identifier AND t.seq = h.seq
    JOIN event AS e ON e.id = t.event_id AND e.ahead = 0";

impl Outbox {
    /// The outbox's numbers at this moment.
    pub async fn sample(&self, now: Timestamp) -> Result<Sample, ReadError> {
        let failed = || ReadError::of("the numbers for the metrics");
        let rows = sqlx::query("SELECT status, events FROM tally")
            .fetch_all(&self.readers)
            .await
            .map_err(failed())?;
        let mut events = Vec::with_capacity(rows.len());
        for row in &rows {
            let status: String = row.try_get("status").map_err(failed())?;
            let count = row.try_get("events").map_err(failed())?;
            events.extend(EventStatus::from_word(&status).map(|status| (status, count)));
        }
        let oldest: Option<i64> = sqlx::query_scalar(OLDEST_PENDING)
            .fetch_one(&self.readers)
            .await
            .map_err(failed())?;
        let oldest = oldest.map(Timestamp::from_millis);
        Ok(Sample {
            events,
            oldest_pending: oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)),
            database_bytes: size(&self.path),
            wal_bytes: size(&wal(&self.path)),
            free_bytes: disk::free_bytes(&self.path),
            accepting: self.room.refuses().is_none() && !self.has_ended(),
        })
    }

    /// How many events later ones of the same person wait for: the rows of the view `blocked_profiles`. Its cost grows
    /// with the backlog, on a connection of its own: for a slow timer, not for a scrape.
    pub async fn count_blocked(&self) -> Result<i64, ReadError> {
        sqlx::query_scalar(BLOCKED)
            .fetch_one(&self.readers)
            .await
            .map_err(ReadError::of("the number of blocked profiles"))
    }
}

fn wal(path: &Path) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// A file's size; 0 where there is none.
fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}
