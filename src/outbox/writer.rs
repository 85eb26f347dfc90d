//! The only writer. It owns its connection, takes all commands that are queued, writes them in one transaction, and
//! sends their replies when that is on disk: under load many clients share one sync of the disk. A group of only
//! claims and plans does not wait for the disk: the next start would do them again. After any error the connection is
//! dropped and opened again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::metrics::{Heartbeats, Instruments};
use crate::outbox::command::{Effects, Order};
use crate::outbox::commit;
use crate::outbox::error::{Severity, WriteError, severity};
use crate::outbox::file::lock::Lock;
use crate::outbox::file::names::Names;
use crate::outbox::file::{connect, disk};
use crate::outbox::intake::admission::Admission;
use crate::outbox::maintain::checkpoint::Checkpoints;
use crate::outbox::maintain::vacuum::{self, Task, Vacuum};
use crate::outbox::transaction::Unexpected;

/// The maximum number of commands in one transaction.
const GROUP: usize = 512;
/// The maximum size of the commands in one transaction, unless a single command is larger: several copies of a group's
/// texts are in memory while it is written.
const GROUP_BYTES: usize = 4 << 20;
/// How often the writer checks whether another process has written (one cheap pragma that reads no table).
const LOOK_FOR_OTHERS: Duration = Duration::from_millis(50);
/// How often a group is tried while another process holds the write lock. SQLite itself waits 5 s each time.
const LOCKED_TRIES: u32 = 3;

/// What a daemon holds in addition to its connections.
pub(super) struct Held {
    /// Held until the connection is closed.
    pub(super) lock: Arc<Lock>,
    pub(super) names: Names,
}

pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) connection: Option<SqliteConnection>,
    pub(super) orders: mpsc::Receiver<Box<dyn Order>>,
    /// Notified when there may be new work.
    pub(super) wake: Arc<Notify>,
    /// Cancelled when the disk failed: the process must end.
    pub(super) fatal: CancellationToken,
    /// Whether events are accepted; deliveries continue in any case.
    pub(super) admission: Arc<Admission>,
    pub(super) vacuum: Vacuum,
    /// The lock and the names of the files; only in a daemon.
    pub(super) held: Option<Held>,
    /// Whether the disk was full at the last write.
    pub(super) full: bool,
    /// The checkpoints, where they are not left to SQLite.
    pub(super) checkpoints: Option<Checkpoints>,
    /// The metrics and the heartbeat; only in a daemon.
    pub(super) instruments: Option<Instruments>,
}

/// Splits commands into groups.
fn chunks(orders: &mut Vec<Box<dyn Order>>) -> Vec<Vec<Box<dyn Order>>> {
    let mut chunks = Vec::new();
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    for order in orders.drain(..) {
        let own = order.bytes();
        if bytes + own > GROUP_BYTES && !chunk.is_empty() {
            chunks.push(std::mem::take(&mut chunk));
            bytes = 0;
        }
        bytes += own;
        chunk.push(order);
    }
    chunks.push(chunk);
    chunks
}

impl Writer {
    /// Runs until every handle to the outbox is dropped, or the disk fails.
    pub(super) async fn run(mut self) {
        let mut orders = Vec::with_capacity(GROUP);
        let mut look = tokio::time::interval(LOOK_FOR_OTHERS);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut version = None;
        self.begin().await;
        self.look_for_others(&mut version).await;
        loop {
            tokio::select! {
                biased;
                task = self.vacuum.next() => self.vacuum(task).await,
                count = self.orders.recv_many(&mut orders, GROUP) => {
                    if count == 0 {
                        break;
                    }
                    self.beat(Heartbeats::write_started);
                    for chunk in chunks(&mut orders) {
                        self.group(chunk).await;
                        self.checkpoint().await;
                    }
                    self.beat(Heartbeats::writer_idle);
                    if self.fatal.is_cancelled() {
                        break;
                    }
                }
                _ = look.tick() => {
                    self.beat(Heartbeats::write_started);
                    self.look_for_others(&mut version).await;
                    if self.checkpoints.as_ref().is_some_and(Checkpoints::is_due) {
                        self.checkpoint().await;
                    }
                    self.beat(Heartbeats::writer_idle);
                }
            }
        }
        if let Some(task) = self.vacuum.left() {
            self.vacuum(task).await;
        }
        if let Some(connection) = self.connection.take() {
            self.close(connection).await;
        }
    }

