//! The durable queue: one SQLite file, and the only module with SQL.
//!
//! What it promises: what [`Outbox::append`] returned for is on disk, through a kill and a power cut; the same
//! message of the same source is stored once; an event can be claimed only when no earlier unfinished event shares
//! an identifier with it, and that holds by structure. Each identifier has a line (`turn`), an event stands in the
//! line of each of its identifiers, and it may go when it is first in all of them. The cost of an event depends on
//! how many identifiers it has, never on how many events wait.
//!
//! One writer task owns the only connection that writes ([`writer`]); readers have their own. Commands beside a
//! running daemon open the file for themselves, and the daemon notices their commits.
//!
//! May use `model`, `config`, `clock` and `metrics`. Nothing else in the process may open the database file: closing any
//! handle to it would drop SQLite's locks. Its tables are private; scripts use the views of `migrations/`.

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

use command::{Command, Order};
use maintain::checkpoint::Checkpoints;

pub use control::erase::{Person, PersonsEvent};
pub use control::shared::{DissolveError, SharedIdentifier};
pub use error::{AppendError, OpenError, ReadError, WriteError};
pub use file::disk::{fleeting, free_bytes, free_inodes, try_to_make};
pub use file::lock::daemon_of;
use file::names::Names;
use file::{connect, create, disk, identity, lock, owner};
use intake::admission::Room;
use intake::append::Append;
pub use intake::arrival::Arrival;
pub use intake::door::RefusedAtDoor;
pub use intake::fingerprint::fingerprint;
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
pub use queue::transition::{Begun, Copied, Erased, Import, PlannedDelivery, Replay, Settlement, Start, Step, Then};
use queue::waiting::{BringDue, Waiting};
pub use queue::work::{BODIES, ClaimedEvent, NextDue, StoredDelivery};
pub use read::audit::{Audit, Checked, Counted};
pub use read::dead::{DeadCount, DeadGroup, DeadGroups};
pub use read::export::ExportedEvent;
pub use read::overview::{Blocked, BlockedHead, Flow, Overview, SourceRate};
pub use read::page::{BlockedRow, Page};
pub use read::report::{AttemptReport, BacklogRow, DeliveryReport, EventReport, Status};
pub use read::search::{FoundBy, Hit};
pub use read::select::{Brief, Selection};
pub use read::standing::Standing;
pub use read::stopped::Stopped;
use writer::{Held, Writer};

/// The schema this program writes: `PRAGMA user_version`, set by the newest migration.
const SCHEMA: i64 = 17;
/// The oldest schema that it brings up to date. Those before were of programs that were never released.
const OLDEST_SCHEMA: i64 = 17;
/// Commands that may wait for the writer; beyond that, clients are asked to come back.
const QUEUE: usize = 4096;

/// A handle to the outbox. Clones share the one writer; it ends when the last of them is gone.
#[derive(Debug, Clone)]
pub struct Outbox {
    orders: mpsc::Sender<Box<dyn Order>>,
    readers: SqlitePool,
    wake: Arc<Notify>,
    fatal: CancellationToken,
    room: Arc<Room>,
    path: PathBuf,
    tasks: TaskTracker,
    unscrubbed: Arc<AtomicBool>,
    witness: Witness,
    // Only the daemon's: held until the last handle is gone.
    _lock: Option<Arc<lock::Lock>>,
}

impl Outbox {
    /// Opens the outbox as its daemon: takes the lock, makes the file or brings its schema up to date, and takes
    /// up what an earlier run left in the air.
    pub async fn open(config: &OutboxConfig, now: Timestamp) -> Result<Self, OpenError> {
        Self::open_measured(config, now, None).await
    }

    /// As [`Outbox::open`], with a writer that tells of itself.
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
        // At every start: the one that made the file may have been killed before this.
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

