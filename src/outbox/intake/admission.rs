//! Decides whether the outbox accepts more events. The writer measures the disk and the backlog; every append checks
//! the result.
//!
//! An outbox that accepts more than it can store loses everything, so no new events are accepted while the disk is
//! nearly full or too many events are pending. Delivery of the stored events continues.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::config::OutboxConfig;
use crate::outbox::command::Command;
use crate::outbox::error::WriteError;
use crate::outbox::file::disk;
use crate::outbox::transaction::Transaction;

/// More events than any file can hold.
const UNBOUNDED: u64 = u64::MAX;

/// Changes nothing: the writer measures the disk and the backlog with every commit.
#[derive(Debug)]
pub(in crate::outbox) struct Measure;

impl Command for Measure {
    type Reply = ();

    async fn write(&self, _: &mut Transaction<'_>) -> Result<(), sqlx::Error> {
        Ok(())
    }
}

/// The bounds of the outbox and the current measurements. Shared by the writer and every handle.
#[derive(Debug)]
pub(in crate::outbox) struct Admission {
    path: PathBuf,
    /// If fewer bytes are free on the disk, no event is accepted.
    min_free: AtomicU64,
    /// If so many events are pending, no event is accepted; [`UNBOUNDED`] if only the disk limits them.
    max_pending: AtomicU64,
    /// Whether the path no longer refers to the open file.
    file_gone: AtomicBool,
    low_disk: AtomicBool,
    too_many: AtomicBool,
    pending: AtomicU64,
}

impl Admission {
    pub(in crate::outbox) fn new(config: &OutboxConfig) -> Self {
        Self {
            path: config.path.clone(),
            min_free: AtomicU64::new(config.min_free_disk),
            max_pending: AtomicU64::new(config.max_pending.unwrap_or(UNBOUNDED)),
            file_gone: AtomicBool::new(false),
            low_disk: AtomicBool::new(false),
            too_many: AtomicBool::new(false),
            pending: AtomicU64::new(0),
        }
    }

    /// Replaces the bounds.
    pub(in crate::outbox) fn reconfigure(&self, config: &OutboxConfig) {
        self.min_free.store(config.min_free_disk, Ordering::Relaxed);
        let max_pending = config.max_pending.unwrap_or(UNBOUNDED);
        self.max_pending.store(max_pending, Ordering::Relaxed);
        self.measure_disk();
        self.set_pending(self.pending.load(Ordering::Relaxed));
    }

    /// Why no event is accepted; `None` if events are accepted.
    pub(in crate::outbox) fn rejection_cause(&self) -> Option<WriteError> {
        if self.file_gone.load(Ordering::Relaxed) {
            Some(WriteError::FileGone)
        } else if self.low_disk.load(Ordering::Relaxed) {
            Some(WriteError::DiskFull)
        } else if self.too_many.load(Ordering::Relaxed) {
            Some(WriteError::Backlog {
                pending: self.pending.load(Ordering::Relaxed),
            })
        } else {
            None
        }
    }

    /// Records whether the path no longer refers to the open file; returns whether this has changed.
    pub(in crate::outbox) fn set_file_gone(&self, gone: bool) -> bool {
        self.file_gone.swap(gone, Ordering::Relaxed) != gone
    }

    /// If fewer bytes are free, no event is accepted.
    pub(in crate::outbox) fn min_free(&self) -> u64 {
        self.min_free.load(Ordering::Relaxed)
    }

    pub(in crate::outbox) fn measure_disk(&self) {
        let min_free = self.min_free.load(Ordering::Relaxed);
        let low = disk::free_bytes(&self.path).is_some_and(|free| free < min_free);
        if self.low_disk.swap(low, Ordering::Relaxed) == low {
            return;
        }
        if low {
            tracing::error!(min_free_bytes = min_free, "disk nearly full; nothing is accepted");
        } else {
            tracing::info!("there is disk space again; events are accepted");
        }
    }

    /// Records how many events are pending. Requests that are already queued for the writer are still accepted, so the
    /// number of stored events can exceed the bound slightly.
    pub(in crate::outbox) fn set_pending(&self, pending: u64) {
        self.pending.store(pending, Ordering::Relaxed);
        let max_pending = self.max_pending.load(Ordering::Relaxed);
        let too_many = pending >= max_pending;
        if self.too_many.swap(too_many, Ordering::Relaxed) == too_many {
            return;
        }
        if too_many {
            tracing::warn!(
                pending,
                max_pending,
                "too many events wait; new requests are rejected with a `Retry-After`"
            );
        } else {
            tracing::info!(pending, "events are accepted again");
        }
    }
}
