//! Copies of an outbox: one moment of it in a file of its own, and such a file made into an outbox again.
//!
//! A copy is made by SQLite itself, so that it is whole whatever is written meanwhile. What an outbox made of a copy has
//! not finished is held: the copy does not know what was delivered after it was made.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnection;

use crate::config::OutboxConfig;
use crate::model::Timestamp;
use crate::outbox::Outbox;
use crate::outbox::error::OpenError;
use crate::outbox::file::create::{beside, private};
use crate::outbox::file::{connect, disk, identity, lock, owner};
use crate::outbox::queue::import_job;
use crate::outbox::writer::{BEGIN, COMMIT};

/// Why held events of a restored outbox wait.
const RESTORED: &str = "restored from a backup: it may have been delivered after the backup was made";

/// Why there is no copy. What there was is as it was.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It would overwrite something.
    #[error("{} exists already; give --force, which moves it aside and says where to", path.display())]
    OutboxThere {
        /// The outbox.
        path: PathBuf,
    },
    /// A backup overwrites nothing.
    #[error("{} exists already; name another file, or move it away", path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// A file could not be made, moved or synced.
    #[error("failed to {what} {}", path.display())]
    File {
        /// What was being done.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is no outbox, or the outbox is not to be had.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// SQLite did not copy; the new file is removed again.
    #[error("failed to copy the outbox into {}; is there disk space of its size?", path.display())]
    Sqlite {
        /// The copy.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: sqlx::Error,
    },
}

/// An outbox made of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Where the former outbox is now, if there was one.
    pub former: Option<PathBuf>,
    /// Events that are held since they were not finished in the backup.
    pub held: u64,
}

impl Outbox {
    /// Copies one moment of an outbox into a new file, readable by its owner alone, and has it on disk when this
    /// returns. Works beside a daemon and without one.
    pub async fn backup(config: &OutboxConfig, to: &Path) -> Result<(), CopyError> {
        if !owner::is_there(&config.path)? {
            let path = config.path.clone();
            return Err(OpenError::Missing { path }.into());
        }
        identity::version(&config.path).await?;
        copy(&config.path, to).await
    }

    /// Whether a file is an outbox that [`Outbox::restore`] takes.
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

    /// Makes a backup the outbox. With `force` the former one is moved aside. Refused while a daemon works on it. All that
    /// was not finished in the backup is held.
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
        // The daemon has to open them, whoever restores.
        owner::take_after(path, &[fresh.clone(), beside(path, ".lock")]).map_err(file("give its owner to", &fresh))?;
        let former = move_aside(path, now)?;
        rename(&fresh, path)?;
        sync_folder(path)?;
        Ok(Restored { former, held })
    }
}

/// Brings a copy up to date and holds what is not finished in it.
async fn prepare(config: &OutboxConfig, fresh: &Path, now: Timestamp) -> Result<u64, CopyError> {
    let config = OutboxConfig {
        path: fresh.to_owned(),
        ..config.clone()
    };
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

/// Import jobs are given up: whether Klaviyo still works on one is of no matter to events that are held.
async fn hold_all(connection: &mut SqliteConnection, now: Timestamp) -> Result<u64, sqlx::Error> {
    sqlx::query(BEGIN).execute(&mut *connection).await?;
    import_job::give_up(connection, now).await?;
    let held = sqlx::query("UPDATE event SET status = 'held', reason = ?1 WHERE status = 'pending'")
        .bind(RESTORED)
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
        // What is left of it would pass for a backup.
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

/// Moves an outbox with all that belongs to it to names that say when.
fn move_aside(path: &Path, now: Timestamp) -> Result<Option<PathBuf>, CopyError> {
    let mark = format!(".before-{}", now.to_string().replace(':', "-"));
    let former = beside(path, &mark);
    let mut moved = None;
    // The log first: an outbox without its log is an older one, a log without its outbox is nothing.
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
