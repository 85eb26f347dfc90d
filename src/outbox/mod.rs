//! The durable queue: one SQLite file, and the only module with SQL.
//!
//! What it promises: events for which [`Intake::append`] has returned are on disk, also after a kill or a power cut.
//! The same message of the same source is stored once. An event can be claimed only when no earlier unfinished event
//! shares an identifier with it; this follows from the tables: each identifier has a queue (`queue_entry`), an event
//! has an entry in the queue of each of its identifiers, and it can be claimed when its entry is the first in all of
//! them. Followers are the exception: tracks that are claimed together with all events they wait for
//! ([`Queue::claim`]), and sent after them or in one job behind them. The cost of an event depends on how many
//! identifiers it has, not on how many events wait.
//!
//! Its handles are its rights ([`Intake`], [`Queue`], [`Control`], [`Reader`]), and its folders:
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
mod handles;
mod intake;
mod kv;
mod maintain;
#[cfg(test)]
mod plans;
mod queue;
mod read;
pub mod reasons;
mod rows;
mod store;
#[cfg(test)]
mod tests;
mod transaction;
mod writer;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::TrustedTime;
use crate::config::OutboxConfig;
use crate::metrics::Instruments;
use crate::model::Timestamp;

use maintain::checkpoint::Checkpoints;

pub use control::erase::{Person, PersonsEvent};
pub use control::shared::{DissolveError, SharedIdentifier};
pub use error::{AppendError, OpenError, ReadError, WriteError};
pub use file::disk::{fleeting, free_bytes, free_inodes, try_to_make};
pub use file::lock::daemon_of;
use file::names::Names;
use file::{connect, create, disk, identity, lock, owner};
pub use handles::{Control, Intake, Queue, Reader};
use intake::admission::Admission;
pub use intake::arrival::Arrival;
pub use intake::fingerprint::fingerprint;
pub use intake::rejections::RejectedRequests;
pub use maintain::backup::{CopyError, Restored};
pub use maintain::checkpoint::{Process, WalTrouble, WalTroubleKind};
pub use maintain::damage::Damage;
pub use maintain::destination::Destination;
pub use maintain::history::{Minute, rollup};
pub use maintain::retention::keep;
use maintain::vacuum::{self, Vacuum};
pub use queue::import_job::{ImportItem, ImportJobReport, OpenImport};
pub use queue::limits::{LimitInUse, LimitsInUse};
pub use queue::pause::{FailingAlone, Pause};
pub use queue::run::Claimed;
pub use queue::transition::{
    Begun, Copied, Erased, Import, Next, PlannedDelivery, Replay, Settlement, Start, Transition,
};
pub use queue::work::{BODIES, ClaimedEvent, NextDue, StoredDelivery};
pub use read::audit::{Audit, Checked, Counted};
pub use read::dead::{DeadCount, DeadGroup, DeadGroups};
pub use read::event::{AttemptReport, DeliveryReport, EventReport, WaitingEvents};
pub use read::export::ExportedEvent;
pub use read::overview::{Counts, Disk, Overview, SourceRate};
pub use read::page::{BlockedRow, Page};
pub use read::search::{FoundBy, Hit};
pub use read::select::{Brief, Selection};
pub use read::status::{BacklogRow, Blocked, BlockedHead, Flow, Spans, Status, last};
pub use read::stopped::Stopped;
use store::Store;
use writer::{Held, Writer};

/// The schema that this program writes: `PRAGMA user_version`, set by the newest migration.
const SCHEMA: i64 = 19;
/// The oldest schema that this program migrates. Earlier ones are from versions that were never released.
const OLDEST_SCHEMA: i64 = 18;
/// How many commands can wait for the writer. Beyond that, clients have to send again later.
const QUEUE: usize = 4096;

/// An open outbox. Its owner can do everything, and hands out a handle for each right.
#[derive(Debug, Clone)]
pub struct Outbox {
    control: Control,
    tasks: TaskTracker,
}

/// The owner of the outbox may change and read what is stored.
impl Deref for Outbox {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
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
        vacuum::at_start(&mut connection, path).await;
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
        let store = Store {
            orders: sender,
            readers,
            wake: Arc::new(Notify::new()),
            fatal: CancellationToken::new(),
            admission: Arc::new(Admission::new(config)),
            path: config.path.clone(),
            vacuum_pending: Arc::new(AtomicBool::new(false)),
            trusted_time: TrustedTime::default(),
            _lock: held.as_ref().map(|held| Arc::clone(&held.lock)),
        };
        let writer = Writer {
            path: config.path.clone(),
            connection: Some(connection),
            orders,
            wake: Arc::clone(&store.wake),
            fatal: store.fatal.clone(),
            admission: Arc::clone(&store.admission),
            // A killed daemon may have left erased data in the WAL.
            vacuum: Vacuum::new(held.is_some(), Arc::clone(&store.vacuum_pending)),
            full: false,
            held,
            // A command leaves checkpoints to SQLite: it writes little and has no metrics.
            checkpoints: instruments
                .clone()
                .map(|instruments| Checkpoints::new(config.path.clone(), instruments)),
            instruments,
        };
        let tasks = TaskTracker::new();
        tasks.spawn(writer.run());
        let reader = Reader { store };
        Ok(Self {
            control: Control { reader },
            tasks,
        })
    }

    /// Closes the file after all queued commands are written. All other handles must have been dropped.
    pub async fn close(self) {
        let Self { control, tasks } = self;
        // The writer's connection closes last and alone: of two connections that close concurrently, each may see the
        // other as still open, and then neither checkpoints the WAL.
        control.store.readers.close().await;
        drop(control);
        tasks.close();
        tasks.wait().await;
    }

    /// The handle that stores what arrives.
    pub fn intake(&self) -> Intake {
        let store = self.store.clone();
        Intake { store }
    }

    /// The handle that works off the queue.
    pub fn queue(&self) -> Queue {
        let reader = self.control.reader.clone();
        Queue { reader }
    }

    /// The handle of an operator.
    pub const fn control(&self) -> &Control {
        &self.control
    }
}

/// The same configuration with another path.
fn at(config: &OutboxConfig, path: PathBuf) -> OutboxConfig {
    OutboxConfig { path, ..config.clone() }
}
