//! Checkpoints of the WAL into the file by the daemon's writer, and the detection of checkpoints that fail.
//!
//! By default, SQLite runs a checkpoint inside the commit that makes the WAL long enough, and reports no failure. So
//! the writer of a daemon runs the checkpoints itself, after the clients of that commit are answered: one pass each
//! time the WAL is long enough, and one per second while something is wrong. It does not wait for readers, except for a
//! short time once per second when the WAL is large. A problem is logged once, and stored in the file for `status`,
//! which is another process.

mod readers;
mod watch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::SqliteExecutor;
use sqlx::sqlite::SqliteConnection;

use super::vacuum;
use crate::metrics::Instruments;
use crate::model::{Timestamp, millis};
use crate::outbox::ReadError;
use crate::outbox::error::code_of;
use crate::outbox::file::disk;
use crate::outbox::handles::Reader;
use crate::outbox::kv;

pub use readers::Process;
use watch::{LARGE, Pass, State, Watch};

/// From this length on, the WAL is checkpointed; in pages, SQLite's default.
const LONG_ENOUGH: i64 = 1000;
/// The size of a page in the WAL, with its header.
const FRAME_BYTES: u64 = 4096 + 24;
/// The pause after a pass that did not checkpoint the whole WAL because of a reader; most readers end soon.
const SHORTLY: Duration = Duration::from_millis(100);
/// The pause after a pass that failed, or while the WAL is large.
const PAUSE: Duration = Duration::from_secs(1);
/// The key in `kv` that stores the problem.
const KEY: &str = "checkpoint_trouble";

/// What prevents the WAL from being checkpointed into the file. No data is lost, but the WAL grows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalTrouble {
    /// The kind of the problem.
    pub kind: WalTroubleKind,
    /// Since when.
    #[serde(rename = "since_ms", with = "millis")]
    pub since: Timestamp,
    /// For a reader that blocks the checkpoint: the other processes that had the file open when it was detected.
    pub readers: Vec<Process>,
    /// The present size of the WAL, in bytes.
    #[serde(skip)]
    pub wal_bytes: u64,
}

/// What prevents a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WalTroubleKind {
    /// Writes into the file fail.
    CheckpointFailing,
    /// A reader uses an old snapshot of the file.
    WalHeld,
}

impl Reader {
    /// What prevents the WAL from being checkpointed into the file, if anything does.
    pub async fn wal_trouble(&self) -> Result<Option<WalTrouble>, ReadError> {
        let trouble = wal_trouble(&self.store.readers, &self.store.path).await;
        trouble.map_err(ReadError::of("the state of the WAL"))
    }
}

pub(in crate::outbox) async fn wal_trouble(
    connection: impl SqliteExecutor<'_>,
    outbox: &Path,
) -> Result<Option<WalTrouble>, sqlx::Error> {
    let trouble: Option<WalTrouble> = kv::get_json(connection, KEY).await?;
    let (_, wal_bytes) = disk::file_bytes(outbox);
    Ok(trouble.map(|trouble| WalTrouble { wal_bytes, ..trouble }))
}

/// The state of the WAL as SQLite counts it: -1 where another connection was using the WAL.
#[derive(Debug, Clone, Copy)]
struct Wal {
    pages: i64,
    checkpointed: i64,
}

impl Wal {
    async fn after(connection: &mut SqliteConnection, checkpoint: &'static str) -> Result<Self, sqlx::Error> {
        let row: (i64, i64, i64) = sqlx::query_as(checkpoint).fetch_one(connection).await?;
        let (_busy, pages, checkpointed) = row;
        Ok(Self { pages, checkpointed })
    }

    /// Whether the whole WAL is checkpointed.
    fn is_checkpointed(self) -> bool {
        self.pages >= 0 && self.checkpointed >= self.pages
    }

    fn bytes(self) -> u64 {
        u64::try_from(self.pages).unwrap_or(0) * FRAME_BYTES
    }
}

/// The checkpoints of a daemon's writer.
#[derive(Debug)]
pub(in crate::outbox) struct Checkpoints {
    path: PathBuf,
    instruments: Instruments,
    watch: Watch,
    /// No pass before this time, by the monotonic clock.
    not_before: Duration,
    /// Whether a pass is due without a commit.
    owed: bool,
}

