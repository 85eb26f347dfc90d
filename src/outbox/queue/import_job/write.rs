//! The writes for import jobs: their start, Klaviyo's id, their end without a result, and their deletion.

use sqlx::sqlite::SqliteConnection;

use crate::model::{ImportJobId, Timestamp};
use crate::outbox::command::Command;
use crate::outbox::queue::begin;
use crate::outbox::queue::transition::{Begun, Start};
use crate::outbox::transaction::Transaction;

/// Records that attempts start, all in one import job; the reply is the job, and for each attempt whether it may start.
#[derive(Debug)]
pub(in crate::outbox) struct BeginImport(pub(in crate::outbox) Vec<Start>);

impl Command for BeginImport {
    type Reply = (ImportJobId, Vec<Begun>);

    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<Self::Reply, sqlx::Error> {
        let starts = &self.0;
        let first = starts.first().ok_or(sqlx::Error::RowNotFound)?;
        let permitted = begin::permitted(transaction, &[starts]).await?;
        // The column must be positive. A job without a permitted attempt has no open attempt, so the next settlement closes
        // it.
        let items = permitted.iter().filter(|may| **may).count().max(1);
        let job =
            sqlx::query_scalar("INSERT INTO import_job (sent_to, began_ms, items) VALUES (?1, ?2, ?3) RETURNING id")
                .bind(&first.sent_to)
                .bind(first.now.as_millis())
                .bind(i64::try_from(items).unwrap_or(i64::MAX))
                .fetch_one(transaction.connection().await?)
                .await?;
        let begun = begin::queue(transaction, starts.iter(), &permitted, Some(job))?;
        let begun = transaction.run(begun).await?;
        Ok((job, begin::begun_of(&permitted, &begun.rows)?))
    }
}

/// Records Klaviyo's id of an import job.
#[derive(Debug)]
pub(in crate::outbox) struct ImportAccepted {
    pub(in crate::outbox) job: ImportJobId,
    pub(in crate::outbox) klaviyo_id: String,
}

impl Command for ImportAccepted {
    type Reply = ();

    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<(), sqlx::Error> {
        let piece = transaction.queue(ACCEPTED).bind(self.job.0)?;
        let accepted = piece.bind(&self.klaviyo_id)?.fetch().await?;
        let changed = usize::try_from(accepted.changed).unwrap_or(usize::MAX);
        transaction.expect("import job", 1, changed);
        Ok(())
    }
}

/// ?1: the job; ?2: Klaviyo's id of it.
const ACCEPTED: &str = "UPDATE import_job SET klaviyo_id = ?2 WHERE id = ?1";

/// Closes every open job without its result, and runs the recovery of a start: its requests become `unknown`.
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

/// Deletes the jobs that ended before this time and have no attempt left.
pub(in crate::outbox) async fn delete_ended(
    connection: &mut SqliteConnection,
    before: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "DELETE FROM import_job WHERE ended_ms < ?1
           AND NOT EXISTS (SELECT 1 FROM attempt AS a WHERE a.import_job = import_job.id)",
    )
    .bind(before.as_millis())
    .execute(connection)
    .await?;
    Ok(())
}
