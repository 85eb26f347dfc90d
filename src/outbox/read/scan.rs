//! Which events a page reads: all events from a number downwards, or the fewer events that an index names.
//!
//! Event numbers are given in order of arrival. A page reads from a number downwards, in chunks. The cost of a
//! chunk does not depend on its position.

use serde_json::json;
use sqlx::{QueryBuilder, Sqlite};

use super::select::Selection;
use crate::model::{EventId, EventStatus, Timestamp};
use crate::outbox::handles::Reader;
use crate::outbox::rows;

/// How many pending or held events may be read through their index. The index is not in the order of numbers, so all of
/// them are read.
const FEW_UNFINISHED: i64 = 200_000;
/// How far the times of arrival may differ from the order of numbers: a request takes some time before it reaches the
/// writer.
const MARGIN: std::time::Duration = std::time::Duration::from_mins(10);

/// A range of event numbers: `from` is included, `below` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outbox) struct Range {
    pub(in crate::outbox) from: i64,
    pub(in crate::outbox) below: i64,
}

/// Which events a page reads.
pub(in crate::outbox) struct ScanPlan {
    lists: Vec<List>,
    /// Whether these are all events.
    pub(in crate::outbox) all: bool,
}

/// Events that one look-up finds, in descending order of their numbers.
struct List {
    /// The query for them, to which ` AND …` can be appended. The value comes before its end.
    sql: &'static str,
    value: Option<String>,
    end: &'static str,
    /// The column with their number.
    id: &'static str,
}

/// A chunk of the events that a page reads.
pub(in crate::outbox) struct Chunk {
    /// How many events it contains.
    pub(in crate::outbox) count: i64,
    /// The number of its last event.
    pub(in crate::outbox) last: i64,
}

impl ScanPlan {
    /// The query for the next chunk in a range: how many events, and the number of the last.
    pub(in crate::outbox) fn chunk(&self, range: Range, most: i64) -> QueryBuilder<Sqlite> {
        let mut query = QueryBuilder::new("SELECT count(*), min(id) FROM (");
        if let [_] = &self.lists[..] {
            self.push(&mut query, range, Some(most));
        } else {
            // Several lists can contain the same event.
            query.push("SELECT DISTINCT id FROM (");
            self.push(&mut query, range, Some(most));
            query.push(") ORDER BY id DESC LIMIT ").push_bind(most);
        }
        query.push(")");
        query
    }

    /// The query for the numbers in a range; with a count, only the largest numbers.
    pub(in crate::outbox) fn push(&self, query: &mut QueryBuilder<Sqlite>, range: Range, most: Option<i64>) {
        for (at, list) in self.lists.iter().enumerate() {
            let between = if at == 0 { "" } else { " UNION ALL " };
            query.push(between).push("SELECT * FROM (").push(list.sql);
            if let Some(value) = &list.value {
                query.push_bind(value.clone());
            }
            query.push(list.end);
            query.push(format!(" AND {} >= ", list.id)).push_bind(range.from);
            query.push(format!(" AND {} < ", list.id)).push_bind(range.below);
            if let Some(most) = most {
                query.push(format!(" ORDER BY {} DESC LIMIT ", list.id)).push_bind(most);
            }
            query.push(")");
        }
    }
}

impl Reader {
    /// Which events have to be read for a selection: those that it names, else those of its states by index, else all.
    pub(in crate::outbox) async fn scan_plan(&self, selection: &Selection) -> Result<ScanPlan, sqlx::Error> {
        let named = named(selection);
        if !named.is_empty() {
            return Ok(ScanPlan {
                lists: named,
                all: false,
            });
        }
        let unfinished = self.unfinished(selection).await?;
        let lists: Option<Vec<List>> = selection.states.iter().map(|state| of_state(*state)).collect();
        let lists = lists.filter(|lists| !lists.is_empty() && unfinished <= FEW_UNFINISHED);
        let everything = || vec![plain("SELECT id FROM event WHERE true")];
        Ok(ScanPlan {
            all: lists.is_none(),
            lists: lists.unwrap_or_else(everything),
        })
    }

    /// The next `most` events in a range, from its upper end; `None` when there are none.
    pub(in crate::outbox) async fn chunk(
        &self,
        plan: &ScanPlan,
        range: Range,
        most: i64,
    ) -> Result<Option<Chunk>, sqlx::Error> {
        let (count, last) = plan
            .chunk(range, most)
            .build_query_as::<(i64, Option<i64>)>()
            .fetch_one(&self.store.readers)
            .await?;
        Ok(last.map(|last| Chunk { count, last }))
    }