impl Checkpoints {
    pub(in crate::outbox) fn new(path: PathBuf, instruments: Instruments) -> Self {
        Self {
            path,
            instruments,
            watch: Watch::new(),
            not_before: Duration::ZERO,
            owed: false,
        }
    }

    /// Turns off SQLite's automatic checkpoints of a connection.
    pub(in crate::outbox) async fn take_over(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        sqlx::query("PRAGMA wal_autocheckpoint = 0").execute(connection).await?;
        Ok(())
    }

    /// Deletes the problem that a killed daemon has stored.
    pub(in crate::outbox) async fn begin(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        kv::delete(connection, KEY).await
    }

    /// Whether a pass is due although nothing was written.
    pub(in crate::outbox) fn is_due(&self) -> bool {
        self.owed && self.now() >= self.not_before
    }

    /// Runs a pass, if the WAL is long enough or the last pass was incomplete.
    pub(in crate::outbox) async fn pass(&mut self, connection: &mut SqliteConnection) {
        let now = self.now();
        if now < self.not_before {
            return;
        }
        let pass = match self.checkpoint(connection).await {
            Ok(pass) => pass,
            Err(error) => {
                self.instruments.metrics.checkpoint_failed();
                if self.watch.state() != State::Failing {
                    tracing::error!(
                        code = code_of(&error), %error,
                        "the outbox's WAL cannot be checkpointed into its file; nothing is lost, but the WAL grows"
                    );
                }
                Pass::Failed
            }
        };
        let pause = match pass {
            Pass::Whole => Duration::ZERO,
            Pass::Part { wal_bytes } if wal_bytes <= LARGE => SHORTLY,
            Pass::Part { .. } | Pass::Failed => PAUSE,
        };
        self.owed = pass != Pass::Whole;
        self.not_before = now + pause;
        if let Some((state, lasted)) = self.watch.note(pass, now) {
            self.report(state, lasted, connection).await;
        }
    }

    async fn checkpoint(&self, connection: &mut SqliteConnection) -> Result<Pass, sqlx::Error> {
        if !self.owed {
            let wal = Wal::after(connection, "PRAGMA wal_checkpoint(NOOP)").await?;
            if wal.pages < LONG_ENOUGH {
                return Ok(Pass::Whole);
            }
        }
        let wal = Wal::after(connection, "PRAGMA wal_checkpoint(PASSIVE)").await?;
        let large = wal.bytes() > LARGE;
        if wal.is_checkpointed() || (large && vacuum::truncate_wal(connection).await?) {
            return Ok(Pass::Whole);
        }
        Ok(Pass::Part { wal_bytes: wal.bytes() })
    }

    /// Logs a change of state, and stores the problem in the file.
    async fn report(&self, state: State, lasted: Duration, connection: &mut SqliteConnection) {
        let (_, wal_bytes) = disk::file_bytes(&self.path);
        let (kind, readers) = match state {
            State::Well => {
                tracing::info!(wal_bytes, "the outbox's WAL is checkpointed into its file again");
                let truncated = vacuum::truncate_wal(connection).await;
                log_failure(truncated.map(drop).and(kv::delete(connection, KEY).await));
                return;
            }
            State::Failing => (WalTroubleKind::CheckpointFailing, Vec::new()),
            State::Held => {
                let readers = readers::of(self.path.clone()).await;
                tracing::warn!(
                    wal_bytes,
                    readers = %readers::words(&readers),
                    "a process reads an old snapshot of the outbox: the WAL cannot be checkpointed into the file, and grows"
                );
                (WalTroubleKind::WalHeld, readers)
            }
        };
        let trouble = WalTrouble {
            kind,
            since: self.instruments.heartbeats.wall().minus(lasted),
            readers,
            wal_bytes,
        };
        let trouble = serde_json::json!(trouble).to_string();
        log_failure(kv::set(connection, KEY, &trouble).await);
    }

    fn now(&self) -> Duration {
        self.instruments.heartbeats.monotonic()
    }
}

fn log_failure(written: Result<(), sqlx::Error>) {
    if let Err(error) = written {
        tracing::warn!(%error, "failed to store the state of the outbox's WAL; `status` and /readyz may be wrong about it");
    }
}
