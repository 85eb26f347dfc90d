//! The durable queue: one SQLite file, and the only module with SQL.
//!
//! What it promises: events for which [`Outbox::append`] has returned are on disk, also after a kill or a power cut.
//! The same message of the same source is stored once. An event can be claimed only when no earlier unfinished event
//! shares an identifier with it; this follows from the tables: each identifier has a queue (`queue_entry`), an event
//! has an entry in the queue of each of its identifiers, and it can be claimed when its entry is the first in all of
//! them. Followers are the exception: tracks that are claimed together with all events they wait for
//! ([`Outbox::claim`]), and sent after them or in one job behind them. The cost of an event depends on how many
//! identifiers it has, not on how many events wait.
//!
//! Its folders:
//!
//! - `intake`: accepts events, stores the new ones and adds them to the queues.
//! - `queue`: the work of the scheduler: claim, plan, begin, settle, and pauses.
//! - `control`: the changes by an operator: replay, hold, release, discard, erase.
//! - `read`: the read models of commands, the page and the metrics; writes nothing.
//! - `maintain`: retention, checkpoints, vacuum, backups, history.
//! - `file`: creates, locks and opens the file, and checks its name, owner and version.
//!
//! One writer task ([`writer`]) owns the only connection that writes; readers have connections of their own. Commands
//! in other processes open the file themselves, and the daemon detects their commits.
//!
//! May use `model`, `config`, `clock` and `metrics`. Nothing else in the process may open the database file: closing
//! any handle to it would drop SQLite's locks. Its tables are private; scripts use the views of `migrations/`.

mod command;
mod commit;
mod control;
mod error;
mod file;
mod intake;
mod kv;
mod maintain;
#[cfg(test)]
mod plans;
mod queue;
mod read;
mod rows;
#[cfg(test)]
mod tests;
mod transaction;
mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Witness;
use crate::config::OutboxConfig;
use crate::metrics::Instruments;
use crate::model::{DeliveryId, EventId, Family, NewEvent, Timestamp};

use command::{Command, GroupCommand, Order, Reply, Request};
use maintain::checkpoint::Checkpoints;

pub use control::erase::{Person, PersonsEvent};
pub use control::shared::{DissolveError, SharedIdentifier};
pub use error::{AppendError, OpenError, ReadError, WriteError};
pub use file::disk::{fleeting, free_bytes, free_inodes, try_to_make};
pub use file::lock::daemon_of;
use file::names::Names;
use file::{connect, create, disk, identity, lock, owner};
use intake::admission::{Admission, Measure};
use intake::append::Append;
pub use intake::arrival::Arrival;
pub use intake::fingerprint::fingerprint;
pub use intake::rejections::RejectedRequests;
pub use maintain::backup::{CopyError, Restored};
pub use maintain::checkpoint::{LogTrouble, LogTroubleKind, Process};
pub use maintain::clocks::ClockTrouble;
pub use maintain::damage::Damage;
pub use maintain::destination::Destination;
pub use maintain::history::{Minute, SourceCame, chronicle};
pub use maintain::retention::keep;
use maintain::scrub::{self, Scrub};
use queue::begin::Begin;
use queue::claim::Claim;
pub use queue::import_job::{ImportItem, ImportJobReport, OpenImport};
pub use queue::limits::{LimitInUse, LimitsInUse};
use queue::pause::SetPauses;
pub use queue::pause::{FailingAlone, Pause};
use queue::plan::Plan;
pub use queue::run::Claimed;
use queue::settle::Settle;
pub use queue::transition::{
    Begun, Copied, Erased, Import, Next, PlannedDelivery, Replay, Settlement, Start, Transition,
};
use queue::waiting::{BringDue, Waiting};
pub use queue::work::{BODIES, ClaimedEvent, NextDue, StoredDelivery};
pub use read::audit::{Audit, Checked, Counted};
pub use read::dead::{DeadCount, DeadGroup, DeadGroups};
pub use read::event::{AttemptReport, DeliveryReport, EventReport, WaitingEvents};
pub use read::export::ExportedEvent;
pub use read::overview::{Blocked, BlockedHead, Flow, Overview, SourceRate};
pub use read::page::{BlockedRow, Page};
pub use read::report::{BacklogRow, Status};
pub use read::search::{FoundBy, Hit};
pub use read::select::{Brief, Selection};
pub use read::standing::Standing;
pub use read::stopped::Stopped;
use writer::{Held, Writer};

