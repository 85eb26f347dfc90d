//! Import jobs: bulk imports of profiles, on which Klaviyo works after its answer.
//!
//! One is written down before it is sent, with its attempts and their places in it; Klaviyo's id follows when it is
//! known. It is open as long as one of its attempts is, and its events stay in flight, through a restart too. What
//! settles an attempt closes it: there is no way to forget that.

mod write;

use std::collections::HashSet;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::transition::{Begun, Start};
use crate::model::{DeliveryId, ImportJobId, Timestamp};
use crate::outbox::error::{ReadError, WriteError};
use crate::outbox::{EventId, Outbox};

use write::{BeginImport, ImportTaken};
pub(in crate::outbox) use write::{forget, give_up};

/// Jobs that are open.
pub(in crate::outbox) const OPEN: &str =
    "SELECT id, began_ms, items, klaviyo_id FROM import_job WHERE ended_ms IS NULL ORDER BY id";
/// The events of a job that wait for it. ?1: the job.
pub(in crate::outbox) const EVENTS: &str = "
    SELECT DISTINCT d.event_id FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery_id
    WHERE a.import_job = ?1 AND a.ended_ms IS NULL";
/// What a job was sent with. ?1: the job.
pub(in crate::outbox) const ITEMS: &str = "
    SELECT a.delivery_id, a.number, a.ended_ms IS NULL AS open, d.event_id, d.request
    FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery_id
    WHERE a.import_job = ?1 ORDER BY a.import_item";

/// An import job of which nothing is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenImport {
    /// Its number here.
    pub id: ImportJobId,
    /// Klaviyo's id of it; `None` when the answer has not come, or was lost.
    pub klaviyo_id: Option<String>,
    /// When it was written down, just before it was sent.
    pub began: Timestamp,
    /// How many profiles it was sent with.
    pub items: u64,
    /// The events that wait for it.
    pub events: Vec<EventId>,
}

/// An open import job, for those who look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportJobReport {
    /// Klaviyo's id of it; `None` when the answer has not come, or was lost.
    pub klaviyo_id: Option<String>,
    /// When it was sent.
    pub since: Timestamp,
    /// How many profiles it was sent with.
    pub profiles: u64,
}

/// A request that went in an import job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportItem {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The attempt's number.
    pub attempt: i64,
    /// Whose it is.
    pub event: EventId,
    /// Whether it waits for the job.
    pub open: bool,
    /// The frozen body.
    pub request: Option<String>,
}

impl Outbox {
    /// Writes down that attempts begin, all in one import job in this order, and says of each whether it may be made.
    /// Nothing is sent before this returned.
    pub async fn begin_import(&self, starts: Vec<Start>) -> Result<(ImportJobId, Vec<Begun>), WriteError> {
        self.ask(BeginImport(starts)).await
    }

    /// Writes down Klaviyo's id of an import job.
    pub async fn import_taken(&self, job: ImportJobId, klaviyo_id: String) -> Result<(), WriteError> {
        self.ask(ImportTaken { job, klaviyo_id }).await
    }

    /// The import jobs that are open.
    pub async fn open_imports(&self) -> Result<Vec<OpenImport>, ReadError> {
        let failed = || ReadError::of("the open import jobs");
        let rows = sqlx::query(OPEN).fetch_all(&self.readers).await.map_err(failed())?;
        let mut jobs = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut job = job_of(row).map_err(failed())?;
            let events: Vec<i64> = sqlx::query_scalar(EVENTS)
                .bind(job.id.0)
                .fetch_all(&self.readers)
                .await
                .map_err(failed())?;
            job.events = events.into_iter().map(EventId).collect();
            jobs.push(job);
        }
        Ok(jobs)
    }

    /// The import jobs that are open, in short.
    pub(in crate::outbox) async fn import_job_reports(&self) -> Result<Vec<ImportJobReport>, ReadError> {
        let failed = || ReadError::of("the open import jobs");
        let rows = sqlx::query(OPEN).fetch_all(&self.readers).await.map_err(failed())?;
        let report = |row| {
            let job = job_of(row)?;
            Ok(ImportJobReport {
                klaviyo_id: job.klaviyo_id,
                since: job.began,
                profiles: job.items,
            })
        };
        let reports = rows.iter().map(report);
        reports.collect::<Result<_, _>>().map_err(failed())
    }

    /// What an import job was sent with, in the job's order.
    pub async fn import_items(&self, job: ImportJobId) -> Result<Vec<ImportItem>, ReadError> {
        let failed = || ReadError::of("the items of an import job");
        let rows = sqlx::query(ITEMS)
            .bind(job.0)
            .fetch_all(&self.readers)
            .await
            .map_err(failed())?;
        let items = rows.iter().map(item_of);
        items.collect::<Result<_, _>>().map_err(failed())
    }

    /// Klaviyo's ids of all import jobs, open and over, that are known and began at this time or later.
    pub async fn known_imports(&self, since: Timestamp) -> Result<HashSet<String>, ReadError> {
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT klaviyo_id FROM import_job WHERE klaviyo_id IS NOT NULL AND began_ms >= ?1")
                .bind(since.as_millis())
                .fetch_all(&self.readers)
                .await
                .map_err(ReadError::of("the known import jobs"))?;
        Ok(ids.into_iter().collect())
    }
}

fn job_of(row: &SqliteRow) -> Result<OpenImport, sqlx::Error> {
    let items: i64 = row.try_get("items")?;
    Ok(OpenImport {
        id: ImportJobId(row.try_get("id")?),
        klaviyo_id: row.try_get("klaviyo_id")?,
        began: Timestamp::from_millis(row.try_get("began_ms")?),
        items: u64::try_from(items).unwrap_or(0),
        events: Vec::new(),
    })
}

fn item_of(row: &SqliteRow) -> Result<ImportItem, sqlx::Error> {
    Ok(ImportItem {
        delivery: DeliveryId(row.try_get("delivery_id")?),
        attempt: row.try_get("number")?,
        event: EventId(row.try_get("event_id")?),
        open: row.try_get("open")?,
        request: row.try_get("request")?,
    })
}
