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
const LOG_EVERY: Duration = Duration::from_secs(1);
/// How long one try waits for readers: nothing can be written during that time.
const LOG_TIMEOUT: Duration = Duration::from_millis(50);
/// The minimum time between two vacuums, however many people are erased.
const FILE_EVERY: Duration = Duration::from_mins(1);
/// Larger files are vacuumed only at a start.
const SMALL_BYTES: u64 = 256 << 20;
/// The key in `kv` that marks that a vacuum is due.
pub(in crate::outbox) const DUE: &str = "the file is to be written anew";

/// What remains to be done.
#[derive(Debug)]
pub(in crate::outbox) struct Scrub {
    log: bool,
    file: bool,
    log_pace: Interval,
    file_pace: Interval,
    /// Whether this process erased a person whose data is still in the bytes of the file or the WAL.
    owed: Arc<AtomicBool>,
}

/// One task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outbox) enum Task {
    /// Checkpoint the WAL and truncate it to zero.
    Log,
    /// Vacuum the file.
    File,
}

impl Scrub {
    /// `log`: the WAL may already contain erased data, left by a killed daemon.
    pub(in crate::outbox) fn new(log: bool, owed: Arc<AtomicBool>) -> Self {
        let pace = |every| {
            let mut pace = interval(every);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            pace
        };
        Self {
            log,
            file: false,
            log_pace: pace(LOG_EVERY),
            file_pace: pace(FILE_EVERY),
            owed,
        }
    }

    /// A person was erased from this file.
    pub(in crate::outbox) fn erased(&mut self, path: &Path) {
        self.log = true;
        self.owed.store(true, Ordering::Release);
        let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
        if bytes <= SMALL_BYTES {
            self.file = true;
        } else {
            tracing::warn!(
                bytes,
                "somebody was erased; copies of names may be left in unused parts of the file until the daemon starts \
                 again, which writes a file of this size anew"
            );
        }
    }

    /// Waits until a task is due; waits forever while there is none.
    pub(in crate::outbox) async fn next(&mut self) -> Task {
        tokio::select! {
            _ = self.file_pace.tick(), if self.file => Task::File,
            _ = self.log_pace.tick(), if self.log => Task::Log,
            else => std::future::pending().await,
        }
    }

    /// The remaining task, for a writer that ends.
    pub(in crate::outbox) fn left(&self) -> Option<Task> {
        match (self.file, self.log) {
            (true, _) => Some(Task::File),
            (false, true) => Some(Task::Log),
            (false, false) => None,
        }
    }

    /// Runs the task. A task that failed remains to be done.
    pub(in crate::outbox) async fn work(
        &mut self,
        task: Task,
        connection: &mut SqliteConnection,
    ) -> Result<(), sqlx::Error> {
        if task == Task::File {
            rebuild(connection).await?;
            self.file = false;
        }
        self.log = !empty_log(connection).await?;
        if !self.log && !self.file {
            self.owed.store(false, Ordering::Release);
        }
        Ok(())
    }
}

/// Vacuums the file at a start, if a person was erased since the last vacuum, or if the file comes from a version that
/// did not overwrite deleted data. If that fails, the file is unchanged and an error is logged for the operator.
pub(in crate::outbox) async fn when_due(connection: &mut SqliteConnection, path: &Path) {
    let due = kv::get(&mut *connection, DUE).await;
    if !matches!(due, Ok(Some(_))) {
        return;
    }
    tracing::info!(outbox = %path.display(), "writing the outbox anew, so that nothing erased is left in it");
    if let Err(error) = rebuild(connection).await {
        tracing::warn!(%error, "the outbox could not be written anew: copies of erased names may be left in unused parts \
            of the file; is there disk space of twice its size? the next start tries again");
    }
}

/// `VACUUM` makes a copy first: on disk, because it may not fit in memory.
async fn rebuild(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for step in ["PRAGMA temp_store = FILE", "VACUUM", "PRAGMA temp_store = MEMORY"] {
        sqlx::query(step).execute(&mut *connection).await?;
    }
    kv::remove(connection, DUE).await
}

/// Checkpoints the WAL and truncates it to zero. `false` when a reader blocks it.
pub(in crate::outbox) async fn empty_log(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    set_busy_timeout(connection, LOG_TIMEOUT).await?;
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
