//! One daemon per outbox, by two locks: one on a lock file next to the outbox, and one on the outbox itself.
//!
//! The lock file contains the process id and can be read by an operator. But it is found by its name, and a person may
//! delete it as left over. The lock on the outbox itself does not depend on names: it holds under every name of the
//! file, and after the lock file was deleted. A process loses *all* its POSIX locks on a file, including SQLite's, when
//! it closes any handle to it. So the outbox is opened for its lock before SQLite opens it, and closed after SQLite has
//! closed it. The lock file is not opened through a symbolic link, because its target would be overwritten.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::create::FileId;
use super::{create, disk};
use crate::outbox::error::OpenError;

/// How often the lock is tried before it counts as held by another daemon, and the pause between two attempts.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Held for the lifetime of the daemon; the system releases it when the process ends, in whatever way.
#[derive(Debug)]
pub(in crate::outbox) struct Lock {
    path: PathBuf,
    beside: Mutex<File>,
    /// The outbox itself, once it exists.
    outbox: Option<File>,
}

/// Takes the lock on the lock file, or fails with the process that holds it.
pub(in crate::outbox) fn take(outbox: &Path) -> Result<Lock, OpenError> {
    let path = lock_path(outbox);
    let failed = |source| OpenError::Lock {
        path: path.clone(),
        source,
    };
    let mut file = open(&path).map_err(failed)?;
    if file.try_lock().is_err() {
        let mut pid = String::new();
        file.read_to_string(&mut pid).map_err(failed)?;
        return Err(OpenError::InUse {
            path: outbox.to_owned(),
            pid: pid.trim().to_owned(),
        });
    }
    sign(&mut file).map_err(failed)?;
    Ok(Lock {
        path,
        beside: Mutex::new(file),
        outbox: None,
    })
}

/// As [`take`], retried for a second: a command that checks which process holds the lock holds it briefly itself.
pub(in crate::outbox) async fn take_soon(outbox: &Path) -> Result<Lock, OpenError> {
    for _ in 0..TRIES {
        match take(outbox) {
            Err(OpenError::InUse { .. }) => tokio::time::sleep(PAUSE).await,
            taken => return taken,
        }
    }
    take(outbox)
}

impl Lock {
    /// Takes the lock on the outbox itself, which must exist and have only one name: through another name, SQLite would
    /// keep a second WAL for the same file.
    pub(in crate::outbox) fn take_the_file(&mut self, outbox: &Path) -> Result<(), OpenError> {
        let failed = |source| OpenError::Lock {
            path: outbox.to_owned(),
            source,
        };
        one_name(outbox)?;
        let file = create::private().read(true).write(true).open(outbox);
        let file = file.map_err(failed)?;
        if file.try_lock().is_err() {
            let inode = file.metadata().map_err(failed)?.ino();
            return Err(OpenError::InUse {
                path: outbox.to_owned(),
                pid: holder(inode).unwrap_or_else(|| "unknown".to_owned()),
            });
        }
        self.outbox = Some(file);
        Ok(())
    }

    /// Creates the lock file again if it was deleted: other processes look for it.
    pub(in crate::outbox) fn keep(&self) {
        let mut beside = self.beside.lock().unwrap_or_else(PoisonError::into_inner);
        let held = beside.metadata().map(|held| FileId::in_metadata(&held));
        if FileId::of(&self.path).ok() == held.ok() {
            return;
        }
        let Ok(mut file) = open(&self.path) else {
            return;
        };
        if file.try_lock().is_ok() && sign(&mut file).is_ok() {
            tracing::warn!(lock = %self.path.display(), "the outbox's lock file was deleted; it is created again");
            *beside = file;
        }
    }
}

/// Refuses an outbox with more than one hard link.
pub(in crate::outbox) fn one_name(outbox: &Path) -> Result<(), OpenError> {
    let links = std::fs::metadata(outbox).map_or(1, |file| file.nlink());
    if links > 1 {
        let path = outbox.to_owned();
        return Err(OpenError::ManyNames { path, links });
    }
    Ok(())
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = create::private();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

/// Writes this process's id into the lock file.
fn sign(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    match writeln!(file, "{}", std::process::id()) {
        // The lock is held all the same; only the process id is missing in the error message of other processes.
        Err(error) if disk::is_full(&error) => Ok(()),
        written => written,
    }
}

/// The process that holds the lock on a file, from the system's list of locks (`proc_locks(5)`).
fn holder(inode: u64) -> Option<String> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let inode = inode.to_string();
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, "FLOCK", _, "WRITE", pid, file, ..] if file.rsplit(':').next() == Some(&*inode) => Some(pid.to_owned()),
            _ => None,
        }
    })
}

/// The process id of the outbox's daemon, from the lock file; `None` when no daemon runs.
pub fn daemon_of(outbox: &Path) -> Option<String> {
    let mut file = create::private().read(true).open(lock_path(outbox)).ok()?;
    if file.try_lock_shared().is_ok() {
        // The file is closed here, which releases the lock.
        return None;
    }
    let mut pid = String::new();
    file.read_to_string(&mut pid).ok()?;
    Some(pid.trim().to_owned())
}

fn lock_path(outbox: &Path) -> PathBuf {
    create::beside(&create::resolved(outbox), ".lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes both locks of an outbox, as a daemon does.
    fn both(outbox: &Path) -> Result<Lock, OpenError> {
        let mut lock = take(outbox)?;
        lock.take_the_file(outbox)?;
        Ok(lock)
    }

    fn outbox() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("outbox.db");
        std::fs::write(&path, "").unwrap();
        (folder, path)
    }

    #[track_caller]
    fn assert_in_use(taken: Result<Lock, OpenError>) {
        let error = taken.unwrap_err();
        let own = std::process::id().to_string();
        assert!(matches!(&error, OpenError::InUse { pid, .. } if *pid == own), "{error}");
    }

    #[test]
    fn an_outbox_has_one_daemon_by_whatever_name_and_without_its_lock_file() {
        let (folder, path) = outbox();
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let first = both(&path).unwrap();
        assert_in_use(both(&path));
        assert_in_use(both(&link));
        assert_eq!(daemon_of(&link), Some(std::process::id().to_string()));
        std::fs::remove_file(lock_path(&path)).unwrap();
        assert_in_use(both(&path));
        std::fs::rename(&path, folder.path().join("moved.db")).unwrap();
        assert_in_use(both(&folder.path().join("moved.db")));
        drop(first);
        both(&folder.path().join("moved.db")).unwrap();
    }

    #[tokio::test]
    async fn a_command_that_looks_for_a_moment_keeps_no_daemon_out() {
        let (_folder, path) = outbox();
        let looking = open(&lock_path(&path)).unwrap();
        looking.try_lock_shared().unwrap();
        let (taken, ()) = tokio::join!(take_soon(&path), async {
            tokio::task::yield_now().await;
            drop(looking);
        });
        taken.unwrap();
    }

    #[test]
    fn a_lock_file_that_was_deleted_is_created_again() {
        let (_folder, path) = outbox();
        let first = both(&path).unwrap();
        std::fs::remove_file(lock_path(&path)).unwrap();
        assert_eq!(daemon_of(&path), None);
        first.keep();
        assert_eq!(daemon_of(&path), Some(std::process::id().to_string()));
    }

    #[test]
    fn an_outbox_with_two_hard_links_is_refused() {
        let (folder, path) = outbox();
        std::fs::hard_link(&path, folder.path().join("other.db")).unwrap();
        let error = both(&path).unwrap_err();
        assert!(matches!(error, OpenError::ManyNames { links: 2, .. }), "{error}");
    }
}