/// The schema that this program writes: `PRAGMA user_version`, set by the newest migration.
const SCHEMA: i64 = 17;
/// The oldest schema that this program migrates. Earlier ones are from versions that were never released.
const OLDEST_SCHEMA: i64 = 17;
/// How many commands can wait for the writer. Beyond that, clients have to send again later.
const QUEUE: usize = 4096;

/// A handle to the outbox. Clones share one writer, which ends when the last of them is dropped.
#[derive(Debug, Clone)]
pub struct Outbox {
    orders: mpsc::Sender<Box<dyn Order>>,
    readers: SqlitePool,
    wake: Arc<Notify>,
    fatal: CancellationToken,
    admission: Arc<Admission>,
    path: PathBuf,
    tasks: TaskTracker,
    unscrubbed: Arc<AtomicBool>,
    witness: Witness,
    // Only in the daemon: held until the last handle is dropped.
    _lock: Option<Arc<lock::Lock>>,
}

impl Outbox {
    /// Opens the outbox as its daemon: takes the lock, creates the file or migrates its schema, and recovers what an
    /// earlier run left active or in flight.
    pub async fn open(config: &OutboxConfig, now: Timestamp) -> Result<Self, OpenError> {
        Self::open_measured(config, now, None).await
    }

    /// As [`Outbox::open`], with instruments for the writer.
    pub async fn open_measured(
        config: &OutboxConfig,
        now: Timestamp,
        instruments: Option<Instruments>,
    ) -> Result<Self, OpenError> {
        let configured = config.path.as_path();
        let config = &at(config, create::resolved(configured));
        let path = &config.path;
        if let Some(kind) = disk::network_file_system(path) {
            return Err(OpenError::NetworkFileSystem {
                path: path.clone(),
                kind,
            });
        }
        let mut lock = lock::take_soon(path).await?;
        identity::version(path).await?;
        let unprepared = |source| OpenError::Lock {
            path: path.clone(),
            source,
        };
        create::make(path).map_err(unprepared)?;
        lock.take_the_file(path)?;
        let mut connection = connect::writer(path, true).await?;
        // At every start, because the process that created the file may have been killed before it synced the folder.
        disk::sync_folder(path).map_err(unprepared)?;
        sqlx::migrate!("./migrations")
            .run(&mut connection)
            .await
            .map_err(OpenError::Migrate)?;
        scrub::when_due(&mut connection, path).await;
        queue::recovery::recover(&mut connection, now)
            .await
            .map_err(OpenError::Recover)?;
        let daemon = Some((Arc::new(lock), configured));
        Self::start(config, connection, daemon, instruments).await
    }

    /// Opens an existing outbox for a command, whether a daemon runs or not. Creates and migrates nothing.
    pub async fn attach(config: &OutboxConfig) -> Result<Self, OpenError> {
        let path = &config.path;
        if !owner::is_there(path)? {
            return Err(OpenError::Missing { path: path.clone() });
        }
        let config = &at(config, create::resolved(&config.path));
        let path = &config.path;
        lock::one_name(path)?;
        let found = identity::version(path).await?;
        if found < SCHEMA {
            return Err(OpenError::Older {
                path: path.clone(),
                found,
                known: SCHEMA,
            });
        }
        let connection = connect::writer(path, false).await?;
        Self::start(config, connection, None, None).await
    }