    /// Closes the connection. This checkpoints the WAL and deletes it by its name, so it is not done when the name
    /// belongs to another file.
    async fn close(&mut self, mut connection: SqliteConnection) {
        if self.look_at_names().await {
            connect::close(connection).await;
            return;
        }
        if let Err(error) = vacuum::truncate_wal(&mut connection).await {
            tracing::warn!(%error, "failed to checkpoint the WAL into the outbox's file");
        }
        // Not closed: the process ends.
        std::mem::forget(connection);
    }

    async fn begin(&mut self) {
        let (Some(_), Some(connection)) = (&self.checkpoints, &mut self.connection) else {
            return;
        };
        let begun = Checkpoints::take_over(connection).await;
        if let Err(error) = begun.and(Checkpoints::begin(connection).await) {
            tracing::warn!(%error, "failed to turn off SQLite's automatic checkpoints");
            self.connection = None;
        }
    }

    /// Checkpoints the WAL, if a checkpoint is due.
    async fn checkpoint(&mut self) {
        if let (Some(checkpoints), Some(connection)) = (&mut self.checkpoints, &mut self.connection) {
            checkpoints.pass(connection).await;
        }
    }

    /// Writes a group. If it fails because of one command, its commands are written one by one, so that the others
    /// succeed.
    async fn group(&mut self, mut orders: Vec<Box<dyn Order>>) {
        self.admission.measure_disk();
        match self.write(&mut orders).await {
            Ok(()) => {
                let is_named = self.look_at_names().await;
                let effects: Vec<Effects> = orders.iter().map(|order| order.effects()).collect();
                if effects.iter().any(|effects| effects.wakes) {
                    self.wake.notify_waiters();
                }
                // Before the replies: a client that has its reply may check whether a vacuum is pending.
                if effects.iter().any(|effects| effects.erases) {
                    self.vacuum.erased(&self.path);
                }
                for (order, effects) in orders.into_iter().zip(effects) {
                    let kept = is_named || !effects.stores;
                    order.answer(if kept { Ok(()) } else { Err(WriteError::FileGone) });
                }
            }
            Err(WriteError::Sqlite(_)) if orders.len() > 1 => {
                for order in orders {
                    Box::pin(self.group(vec![order])).await;
                }
            }
            Err(error) => {
                for order in orders {
                    order.answer(Err(error.clone()));
                }
            }
        }
    }

    async fn write(&mut self, orders: &mut [Box<dyn Order>]) -> Result<(), WriteError> {
        if self.fatal.is_cancelled() {
            return Err(WriteError::Closed);
        }
        let mut locked = 0;
        loop {
            let error = match self.attempt(orders).await {
                Ok(()) => {
                    self.beat(Heartbeats::write_succeeded);
                    if self.full && orders.iter().any(|order| order.effects().wakes) {
                        self.full = false;
                        tracing::info!("the outbox's disk accepts events again");
                    }
                    return Ok(());
                }
                Err(error) => error,
            };
            self.connection = None;
            let mut system = None;
            let severity = severity(&error, || {
                system = disk::takes_no_more(&self.path);
                system.is_some()
            });
            // If the open file has lost its name, it cannot be opened again, so the error is fatal.
            let severity = if self.look_at_names().await {
                severity
            } else {
                Severity::Fatal
            };
            match severity {
                Severity::Locked => {
                    self.beat(Heartbeats::write_failed);
                    locked += 1;
                    tracing::warn!(tries = locked, "another process holds the outbox's write lock");
                    if locked >= LOCKED_TRIES {
                        return Err(WriteError::Locked);
                    }
                }
                Severity::Full => {
                    self.beat(Heartbeats::write_succeeded);
                    if !std::mem::replace(&mut self.full, true) {
                        let system = system.map(|error| error.to_string());
                        tracing::error!(
                            system, %error,
                            "the outbox's disk is full; nothing is accepted until there is space"
                        );
                    }
                    return Err(WriteError::DiskFull);
                }
                Severity::Fatal => {
                    tracing::error!(error = %error, "the outbox's disk failed; the daemon stops, \
                        since it could not keep what it accepts");
                    self.fatal.cancel();
                    return Err(WriteError::Closed);
                }
                Severity::Other => {
                    self.beat(Heartbeats::write_failed);
                    tracing::error!(error = %error, commands = orders.len(), "the outbox could not write");
                    return Err(WriteError::Sqlite(Arc::new(error)));
                }
            }
        }
    }

    fn beat(&self, beat: impl FnOnce(&Heartbeats)) {
        if let Some(instruments) = &self.instruments {
            beat(&instruments.heartbeats);
        }
    }

