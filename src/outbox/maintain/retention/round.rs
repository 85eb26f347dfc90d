//! One round of retention, run by the writer: a small number of expired events, bodies, import jobs and minutes is
//! deleted, and free pages are returned to the disk.

use sqlx::sqlite::SqliteConnection;

use crate::model::Timestamp;
use crate::outbox::command::Command;
use crate::outbox::kv;
use crate::outbox::maintain::history;
use crate::outbox::queue::import_job;
use crate::outbox::transaction::Transaction;

/// Events of each kind that one round deletes.
pub(super) const EVENTS: u64 = 100;
/// Pages that one round returns to the disk.
const PAGES: i64 = 256;
/// Free pages that stay in the file for new data: the larger of one tenth of the file and this number of pages.
const SPARE_PART: i64 = 10;
const SPARE_PAGES: i64 = 1024;
/// The key in `kv` for the position up to which bodies are deleted.
const BODIES_DELETED: &str = "bodies_deleted_up_to";

/// The limits of a round: what finished before these times is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::outbox) struct Round {
    /// Delivered and skipped events.
    pub(in crate::outbox) delivered: Timestamp,
    /// Dead events.
    pub(in crate::outbox) dead: Timestamp,
    /// Bodies of delivered and skipped events.
    pub(in crate::outbox) bodies: Timestamp,
    /// Import jobs without attempts.
    pub(in crate::outbox) import_jobs: Timestamp,
    /// Minutes of the history.
    pub(in crate::outbox) minutes: Timestamp,
}

/// The result of a round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::outbox) struct Deleted {
    pub(in crate::outbox) events: u64,
    pub(in crate::outbox) bodies: u64,
    /// Whether there is more to delete in another round.
    pub(in crate::outbox) more: bool,
}

impl Command for Round {
    type Reply = Deleted;

    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<Deleted, sqlx::Error> {
        let connection = transaction.connection().await?;
        let events = delete_events(connection, self).await?;
        let bodies = delete_bodies(connection, self).await?;
        import_job::delete_ended(connection, self.import_jobs).await?;
        history::delete_minutes(connection, self.minutes).await?;
        let vacuumed = vacuum(connection).await?;
        Ok(Deleted {
            events,
            bodies,
            more: events >= EVENTS || bodies >= EVENTS || vacuumed,
        })
    }
}

async fn delete_events(connection: &mut SqliteConnection, round: &Round) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(include_str!("../sql/delete_events.sql"))
        .bind(round.delivered.as_millis())
        .bind(round.dead.as_millis())
        .bind(limit())
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// Deletes bodies from the position of the last round on, which is stored in the file, so that no event is read twice.
async fn delete_bodies(connection: &mut SqliteConnection, round: &Round) -> Result<u64, sqlx::Error> {
    if round.bodies <= round.delivered {
        // The bodies are deleted together with their events.
        return Ok(0);
    }
    let place = kv::get(&mut *connection, BODIES_DELETED).await?;
    let (after_ms, after_id) = place.as_deref().and_then(place_of).unwrap_or((0, 0));
    let due: Vec<(i64, i64)> = sqlx::query_as(include_str!("../sql/bodies_due.sql"))
        .bind(after_ms)
        .bind(after_id)
        .bind(round.bodies.as_millis())
        .bind(limit())
        .fetch_all(&mut *connection)
        .await?;
    let Some((last_id, last_ms)) = due.last() else {
        return Ok(0);
    };
    let ids: Vec<i64> = due.iter().map(|(id, _)| *id).collect();
    sqlx::query(include_str!("../sql/delete_bodies.sql"))
        .bind(serde_json::json!(ids).to_string())
        .execute(&mut *connection)
        .await?;
    kv::set(connection, BODIES_DELETED, &format!("{last_ms} {last_id}")).await?;
    Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX))
}

fn place_of(value: &str) -> Option<(i64, i64)> {
    let (millis, id) = value.split_once(' ')?;
    Some((millis.parse().ok()?, id.parse().ok()?))
}

/// Returns free pages to the disk, if there are many. The result is whether it did.
async fn vacuum(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let (free, all): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT freelist_count FROM pragma_freelist_count), (SELECT page_count FROM pragma_page_count)",
    )
    .fetch_one(&mut *connection)
    .await?;
    if free <= SPARE_PAGES.max(all / SPARE_PART) {
        return Ok(false);
    }
    // The pages are returned while the rows of the (empty) result are fetched.
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA incremental_vacuum({PAGES})")))
        .fetch_all(connection)
        .await?;
    Ok(true)
}

fn limit() -> i64 {
    i64::try_from(EVENTS).unwrap_or(i64::MAX)
}
