//! The files that the outbox is made of: readable by their owner alone, and never made through a link.
//!
//! They hold personal data. SQLite makes a new file as the process's umask says, and its log and shared memory with the
//! mode of the file: so the file is made here, before SQLite opens it. A file that is there keeps its mode; `check` says
//! where others may read it.

use std::fs::{Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// What SQLite may write beside the file.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Which file it is, whatever it is named: its device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outbox) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The file of this name, or the one that a link of this name leads to.
    pub(in crate::outbox) fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|file| Self::in_metadata(&file))
    }

    pub(in crate::outbox) fn in_metadata(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
        }
    }
}

/// The name of a file, where a link leads to it: SQLite names its log after that. One that leads nowhere stays as it is,
/// and is refused as such.
pub(in crate::outbox) fn resolved(path: &Path) -> PathBuf {
    let linked = path.is_symlink().then(|| path.canonicalize().ok()).flatten();
    linked.unwrap_or_else(|| path.to_owned())
}

/// To open a file that is the outbox's own: made for its owner alone, and not where a link leads.
pub(in crate::outbox) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    options.mode(0o600).custom_flags(no_link);
    options
}

/// Makes the outbox's file where there is none. A link to an existing file is an operator's, and is left to SQLite; one
/// that leads nowhere, and one beside the file, are refused.
///
/// One that is there is not opened: closing it again would drop SQLite's locks on it.
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

/// The name of a file beside the outbox.
pub(in crate::outbox) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn is_a_link(path: &Path) -> io::Error {
    let words = format!("{} is a link; remove it", path.display());
    io::Error::new(ErrorKind::InvalidInput, words)
}