    async fn start(
        config: &OutboxConfig,
        connection: SqliteConnection,
        daemon: Option<(Arc<lock::Lock>, &Path)>,
        instruments: Option<Instruments>,
    ) -> Result<Self, OpenError> {
        let readers = connect::readers(&config.path, daemon.is_some()).await?;
        let held = daemon.map(|(lock, configured)| Held {
            lock,
            names: Names::of(configured, &config.path),
        });
        let (sender, orders) = mpsc::channel(QUEUE);
        let outbox = Self {
            orders: sender,
            readers,
            wake: Arc::new(Notify::new()),
            fatal: CancellationToken::new(),
            admission: Arc::new(Admission::new(config)),
            path: config.path.clone(),
            tasks: TaskTracker::new(),
            unscrubbed: Arc::new(AtomicBool::new(false)),
            witness: Witness::default(),
            _lock: held.as_ref().map(|held| Arc::clone(&held.lock)),
        };
        let writer = Writer {
            path: config.path.clone(),
            connection: Some(connection),
            orders,
            wake: Arc::clone(&outbox.wake),
            fatal: outbox.fatal.clone(),
            admission: Arc::clone(&outbox.admission),
            // A killed daemon may have left erased data in the WAL.
            scrub: Scrub::new(held.is_some(), Arc::clone(&outbox.unscrubbed)),
            full: false,
            held,
            // A command leaves checkpoints to SQLite: it writes little and has no metrics.
            checkpoints: instruments
                .clone()
                .map(|instruments| Checkpoints::new(config.path.clone(), instruments)),
            instruments,
        };
        outbox.tasks.spawn(writer.run());
        Ok(outbox)
    }

    /// Closes the file after all queued commands are written. All other handles must have been dropped.
    pub async fn close(self) {
        let Self {
            orders, readers, tasks, ..
        } = self;
        // The writer's connection closes last and alone: of two connections that close concurrently, each may see the
        // other as still open, and then neither checkpoints the WAL.
        readers.close().await;
        drop(orders);
        tasks.close();
        tasks.wait().await;
    }

    /// Cancelled when the disk failed. The process must then end with a failure.
    pub fn fatal(&self) -> &CancellationToken {
        &self.fatal
    }

    /// Whether the writer has ended, after a stop or a failure, so that nothing can be written any more.
    pub fn has_ended(&self) -> bool {
        self.orders.is_closed()
    }

    /// Why no new event is accepted at the moment, because of the disk or the backlog; `None` where events are
    /// accepted.
    pub fn refuses(&self) -> Option<WriteError> {
        self.admission.rejection_cause()
    }

    /// Notified when there may be new work: events arrived, events became first in their queues, another process wrote.
    /// Register before looking for work; otherwise a notification between the look and the wait is lost.
    pub fn wake(&self) -> &Arc<Notify> {
        &self.wake
    }

    /// Sets new limits for accepting events: `min_free_disk` and `max_pending` of `[outbox]`.
    pub fn set_bounds(&self, config: &OutboxConfig) {
        self.admission.reconfigure(config);
    }

    /// The version of the SQLite library in this program.
    pub async fn sqlite_version(&self) -> Result<String, ReadError> {
        sqlx::query_scalar("SELECT sqlite_version()")
            .fetch_one(&self.readers)
            .await
            .map_err(ReadError::of("the version of SQLite"))
    }

