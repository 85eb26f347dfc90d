//! Which events an operator selects: by number, state, type, name, person, order, source, time, destination, reason and
//! its code.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sqlx::{FromRow, QueryBuilder, Sqlite};

use crate::model::{EventId, EventStatus, EventType, Identifier, IdentifierKind, Timestamp};
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;

/// The columns of a [`Brief`].
pub(in crate::outbox) const BRIEF: &str =
    "SELECT e.id, e.received_ms, e.type, e.name, e.profile, e.source, e.status, e.reason, e.reason_code";

/// What is read, for an error.
const WHAT: &str = "the selected events";

/// The event has a request in flight.
const IN_FLIGHT: &str = " AND e.active = 1 AND EXISTS (
    SELECT 1 FROM delivery AS o JOIN attempt AS a ON a.delivery_id = o.id
    WHERE o.event_id = e.id AND a.ended_ms IS NULL)";

/// The event has one of these orders.
const OF_ORDER: &str = " AND e.order_id IN (SELECT value FROM json_each(";

/// A selection of events; an event must match all conditions that are set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// With one of these numbers; empty: any.
    pub ids: Vec<EventId>,
    /// In one of these states; empty: any.
    pub states: Vec<EventStatus>,
    /// Calls of this type.
    pub kind: Option<EventType>,
    /// A track with this name; another call by its type (`identify`), or a page or screen with this name.
    pub event: Option<String>,
    /// About a person with one of these identifiers.
    pub profile: Vec<Identifier>,
    /// With this order, in one of these spellings ([`Selection::orders`]); empty: any order or none.
    pub order: Vec<String>,
    /// From this source.
    pub source: Option<String>,
    /// Received at this time or later.
    pub since: Option<Timestamp>,
    /// Received before this time.
    pub until: Option<Timestamp>,
    /// Sent to this destination, or attempted: `sandbox`, or `klaviyo:` and the account.
    pub sent_to: Option<String>,
    /// With this text in its reason.
    pub reason: Option<String>,
    /// With a reason of this code.
    pub code: Option<String>,
    /// Only events that have a request in flight.
    pub in_flight: bool,
    /// Only events whose call is still stored: erasure and retention delete it.
    pub kept: bool,
}

/// The main columns of one event, for a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, FromRow)]
pub struct Brief {
    /// Its number.
    pub id: EventId,
    /// When it arrived.
    #[sqlx(rename = "received_ms")]
    pub received_at: Timestamp,
    /// The type of the call; null when the call could not be read.
    #[serde(rename = "type")]
    #[schemars(with = "Option<EventType>")]
    #[sqlx(rename = "type")]
    pub kind: Option<String>,
    /// The name of a track, page or screen.
    pub name: Option<String>,
    /// The person it is about.
    pub profile: Option<String>,
    /// Its source.
    #[serde(skip)]
    pub source: String,
    /// Its status.
    #[schemars(with = "EventStatus")]
    pub status: String,
    /// The reason for its status.
    pub reason: Option<String>,
    /// The code of that reason.
    pub reason_code: Option<String>,
}

impl Selection {
    /// These events, in any state.
    pub fn of(ids: Vec<EventId>) -> Self {
        Self { ids, ..Self::default() }
    }

    /// All identifiers that a word can mean: `user:u1` is exact, `u1` is a user id, an anonymous id, an e-mail or a
    /// phone.
    pub fn people(word: &str) -> Vec<Identifier> {
        // A word with letters is not a phone number: normalization would drop the letters.
        let phone = |kind: &IdentifierKind| *kind != IdentifierKind::Phone || !word.chars().any(char::is_alphabetic);
        match Identifier::parse(word) {
            Some(exact) => vec![exact],
            None => IdentifierKind::ALL
                .iter()
                .filter(|kind| phone(kind))
                .filter_map(|kind| Identifier::new(*kind, word))
                .collect(),
        }
    }
}

impl Reader {
    /// The events of a selection, in order of arrival. Reads every event, unless the selection names some or restricts
    /// the state to one that few events are in.
    pub async fn select(&self, selection: &Selection) -> Result<Vec<EventId>, ReadError> {
        let mut query = selected("SELECT e.id", selection);
        query.push(" ORDER BY e.id");
        self.store.values(WHAT, query.build_query_scalar()).await
    }

