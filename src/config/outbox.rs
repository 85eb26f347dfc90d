//! `[outbox]`: the file that keeps everything, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use super::declare::{Settings, settings};
use super::section::Section;
use super::setting::{Setting, text};
use super::suggest::quoted;
use super::values::{bytes, count, duration, not_blank};

const DAY: Duration = Duration::from_hours(24);
const TEN_YEARS: Duration = Duration::from_hours(3650 * 24);

settings! {
    /// The file that keeps everything.
    pub struct OutboxConfig, checked by Self::resolve_path {
        /// The SQLite file, relative to the configuration's folder. It must lie on a local disk: no network share.
        path: PathBuf = "outbox.db".into(), path().restart();

        /// How long delivered and skipped events are kept. As long as an event is kept, it can be looked up, a message
        /// that its client sends again is recognised and stored once, and its `$event_id` is not sent twice: phones and
        /// browsers may send again after days.
        retain_delivered: Duration = DAY * 30, duration(DAY..=TEN_YEARS);

        /// How long the bodies of delivered and skipped events are kept: the call as received, and the requests sent
        /// for it. Never longer than the event. Without its body an event can be looked up and not replayed.
        retain_bodies: Duration = DAY * 30, duration(Duration::ZERO..=TEN_YEARS);

        /// How long dead events are kept, with their bodies. One that others wait behind stays until you replay or
        /// discard it.
        retain_dead: Duration = DAY * 90, duration(DAY..=TEN_YEARS);

        /// The free disk space below which new requests are rejected with 429 and a `Retry-After`. 0 turns this off:
        /// then the disk may fill up, and requests are rejected when it is full.
        min_free_disk: u64 = 256 << 20, bytes(0..=1 << 40);

        /// The number of events waiting to be delivered from which on new requests are rejected with 429 and a
        /// `Retry-After`, so that senders keep them. 0: no bound but the disk.
        max_pending: Option<u64> = None, count(0..=1_000_000_000).map(
            |most| (most > 0).then_some(most),
            |most: &Option<u64>| most.unwrap_or_default(),
        );
    }
}

impl OutboxConfig {
    fn resolve_path(mut self, section: &Section<'_>) -> Self {
        self.path = section.document.folder.join(self.path);
        self
    }
}

fn path() -> Setting<PathBuf> {
    let read = |text: &str| {
        let path = not_blank(text)?;
        if path.ends_with('/') {
            return Err(format!("is {}, a folder", quoted(text)));
        }
        Ok(PathBuf::from(path))
    };
    text("the path of a file, in quotes", read, |path: &PathBuf| {
        path.display().to_string()
    })
}
