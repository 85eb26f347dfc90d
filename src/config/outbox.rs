//! `[outbox]`: the file that keeps everything, and for how long.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::section::Section;
use super::values::not_blank;

const DAY: Duration = Duration::from_hours(24);
const TEN_YEARS: Duration = Duration::from_hours(3650 * 24);

/// The file that keeps everything.
#[derive(Debug, Clone)]
pub struct OutboxConfig {
    /// The SQLite file. Default `outbox.db`, relative to the configuration file's folder.
    pub path: PathBuf,
    /// How long delivered and skipped events are kept, and their message ids known again. Default 30 days.
    pub retain_delivered: Duration,
    /// How long the bodies of delivered and skipped events are kept. Default 30 days.
    pub retain_bodies: Duration,
    /// How long dead events are kept. Default 90 days.
    pub retain_dead: Duration,
    /// Free space on the disk, in bytes, below which nothing more is accepted. Default 256 MiB.
    pub min_free_disk: u64,
    /// Pending events from which on nothing more is accepted. Default none: the disk is the bound.
    pub max_pending: Option<u64>,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::from("outbox.db"),
            retain_delivered: DAY * 30,
            retain_bodies: DAY * 30,
            retain_dead: DAY * 90,
            min_free_disk: 256 << 20,
            max_pending: None,
        }
    }
}

impl OutboxConfig {
    /// `folder` is the configuration file's.
    pub(super) fn read(section: &Section<'_>, folder: &Path) -> Self {
        let default = Self::default();
        let path = section.value("path", "the path of a file, in quotes", |entry| {
            let path = not_blank(entry)?;
            if path.ends_with('/') {
                return Err(format!("{}, a folder", entry.describe()));
            }
            Ok(PathBuf::from(path))
        });
        Self {
            path: folder.join(path.unwrap_or(default.path)),
            retain_delivered: section.duration("retain_delivered", default.retain_delivered, DAY..=TEN_YEARS),
            retain_bodies: section.duration("retain_bodies", default.retain_bodies, Duration::ZERO..=TEN_YEARS),
            retain_dead: section.duration("retain_dead", default.retain_dead, DAY..=TEN_YEARS),
            max_pending: match section.count("max_pending", 0, 0..=1_000_000_000) {
                0 => None,
                most => Some(u64::from(most)),
            },
            min_free_disk: section.bytes("min_free_disk", default.min_free_disk, 0..=1 << 40),
        }
    }
}
