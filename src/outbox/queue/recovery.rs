//! Repairs at start the state that an earlier daemon left, after a normal stop or a crash.

use sqlx::sqlite::SqliteConnection;

use crate::model::Timestamp;
use crate::outbox::transaction::{BEGIN, COMMIT};

/// Closes the attempts that were in flight and resets the active events (`sql/recover.sql`).
pub(in crate::outbox) async fn recover(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query(BEGIN).execute(&mut *connection).await?;
    sqlx::query(include_str!("sql/recover.sql"))
        .bind(now.as_millis())
        .execute(&mut *connection)
        .await?;
    sqlx::query(COMMIT).execute(connection).await?;
    Ok(())
}
