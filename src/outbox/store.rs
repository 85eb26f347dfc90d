//! What the handles of the outbox share: the way to the writer, the connections that read, and the state of the file.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::FromRow;
use sqlx::query::{QueryAs, QueryScalar};
use sqlx::sqlite::{Sqlite, SqliteArguments, SqlitePool, SqliteRow};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::command::{self, Command, GroupCommand, Order, Reply};
use super::error::{ReadError, WriteError};
use super::file::lock::Lock;
use super::intake::admission::Admission;
use super::kv;
use crate::clock::TrustedTime;

/// A query whose rows are read as `T`.
type Query<'q, T> = QueryAs<'q, Sqlite, T, SqliteArguments>;

/// A query of one column, whose values are read as `T`.
type ScalarQuery<'q, T> = QueryScalar<'q, Sqlite, T, SqliteArguments>;

/// What a row can be read as.
pub(super) trait Row: for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}

impl<T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin> Row for T {}

/// Clones share one writer, which ends when the last of them is dropped.
#[derive(Debug, Clone)]
pub(super) struct Store {
    pub(super) orders: mpsc::Sender<Box<dyn Order>>,
    pub(super) readers: SqlitePool,
    pub(super) wake: Arc<Notify>,
    pub(super) fatal: CancellationToken,
    pub(super) admission: Arc<Admission>,
    pub(super) path: PathBuf,
    pub(super) vacuum_pending: Arc<AtomicBool>,
    pub(super) trusted_time: TrustedTime,
    // Only in the daemon: held until the last handle is dropped.
    pub(super) _lock: Option<Arc<Lock>>,
}

impl Store {
    /// Sends a command to the writer, and waits until it is committed; on disk, unless it may be lost.
    pub(super) async fn execute<C: Command>(&self, command: C) -> Result<C::Reply, WriteError> {
        let (order, reply) = command::single(command);
        self.send(order, reply).await
    }

    /// As [`Store::execute`], for a command that is written together with others of its kind.
    pub(super) async fn execute_grouped<C: GroupCommand>(&self, command: C) -> Result<C::Reply, WriteError> {
        let (order, reply) = command::grouped(command);
        self.send(order, reply).await
    }

    async fn send<R>(&self, order: Box<dyn Order>, reply: Reply<R>) -> Result<R, WriteError> {
        self.orders.send(order).await.map_err(|_| WriteError::Closed)?;
        reply.await.map_err(|_| WriteError::Closed)?
    }

    /// All rows of a query. `what` is what they are, for an error.
    pub(super) async fn all<T: Row>(&self, what: &'static str, query: Query<'_, T>) -> Result<Vec<T>, ReadError> {
        query.fetch_all(&self.readers).await.map_err(ReadError::of(what))
    }

    /// The first row of a query, if it has one.
    pub(super) async fn first<T: Row>(&self, what: &'static str, query: Query<'_, T>) -> Result<Option<T>, ReadError> {
        query.fetch_optional(&self.readers).await.map_err(ReadError::of(what))
    }

    /// The one row of a query.
    pub(super) async fn one<T: Row>(&self, what: &'static str, query: Query<'_, T>) -> Result<T, ReadError> {
        query.fetch_one(&self.readers).await.map_err(ReadError::of(what))
    }

    /// All values of a query of one column.
    pub(super) async fn values<T>(&self, what: &'static str, query: ScalarQuery<'_, T>) -> Result<Vec<T>, ReadError>
    where
        T: Send + Unpin,
        (T,): Row,
    {
        query.fetch_all(&self.readers).await.map_err(ReadError::of(what))
    }

    /// The one value of a query.
    pub(super) async fn value<T>(&self, what: &'static str, query: ScalarQuery<'_, T>) -> Result<T, ReadError>
    where
        T: Send + Unpin,
        (T,): Row,
    {
        query.fetch_one(&self.readers).await.map_err(ReadError::of(what))
    }

    /// Stores a value under a key, also for later starts.
    pub(super) async fn kv_set(&self, key: String, value: String) -> Result<(), WriteError> {
        self.execute(kv::Set { key, value }).await
    }

    /// As [`Store::kv_set`], for a value that is stored as JSON.
    pub(super) async fn kv_set_json(&self, key: &str, value: impl Serialize) -> Result<(), WriteError> {
        self.kv_set(key.to_owned(), serde_json::json!(value).to_string()).await
    }

    /// The value that [`Store::kv_set`] stored under a key.
    pub(super) async fn kv_get(&self, key: &str) -> Result<Option<String>, ReadError> {
        let value = kv::get(&self.readers, key).await;
        value.map_err(ReadError::of("a stored value"))
    }

    /// The value that [`Store::kv_set_json`] stored under a key.
    pub(super) async fn kv_get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, ReadError> {
        let value = kv::get_json(&self.readers, key).await;
        value.map_err(ReadError::of("a stored value"))
    }
}