    async fn attempt(&mut self, orders: &mut [Box<dyn Order>]) -> Result<(), sqlx::Error> {
        let instruments = self.instruments.as_ref();
        let began = instruments.map(|instruments| instruments.heartbeats.monotonic());
        let connection = self.open().await?;
        let report = commit::write(connection, orders).await?;
        if !report.durable {
            self.connection = None;
        }
        if let (Some(instruments), Some(began)) = (&self.instruments, began) {
            let took = instruments.heartbeats.monotonic().saturating_sub(began);
            instruments.metrics.commit(took, orders.len());
        }
        self.admission.set_pending(report.pending);
        for rows in report.unexpected {
            self.report(rows);
        }
        Ok(())
    }

    /// Reports a statement that changed an unexpected number of rows. What was written stays: the next claim or start
    /// reads the state from the file.
    fn report(&self, rows: Unexpected) {
        tracing::error!(
            what = rows.what,
            expected = rows.expected,
            changed = rows.changed,
            "a statement changed an unexpected number of rows"
        );
        if let Some(instruments) = &self.instruments {
            instruments.metrics.unexpected_rows();
        }
    }

    async fn open(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.reopen().await?,
        };
        Ok(self.connection.insert(connection))
    }

    /// Checks whether the open files still have their names. No event is accepted while they do not.
    async fn look_at_names(&mut self) -> bool {
        let Some(held) = &self.held else { return true };
        held.lock.keep();
        let lost = held.names.lost();
        let gone = lost.is_some();
        if !self.admission.set_file_gone(gone) {
            return !gone;
        }
        if let Some(lost) = lost {
            tracing::error!(
                file = %lost.display(),
                "the outbox's file was deleted, moved or replaced under the daemon: nothing is accepted until it is back; \
                 what is stored is delivered as long as this process lives"
            );
            // Checkpoints the WAL, so that a moved file contains all data.
            if let Some(connection) = &mut self.connection
                && let Err(error) = vacuum::truncate_wal(connection).await
            {
                tracing::warn!(%error, "failed to checkpoint the WAL into the outbox's file");
            }
        } else {
            tracing::info!("the outbox's file is back; events are accepted");
        }
        !gone
    }

    async fn reopen(&self) -> Result<SqliteConnection, sqlx::Error> {
        if let Some(lost) = self.held.as_ref().and_then(|held| held.names.lost()) {
            let words = format!("{} is another file now", lost.display());
            return Err(std::io::Error::other(words).into());
        }
        let opened = connect::writer(&self.path, false).await;
        let mut connection = opened.map_err(|error| {
            if let crate::outbox::OpenError::Connect { source, .. } = error {
                source
            } else {
                sqlx::Error::Configuration(Box::new(error))
            }
        })?;
        if self.checkpoints.is_some() {
            Checkpoints::take_over(&mut connection).await?;
        }
        Ok(connection)
    }

    /// Notifies the scheduler when another process (a command) has committed.
    async fn look_for_others(&mut self, known: &mut Option<i64>) {
        self.look_at_names().await;
        let Ok(connection) = self.open().await else {
            return;
        };
        let look = async {
            let version: i64 = sqlx::query_scalar("PRAGMA data_version")
                .fetch_one(&mut *connection)
                .await?;
            let changed = *known != Some(version);
            let pending = if changed {
                Some(pending(connection).await?)
            } else {
                None
            };
            Ok::<_, sqlx::Error>((version, pending))
        };
        match look.await {
            Ok((version, pending)) => {
                if let Some(pending) = pending {
                    self.admission.set_pending(pending);
                }
                if known.replace(version).is_some_and(|before| before != version) {
                    self.wake.notify_waiters();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "failed to look for other writers");
                self.connection = None;
                *known = None;
            }
        }
    }

    /// Removes erased data from the bytes of the file and the WAL. What fails now is tried again later.
    async fn vacuum(&mut self, task: Task) {
        if self.fatal.is_cancelled() || self.open().await.is_err() {
            return;
        }
        let Some(connection) = self.connection.as_mut() else {
            return;
        };
        if let Err(error) = self.vacuum.work(task, connection).await {
            tracing::warn!(%error, "failed to remove erased data from the outbox's file; trying again");
            self.connection = None;
        }
    }
}

/// How many events are pending, from the count that the triggers on `event` keep.
async fn pending(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let pending: i64 = sqlx::query_scalar(commit::PENDING).fetch_one(connection).await?;
    Ok(u64::try_from(pending).unwrap_or(0))
}
