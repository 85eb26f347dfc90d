//! Removes erased data from the bytes of the file and of its WAL.
//!
//! Three measures are needed; the need for each was observed. `secure_delete` overwrites deleted rows and pages with
//! zeros; its cost is not measurable with 20,000 events. The WAL contains older copies of pages, so it is checkpointed
//! and truncated to zero. And when SQLite moves rows from a full page to its neighbours, copies remain in the unused
//! middle of the page, which no pragma clears (observed in the index of identifiers). Only a `VACUUM` removes them. It
//! takes about a second for 150 MiB, during which nothing else is written. So a small file is vacuumed soon after an
//! erasure, and a large one at the next start.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::outbox::file::connect::BUSY_TIMEOUT;
use crate::outbox::kv;

/// How often truncating the WAL is tried while readers block it.
const TRUNCATE_EVERY: Duration = Duration::from_secs(1);
/// How long one try waits for readers: nothing can be written during that time.
const TRUNCATE_TIMEOUT: Duration = Duration::from_millis(50);
/// The minimum time between two vacuums, however many people are erased.
const VACUUM_EVERY: Duration = Duration::from_mins(1);
/// Larger files are vacuumed only at a start.
const SMALL_BYTES: u64 = 256 << 20;
/// The key in `kv` that marks that a vacuum is due.
pub(in crate::outbox) const DUE: &str = "vacuum_due";

/// What remains to be done.
#[derive(Debug)]
pub(in crate::outbox) struct Vacuum {
    wal: bool,
    file: bool,
    wal_pace: Interval,
    file_pace: Interval,
    /// Whether this process erased a person whose data is still in the bytes of the file or the WAL.
    pending: Arc<AtomicBool>,
}

/// One task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outbox) enum Task {
    /// Checkpoint the WAL and truncate it to zero.
    TruncateWal,
    /// Vacuum the file.
    Vacuum,
}

impl Vacuum {
    /// `wal`: the WAL may already contain erased data, left by a killed daemon.
    pub(in crate::outbox) fn new(wal: bool, pending: Arc<AtomicBool>) -> Self {
        let pace = |every| {
            let mut pace = interval(every);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pace
        };
        Self {
            wal,
            file: false,
            wal_pace: pace(TRUNCATE_EVERY),
            file_pace: pace(VACUUM_EVERY),
            pending,
        }
    }

    /// A person was erased from this file.
    pub(in crate::outbox) fn erased(&mut self, path: &Path) {
        self.wal = true;
        self.pending.store(true, Ordering::Release);
        let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
        if bytes <= SMALL_BYTES {
            self.file = true;
        } else {
            tracing::warn!(
                bytes,
                "a person was erased; unused parts of the file may contain copies of names until the next start of \
                 the daemon, which vacuums a file of this size"
            );
        }
    }

    /// Waits until a task is due; waits forever while there is none.
    pub(in crate::outbox) async fn next(&mut self) -> Task {
        tokio::select! {
            _ = self.file_pace.tick(), if self.file => Task::Vacuum,
            _ = self.wal_pace.tick(), if self.wal => Task::TruncateWal,
            else => std::future::pending().await,
        }
    }

    /// The remaining task, for a writer that ends.
    pub(in crate::outbox) fn left(&self) -> Option<Task> {
        match (self.file, self.wal) {
            (true, _) => Some(Task::Vacuum),
            (false, true) => Some(Task::TruncateWal),
            (false, false) => None,
        }
    }

    /// Runs the task. A task that failed remains to be done.
    pub(in crate::outbox) async fn work(
        &mut self,
        task: Task,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        if task == Task::Vacuum {
            vacuum(connection).await?;
            self.file = false;
        }
        self.wal = !truncate_wal(connection).await?;
        if !self.wal && !self.file {
            self.pending.store(false, Ordering::Release);
        }
        Ok(())
    }
}

/// Vacuums the file at a start, if a person was erased since the last vacuum, or if the file comes from a version that
/// did not overwrite deleted data. If that fails, the file is unchanged and an error is logged for the operator.
pub(in crate::outbox) async fn at_start(connection: &mut SqliteConnection, path: &Path) {
    let due = kv::get(&mut *connection, DUE).await;
    if !matches!(due, Ok(Some(_))) {
        return;
    }
    tracing::info!(outbox = %path.display(), "vacuuming the outbox, so that it contains no erased data");
    if let Err(error) = vacuum(connection).await {
        tracing::warn!(%error, "the outbox could not be vacuumed: unused parts of the file may contain copies of erased \
            names; is there disk space of twice its size? the next start tries again");
    }
}

/// `VACUUM` makes a copy first: on disk, because it may not fit in memory.
async fn vacuum(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for step in ["PRAGMA temp_store = FILE", "VACUUM", "PRAGMA temp_store = MEMORY"] {
        sqlx::query(step).execute(&mut *connection).await?;
    }
    kv::delete(connection, DUE).await
}

/// Checkpoints the WAL and truncates it to zero. `false` when a reader blocks it.
pub(in crate::outbox) async fn truncate_wal(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    set_busy_timeout(connection, TRUNCATE_TIMEOUT).await?;
    let busy: i64 = sqlx::query_scalar("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(&mut *connection)
        .await?;
    set_busy_timeout(connection, BUSY_TIMEOUT).await?;
    Ok(busy == 0)
}

async fn set_busy_timeout(connection: &mut SqliteConnection, timeout: Duration) -> Result<(), sqlx::Error> {
    let pragma = format!("PRAGMA busy_timeout = {}", timeout.as_millis());
    sqlx::query(sqlx::AssertSqlSafe(pragma)).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
