//! The lists of `status`, which cost more than the overview: what waits by type and age, what is dead and why, how fast
//! events arrive and finish, and who blocks others.
//!
//! It promises that its cost does not depend on how many finished events are stored: it reads the newest events, the
//! unfinished ones and the history.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use super::dead::DeadCount;
use super::overview::Overview;
use crate::model::EventId;
use crate::model::{EventType, Timestamp};
use crate::outbox::Minute;
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;

/// How many events are read to count arrivals.
const NEWEST: i64 = 200_000;
/// How many heads of queues are shown.
const WORST: u32 = 5;

/// The number of rows of the view `blocked_profiles`, without their columns. Reads one row of `queue_entry` for each
/// identifier of each unfinished event.
const COUNT_BLOCKED: &str = "
    WITH head AS (SELECT identifier, min(queue_pos) AS queue_pos FROM queue_entry GROUP BY identifier HAVING count(*) > 1)
    SELECT count(DISTINCT e.id) FROM head AS h
    JOIN queue_entry AS t ON t.identifier = h.identifier AND t.queue_pos = h.queue_pos
    JOIN event AS e ON e.id = t.event_id AND e.blocked_by = 0";

/// Reads only the index of finished events.
const DONE: &str = "
    SELECT coalesce(sum(finished_ms >= ?1), 0) AS minute, count(*) AS five_minutes FROM event
    WHERE status IN ('delivered', 'skipped') AND finished_ms >= ?2";
const CAME: &str = "
    SELECT coalesce(sum(received_ms >= ?1), 0) AS minute, coalesce(sum(received_ms >= ?2), 0) AS five_minutes
    FROM (SELECT received_ms FROM event ORDER BY id DESC LIMIT ?3)";
const DIED: &str = "
    SELECT coalesce(sum(finished_ms >= ?1), 0) AS minute, coalesce(sum(finished_ms >= ?2), 0) AS five_minutes,
           coalesce(sum(finished_ms >= ?3), 0) AS hour, count(*) AS day
    FROM event WHERE status = 'dead' AND finished_ms >= ?4 AND reason_code NOT IN ('discarded', 'erased')";

const MINUTE: Duration = Duration::from_mins(1);
const FIVE_MINUTES: Duration = Duration::from_mins(5);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// The overview and its lists.
#[derive(Debug, Clone)]
pub struct Status {
    /// Where everything stands.
    pub overview: Overview,
    /// Unfinished events, by status and type.
    pub backlog: Vec<BacklogRow>,
    /// Dead events by reason, of the 100,000 that died last; the ten largest groups, largest first.
    pub dead: Vec<DeadCount>,
    /// How many events arrived and how many finished, over all sources.
    pub flow: Flow,
    /// The events that others wait for.
    pub blocked: Blocked,
}

/// A row of the `backlog` view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, FromRow)]
pub struct BacklogRow {
    /// `pending` or `held`.
    #[schemars(extend("enum" = ["pending", "held"]))]
    pub status: String,
    /// The type of the call.
    #[serde(rename = "type")]
    #[sqlx(rename = "type")]
    pub kind: Option<EventType>,
    /// How many.
    pub count: i64,
    /// When the oldest arrived.
    pub oldest: Option<Timestamp>,
    /// How many of them arrived within a minute; each field counts those that no field before it does.
    pub under_1m: i64,
    /// Within ten minutes.
    pub under_10m: i64,
    /// Within an hour.
    pub under_1h: i64,
    /// Within a day.
    pub under_1d: i64,
    /// Before that.
    pub older: i64,
}

/// A value for each span of time before now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema, FromRow)]
#[schemars(inline)]
pub struct Spans<T> {
    /// The last minute.
    pub minute: T,
    /// The last five minutes.
    pub five_minutes: T,
    /// The last hour.
    pub hour: T,
    /// The last day.
    pub day: T,
}

impl<T> Spans<T> {
    /// The values, the shortest span first.
    pub fn all(self) -> [T; 4] {
        [self.minute, self.five_minutes, self.hour, self.day]
    }
}

/// How many events arrived, and how many finished. Of arrived and done ones, the hour and the day are counted by whole
/// minutes, as the charts of the page show them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Flow {
    /// Arrived.
    pub came: Spans<i64>,
    /// Delivered or skipped.
    pub done: Spans<i64>,
    /// Died in the span and still dead: neither replayed, discarded nor erased.
    pub died: Spans<i64>,
    /// In which spans more events arrived than were read: there `came` is a lower bound.
    pub came_at_least: Spans<bool>,
}

/// The events that others wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// How many events others wait for.
    pub heads: i64,
    /// The heads with the most waiting events.
    pub worst: Vec<BlockedHead>,
}

