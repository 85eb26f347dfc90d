//! Where in the outbox a page of events looks: in all events from a place on, or in the fewer that an index names.
//!
//! Event numbers are places: they are given in order of arrival. A page goes from a number downwards, and a portion of
//! what it looks through costs the same wherever it lies.

use serde_json::json;
use sqlx::{QueryBuilder, Sqlite};

use super::select::Selection;
use crate::model::{EventId, EventStatus, Timestamp};
use crate::outbox::Outbox;

/// Waiting or held events that are taken from their index: it is not in the order of numbers, so all are read.
const FEW_UNFINISHED: i64 = 200_000;
/// How far a time of arrival may be from the order of numbers. A request takes its time before it waits for the writer.
const MARGIN: std::time::Duration = std::time::Duration::from_mins(10);

/// Numbers of events: from the first on, below the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outbox) struct Range {
    pub(in crate::outbox) from: i64,
    pub(in crate::outbox) below: i64,
}

/// Which events a page looks at.
pub(in crate::outbox) struct Places {
    lists: Vec<List>,
    /// Whether it is all of them.
    pub(in crate::outbox) all: bool,
}

/// Events that one look-up names, in descending order of their numbers.
struct List {
    /// The question for them, to which ` AND …` can be added: the value stands before its end.
    sql: &'static str,
    value: Option<String>,
    end: &'static str,
    /// The column of their number.
    id: &'static str,
}

/// A portion of what a page looks through.
pub(in crate::outbox) struct Portion {
    /// How many events it is.
    pub(in crate::outbox) count: i64,
    /// The number of the last.
    pub(in crate::outbox) last: i64,
}

impl Places {
    /// The fewest events that a selection can be found among.
    async fn of(selection: &Selection, outbox: &Outbox) -> Result<Self, sqlx::Error> {
        let named = named(selection);
        if !named.is_empty() {
            return Ok(Self {
                lists: named,
                all: false,
            });
        }
        let unfinished: i64 = outbox.unfinished(selection).await?;
        let states = selection.asked_states().unwrap_or_default();
        let lists: Option<Vec<List>> = states.iter().map(|state| of_state(*state)).collect();
        let lists = lists.filter(|lists| !lists.is_empty() && unfinished <= FEW_UNFINISHED);
        let everything = || vec![plain("SELECT id FROM event WHERE true")];
        Ok(Self {
            all: lists.is_none(),
            lists: lists.unwrap_or_else(everything),
        })
    }

    /// The question for the next ones in a range: how many, and which is the last.
    pub(in crate::outbox) fn portion(&self, range: Range, most: i64) -> QueryBuilder<Sqlite> {
        let mut query = QueryBuilder::new("SELECT count(*), min(id) FROM (");
        if let [_] = &self.lists[..] {
            self.push(&mut query, range, Some(most));
        } else {
            // Several lists may name the same event.
            query.push("SELECT DISTINCT id FROM (");
            self.push(&mut query, range, Some(most));
            query.push(") ORDER BY id DESC LIMIT ").push_bind(most);
        }
        query.push(")");
        query
    }

    /// The question for their numbers in a range; with a count, for the largest ones.
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

impl Outbox {
    /// Where a selection is looked for.
    pub(in crate::outbox) async fn places(&self, selection: &Selection) -> Result<Places, sqlx::Error> {
        Places::of(selection, self).await
    }

    /// The next `most` events in a range, from its upper end; `None` when there are none.
    pub(in crate::outbox) async fn portion(
        &self,
        places: &Places,
        range: Range,
        most: i64,
    ) -> Result<Option<Portion>, sqlx::Error> {
        let (count, last) = places
            .portion(range, most)
            .build_query_as::<(i64, Option<i64>)>()
            .fetch_one(&self.readers)
            .await?;
        Ok(last.map(|last| Portion { count, last }))
    }

    /// The numbers that a selection's times of arrival leave, below `before`. Found by halving: numbers are given in
    /// order of arrival. Where the clock was set back by more than ten minutes, the hours that it told twice may be
    /// passed over.
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

    /// The number of the first event that arrived at a time or later; one that none has when there is none.
    async fn first_since(&self, time: Timestamp) -> Result<i64, sqlx::Error> {
        let (mut low, mut high): (i64, i64) = sqlx::query_as(ENDS).fetch_one(&self.readers).await?;
        while low < high {
            let middle = low + (high - low) / 2;
            // There are gaps: the event at a number is the next one.
            let next: Option<(i64, i64)> = sqlx::query_as(NEXT).bind(middle).fetch_optional(&self.readers).await?;
            match next {
                Some((id, received)) if received < time.as_millis() => low = id + 1,
                Some(_) | None => high = middle,
            }
        }
        Ok(low)
    }

    /// How many events wait or are held, of the states asked for.
    async fn unfinished(&self, selection: &Selection) -> Result<i64, sqlx::Error> {
        let states = selection.asked_states().unwrap_or_default();
        let words = states.iter().filter(|state| !is_final(**state));
        let words: Vec<&str> = words.map(|state| state.word()).collect();
        sqlx::query_scalar(
            "SELECT coalesce(sum(value), 0) FROM counter WHERE name IN (SELECT 'status_' || value FROM json_each(?1))",
        )
        .bind(json!(words).to_string())
        .fetch_one(&self.readers)
        .await
    }
}

/// Each end by a look-up of its own: asked for together, SQLite would read all between them.
pub(in crate::outbox) const ENDS: &str = "SELECT coalesce((SELECT min(id) FROM event), 0),
                                      coalesce((SELECT max(id) FROM event), 0) + 1";
pub(in crate::outbox) const NEXT: &str = "SELECT id, received_ms FROM event WHERE id >= ?1 ORDER BY id LIMIT 1";

/// The lists of the events that a selection names: by number, else by order, else by person.
fn named(selection: &Selection) -> Vec<List> {
    if !selection.ids.is_empty() {
        let ids: Vec<i64> = selection.ids.iter().map(|id| id.0).collect();
        return vec![List {
            sql: "SELECT value AS id FROM json_each(",
            value: Some(json!(ids).to_string()),
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

/// The events of a state, where an index names them.
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
