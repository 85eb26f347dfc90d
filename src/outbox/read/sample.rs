//! What a scrape of the metrics reads: look-ups only, so that its cost does not depend on how much is stored. And the
//! count that no look-up can give, which runs on a slow timer.

use std::time::Duration;

use crate::metrics::Sample;
use crate::model::Timestamp;
use crate::outbox::error::ReadError;
use crate::outbox::file::disk;
use crate::outbox::handles::Reader;

/// The number of rows of the view `blocked_profiles`, without their columns. Reads one row of `queue_entry` for each
/// identifier of each unfinished event.
const BLOCKED: &str = "
    WITH head AS (SELECT identifier, min(queue_pos) AS queue_pos FROM queue_entry GROUP BY identifier HAVING count(*) > 1)
    SELECT count(DISTINCT e.id) FROM head AS h
    JOIN queue_entry AS t ON t.identifier = h.identifier AND t.queue_pos = h.queue_pos
    JOIN event AS e ON e.id = t.event_id AND e.blocked_by = 0";

impl Reader {
    /// The numbers of the outbox at this time.
    pub async fn sample(&self, now: Timestamp) -> Result<Sample, ReadError> {
        let oldest = self.oldest_pending().await?;
        let (database_bytes, wal_bytes) = disk::file_bytes(&self.store.path);
        Ok(Sample {
            events: self.kept().await?.counts,
            oldest_pending: oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)),
            database_bytes,
            wal_bytes,
            free_bytes: disk::free_bytes(&self.store.path),
            accepting: self.store.admission.rejection_cause().is_none() && !self.has_ended(),
        })
    }

    /// How many events other events wait for: the rows of the view `blocked_profiles`. Its cost grows with the backlog
    /// and it uses a connection of its own, so it is for a slow timer and not for a scrape.
    pub async fn count_blocked(&self) -> Result<i64, ReadError> {
        sqlx::query_scalar(BLOCKED)
            .fetch_one(&self.store.readers)
            .await
            .map_err(ReadError::of("the number of blocked profiles"))
    }
}
