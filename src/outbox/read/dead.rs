//! Dead events grouped by the reason they died of: reasons with the same words about different ids form one group. The
//! status, the API and the page use the same groups.
//!
//! It promises to read at most the 100,000 events that died last, so that the cost stays small with any number of dead
//! events, and to report whether there are older ones.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::gist::gist;
use crate::model::{EventId, Timestamp};
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;

/// How many dead events are read.
const NEWEST: i64 = 100_000;
/// How many events of a group are listed, the newest.
const NAMED: usize = 5;
/// How many groups a status shows.
const COUNTS: usize = 10;

/// One row per reason, so that a reason of very many events is one row.
pub(in crate::outbox) const BY_REASON: &str = "
    SELECT reason, count(*) AS count, min(received_ms) AS first, max(received_ms) AS last, max(id) AS sample,
           json_group_array(DISTINCT profile) AS people, json_group_array(DISTINCT source) AS sources,
           json_group_array(DISTINCT name) AS names, json_group_array(id) AS ids,
           json_group_array(finished_ms / 3600000) AS hours
    FROM (SELECT id, reason, profile, source, name, received_ms, finished_ms FROM event WHERE status = 'dead'
          ORDER BY finished_ms DESC LIMIT ?1)
    GROUP BY reason";
const COUNT_BY_REASON: &str = "
    SELECT reason, count(*), max(id) FROM (SELECT id, reason FROM event WHERE status = 'dead' ORDER BY finished_ms DESC LIMIT ?1)
    GROUP BY reason";

/// Dead events grouped by the reason they died of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadGroups {
    /// The largest first.
    pub groups: Vec<DeadGroup>,
    /// Whether there are dead events older than the 100,000 that were read. No count here includes them.
    pub older: bool,
}

/// Dead events whose reasons have the same words about different ids. [`crate::outbox::Selection::group`] selects all
/// of them, including those that were not read here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadGroup {
    /// The words common to their reasons, with `…` where they differ or may differ.
    pub words: String,
    /// How many.
    pub count: i64,
    /// When the first of them arrived.
    pub first: Timestamp,
    /// When the last of them arrived.
    pub last: Timestamp,
    /// How many different people they are about, by the `profile` column.
    pub people: i64,
    /// The sources they came from.
    pub sources: Vec<String>,
    /// The names of the tracks among them.
    pub names: Vec<String>,
    /// How many of them ended in each hour (hours since 1970, UTC). Hours without any are left out.
    pub hours: BTreeMap<i64, i64>,
    /// The newest of them, at most five, newest first.
    pub newest: Vec<EventId>,
    /// The newest of them.
    pub sample: EventId,
    /// The full reason of the sample.
    pub example: String,
}

/// The number of dead events whose reasons have the same words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadCount {
    /// The words common to their reasons, with `…` where they differ or may differ.
    pub reason: String,
    /// How many.
    pub count: i64,
    /// The newest of them.
    pub sample: EventId,
    /// The full reason of the sample.
    pub example: String,
}

