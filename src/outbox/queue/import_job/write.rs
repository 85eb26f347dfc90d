//! What the writer writes of import jobs: their beginning, Klaviyo's id, their end without one, and their removal.

use sqlx::sqlite::SqliteConnection;

use crate::model::{ImportJobId, Timestamp};
use crate::outbox::queue::begin;
use crate::outbox::queue::transition::{Begun, Start};

/// Klaviyo's id comes to be known. ?1: the job; ?2: the id.
pub(in crate::outbox) const TAKEN: &str = "UPDATE import_job SET klaviyo_id = ?2 WHERE id = ?1";

/// Writes down a job and its attempts on a connection with an open transaction.
pub(in crate::outbox) async fn begin(
    connection: &mut SqliteConnection,
    starts: &[Start],
) -> Result<(ImportJobId, Vec<Begun>), sqlx::Error> {
    let first = starts.first().ok_or(sqlx::Error::RowNotFound)?;
    let permitted = begin::permitted(connection, &[starts]).await?;
    // One of which nothing may go is over with its first look.
    let items = permitted.iter().filter(|may| **may).count().max(1);
    let job: i64 =
        sqlx::query_scalar("INSERT INTO import_job (sent_to, began_ms, items) VALUES (?1, ?2, ?3) RETURNING id")
            .bind(&first.sent_to)
            .bind(first.now.as_millis())
            .bind(i64::try_from(items).unwrap_or(i64::MAX))
            .fetch_one(&mut *connection)
            .await?;
    let job = ImportJobId(job);
    let starts: Vec<&Start> = starts.iter().collect();
    let begun = begin::write(connection, &starts, &permitted, Some(job)).await?;
    Ok((job, begun))
}

/// Gives up every open job, as if the daemon had never known of one: its requests become `unknown`.
pub(in crate::outbox) async fn give_up(connection: &mut SqliteConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE import_job SET ended_ms = max(began_ms, ?1) WHERE ended_ms IS NULL")
        .bind(now.as_millis())
        .execute(&mut *connection)
        .await?;
    sqlx::query(include_str!("../sql/recover.sql"))
        .bind(now.as_millis())
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes the jobs that ended before this time and of which no attempt is left.
pub(in crate::outbox) async fn forget(connection: &mut SqliteConnection, before: Timestamp) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM import_job WHERE ended_ms < ?1
           AND NOT EXISTS (SELECT 1 FROM attempt AS a WHERE a.import_job = import_job.id)",
    )
    .bind(before.as_millis())
    .execute(connection)
    .await?;
    Ok(())
}
