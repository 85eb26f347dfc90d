//! One daemon per outbox: a lock on a file of its own beside it.
//!
//! Never on the database file itself: a process loses *all* its POSIX locks on a file when it closes any handle
//! to it, SQLite's among them. A link is not followed: what it leads to would be overwritten.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::error::OpenError;
use super::{disk, file};

/// Held as long as the daemon lives; the system drops it with the process, however that ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Takes the lock, or says which process has it.
pub(super) fn take(outbox: &Path) -> Result<Lock, OpenError> {
    let path = lock_path(outbox);
    let failed = |source| OpenError::Lock {
        path: path.clone(),
        source,
    };
    let mut file = file::private()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut pid = String::new();
        file.read_to_string(&mut pid).map_err(failed)?;
        return Err(OpenError::InUse {
            path: outbox.to_owned(),
            pid: pid.trim().to_owned(),
        });
    }
    file.set_len(0).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    match writeln!(file, "{}", std::process::id()) {
        // The lock is taken all the same; who meets it is not named.
        Err(error) if disk::is_full(&error) => {}
        written => written.map_err(failed)?,
    }
    Ok(Lock { _file: file })
}

/// The process that works on an outbox as its daemon, as it wrote itself down; `None` when none does.
pub fn daemon_of(outbox: &Path) -> Option<String> {
    let mut file = file::private().read(true).open(lock_path(outbox)).ok()?;
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        // Given back at once, with the file.
        return None;
    }
    let mut pid = String::new();
    file.read_to_string(&mut pid).ok()?;
    Some(pid.trim().to_owned())
}

fn lock_path(outbox: &Path) -> PathBuf {
    file::beside(outbox, ".lock")
}
