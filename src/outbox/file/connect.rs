//! Connections to the file. The settings that durability and erasure depend on are read back after they are set.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row as _};

use super::owner;
use crate::outbox::error::OpenError;

/// How long SQLite waits for another process's lock before a statement fails.
pub(in crate::outbox) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// SQLite truncates the WAL to this size after a checkpoint.
const WAL_KEPT_BYTES: u32 = 64 << 20;
/// Connections that read, in addition to the writer's.
const READERS: u32 = 4;
/// The first SQLite version without the WAL-reset bug (<https://sqlite.org/wal.html#walresetbug>).
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// The writer's connection. WAL with `synchronous=FULL`: a commit is on disk when it returns. (With `NORMAL`, a power
/// cut loses the last commits, which were already acknowledged to clients: only groups of commands that may be lost are
/// committed so.)
pub(in crate::outbox) async fn writer(path: &Path, create: bool) -> Result<SqliteConnection, OpenError> {
    let mut options = base(path);
    if create {
        // In an existing file, this setting would write a page, also for a command that only reads.
        options = options
            .create_if_missing(true)
            .auto_vacuum(SqliteAutoVacuum::Incremental);
    }
    let options = options
        .page_size(4096)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        // Deleted or replaced data is overwritten with zeros, so that free space holds nothing of an erased person.
        .pragma("secure_delete", "ON")
        .pragma("journal_size_limit", WAL_KEPT_BYTES.to_string())
        .pragma("cache_size", "-32768");
    let mut connection = options.connect().await.map_err(failed(path))?;
    read_back(&mut connection, path).await?;
    Ok(connection)
}

/// A pool of read-only connections. `at_once` opens all of them now, otherwise each is opened when it is needed. A
/// daemon opens them now, because the path may name another file later.
pub(in crate::outbox) async fn readers(path: &Path, at_once: bool) -> Result<SqlitePool, OpenError> {
    let options = base(path).pragma("cache_size", "-4096").pragma("query_only", "ON");
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .min_connections(if at_once { READERS } else { 0 })
        .max_lifetime(None)
        .idle_timeout(None)
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .map_err(failed(path))
}

/// The options of every connection.
pub(in crate::outbox) fn base(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .pragma("temp_store", "MEMORY")
        .pragma("mmap_size", "0")
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON")
        .disable_statement_logging()
}

/// One read-only connection to a file.
pub(in crate::outbox) async fn reader(path: &Path) -> Result<SqliteConnection, OpenError> {
    base(path).read_only(true).connect().await.map_err(failed(path))
}

async fn read_back(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed(path))?;
    if version_of(&version) < Some(OLDEST_SQLITE) {
        return Err(OpenError::SqliteTooOld { found: version });
    }
    for (pragma, expected, wanted) in [
        ("journal_mode", "wal", "wal"),
        ("synchronous", "2", "2 (FULL)"),
        ("secure_delete", "1", "1 (ON)"),
    ] {
        // Each name is a constant of this program.
        let sql = AssertSqlSafe(format!("PRAGMA {pragma}"));
        let row = sqlx::query(sql).fetch_one(&mut *connection).await;
        // SQLite turns a number into its text.
        let found: String = row.and_then(|row| row.try_get_unchecked(0)).map_err(failed(path))?;
        if found != expected {
            return Err(OpenError::Setting { pragma, found, wanted });
        }
    }
    Ok(())
}

fn version_of(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split('.').map(u32::from_str);
    let mut next = || parts.next()?.ok();
    Some((next()?, next()?, next()?))
}

pub(in crate::outbox) fn failed(path: &Path) -> impl FnOnce(sqlx::Error) -> OpenError + '_ {
    |source| {
        owner::is_denied(path).unwrap_or_else(|| OpenError::Connect {
            path: path.to_owned(),
            source,
        })
    }
}

/// Closes a connection, which checkpoints the WAL into the file. If that fails, only the WAL remains.
pub(in crate::outbox) async fn close(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the outbox did not close cleanly; the next start recovers from its WAL");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sqlite_with_the_wal_reset_bug_is_older_than_what_we_take() {
        for old in ["3.51.2", "3.46.0", "3.9.9", "2.99.99", "nonsense"] {
            assert!(version_of(old) < Some(OLDEST_SQLITE), "{old}");
        }
        for new in ["3.51.3", "3.52.0", "4.0.0"] {
            assert!(version_of(new) >= Some(OLDEST_SQLITE), "{new}");
        }
    }
}