/// An event that others wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, FromRow)]
pub struct BlockedHead {
    /// Its number.
    #[sqlx(rename = "id")]
    pub event: EventId,
    /// The person it is about.
    pub profile: Option<String>,
    /// When it arrived.
    #[sqlx(rename = "received_ms")]
    pub since: Timestamp,
    /// Its status.
    #[schemars(extend("enum" = ["pending", "dead", "held"]))]
    pub status: String,
    /// The reason for its status, or the latest error; null when nothing was tried yet.
    #[sqlx(rename = "words")]
    pub reason: Option<String>,
    /// The code of that reason.
    pub reason_code: Option<String>,
    /// How many events wait behind it in the longest of its queues.
    pub waiting: i64,
    /// Whether a request of it is in flight.
    #[serde(skip)]
    pub in_flight: bool,
    /// When it is tried next; `None` while a request of it is in flight, and where it is held or dead.
    #[serde(skip)]
    #[sqlx(rename = "run_after_ms")]
    pub next_attempt_at: Option<Timestamp>,
}

/// The last minutes of a history: those of this span, and the one in which it began.
pub fn last(minutes: &[Minute], span: Duration, now: Timestamp) -> &[Minute] {
    let from = now.minus(span + MINUTE);
    &minutes[minutes.partition_point(|minute| minute.at <= from)..]
}

impl Reader {
    /// The overview and its lists at this time.
    pub async fn status(&self, now: Timestamp) -> Result<Status, ReadError> {
        let failed = || ReadError::of("the status");
        let backlog = sqlx::query_as("SELECT * FROM backlog ORDER BY status, type").fetch_all(&self.store.readers);
        let minutes = self.history(now.minus(DAY), now, 0).await?;
        Ok(Status {
            overview: self.overview(now).await?,
            backlog: backlog.await.map_err(failed())?,
            dead: self.dead_counts().await.map_err(failed())?,
            flow: self.flow(&minutes, now).await.map_err(failed())?,
            blocked: self.blocked_heads(WORST).await?,
        })
    }

    async fn flow(&self, minutes: &[Minute], now: Timestamp) -> Result<Flow, sqlx::Error> {
        let since = |span| now.minus(span).as_millis();
        let [minute, five] = [MINUTE, FIVE_MINUTES].map(since);
        let came: (i64, i64) = sqlx::query_as(CAME)
            .bind(minute)
            .bind(five)
            .bind(NEWEST)
            .fetch_one(&self.store.readers)
            .await?;
        let next: Option<i64> = sqlx::query_scalar("SELECT received_ms FROM event ORDER BY id DESC LIMIT 1 OFFSET ?1")
            .bind(NEWEST)
            .fetch_optional(&self.store.readers)
            .await?;
        let done: (i64, i64) = sqlx::query_as(DONE)
            .bind(minute)
            .bind(five)
            .fetch_one(&self.store.readers)
            .await?;
        let died: Spans<i64> = sqlx::query_as(DIED)
            .bind(minute)
            .bind(five)
            .bind(since(HOUR))
            .bind(since(DAY))
            .fetch_one(&self.store.readers)
            .await?;
        let spans = |(minute, five_minutes), of: fn(&Minute) -> i64| Spans {
            minute,
            five_minutes,
            hour: last(minutes, HOUR, now).iter().map(of).sum(),
            day: minutes.iter().map(of).sum(),
        };
        let at_least = |start| next.is_some_and(|received| received >= start);
        Ok(Flow {
            came: spans(came, |minute| minute.came),
            done: spans(done, |minute| minute.done),
            died,
            came_at_least: Spans {
                minute: at_least(minute),
                five_minutes: at_least(five),
                ..Spans::default()
            },
        })
    }

    /// How many events others wait for, and the `most` of them with the most waiting events. Reads all queue entries
    /// once.
    pub async fn blocked_heads(&self, most: u32) -> Result<Blocked, ReadError> {
        #[derive(FromRow)]
        struct Row {
            heads: i64,
            #[sqlx(flatten)]
            head: BlockedHead,
        }
        let rows: Vec<Row> = sqlx::query_as(include_str!("sql/blocked.sql"))
            .bind(most)
            .fetch_all(&self.store.readers)
            .await
            .map_err(ReadError::of("the blocked people"))?;
        let heads = rows.first().map_or(0, |row| row.heads);
        let mut worst: Vec<BlockedHead> = rows.into_iter().map(|row| row.head).collect();
        for head in worst.iter_mut().filter(|head| head.in_flight) {
            head.next_attempt_at = None;
        }
        Ok(Blocked { heads, worst })
    }

    /// How many events other events wait for: the rows of the view `blocked_profiles`. Its cost grows with the backlog
    /// and it uses a connection of its own, so it is for a slow timer and not for a scrape.
    pub async fn count_blocked(&self) -> Result<i64, ReadError> {
        let blocked = sqlx::query_scalar(COUNT_BLOCKED);
        self.store.value("the number of blocked profiles", blocked).await
    }
}