    /// The trusted time, which takes the earlier times stored in the file into account.
    pub fn witness(&self) -> &Witness {
        &self.witness
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stores events in one commit, which is on disk when this returns. An event whose source and message id are known
    /// is not stored again.
    pub async fn append(&self, events: Vec<NewEvent>) -> Result<Vec<Arrival>, AppendError> {
        self.store(Append { events, import: None }).await
    }

    async fn store(&self, events: Append) -> Result<Vec<Arrival>, AppendError> {
        if self.admission.rejection_cause().is_some() {
            // Measured here too, so that space freed by an operator is detected while nothing else is written.
            self.remeasure().await;
            if let Some(reason) = self.admission.rejection_cause() {
                return Err(AppendError::of(reason));
            }
        }
        let (order, reply) = command::grouped(events);
        self.orders.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AppendError::of(WriteError::Overloaded),
            mpsc::error::TrySendError::Closed(_) => AppendError::of(WriteError::Closed),
        })?;
        let reply = reply.await.unwrap_or(Err(WriteError::Closed));
        reply.map_err(AppendError::of)
    }

    async fn remeasure(&self) {
        drop(self.ask(Measure).await);
    }

    /// Claims events that are first in all their queues and due, oldest first: at most `live` that were never replayed
    /// and `replayed` that were. In addition, at most `followers` tracks that wait only for these events and for each
    /// other. They stay active until they are requeued or finished.
    pub async fn claim(
        &self,
        now: Timestamp,
        live: usize,
        replayed: usize,
        followers: usize,
    ) -> Result<Vec<Claimed>, WriteError> {
        self.ask(Claim {
            now,
            live,
            replayed,
            followers,
        })
        .await
    }

    /// Stores the deliveries of events; the ids are in the order of each event's deliveries.
    pub async fn plan(
        &self,
        events: Vec<(EventId, Vec<PlannedDelivery>)>,
    ) -> Result<HashMap<EventId, Vec<DeliveryId>>, WriteError> {
        self.ask_grouped(Plan(events)).await
    }

    /// Stores the start of attempts; the result for each is whether it may be sent. No request may be sent before this
    /// returns.
    pub async fn begin(&self, starts: Vec<Start>) -> Result<Vec<Begun>, WriteError> {
        self.ask_grouped(Begin(starts)).await
    }

    /// Stores the outcomes of attempts and the new states of their events, in one commit.
    pub async fn settle(&self, steps: Vec<Transition>) -> Result<(), WriteError> {
        self.ask_grouped(Settle(steps)).await
    }

    /// Replaces the set of pauses; an empty set ends all pauses.
    pub async fn set_pauses(&self, pauses: Vec<Pause>) -> Result<(), WriteError> {
        self.ask(SetPauses(pauses)).await
    }

    /// Makes a limited number of events that wait for the pause of this family due now; the result is whether there are
    /// more.
    pub async fn unpark(&self, family: Family, now: Timestamp) -> Result<bool, WriteError> {
        let what = Waiting::Parked(family);
        self.ask(BringDue { what, now }).await
    }

    /// Makes a limited number of events due `now` that are first in all their queues and due later than `beyond`; the
    /// result is whether there are more.
    pub async fn bring_forward(&self, beyond: Timestamp, now: Timestamp) -> Result<bool, WriteError> {
        let what = Waiting::Beyond(beyond);
        self.ask(BringDue { what, now }).await
    }

    /// Sends a command to the writer, and waits until it is on disk.
    async fn ask<C: Command>(&self, command: C) -> Result<C::Reply, WriteError> {
        let (order, reply) = command::single(command);
        self.send::<C>(order, reply).await
    }

    /// As [`Outbox::ask`], for a command that is written together with others of its kind.
    async fn ask_grouped<C: GroupCommand>(&self, command: C) -> Result<C::Reply, WriteError> {
        let (order, reply) = command::grouped(command);
        self.send::<C>(order, reply).await
    }

    async fn send<C: Request>(&self, order: Box<dyn Order>, reply: Reply<C>) -> Result<C::Reply, WriteError> {
        self.orders.send(order).await.map_err(|_| WriteError::Closed)?;
        reply.await.map_err(|_| WriteError::Closed)?
    }
}

/// The same configuration with another path.
fn at(config: &OutboxConfig, path: PathBuf) -> OutboxConfig {
    OutboxConfig { path, ..config.clone() }
}