    /// The range of numbers below `before` that the selection's times of arrival leave. Found by binary search, because
    /// numbers are given in order of arrival. Where the clock was set back by more than ten minutes, events of the
    /// hours that occurred twice may be missed.
    pub(in crate::outbox) async fn range(
        &self,
        selection: &Selection,
        before: Option<EventId>,
    ) -> Result<Range, sqlx::Error> {
        let below = before.map_or(i64::MAX, |before| before.0);
        let from = match selection.since {
            Some(since) => self.first_since(since.minus(MARGIN)).await?,
            None => 0,
        };
        let below = match selection.until {
            Some(until) => below.min(self.first_since(until.plus(MARGIN)).await?),
            None => below,
        };
        Ok(Range { from, below })
    }

    /// The number of the first event that arrived at this time or later; a number above all events when there is none.
    async fn first_since(&self, time: Timestamp) -> Result<i64, sqlx::Error> {
        let (mut low, mut high): (i64, i64) = sqlx::query_as(ENDS).fetch_one(&self.store.readers).await?;
        while low < high {
            let middle = low + (high - low) / 2;
            // Numbers have gaps: take the next event at or above this number.
            let next: Option<(i64, i64)> = sqlx::query_as(NEXT)
                .bind(middle)
                .fetch_optional(&self.store.readers)
                .await?;
            match next {
                Some((id, received)) if received < time.as_millis() => low = id + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(low)
    }

    /// How many events are pending or held, of the states of the selection.
    async fn unfinished(&self, selection: &Selection) -> Result<i64, sqlx::Error> {
        let words = selection.states.iter().filter(|state| !is_final(**state));
        let words: Vec<&str> = words.map(|state| state.word()).collect();
        sqlx::query_scalar(
            "SELECT coalesce(sum(value), 0) FROM counter WHERE name IN (SELECT 'status_' || value FROM json_each(?1))",
        )
        .bind(json!(words).to_string())
        .fetch_one(&self.store.readers)
        .await
    }
}

/// Each end is a look-up of its own: with both in one query, SQLite would read all rows between them.
pub(in crate::outbox) const ENDS: &str = "SELECT coalesce((SELECT min(id) FROM event), 0),
                                      coalesce((SELECT max(id) FROM event), 0) + 1";
pub(in crate::outbox) const NEXT: &str = "SELECT id, received_ms FROM event WHERE id >= ?1 ORDER BY id LIMIT 1";

/// The lists of the events that a selection names: by number, else by order, else by person.
fn named(selection: &Selection) -> Vec<List> {
    if !selection.ids.is_empty() {
        return vec![List {
            sql: "SELECT value AS id FROM json_each(",
            value: Some(rows::ids(&selection.ids)),
            end: ") WHERE true",
            id: "value",
        }];
    }
    let orders = selection.order.iter().map(|order| List {
        sql: "SELECT id FROM event WHERE order_id = ",
        value: Some(order.clone()),
        end: "",
        id: "id",
    });
    let orders: Vec<List> = orders.collect();
    if !orders.is_empty() {
        return orders;
    }
    let people = selection.profile.iter().map(|person| List {
        sql: "SELECT event_id AS id FROM event_identifier WHERE identifier = ",
        value: Some(person.to_string()),
        end: "",
        id: "event_id",
    });
    people.collect()
}

/// The events of a state, where an index exists for it.
fn of_state(state: EventStatus) -> Option<List> {
    match state {
        EventStatus::Dead => Some(plain("SELECT id FROM event WHERE status = 'dead'")),
        EventStatus::Skipped => Some(plain("SELECT id FROM event WHERE status = 'skipped'")),
        EventStatus::Pending => Some(plain(
            "SELECT id FROM event WHERE finished_ms IS NULL AND status = 'pending'",
        )),
        EventStatus::Held => Some(plain(
            "SELECT id FROM event WHERE finished_ms IS NULL AND status = 'held'",
        )),
        EventStatus::Delivered => None,
    }
}

fn is_final(state: EventStatus) -> bool {
    match state {
        EventStatus::Pending | EventStatus::Held => false,
        EventStatus::Delivered | EventStatus::Skipped | EventStatus::Dead => true,
    }
}

fn plain(sql: &'static str) -> List {
    List {
        sql,
        value: None,
        end: "",
        id: "id",
    }
}
