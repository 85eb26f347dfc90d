//! What an earlier daemon left when it ended, whatever ended it.

use sqlx::sqlite::SqliteConnection;

use super::writer::{BEGIN, COMMIT};
use crate::model::Timestamp;

/// Takes up what was in flight.
pub(super) async fn recover(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query(BEGIN).execute(&mut *connection).await?;
    sqlx::query(include_str!("sql/recover.sql"))
        .bind(now.as_millis())
        .execute(&mut *connection)
        .await?;
    sqlx::query(COMMIT).execute(connection).await?;
    Ok(())
}
