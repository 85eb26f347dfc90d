//! A damaged file: what is lost, and when the whole file cannot be trusted.
//!
//! An unreadable page costs only the events on it. If the file is no longer an SQLite file, or the daemon cannot read
//! which events are due, the daemon ends, as after a failed sync: otherwise it would acknowledge events that no later
//! start can read.

use serde::{Deserialize, Serialize};

use crate::model::{Timestamp, millis};
use crate::outbox::WriteError;
use crate::outbox::error::{ReadError, code_of};
use crate::outbox::handles::{Queue, Reader};

/// The key in `kv` that stores what was lost.
const KEY: &str = "damage";

/// What could not be read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// When damage was first found.
    #[serde(rename = "since_ms", with = "millis")]
    pub since: Timestamp,
    /// Events that are dead because they could not be read.
    pub events: u64,
}

impl ReadError {
    /// Whether the error is damage of a page or of the whole file.
    pub fn is_damage(&self) -> bool {
        self.is_of_a_page() || self.is_of_the_file()
    }

    /// `SQLITE_CORRUPT`: a page is damaged; other pages may be intact.
    fn is_of_a_page(&self) -> bool {
        code_of(&self.source).is_some_and(|code| code & 0xff == 11)
    }

    /// `SQLITE_NOTADB`: the file is no longer an SQLite file.
    pub fn is_of_the_file(&self) -> bool {
        code_of(&self.source).is_some_and(|code| code & 0xff == 26)
    }
}

impl Reader {
    /// Ends the daemon if the error is damage of data that the daemon needs.
    pub fn judge(&self, error: &ReadError) {
        if error.is_damage() && !self.store.fatal.is_cancelled() {
            tracing::error!(
                what = error.what, error = %error.source,
                "the outbox's file is damaged; the daemon stops, since it could not keep what it accepts"
            );
            self.store.fatal.cancel();
        }
    }

    /// What could not be read so far; `None`: no damage is known.
    pub async fn damage(&self) -> Result<Option<Damage>, ReadError> {
        self.store.kv_get_json(KEY).await
    }
}

impl Queue {
    /// Adds to the number of events that could not be read. Only one task may call it.
    pub async fn note_damage(&self, events: usize, now: Timestamp) -> Result<(), WriteError> {
        let before = self.damage().await.ok().flatten();
        let mut damage = before.unwrap_or(Damage { since: now, events: 0 });
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        damage.events = damage.events.saturating_add(events);
        self.store.kv_set_json(KEY, damage).await
    }
}

#[cfg(test)]
mod tests {
    use crate::outbox::tests::{event, files};

    #[tokio::test]
    async fn what_a_reader_finds_destroyed_is_written_no_more() {
        let files = files();
        let outbox = files.open().await;
        outbox.intake().append(vec![event("m1", &["a"])]).await.unwrap();
        outbox.close().await;
        let outbox = files.open().await;
        let length = std::fs::metadata(outbox.path()).unwrap().len();
        let rubbish = vec![b'x'; usize::try_from(length).unwrap()];
        let file = std::fs::OpenOptions::new().write(true).open(outbox.path());
        std::io::Write::write_all(&mut file.unwrap(), &rubbish).unwrap();
        let error = outbox.claimed(&[crate::model::EventId(1)]).await.unwrap_err();
        assert!(error.is_damage(), "{error:?}");
        assert!(!outbox.fatal().is_cancelled());
        outbox.judge(&error);
        assert!(outbox.fatal().is_cancelled());
        outbox.intake().append(vec![event("m2", &["b"])]).await.unwrap_err();
    }
}
