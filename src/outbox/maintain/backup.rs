//! Backups of an outbox: a consistent copy of it in a file of its own, and the restore of such a copy.
//!
//! SQLite makes the copy, so that it is consistent even if events are written concurrently. After a restore, all
//! unfinished events are held: the copy cannot contain what was delivered after it was made.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnection;

use crate::config::OutboxConfig;
use crate::model::Timestamp;
use crate::outbox::error::OpenError;
use crate::outbox::file::create::{beside, private};
use crate::outbox::file::{connect, disk, identity, lock, owner};
use crate::outbox::queue::import_job;
use crate::outbox::reasons;
use crate::outbox::transaction::{BEGIN, COMMIT};
use crate::outbox::{Outbox, at};

/// The reason of the held events of a restored outbox.
const RESTORED: &str = "restored from a backup: it may have been delivered after the backup was made";

/// Why there is no copy. Existing files are unchanged.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The restore would overwrite an outbox.
    #[error("{} exists already; give --force, which moves it aside and says where to", path.display())]
    OutboxThere {
        /// The outbox.
        path: PathBuf,
    },
    /// A backup does not overwrite a file.
    #[error("{} exists already; name another file, or move it away", path.display())]
    Exists {
        /// The existing file.
        path: PathBuf,
    },
    /// A file could not be made, moved or synced.
    #[error("failed to {what} {}", path.display())]
    File {
        /// The operation that failed.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The file is not an outbox, or the outbox could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// SQLite failed to copy; the new file was deleted.
    #[error("failed to copy the outbox into {}; is there disk space of its size?", path.display())]
    Sqlite {
        /// The copy.
        path: PathBuf,
        /// SQLite's error.
        #[source]
        source: sqlx::Error,
    },
}

/// The result of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The new path of the former outbox, if there was one.
    pub former: Option<PathBuf>,
    /// Events that are now held because they were not finished in the backup.
    pub held: u64,
}

impl Outbox {
    /// Writes a consistent copy of an outbox into a new file that only its owner can read. The copy is on disk when
    /// this returns. Works while a daemon runs and while none does.
    pub async fn backup(config: &OutboxConfig, to: &Path) -> Result<(), CopyError> {
        if !owner::is_there(&config.path)? {
            let path = config.path.clone();
            return Err(OpenError::Missing { path }.into());
        }
        identity::version(&config.path).await?;
        copy(&config.path, to).await
    }

    /// Checks that a file is an outbox that [`Outbox::restore`] accepts.
    pub async fn check_backup(from: &Path) -> Result<(), CopyError> {
        if !from.exists() {
            let path = from.to_owned();
            return Err(CopyError::File {
                what: "find",
                path,
                source: io::ErrorKind::NotFound.into(),
            });
        }
        if identity::version(from).await? == 0 {
            let path = from.to_owned();
            return Err(OpenError::Foreign { path }.into());
        }
        Ok(())
    }

    /// Makes a backup the outbox. With `force`, an existing outbox is moved aside. Refused while a daemon has it open.
    /// All events that were not finished in the backup are held.
    pub async fn restore(
        config: &OutboxConfig,
        from: &Path,
        force: bool,
        now: Timestamp,
    ) -> Result<Restored, CopyError> {
        Self::check_backup(from).await?;
        let path = &config.path;
        let _lock = lock::take(path)?;
        if path.exists() && !force {
            let path = path.clone();
            return Err(CopyError::OutboxThere { path });
        }
        let fresh = beside(path, ".restoring");
        remove(&fresh)?;
        copy(from, &fresh).await?;
        let held = prepare(config, &fresh, now).await?;
        // The daemon must be able to open them, also when another user restores.
        owner::take_after(path, &[fresh.clone(), beside(path, ".lock")]).map_err(file("give its owner to", &fresh))?;
        let former = move_aside(path, now)?;
        rename(&fresh, path)?;
        sync_folder(path)?;
        Ok(Restored { former, held })
    }
}

/// Migrates a copy to the present schema and holds its unfinished events.
async fn prepare(config: &OutboxConfig, fresh: &Path, now: Timestamp) -> Result<u64, CopyError> {
    let config = at(config, fresh.to_owned());
    Outbox::open(&config, now).await?.close().await;
    let failed = |source| CopyError::Sqlite {
        path: fresh.to_owned(),
        source,
    };
    let mut connection = connect::writer(fresh, false).await?;
    let held = hold_all(&mut connection, now).await.map_err(failed)?;
    connect::close(connection).await;
    remove(&beside(fresh, ".lock"))?;
    Ok(held)
}

/// Closes the import jobs too: their events are held, so it does not matter whether Klaviyo still processes them.
async fn hold_all(connection: &mut SqliteConnection, now: Timestamp) -> Result<u64, sqlx::Error> {
    sqlx::query(BEGIN).execute(&mut *connection).await?;
    import_job::give_up(connection, now).await?;
    let held = sqlx::query("UPDATE event SET status = 'held', reason = ?1, reason_code = ?2 WHERE status = 'pending'")
        .bind(RESTORED)
        .bind(reasons::RESTORED)
        .execute(&mut *connection)
        .await?;
    sqlx::query(COMMIT).execute(connection).await?;
    Ok(held.rows_affected())
}

async fn copy(from: &Path, to: &Path) -> Result<(), CopyError> {
    let made = private().write(true).create_new(true).open(to);
    if let Err(source) = made {
        let path = to.to_owned();
        return Err(if source.kind() == io::ErrorKind::AlreadyExists {
            CopyError::Exists { path }
        } else {
            file("make", to)(source)
        });
    }
    let copied = fill(from, to).await;
    if copied.is_err() {
        // A partial copy could be mistaken for a backup.
        drop(std::fs::remove_file(to));
    }
    copied
}

async fn fill(from: &Path, to: &Path) -> Result<(), CopyError> {
    let mut connection = connect::reader(from).await?;
    let name = to
        .to_str()
        .ok_or_else(|| file("name (it is not UTF-8)", to)(io::ErrorKind::InvalidInput.into()))?;
    sqlx::query("VACUUM INTO ?1")
        .bind(name)
        .execute(&mut connection)
        .await
        .map_err(|source| CopyError::Sqlite {
            path: to.to_owned(),
            source,
        })?;
    connect::close(connection).await;
    let synced = File::open(to).and_then(|file| file.sync_all());
    synced.map_err(file("sync", to))?;
    sync_folder(to)
}

/// Renames an outbox and the files next to it to names that contain the time.
fn move_aside(path: &Path, now: Timestamp) -> Result<Option<PathBuf>, CopyError> {
    let mark = format!(".before-{}", now.to_string().replace(':', "-"));
    let former = beside(path, &mark);
    let mut moved = None;
    // The WAL first: an outbox without its WAL would be a valid but older state, a WAL without its outbox is unusable.
    for end in ["-wal", "-shm", ""] {
        let part = beside(path, end);
        if part.exists() {
            rename(&part, &beside(&former, end))?;
            moved = Some(former.clone());
        }
    }
    Ok(moved)
}

fn rename(from: &Path, to: &Path) -> Result<(), CopyError> {
    std::fs::rename(from, to).map_err(file("move", from))
}

fn remove(path: &Path) -> Result<(), CopyError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync_folder(path: &Path) -> Result<(), CopyError> {
    disk::sync_folder(path).map_err(file("sync the folder of", path))
}

fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CopyError {
    let path = path.to_owned();
    move |source| CopyError::File { what, path, source }
}
