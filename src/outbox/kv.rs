//! Small texts that are kept between starts, by name.

use sqlx::sqlite::SqliteConnection;

use super::command::{Command, Request};
use super::transaction::Transaction;

/// Stores a value under a name.
#[derive(Debug)]
pub(super) struct Remember {
    pub(super) name: String,
    pub(super) value: String,
}

impl Request for Remember {
    type Reply = ();
}

impl Command for Remember {
    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<(), sqlx::Error> {
        set(transaction.connection().await?, &self.name, &self.value).await
    }
}

/// Stores a value under a name, on a connection with or without an open transaction.
pub(super) async fn set(connection: &mut SqliteConnection, name: &str, value: &str) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO kv (name, value) VALUES (?1, ?2)")
        .bind(name)
        .bind(value)
        .execute(connection)
        .await?;
    Ok(())
}

/// The value stored under a name.
pub(super) async fn get(connection: impl sqlx::SqliteExecutor<'_>, name: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT value FROM kv WHERE name = ?1")
        .bind(name)
        .fetch_optional(connection)
        .await
}

/// Deletes the value stored under a name.
pub(super) async fn delete(connection: &mut SqliteConnection, name: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM kv WHERE name = ?1")
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}
