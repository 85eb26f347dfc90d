//! Determines what a file is before anything in it is changed: an outbox, an unused file, or a file of another program.
//!
//! A file of another program is not changed. An unused file is absent or empty, or it was left by a first start that
//! was killed before it committed its first migration: then it has no tables, or only sqlx's list of migrations without
//! rows. It may have a journal that has to be rolled back, which a read-only connection cannot do.
//!
//! Reads the outbox through SQLite only. It reads the journal directly, because SQLite holds no locks on the journal.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::connect::{base, close, failed};
use super::create::beside;
use crate::outbox::error::{OpenError, code_of};
use crate::outbox::{OLDEST_SCHEMA, SCHEMA};

/// `PRAGMA application_id` of an outbox: `KLRY`.
const APPLICATION_ID: i64 = 0x4B4C_5259;
/// `SQLITE_READONLY_ROLLBACK`: a journal has to be rolled back, and the connection is read-only.
const READONLY_ROLLBACK: i32 = 776;
/// The first bytes of a journal, and the position of the size that the file had before the transaction
/// (<https://sqlite.org/fileformat.html#the_rollback_journal>).
const JOURNAL_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
const JOURNAL_SIZE_BEFORE: std::ops::Range<usize> = 16..20;

/// The version of the schema in a file; 0 where it has none yet. Refuses, before anything is changed, a file of another
/// program, of a newer version, or of a version before the first release.
pub(in crate::outbox) async fn version(path: &Path) -> Result<i64, OpenError> {
    if !std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
        return Ok(0);
    }
    let looking = base(path).read_only(true);
    let identity = match Identity::read(&looking).await {
        Err(error) if code_of(&error) == Some(READONLY_ROLLBACK) => {
            let as_it_is = Identity::read(&looking.clone().immutable(true)).await;
            if !was_empty(path) && !as_it_is.is_ok_and(|identity| !identity.is_foreign()) {
                return Err(OpenError::Foreign { path: path.to_owned() });
            }
            Identity::read(&base(path)).await
        }
        read => read,
    };
    let identity = identity.map_err(failed(path))?;
    let (path, found) = (path.to_owned(), identity.version);
    if identity.is_foreign() {
        return Err(OpenError::Foreign { path });
    }
    if found > SCHEMA {
        let known = SCHEMA;
        return Err(OpenError::Newer { path, found, known });
    }
    if found > 0 && found < OLDEST_SCHEMA {
        return Err(OpenError::Unreleased { path, found });
    }
    Ok(found)
}

/// What the header and the schema of a file contain.
struct Identity {
    application: i64,
    version: i64,
    /// Whether there are tables, not counting sqlx's list of migrations while it is empty.
    used: bool,
}

impl Identity {
    async fn read(options: &SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let mut connection = options.connect().await?;
        let identity = Self::of(&mut connection).await;
        close(connection).await;
        identity
    }

    async fn of(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let (application, version, tables, lists): (i64, i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version),
                    count(*) FILTER (WHERE tbl_name <> '_sqlx_migrations'),
                    count(*) FILTER (WHERE tbl_name = '_sqlx_migrations') FROM sqlite_schema",
        )
        .fetch_one(&mut *connection)
        .await?;
        let migrations: i64 = if lists == 0 {
            0
        } else {
            sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations")
                .fetch_one(connection)
                .await?
        };
        Ok(Self {
            application,
            version,
            used: tables + migrations > 0,
        })
    }

    const fn is_foreign(&self) -> bool {
        self.application != APPLICATION_ID && (self.application != 0 || self.used)
    }
}

/// Whether the file was empty before the transaction in its journal, so that a rollback leaves it empty.
fn was_empty(path: &Path) -> bool {
    let mut head = [0; JOURNAL_SIZE_BEFORE.end];
    let read = File::open(beside(path, "-journal")).and_then(|mut journal| journal.read_exact(&mut head));
    read.is_ok() && head.starts_with(&JOURNAL_MAGIC) && head[JOURNAL_SIZE_BEFORE] == [0; 4]
}
