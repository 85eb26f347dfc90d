//! Import jobs: bulk imports of profiles, which Klaviyo processes after its answer.
//!
//! A job is recorded before it is sent, with its attempts and their positions in it; Klaviyo's id is added when it is
//! known. A job is open while one of its attempts is open. Its events stay active for that time, also after a restart.
//! The statements that settle attempts also close the job, so that no caller can forget it.

pub(in crate::outbox) mod write;

use std::collections::HashSet;

use sqlx::FromRow;

use super::transition::{Begun, Start};
use crate::model::{DeliveryId, EventId, ImportJobId, Timestamp};
use crate::outbox::error::{ReadError, WriteError};
use crate::outbox::handles::Queue;

use write::{BeginImport, ImportAccepted};
pub(in crate::outbox) use write::{delete_ended, give_up};

/// The open jobs.
pub(in crate::outbox) const OPEN: &str =
    "SELECT id, began_ms, items, klaviyo_id FROM import_job WHERE ended_ms IS NULL ORDER BY id";
const KNOWN: &str = "SELECT klaviyo_id FROM import_job WHERE klaviyo_id IS NOT NULL AND began_ms >= ?1";
/// The events that wait for a job. ?1: the job.
pub(in crate::outbox) const EVENTS: &str = "
    SELECT DISTINCT d.event_id FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery_id
    WHERE a.import_job = ?1 AND a.ended_ms IS NULL";
/// The items that a job was sent with. ?1: the job.
pub(in crate::outbox) const ITEMS: &str = "
    SELECT a.delivery_id, a.number, a.ended_ms IS NULL AS open, d.event_id, d.request
    FROM attempt AS a JOIN delivery AS d ON d.id = a.delivery_id
    WHERE a.import_job = ?1 ORDER BY a.import_item";

/// An open import job.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct OpenImport {
    /// Its id in the outbox.
    pub id: ImportJobId,
    /// Klaviyo's id of it; `None` if the answer has not arrived or was lost.
    pub klaviyo_id: Option<String>,
    /// When it was recorded, directly before it was sent.
    #[sqlx(rename = "began_ms")]
    pub began: Timestamp,
    /// How many profiles it was sent with.
    #[sqlx(try_from = "i64")]
    pub items: u64,
    /// The events that wait for it.
    #[sqlx(skip)]
    pub events: Vec<EventId>,
}

/// An open import job, as shown in reports.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema, FromRow)]
pub struct ImportJobReport {
    /// Klaviyo's id of it; null if the answer has not arrived or was lost.
    #[serde(rename = "klaviyo_job_id")]
    pub klaviyo_id: Option<String>,
    /// When it was sent.
    #[sqlx(rename = "began_ms")]
    pub since: Timestamp,
    /// How many profiles it was sent with.
    #[sqlx(rename = "items", try_from = "i64")]
    pub profiles: u64,
}

/// A request that was sent in an import job.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ImportItem {
    /// The delivery.
    #[sqlx(rename = "delivery_id")]
    pub delivery: DeliveryId,
    /// The attempt's number.
    #[sqlx(rename = "number")]
    pub attempt: i64,
    /// The event of the delivery.
    #[sqlx(rename = "event_id")]
    pub event: EventId,
    /// Whether it waits for the job.
    pub open: bool,
    /// The frozen body.
    pub request: Option<String>,
}

impl Queue {
    /// Records that attempts start, all in one import job in this order; returns for each whether it may start. The
    /// caller sends nothing before this returns.
    pub async fn begin_import(&self, starts: Vec<Start>) -> Result<(ImportJobId, Vec<Begun>), WriteError> {
        self.store.execute(BeginImport(starts)).await
    }

    /// Records Klaviyo's id of an import job.
    pub async fn import_accepted(&self, job: ImportJobId, klaviyo_id: String) -> Result<(), WriteError> {
        self.store.execute(ImportAccepted { job, klaviyo_id }).await
    }

    /// The open import jobs.
    pub async fn open_imports(&self) -> Result<Vec<OpenImport>, ReadError> {
        let mut jobs: Vec<OpenImport> = self.store.all("the open import jobs", sqlx::query_as(OPEN)).await?;
        for job in &mut jobs {
            let events = sqlx::query_scalar(EVENTS).bind(job.id.0);
            job.events = self.store.values("the events of an import job", events).await?;
        }
        Ok(jobs)
    }

    /// The items that an import job was sent with, in the job's order.
    pub async fn import_items(&self, job: ImportJobId) -> Result<Vec<ImportItem>, ReadError> {
        let items = sqlx::query_as(ITEMS).bind(job.0);
        self.store.all("the items of an import job", items).await
    }

    /// Klaviyo's ids, as far as known, of all import jobs that began at `since` or later, open or closed.
    pub async fn known_imports(&self, since: Timestamp) -> Result<HashSet<String>, ReadError> {
        let ids = sqlx::query_scalar(KNOWN).bind(since.as_millis());
        let ids = self.store.values("the known import jobs", ids).await?;
        Ok(ids.into_iter().collect())
    }
}
