//! The handles of the outbox, by right: who holds one can do what it names, and nothing else. Their methods are in the
//! folders of their features.
//!
//! They are the seam on which another store can stand: domain types in and out, and no type of SQLite. Who changes or
//! works off the queue also reads, so [`Queue`] and [`Control`] are [`Reader`]s too.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::error::{ReadError, WriteError};
use super::store::Store;
use crate::clock::TrustedTime;

/// Stores what arrives. For ingest, and for the import of an archive.
#[derive(Debug, Clone)]
pub struct Intake {
    pub(super) store: Store,
}

/// Works off the queue: claim, plan, begin, settle, and pauses. For the scheduler.
#[derive(Debug, Clone)]
pub struct Queue {
    pub(super) reader: Reader,
}

/// Changes what is stored on behalf of an operator: replay, hold, release, discard, erase; and maintains the file.
#[derive(Debug, Clone)]
pub struct Control {
    pub(super) reader: Reader,
}

/// Reads.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(super) store: Store,
}

impl Deref for Queue {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl Deref for Control {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl Reader {
    /// Cancelled when the disk failed. The process must then end with a failure.
    pub fn fatal(&self) -> &CancellationToken {
        &self.store.fatal
    }

    /// Whether the writer has ended, after a stop or a failure, so that nothing can be written any more.
    pub fn has_ended(&self) -> bool {
        self.store.orders.is_closed()
    }

    /// Why no new event is accepted at the moment, because of the disk or the backlog; `None` where events are
    /// accepted.
    pub fn rejection_cause(&self) -> Option<WriteError> {
        self.store.admission.rejection_cause()
    }

    /// The version of the SQLite library in this program.
    pub async fn sqlite_version(&self) -> Result<String, ReadError> {
        let version = sqlx::query_scalar("SELECT sqlite_version()");
        self.store.value("the version of SQLite", version).await
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.store.path
    }

    /// Notified when there may be new work: events arrived, events became first in their queues, another process wrote.
    /// Register before looking for work; otherwise a notification between the look and the wait is lost.
    pub fn wake(&self) -> &Arc<Notify> {
        &self.store.wake
    }

    /// The trusted time, which takes the earlier times stored in the file into account.
    pub fn trusted_time(&self) -> &TrustedTime {
        &self.store.trusted_time
    }

    /// The value that [`Control::kv_set`] stored under a key.
    pub async fn kv_get(&self, key: &str) -> Result<Option<String>, ReadError> {
        self.store.kv_get(key).await
    }
}

impl Control {
    /// Stores a value under a key, also for later starts.
    pub async fn kv_set(&self, key: String, value: String) -> Result<(), WriteError> {
        self.store.kv_set(key, value).await
    }
}
