//! The errors of the outbox, and the meaning of SQLite's result codes for the writer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::MigrateError;

use crate::outbox::file::disk;

/// Why the outbox could not be opened. Each message contains what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon has the outbox open.
    #[error("{} is in use by another klaviyo-relay (process {pid}); stop that one first", path.display())]
    InUse {
        /// The outbox.
        path: PathBuf,
        /// The other process, from the lock file.
        pid: String,
    },
    /// The file has several names (hard links). SQLite would use one WAL per name; writing through two of them corrupts
    /// the file.
    #[error(
        "{0} has {links} names (hard links), and each would have a WAL of its own; remove the others, which \
         `find -samefile {0}` lists", path.display()
    )]
    ManyNames {
        /// The outbox.
        path: PathBuf,
        /// How many names.
        links: u64,
    },
    /// The lock file could not be created or read, or the folder could not be synced.
    #[error("failed to prepare {}; the daemon needs to read and write in its folder", path.display())]
    Lock {
        /// The lock file, or the outbox.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The outbox does not exist.
    #[error("there is no outbox at {}; `klaviyo-relay serve` makes one, or `--config` names another", path.display())]
    Missing {
        /// The configured path.
        path: PathBuf,
    },
    /// This user has no permission to open it.
    #[error(
        "permission denied on {}; run it as the user that has it: sudo -u {owner} klaviyo-relay …", path.display()
    )]
    Denied {
        /// The outbox, or the folder on its path that denies access.
        path: PathBuf,
        /// Its owner.
        owner: String,
    },
    /// SQLite's locks and shared memory do not work on a network file system.
    #[error("{} is on a network file system ({kind}); put the outbox on a local disk", path.display())]
    NetworkFileSystem {
        /// The outbox.
        path: PathBuf,
        /// `nfs`, `smb`, …
        kind: &'static str,
    },
    /// SQLite failed to open the file.
    #[error("failed to open the outbox at {}", path.display())]
    Connect {
        /// The outbox.
        path: PathBuf,
        /// SQLite's error.
        #[source]
        source: sqlx::Error,
    },
    /// The linked SQLite can corrupt a database in WAL mode (fixed in 3.51.3).
    #[error("SQLite {found} has the WAL-reset bug; this program needs 3.51.3 or newer")]
    SqliteTooOld {
        /// The linked version.
        found: String,
    },
    /// A setting that durability depends on could not be made.
    #[error("the outbox's {pragma} is `{found}` and must be `{wanted}`; the file system may not allow it")]
    Setting {
        /// The pragma.
        pragma: &'static str,
        /// Its present value.
        found: String,
        /// The required value.
        wanted: &'static str,
    },
    /// The file is the database of another program.
    #[error("{} is a SQLite file of another program; give `outbox.path` a file of its own", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer version of the program wrote the file.
    #[error(
        "the outbox at {} was written by a newer klaviyo-relay (schema {found}, this one knows {known}); \
         use that version", path.display()
    )]
    Newer {
        /// The outbox.
        path: PathBuf,
        /// The schema in the file.
        found: i64,
        /// The newest schema that this program supports.
        known: i64,
    },
    /// The file was written by a version before the first release.
    #[error(
        "the outbox at {} has the schema {found} of an unreleased klaviyo-relay, which this one cannot read; let that \
         program deliver what is pending, then move the file away and start this one",
        path.display()
    )]
    Unreleased {
        /// The outbox.
        path: PathBuf,
        /// The schema in the file.
        found: i64,
    },
    /// The file has an older schema, and no daemon has migrated it yet.
    #[error(
        "the outbox at {} has the older schema {found}; start `klaviyo-relay serve` once to bring it to {known}",
        path.display()
    )]
    Older {
        /// The outbox.
        path: PathBuf,
        /// The schema in the file.
        found: i64,
        /// The schema of this program.
        known: i64,
    },
    /// A migration failed and was rolled back.
    #[error("failed to bring the outbox's schema up to date; the file is unchanged")]
    Migrate(#[source] MigrateError),
    /// The recovery of what an earlier daemon left unfinished failed.
    #[error("failed to recover the unfinished work of an earlier run")]
    Recover(#[source] sqlx::Error),
}

impl OpenError {
    /// Whether the disk is full, so that opening may work once there is space.
    pub fn wants_space(&self, outbox: &Path) -> bool {
        let full = |error| severity(error, || disk::takes_no_more(outbox).is_some()) == Severity::Full;
        match self {
            Self::Lock { source, .. } => disk::is_full(source),
            Self::Connect { source, .. }
            | Self::Recover(source)
            | Self::Migrate(MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) => full(source),
            Self::Migrate(_)
            | Self::InUse { .. }
            | Self::ManyNames { .. }
            | Self::Missing { .. }
            | Self::Denied { .. }
            | Self::NetworkFileSystem { .. }
            | Self::SqliteTooOld { .. }
            | Self::Setting { .. }
            | Self::Foreign { .. }
            | Self::Newer { .. }
            | Self::Unreleased { .. }
            | Self::Older { .. } => false,
        }
    }
}

/// Why something was not written. No part of it was stored.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The queue of the writer is full.
    #[error("the outbox has more to write than it can queue")]
    Overloaded,
    /// The disk is full or nearly full, or accepts no more bytes for another reason (a quota, read-only).
    #[error("the outbox's disk is full")]
    DiskFull,
    /// `outbox.max_pending` is reached.
    #[error("{pending} events wait to be delivered, as many as the relay may keep")]
    Backlog {
        /// How many events are pending.
        pending: u64,
    },
    /// The path no longer names the open file: a later start would not find what is stored in it.
    #[error("the outbox's file was deleted, moved or replaced")]
    FileGone,
    /// Another process holds the file's write lock.
    #[error("another process holds the outbox's write lock")]
    Locked,
    /// The writer has ended: the program is stopping, or the disk failed.
    #[error("the outbox is closed")]
    Closed,
    /// SQLite returned an error; the connection is opened again.
    #[error("the outbox could not write")]
    Sqlite(#[source] Arc<sqlx::Error>),
}

/// Why events were not stored. No part of the batch was stored: the client should send it again.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the events were not stored")]
pub struct AppendError {
    /// When the client should send it again.
    pub retry_after: Duration,
    /// The cause.
    #[source]
    pub source: WriteError,
}

impl AppendError {
    /// Chooses how long a client should wait: a locked file or a full queue clears soon, a full disk does not.
    pub fn of(source: WriteError) -> Self {
        let seconds = match source {
            WriteError::Overloaded | WriteError::Locked | WriteError::Sqlite(_) | WriteError::Backlog { .. } => 2,
            WriteError::DiskFull | WriteError::FileGone => 30,
            WriteError::Closed => 5,
        };
        Self {
            retry_after: Duration::from_secs(seconds),
            source,
        }
    }
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the outbox ({what})")]
pub struct ReadError {
    /// What was read.
    pub what: &'static str,
    #[source]
    pub(super) source: sqlx::Error,
}

impl ReadError {
    pub(super) fn of(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self { what, source }
    }
}

/// The meaning of an SQLite error for the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// Another process writes: try again for a while.
    Locked,
    /// No space: clients should send again later. Works again once there is space.
    Full,
    /// The disk failed (a failed sync, a corrupt page): nothing may be acknowledged any more. The process ends, its
    /// supervisor restarts it, and SQLite recovers from the WAL.
    Fatal,
    /// Another error: the connection is opened again and the commands are tried one by one.
    Other,
}

/// SQLite's extended result code (<https://sqlite.org/rescode.html>).
pub(super) fn code_of(error: &sqlx::Error) -> Option<i32> {
    let error = error.as_database_error()?;
    error.code()?.parse().ok()
}

/// The severity of an error, from SQLite's extended result code. `takes_no_more` checks whether the disk accepts no
/// more bytes: SQLite recognizes a full disk only by `ENOSPC`, and reports a quota (`EDQUOT`) or a read-only file
/// system like a failed disk.
pub(super) fn severity(error: &sqlx::Error, takes_no_more: impl FnMut() -> bool) -> Severity {
    code_of(error).map_or(Severity::Other, |code| judge(code, takes_no_more))
}

fn judge(code: i32, mut takes_no_more: impl FnMut() -> bool) -> Severity {
    match (code & 0xff, code) {
        // SQLITE_BUSY, SQLITE_LOCKED
        (5 | 6, _) => Severity::Locked,
        // SQLITE_FULL
        (13, _) => Severity::Full,
        // SQLITE_READONLY, SQLITE_CANTOPEN; SQLITE_IOERR_WRITE, _SHMOPEN, _SHMSIZE
        (8 | 14, _) | (10, 778 | 4618 | 4874) if takes_no_more() => Severity::Full,
        // SQLITE_CORRUPT, SQLITE_NOTADB; SQLITE_IOERR_WRITE, _FSYNC, _DIR_FSYNC, _TRUNCATE
        (11 | 26, _) | (10, 778 | 1034 | 1290 | 1546) => Severity::Fatal,
        (_, _) => Severity::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // SQLITE_IOERR_WRITE, _SHMSIZE, _FSYNC, _READ; SQLITE_READONLY, _CANTOPEN, _FULL, _CORRUPT.
    const CODES: [i32; 8] = [778, 4874, 1034, 266, 8, 14, 13, 11];

    #[test]
    fn what_a_quota_or_a_read_only_disk_refuses_is_a_full_disk() {
        use Severity::{Fatal, Full, Other};
        let judged = CODES.map(|code| judge(code, || true));
        assert_eq!(judged, [Full, Full, Fatal, Other, Full, Full, Full, Fatal]);
    }

    #[test]
    fn a_write_that_fails_where_the_disk_takes_others_is_fatal() {
        use Severity::{Fatal, Full, Other};
        let judged = CODES.map(|code| judge(code, || false));
        assert_eq!(judged, [Fatal, Other, Fatal, Other, Other, Other, Full, Fatal]);
    }
}