/// A group while rows are added to it.
struct Growing {
    group: DeadGroup,
    people: HashSet<String>,
    sources: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl Reader {
    /// Dead events grouped by the reason they died of, the largest groups first, at most `most`.
    pub async fn dead_groups(&self, most: u32) -> Result<DeadGroups, ReadError> {
        let failed = || ReadError::of("the dead events by reason");
        let rows = sqlx::query(BY_REASON)
            .bind(NEWEST)
            .fetch_all(&self.store.readers)
            .await
            .map_err(failed())?;
        let mut growing: HashMap<String, Growing> = HashMap::new();
        let mut looked_at = 0;
        for row in &rows {
            let one = of_one_reason(row).map_err(failed())?;
            looked_at += one.group.count;
            match growing.get_mut(&one.group.words) {
                Some(known) => known.join(one),
                None => drop(growing.insert(one.group.words.clone(), one)),
            }
        }
        let groups = growing.into_values().map(Growing::done);
        let mut groups: Vec<DeadGroup> = groups.collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.words.cmp(&b.words)));
        groups.truncate(most as usize);
        let dead: i64 = sqlx::query_scalar("SELECT value FROM counter WHERE name = 'status_dead'")
            .fetch_one(&self.store.readers)
            .await
            .map_err(failed())?;
        Ok(DeadGroups {
            groups,
            older: looked_at >= NEWEST && dead > looked_at,
        })
    }

    /// The ten largest of these groups, with their counts only.
    pub(in crate::outbox) async fn dead_counts(&self) -> Result<Vec<DeadCount>, sqlx::Error> {
        let reasons: Vec<(String, i64, i64)> = sqlx::query_as(COUNT_BY_REASON)
            .bind(NEWEST)
            .fetch_all(&self.store.readers)
            .await?;
        let mut counts: HashMap<String, DeadCount> = HashMap::new();
        for (example, count, sample) in reasons {
            let one = DeadCount {
                reason: gist(&example),
                count,
                sample: EventId(sample),
                example,
            };
            match counts.get_mut(&one.reason) {
                Some(known) => known.join(one),
                None => drop(counts.insert(one.reason.clone(), one)),
            }
        }
        let mut counts: Vec<DeadCount> = counts.into_values().collect();
        counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)));
        counts.truncate(COUNTS);
        Ok(counts)
    }
}

impl DeadCount {
    fn join(&mut self, other: Self) {
        self.count += other.count;
        if other.sample > self.sample {
            (self.sample, self.example) = (other.sample, other.example);
        }
    }
}

impl Growing {
    fn join(&mut self, other: Self) {
        let group = &mut self.group;
        group.count += other.group.count;
        group.first = group.first.min(other.group.first);
        group.last = group.last.max(other.group.last);
        if other.group.sample > group.sample {
            (group.sample, group.example) = (other.group.sample, other.group.example);
        }
        for (hour, count) in other.group.hours {
            *group.hours.entry(hour).or_default() += count;
        }
        group.newest.extend(other.group.newest);
        keep_newest(&mut group.newest);
        self.people.extend(other.people);
        self.sources.extend(other.sources);
        self.names.extend(other.names);
    }

    fn done(self) -> DeadGroup {
        DeadGroup {
            people: i64::try_from(self.people.len()).unwrap_or(i64::MAX),
            sources: self.sources.into_iter().collect(),
            names: self.names.into_iter().collect(),
            ..self.group
        }
    }
}

fn keep_newest(events: &mut Vec<EventId>) {
    events.sort_unstable_by(|a, b| b.cmp(a));
    events.truncate(NAMED);
}

fn of_one_reason(row: &SqliteRow) -> Result<Growing, sqlx::Error> {
    let reason: String = row.try_get("reason")?;
    let texts = |column: &str| -> Result<Vec<String>, sqlx::Error> {
        let list: String = row.try_get(column)?;
        let list: Vec<Option<String>> = serde_json::from_str(&list).unwrap_or_default();
        Ok(list.into_iter().flatten().collect())
    };
    let numbers = |column: &str| -> Result<Vec<i64>, sqlx::Error> {
        let list: String = row.try_get(column)?;
        Ok(serde_json::from_str(&list).unwrap_or_default())
    };
    let mut newest = numbers("ids")?.into_iter().map(EventId).collect();
    keep_newest(&mut newest);
    let mut hours = BTreeMap::new();
    for hour in numbers("hours")? {
        *hours.entry(hour).or_default() += 1;
    }
    Ok(Growing {
        group: DeadGroup {
            words: gist(&reason),
            count: row.try_get("count")?,
            first: Timestamp::from_millis(row.try_get("first")?),
            last: Timestamp::from_millis(row.try_get("last")?),
            people: 0,
            sources: Vec::new(),
            names: Vec::new(),
            hours,
            newest,
            sample: EventId(row.try_get("sample")?),
            example: reason,
        },
        people: texts("people")?.into_iter().collect(),
        sources: texts("sources")?.into_iter().collect(),
        names: texts("names")?.into_iter().collect(),
    })
}
