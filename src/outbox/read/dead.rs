//! Dead events grouped by the code of the reason they died of. The status, the API and the page use the same groups.
//!
//! It promises to read at most the 100,000 events that died last, so that the cost stays small with any number of dead
//! events, and to report whether there are older ones.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use crate::model::{EventId, Timestamp, masked};
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;

/// How many dead events are read.
const NEWEST: i64 = 100_000;
/// How many events of a group are listed, the newest.
const NAMED: usize = 5;
/// How many groups a status shows.
const COUNTS: i64 = 10;

/// One row per code, the largest group first. ?1: how many dead events are read; ?2: how many groups at most.
pub(in crate::outbox) const BY_CODE: &str = "
    SELECT g.*, (SELECT reason FROM event AS e WHERE e.id = g.sample) AS example
    FROM (SELECT reason_code, count(*) AS count, min(received_ms) AS first, max(received_ms) AS last, max(id) AS sample,
                 count(DISTINCT profile) AS people, json_group_array(DISTINCT source) AS sources,
                 json_group_array(DISTINCT name) AS names, json_group_array(id) AS ids,
                 json_group_array(finished_ms / 3600000) AS hours, sum(count(*)) OVER () AS looked_at
          FROM (SELECT id, reason_code, profile, source, name, received_ms, finished_ms FROM event WHERE status = 'dead'
                ORDER BY finished_ms DESC LIMIT ?1)
          GROUP BY reason_code ORDER BY count DESC, reason_code LIMIT ?2) AS g";
const COUNT_BY_CODE: &str = "
    SELECT g.*, (SELECT reason FROM event AS e WHERE e.id = g.sample) AS example
    FROM (SELECT reason_code, count(*) AS count, max(id) AS sample
          FROM (SELECT id, reason_code FROM event WHERE status = 'dead' ORDER BY finished_ms DESC LIMIT ?1)
          GROUP BY reason_code ORDER BY count DESC, reason_code LIMIT ?2) AS g";

/// Dead events grouped by the code of the reason they died of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Dead")]
pub struct DeadGroups {
    /// The largest first.
    #[serde(rename = "reasons")]
    pub groups: Vec<DeadGroup>,
    /// Whether there are dead events older than the 100,000 that were read. No count here includes them.
    #[serde(rename = "older_left_out")]
    pub older: bool,
}

/// Dead events whose reasons have the same code, which also selects those that were not read here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, FromRow)]
#[schemars(inline)]
pub struct DeadGroup {
    /// The code of their reasons, to filter by with `code`.
    #[serde(rename = "reason_code")]
    #[sqlx(rename = "reason_code")]
    pub code: String,
    /// How many.
    #[schemars(range(min = 1))]
    pub count: i64,
    /// When the first of them arrived.
    pub first: Timestamp,
    /// When the last of them arrived.
    pub last: Timestamp,
    /// How many different people they are about, by the `profile` column.
    pub people: i64,
    /// The sources they came from.
    #[serde(skip)]
    #[sqlx(skip)]
    pub sources: Vec<String>,
    /// The names of the tracks among them.
    #[serde(skip)]
    #[sqlx(skip)]
    pub names: Vec<String>,
    /// How many of them ended in each hour (hours since 1970, UTC). Hours without any are left out.
    #[serde(skip)]
    #[sqlx(skip)]
    pub hours: BTreeMap<i64, i64>,
    /// The newest of them, at most five, newest first.
    #[serde(skip)]
    #[sqlx(skip)]
    pub newest: Vec<EventId>,
    /// The newest of them.
    pub sample: EventId,
    /// The reason of the sample; masked in JSON.
    #[serde(serialize_with = "masked")]
    pub example: String,
}

/// The number of dead events whose reasons have the same code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, FromRow)]
#[schemars(inline)]
pub struct DeadCount {
    /// The code of their reasons.
    #[serde(rename = "reason_code")]
    #[sqlx(rename = "reason_code")]
    pub code: String,
    /// How many.
    pub count: i64,
    /// The newest of them.
    pub sample: EventId,
    /// The reason of the sample; masked in JSON.
    #[serde(serialize_with = "masked")]
    pub example: String,
}

impl Reader {
    /// Dead events grouped by the code of the reason they died of, the largest groups first, at most `most`.
    pub async fn dead_groups(&self, most: u32) -> Result<DeadGroups, ReadError> {
        let failed = || ReadError::of("the dead events by reason");
        let rows: Vec<GroupRow> = sqlx::query_as(BY_CODE)
            .bind(NEWEST)
            .bind(most)
            .fetch_all(&self.store.readers)
            .await
            .map_err(failed())?;
        let looked_at = rows.first().map_or(0, |row| row.looked_at);
        let dead: i64 = sqlx::query_scalar("SELECT value FROM counter WHERE name = 'status_dead'")
            .fetch_one(&self.store.readers)
            .await
            .map_err(failed())?;
        Ok(DeadGroups {
            groups: rows.into_iter().map(GroupRow::group).collect(),
            older: looked_at >= NEWEST && dead > looked_at,
        })
    }

    /// The ten largest of these groups, with their counts only.
    pub(in crate::outbox) async fn dead_counts(&self) -> Result<Vec<DeadCount>, sqlx::Error> {
        let counts = sqlx::query_as(COUNT_BY_CODE).bind(NEWEST).bind(COUNTS);
        counts.fetch_all(&self.store.readers).await
    }
}

/// A group, with its lists as JSON.
#[derive(FromRow)]
struct GroupRow {
    #[sqlx(flatten)]
    group: DeadGroup,
    sources: String,
    names: String,
    ids: String,
    hours: String,
    looked_at: i64,
}

impl GroupRow {
    fn group(self) -> DeadGroup {
        let texts = |list: &str| {
            let list: Vec<Option<String>> = serde_json::from_str(list).unwrap_or_default();
            let mut list: Vec<String> = list.into_iter().flatten().collect();
            list.sort_unstable();
            list
        };
        let numbers = |list: &str| -> Vec<i64> { serde_json::from_str(list).unwrap_or_default() };
        let mut newest: Vec<EventId> = numbers(&self.ids).into_iter().map(EventId).collect();
        newest.sort_unstable_by(|a, b| b.cmp(a));
        newest.truncate(NAMED);
        let mut hours = BTreeMap::new();
        for hour in numbers(&self.hours) {
            *hours.entry(hour).or_default() += 1;
        }
        DeadGroup {
            sources: texts(&self.sources),
            names: texts(&self.names),
            hours,
            newest,
            ..self.group
        }
    }
}
