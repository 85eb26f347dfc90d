//! The disk of the outbox: how much space is free, and whether SQLite can rely on its file system.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use rustix::fs::{statfs, statvfs};
use rustix::process::{Resource, getrlimit};

use super::create;

/// More than SQLite writes at once.
const PROBE_BYTES: usize = 64 << 10;

/// Free bytes for an unprivileged user on the file system of `path`; `None` when that is unknown.
pub fn free_bytes(path: &Path) -> Option<u64> {
    // The file itself first, where it exists: it may be a link to another file system.
    let stat = statvfs(path).or_else(|_| statvfs(folder(path))).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Files that can still be created on the file system of `path`; `None` when that is unknown or there is no limit.
pub fn free_inodes(path: &Path) -> Option<u64> {
    let stat = statvfs(path).or_else(|_| statvfs(folder(path))).ok()?;
    (stat.f_files > 0).then_some(stat.f_favail)
}

/// Why a file at `path` is lost earlier than a file on a disk; `None` where it is not.
pub fn fleeting(path: &Path) -> Option<&'static str> {
    match magic(path)? {
        // tmpfs, ramfs
        0x0102_1994 | 0x8584_58F6 => Some("it is in memory, and gone when the machine stops"),
        // overlay
        0x794C_7630 => Some("it is in a container's own layer, and gone with the container"),
        _ => None,
    }
}

/// Whether the system accepts no more bytes: the disk is full, a quota is used up, or the file system is read-only.
pub(in crate::outbox) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem
    )
}

/// Why the folder of `path` accepts no more bytes, found by writing a small file there; `None` where the write
/// succeeds, or fails for another reason. SQLite distinguishes a full disk from an I/O error only for `ENOSPC`, and
/// sqlx does not pass on the system's error code in either case.
pub(in crate::outbox) fn takes_no_more(path: &Path) -> Option<io::Error> {
    let probe = create::beside(path, ".probe");
    // The probe of a process that was killed.
    drop(std::fs::remove_file(&probe));
    let written = create::private()
        .write(true)
        .create_new(true)
        .open(&probe)
        .and_then(|mut file| file.write_all(&vec![0x55; PROBE_BYTES]));
    drop(std::fs::remove_file(&probe));
    written.err().filter(is_full).or_else(|| is_as_large_as_may_be(path))
}

/// Whether the outbox's file or its WAL has reached, or nearly reached, this process's limit for the size of a file.
fn is_as_large_as_may_be(path: &Path) -> Option<io::Error> {
    let may_be = getrlimit(Resource::Fsize).current?;
    let (file, wal) = file_bytes(path);
    let room = u64::try_from(PROBE_BYTES).unwrap_or(u64::MAX);
    (file.max(wal).saturating_add(room) > may_be).then(|| ErrorKind::FileTooLarge.into())
}

/// Whether a file can be created at the outbox's path, found by creating a probe file next to it.
pub fn try_to_make(outbox: &Path) -> io::Result<()> {
    let probe = create::beside(&create::resolved(outbox), ".probe");
    let made = create::private().write(true).create(true).truncate(true).open(&probe);
    made?;
    std::fs::remove_file(&probe)
}

/// The sizes of the outbox's file and of its WAL, in bytes; 0 for an absent file.
pub(in crate::outbox) fn file_bytes(path: &Path) -> (u64, u64) {
    let of = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    (of(path), of(&create::beside(path, "-wal")))
}

/// Makes the file's entry in its folder durable. Without this, a power cut soon after the first start can remove the
/// whole new file, although its content was synced.
pub(in crate::outbox) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

/// The name of the network file system that holds `path`, if it is one.
pub(in crate::outbox) fn network_file_system(path: &Path) -> Option<&'static str> {
    match magic(path)? {
        0x6969 => Some("nfs"),
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => Some("smb"),
        0x0102_1997 => Some("9p"),
        0x00C3_6400 => Some("ceph"),
        _ => None,
    }
}

/// The type of the file system of the folder of `path` (statfs(2)).
fn magic(path: &Path) -> Option<u32> {
    let stat = statfs(folder(path)).ok()?;
    // The types are 32 bits wide; the field is wider on some architectures.
    u32::try_from(stat.f_type & 0xffff_ffff).ok()
}

/// The folder of a file.
pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}