    /// These events, with their main columns.
    pub async fn briefs_of(&self, ids: &[EventId]) -> Result<Vec<Brief>, ReadError> {
        if ids.is_empty() {
            // An empty list of numbers selects all events.
            return Ok(Vec::new());
        }
        self.briefs(&Selection::of(ids.to_vec()), u32::MAX).await
    }

    /// The first `most` events of a selection, with their main columns.
    pub async fn briefs(&self, selection: &Selection, most: u32) -> Result<Vec<Brief>, ReadError> {
        let mut query = selected(BRIEF, selection);
        query.push(" ORDER BY e.id LIMIT ").push_bind(most);
        self.store.all(WHAT, query.build_query_as()).await
    }
}

/// The query for the events of a selection, without an order. It contains only the conditions that are set, so that
/// SQLite can use an index for them.
pub(in crate::outbox) fn selected(what: &'static str, selection: &Selection) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(what);
    query.push(" FROM event AS e WHERE true");
    one_of(
        &mut query,
        " AND e.id IN (SELECT value FROM json_each(",
        &selection.ids,
        "))",
    );
    let of_people = " AND e.id IN (SELECT i.event_id FROM event_identifier AS i
                           WHERE i.identifier IN (SELECT value FROM json_each(";
    one_of(&mut query, of_people, &people(selection), ")))");
    one_of(&mut query, OF_ORDER, &selection.order, "))");
    met(&mut query, selection);
    query
}

/// The conditions on person and order, checked row by row.
pub(in crate::outbox) fn named_row_by_row(query: &mut QueryBuilder<Sqlite>, selection: &Selection) {
    let of_people = " AND EXISTS (SELECT 1 FROM event_identifier AS i WHERE i.event_id = e.id
                              AND i.identifier IN (SELECT value FROM json_each(";
    one_of(query, of_people, &people(selection), ")))");
    one_of(query, OF_ORDER, &selection.order, "))");
}

/// Adds the condition that something is one of these values, if there are any.
fn one_of<T: Serialize>(query: &mut QueryBuilder<Sqlite>, sql: &str, values: &[T], end: &str) {
    if !values.is_empty() {
        query.push(sql).push_bind(json!(values).to_string()).push(end);
    }
}

fn people(selection: &Selection) -> Vec<String> {
    selection.profile.iter().map(ToString::to_string).collect()
}

/// The conditions on an event except number, person and order.
pub(in crate::outbox) fn met(query: &mut QueryBuilder<Sqlite>, selection: &Selection) {
    if !selection.states.is_empty() {
        // As literals, not as bound values: SQLite can then see which partial index contains all of these rows.
        let words: Vec<String> = selection.states.iter().map(|state| format!("'{state}'")).collect();
        match &words[..] {
            [one] => query.push(" AND e.status = ").push(one),
            several => query.push(format!(" AND e.status IN ({})", several.join(", "))),
        };
    }
    if selection.kept {
        query.push(" AND EXISTS (SELECT 1 FROM payload AS p WHERE p.event_id = e.id)");
    }
    if selection.in_flight {
        query.push(IN_FLIGHT);
    }
    let kind = selection.kind.map(|kind| kind.word().to_owned());
    let texts = [
        (" AND e.type = ", &kind, ""),
        (" AND coalesce(e.name, e.type) = ", &selection.event, ""),
        (" AND e.source = ", &selection.source, ""),
        (
            " AND EXISTS (SELECT 1 FROM delivery AS d WHERE d.event_id = e.id AND d.sent_to = ",
            &selection.sent_to,
            ")",
        ),
        (" AND instr(e.reason, ", &selection.reason, ") > 0"),
        (" AND e.reason_code = ", &selection.code, ""),
    ];
    for (sql, text, end) in texts {
        if let Some(text) = text {
            query.push(sql).push_bind(text.clone()).push(end);
        }
    }
    for (sql, time) in [
        (" AND e.received_ms >= ", selection.since),
        (" AND e.received_ms < ", selection.until),
    ] {
        if let Some(time) = time {
            query.push(sql).push_bind(time.as_millis());
        }
    }
}
