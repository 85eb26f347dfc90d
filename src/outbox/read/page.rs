//! Lists for the admin port: pages of events, and the events that others wait for.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::{FromRow, QueryBuilder, Sqlite};

use super::scan::{Range, ScanPlan};
use super::select::{self, Brief, Selection};
use crate::model::{EventId, Timestamp};
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;

/// How many events one page reads at most, whatever the filters are. This bounds the cost of a page.
const SCAN_LIMIT: i64 = 100_000;
/// The size of the first chunk. Each next one is ten times as large, because events that were not found in this one
/// are rare.
const FIRST_CHUNK: i64 = 1_000;

/// A page of events, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Events")]
pub struct Page {
    /// The events. Fewer than requested, or none, where the filters match rarely.
    #[schemars(length(max = 500))]
    pub events: Vec<Brief>,
    /// `before` of the next page; null at the end.
    #[serde(rename = "next_before")]
    pub next: Option<EventId>,
    /// When the oldest event that was read arrived, if the page ended at the limit of events to read before it was
    /// full. Null when the page is full or complete.
    pub looked_back_to: Option<Timestamp>,
}

/// A row of the view `blocked_profiles`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, FromRow)]
#[schemars(inline)]
pub struct BlockedRow {
    /// The first identifier of the event that others wait for.
    pub profile: Option<String>,
    /// The number of that event.
    pub head_event: EventId,
    /// When it arrived.
    pub since: Timestamp,
    /// How many events wait for it.
    #[schemars(range(min = 1))]
    pub waiting: i64,
    /// Why it has not finished.
    pub reason: String,
    /// The code of that reason; null while nothing was tried.
    pub reason_code: Option<String>,
    /// When it is tried next; null while it is active, held or dead.
    pub next_attempt_at: Option<Timestamp>,
}

impl Reader {
    /// Events of a selection with numbers below `before`, newest first, at most `most`. A page reads the events that
    /// the selection names by number, order, person or an indexed state; otherwise the events that arrived within the
    /// selection's times. It reads a bounded number of them, and reports how far it got.
    pub async fn page(&self, selection: &Selection, before: Option<EventId>, most: u32) -> Result<Page, ReadError> {
        let page = self.scan(selection, before, most).await;
        page.map_err(ReadError::of("a page of events"))
    }

    async fn scan(&self, selection: &Selection, before: Option<EventId>, most: u32) -> Result<Page, sqlx::Error> {
        let mut page = Page::default();
        let plan = self.scan_plan(selection).await?;
        let mut range = self.range(selection, before).await?;
        let mut left = SCAN_LIMIT;
        let mut size = FIRST_CHUNK;
        loop {
            let Some(chunk) = self.chunk(&plan, range, size.min(left)).await? else {
                return Ok(page);
            };
            let here = Range {
                from: chunk.last,
                ..range
            };
            let missing = most.saturating_sub(u32::try_from(page.events.len()).unwrap_or(most));
            let found = self.found(selection, &plan, here, missing).await?;
            page.events.extend(found);
            if u32::try_from(page.events.len()).is_ok_and(|count| count >= most) {
                page.next = page.events.last().map(|event| event.id);
                return Ok(page);
            }
            left -= chunk.count;
            if left <= 0 {
                page.next = Some(EventId(chunk.last));
                page.looked_back_to = self.arrival(chunk.last).await?;
                return Ok(page);
            }
            range.below = chunk.last;
            size *= 10;
        }
    }

    /// The events of a selection in one chunk.
    async fn found(
        &self,
        selection: &Selection,
        plan: &ScanPlan,
        range: Range,
        most: u32,
    ) -> Result<Vec<Brief>, sqlx::Error> {
        let mut query = chunk_query(selection, plan, range);
        query.push(" LIMIT ").push_bind(most);
        query.build_query_as().fetch_all(&self.store.readers).await
    }

    /// When an event arrived.
    async fn arrival(&self, id: i64) -> Result<Option<Timestamp>, sqlx::Error> {
        let received = sqlx::query_scalar("SELECT received_ms FROM event WHERE id = ?1")
            .bind(id)
            .fetch_optional(&self.store.readers)
            .await?;
        Ok(received.map(Timestamp::from_millis))
    }

    /// The events that others wait for, those with the most waiting events first, at most `most`. Reads the whole
    /// backlog.
    pub async fn blocked_profiles(&self, most: u32) -> Result<Vec<BlockedRow>, ReadError> {
        let rows = sqlx::query_as("SELECT * FROM blocked_profiles ORDER BY since, head_event LIMIT ?1").bind(most);
        self.store.all("the blocked profiles", rows).await
    }
}

/// The query for the events of a selection in a chunk, newest first.
pub(in crate::outbox) fn chunk_query(selection: &Selection, plan: &ScanPlan, range: Range) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(select::BRIEF);
    // The chunk is a range of numbers: any other index would read more rows.
    query.push(" FROM event AS e NOT INDEXED WHERE e.id >= ");
    query.push_bind(range.from);
    query.push(" AND e.id < ").push_bind(range.below);
    if !plan.all {
        query.push(" AND e.id IN (");
        plan.push(&mut query, range, None);
        query.push(")");
    }
    select::named_row_by_row(&mut query, selection);
    select::met(&mut query, selection);
    query.push(" ORDER BY e.id DESC");
    query
}
