//! Taking what was erased out of the file itself, and out of its log.
//!
//! Three things are needed, each seen to be. `secure_delete` overwrites with zeros what a row or a page held; what
//! that costs is lost in the noise of 20,000 events written with it and without. The log holds older copies of pages,
//! so it is moved into the file and cut to nothing. And when SQLite moves rows from a full page to its neighbours,
//! their copies stay in the page's unused middle, which no pragma clears (seen in the index of identifiers): only
//! writing the file anew does, by `VACUUM`, about a second for 150 MiB, in which nothing else is written. So a small
//! file is written anew soon after an erasure, a large one at the next start.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::outbox::file::connect::BUSY_TIMEOUT;
use crate::outbox::kv;

/// How often the log is tried to be emptied, while readers are in the way.
const LOG_EVERY: Duration = Duration::from_secs(1);
/// How long a try waits for them: nothing can be written meanwhile.
const LOG_TIMEOUT: Duration = Duration::from_millis(50);
/// How often the file is written anew, at most, however many people are erased.
const FILE_EVERY: Duration = Duration::from_mins(1);
/// Larger files are written anew at a start only.
const SMALL_BYTES: u64 = 256 << 20;
/// The fact that says that the file is to be written anew.
pub(in crate::outbox) const DUE: &str = "the file is to be written anew";

/// What is still to be done.
#[derive(Debug)]
pub(in crate::outbox) struct Scrub {
    log: bool,
    file: bool,
    log_pace: Interval,
    file_pace: Interval,
    /// Whether this process erased somebody whose traces it still has to take out.
    owed: Arc<AtomicBool>,
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outbox) enum Task {
    /// Move the log into the file and cut it to nothing.
    Log,
    /// Write the file anew.
    File,
}

impl Scrub {
    /// `log`: the log may hold something already, as a daemon that was killed leaves it.
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

    /// Somebody was erased from this file.
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

    /// Waits until something is to be done; never ends while nothing is.
    pub(in crate::outbox) async fn next(&mut self) -> Task {
        tokio::select! {
            _ = self.file_pace.tick(), if self.file => Task::File,
            _ = self.log_pace.tick(), if self.log => Task::Log,
            else => std::future::pending().await,
        }
    }

    /// What is left to do, for a writer that ends.
    pub(in crate::outbox) fn left(&self) -> Option<Task> {
        match (self.file, self.log) {
            (true, _) => Some(Task::File),
            (false, true) => Some(Task::Log),
            (false, false) => None,
        }
    }

    /// Does it; what failed stays to be done.
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

/// Writes the file anew at a start, if somebody was erased since, or if it comes from a program that did not overwrite
/// what it deleted. Where that fails, the file is as good as before, and the operator is told.
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

/// `VACUUM` makes a copy first: on disk, since memory may be too small for it.
async fn rebuild(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for step in ["PRAGMA temp_store = FILE", "VACUUM", "PRAGMA temp_store = MEMORY"] {
        sqlx::query(step).execute(&mut *connection).await?;
    }
    kv::remove(connection, DUE).await
}

/// Moves the log into the file and cuts it to nothing. `false` when a reader is in the way.
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