    /// Opens an existing outbox beside its daemon, or without one: for commands. Makes and migrates nothing.
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
            room: Arc::new(Room::new(config)),
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
            room: Arc::clone(&outbox.room),
            // A daemon that was killed may have left what was erased in the log.
            scrub: Scrub::new(held.is_some(), Arc::clone(&outbox.unscrubbed)),
            full: false,
            held,
            // A command leaves it to SQLite: it writes little, and has nobody to report to.
            checkpoints: instruments
                .clone()
                .map(|instruments| Checkpoints::new(config.path.clone(), instruments)),
            instruments,
        };
        outbox.tasks.spawn(writer.run());
        Ok(outbox)
    }

    /// Closes the file in good order; waits until everything asked for is written. Other handles must be gone.
    pub async fn close(self) {
        let Self {
            orders, readers, tasks, ..
        } = self;
        // The writer's connection last and alone: of two that close at once, each may find the other still there,
        // and neither folds the log into the file.
        readers.close().await;
        drop(orders);
        tasks.close();
        tasks.wait().await;
    }

    /// Cancelled when the disk broke a promise. The process must then end, with a failure.
    pub fn fatal(&self) -> &CancellationToken {
        &self.fatal
    }

    /// Whether the writer has ended, in good order or not, so that nothing can be written any more.
    pub fn has_ended(&self) -> bool {
        self.orders.is_closed()
    }

    /// Why no new event is accepted at the moment, as far as disk and backlog go.
    pub fn refuses(&self) -> Option<WriteError> {
        self.room.refuses()
    }

    /// Told whenever there may be new work: events came, turns came, another process wrote. Register before
    /// looking for work, or a notice between the look and the wait is lost.
    pub fn wake(&self) -> &Arc<Notify> {
        &self.wake
    }

    /// Sets other bounds on what is accepted: `min_free_disk` and `max_pending` of `[outbox]`.
    pub fn set_bounds(&self, config: &OutboxConfig) {
        self.room.set(config);
    }

    /// The version of SQLite that this program has in it.
    pub async fn sqlite_version(&self) -> Result<String, ReadError> {
        sqlx::query_scalar("SELECT sqlite_version()")
            .fetch_one(&self.readers)
            .await
            .map_err(ReadError::of("the version of SQLite"))
    }

    /// What is believed of the clock, by what the file knows of earlier times.
    pub fn witness(&self) -> &Witness {
        &self.witness
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stores events in one commit that is on disk when this returns. An event whose source and message id are
    /// known is left out: it was stored before.
    pub async fn append(&self, events: Vec<NewEvent>) -> Result<Vec<Arrival>, AppendError> {
        self.store(Append { events, import: None }).await
    }

    async fn store(&self, events: Append) -> Result<Vec<Arrival>, AppendError> {
        if self.room.refuses().is_some() {
            // Looked at here too, so that room made by hand is noticed while nothing else is written.
            self.remeasure().await;
            if let Some(reason) = self.room.refuses() {
                return Err(AppendError::of(reason));
            }
        }
        let (order, reply) = command::order(events);
        self.orders.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AppendError::of(WriteError::Overloaded),
            mpsc::error::TrySendError::Closed(_) => AppendError::of(WriteError::Closed),
        })?;
        let reply = reply.await.unwrap_or(Err(WriteError::Closed));
        reply.map_err(AppendError::of)
    }

    async fn remeasure(&self) {
        // An empty append makes the writer measure and writes nothing.
        let nothing = Append {
            events: Vec::new(),
            import: None,
        };
        drop(self.ask(nothing).await);
    }

    /// Takes events whose turn and time have come, oldest first: at most `live` that never were replayed, and
    /// `replayed` that were; and at most so many `followers`: tracks that wait for nothing but these and each other.
    /// They are this process's until they are released or finished.
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

    /// Writes down what events owe; the ids come in the order of each event's deliveries.
    pub async fn plan(
        &self,
        events: Vec<(EventId, Vec<PlannedDelivery>)>,
    ) -> Result<HashMap<EventId, Vec<DeliveryId>>, WriteError> {
        self.ask(Plan(events)).await
    }

    /// Writes down that attempts begin, and says of each whether it may. Nothing is sent before this returned.
    pub async fn begin(&self, starts: Vec<Start>) -> Result<Vec<Begun>, WriteError> {
        self.ask(Begin(starts)).await
    }

    /// Writes down what came of attempts and what becomes of their events, in one commit.
    pub async fn settle(&self, steps: Vec<Step>) -> Result<(), WriteError> {
        self.ask(Settle(steps)).await
    }

    /// Replaces what is paused; none: nothing is.
    pub async fn set_pauses(&self, pauses: Vec<Pause>) -> Result<(), WriteError> {
        self.ask(SetPauses(pauses)).await
    }

    /// Makes the events that wait for this family's pause due now, some at a time; answers whether there are more.
    pub async fn unpark(&self, family: Family, now: Timestamp) -> Result<bool, WriteError> {
        let what = Waiting::Parked(family);
        self.ask(BringDue { what, now }).await
    }

    /// Makes events due `now` whose turn has come and which are due after `beyond`, some at a time; answers whether there
    /// are more.
    pub async fn bring_forward(&self, beyond: Timestamp, now: Timestamp) -> Result<bool, WriteError> {
        let what = Waiting::Beyond(beyond);
        self.ask(BringDue { what, now }).await
    }

    /// Has a command written, and waits until it is on disk.
    async fn ask<C: Command>(&self, command: C) -> Result<C::Reply, WriteError> {
        let (order, reply) = command::order(command);
        self.orders.send(order).await.map_err(|_| WriteError::Closed)?;
        reply.await.map_err(|_| WriteError::Closed)?
    }
}

/// The same, with the file elsewhere.
fn at(config: &OutboxConfig, path: PathBuf) -> OutboxConfig {
    OutboxConfig { path, ..config.clone() }
}
