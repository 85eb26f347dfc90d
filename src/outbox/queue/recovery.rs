//! What an earlier daemon left when it ended, whatever ended it.

use sqlx::sqlite::SqliteConnection;

use crate::model::Timestamp;
use crate::outbox::writer::{BEGIN, COMMIT};

/// Takes up what was in flight.
pub(in crate::outbox) async fn recover(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query(BEGIN).execute(&mut *connection).await?;
    sqlx::query(include_str!("sql/recover.sql"))
        .bind(now.as_millis())
        .execute(&mut *connection)
        .await?;
    sqlx::query(COMMIT).execute(connection).await?;
    Ok(())
}
