//! Creates the files of the outbox: readable by their owner alone, and never through a symbolic link.
//!
//! They hold personal data. SQLite creates a new file with the process's umask, and the WAL and the shared memory with
//! the mode of the file. So the file is created here, before SQLite opens it. An existing file keeps its mode; `check`
//! reports a file that others can read.

use std::fs::{Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// The suffixes of the files that SQLite may write next to the outbox.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The identity of a file, independent of its name: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::outbox) struct FileId(u64, u64);

impl FileId {
    /// The file at this path; symbolic links are followed.
    pub(in crate::outbox) fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|file| Self::in_metadata(&file))
    }

    pub(in crate::outbox) fn in_metadata(file: &Metadata) -> Self {
        Self(file.dev(), file.ino())
    }
}

/// The path with a symbolic link resolved: SQLite names the WAL after the target. A dangling link is returned as it is,
/// and is refused later.
pub(in crate::outbox) fn resolved(path: &Path) -> PathBuf {
    let linked = path.is_symlink().then(|| path.canonicalize().ok()).flatten();
    linked.unwrap_or_else(|| path.to_owned())
}

/// Options to open a file of the outbox: created with mode 0600, and without following a symbolic link.
pub(in crate::outbox) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    options.mode(0o600).custom_flags(no_link);
    options
}

/// Creates the outbox's file if it does not exist. A link from the outbox's path to an existing file was made by an
/// operator and is left to SQLite. A dangling link is refused, and so is a link in place of one of SQLite's other
/// files.
///
/// An existing file is not opened: closing it would drop SQLite's locks on it.
pub(in crate::outbox) fn make(path: &Path) -> io::Result<()> {
    for end in BESIDE {
        let file = beside(path, end);
        if file.is_symlink() {
            return Err(is_a_link(&file));
        }
    }
    match private().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.exists() => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(is_a_link(path)),
        made => made.map(drop),
    }
}

/// The path of a file next to the outbox: the outbox's path with this suffix.
pub(in crate::outbox) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn is_a_link(path: &Path) -> io::Error {
    let words = format!("{} is a link; remove it", path.display());
    io::Error::new(ErrorKind::InvalidInput, words)
}
