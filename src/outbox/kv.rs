//! Small texts that are kept between starts, by key: the table `kv`.

use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteConnection;

use super::command::Command;
use super::transaction::Transaction;

/// Stores a value under a key.
#[derive(Debug)]
pub(super) struct Set {
    pub(super) key: String,
    pub(super) value: String,
}

impl Command for Set {
    type Reply = ();

    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<(), sqlx::Error> {
        set(transaction.connection().await?, &self.key, &self.value).await
    }
}

/// Stores a value under a key, on a connection with or without an open transaction.
pub(super) async fn set(connection: &mut SqliteConnection, key: &str, value: &str) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO kv (name, value) VALUES (?1, ?2)")
        .bind(key)
        .bind(value)
        .execute(connection)
        .await?;
    Ok(())
}

/// The value stored under a key.
pub(super) async fn get(connection: impl sqlx::SqliteExecutor<'_>, key: &str) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("SELECT value FROM kv WHERE name = ?1")
        .bind(key)
        .fetch_optional(connection)
        .await
}

/// The value stored as JSON under a key; `None` also if it is not of this form.
pub(super) async fn get_json<T: DeserializeOwned>(
    connection: impl sqlx::SqliteExecutor<'_>,
    key: &str,
) -> Result<Option<T>, sqlx::Error> {
    let text = get(connection, key).await?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Deletes the value stored under a key.
pub(super) async fn delete(connection: &mut SqliteConnection, key: &str) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM kv WHERE name = ?1")
        .bind(key)
        .execute(connection)
        .await?;
    Ok(())
}
