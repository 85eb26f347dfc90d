//! Which events an operator means: by number, state, name, person, source, time, destination and reason.

use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::Outbox;
use super::error::ReadError;
use crate::model::{EventId, EventStatus, EventType, Identifier, IdentifierKind, Timestamp};

/// The columns of a [`Brief`].
pub(super) const BRIEF: &str =
    "SELECT e.id, e.received_ms, e.type, e.name, e.profile, e.source, e.status, e.reason";

/// Which events a command means; an event must meet all that are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// These numbers; empty: any.
    pub ids: Vec<EventId>,
    /// In one of these states; empty: in any.
    pub states: Vec<EventStatus>,
    /// Calls of this type.
    pub kind: Option<EventType>,
    /// A track of this name; any other call by its own word (`identify`), or a page or screen of this name.
    pub event: Option<String>,
    /// About whoever one of these names.
    pub profile: Vec<Identifier>,
    /// From this source.
    pub source: Option<String>,
    /// Received at this time or later.
    pub since: Option<Timestamp>,
    /// Received before this time.
    pub until: Option<Timestamp>,
    /// Sent there, or tried to: `sandbox`, or `klaviyo:` and the account.
    pub sent_to: Option<String>,
    /// With this text in its reason.
    pub reason: Option<String>,
    /// Whether their call must still be there: that of an erased person is gone, and what retention took.
    pub kept: bool,
}

/// One event in a few words, for a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// Its number.
    pub id: EventId,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The call: `track`, `identify`, …; none when it could not be read.
    pub kind: Option<String>,
    /// The name of a track, page or screen.
    pub name: Option<String>,
    /// Whose it is.
    pub profile: Option<String>,
    /// Where it came from.
    pub source: String,
    /// Where it stands.
    pub status: String,
    /// Why.
    pub reason: Option<String>,
}

impl Selection {
    /// These events, whatever state they are in.
    pub fn of(ids: Vec<EventId>) -> Self {
        Self {
            ids,
            ..Self::default()
        }
    }

    /// Everybody that a word may name: `user:u1` is exact, `u1` is a user id, an anonymous id, an e-mail or a phone.
    pub fn people(word: &str) -> Vec<Identifier> {
        let exact = word.split_once(':').and_then(|(kind, value)| {
            let kind = IdentifierKind::from_word(kind)?;
            Identifier::new(kind, value)
        });
        // A word without a digit is no phone: its letters would be lost.
        let phone = |kind: &IdentifierKind| {
            *kind != IdentifierKind::Phone || !word.chars().any(char::is_alphabetic)
        };
        match exact {
            Some(exact) => vec![exact],
            None => IdentifierKind::ALL
                .iter()
                .filter(|kind| phone(kind))
                .filter_map(|kind| Identifier::new(*kind, word))
                .collect(),
        }
    }
}

impl Outbox {
    /// The events of a selection, in their order of arrival.
    pub async fn select(&self, selection: &Selection) -> Result<Vec<EventId>, ReadError> {
        let mut query = selected("SELECT e.id", selection);
        query.push(" ORDER BY e.id");
        let ids = query.build_query_scalar::<i64>();
        let ids = ids.fetch_all(&self.readers).await.map_err(failed())?;
        Ok(ids.into_iter().map(EventId).collect())
    }

    /// The first `most` events of a selection, in a few words each.
    pub async fn briefs(&self, selection: &Selection, most: u32) -> Result<Vec<Brief>, ReadError> {
        let mut query = selected(BRIEF, selection);
        query.push(" ORDER BY e.id LIMIT ").push_bind(most);
        let rows = query.build().fetch_all(&self.readers).await;
        let rows = rows.map_err(failed())?;
        let briefs = rows.iter().map(brief).collect::<Result<_, _>>();
        briefs.map_err(failed())
    }

    /// The events a word may mean: a number, a message id, or a `$event_id`.
    pub async fn find(&self, word: &str) -> Result<Vec<EventId>, ReadError> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM event WHERE id = CAST(?1 AS INTEGER) AND CAST(id AS TEXT) = ?1
             UNION SELECT event_id FROM message WHERE message_id = ?1
             UNION SELECT event_id FROM delivery WHERE event_key = ?1
             ORDER BY 1 LIMIT 100",
        )
        .bind(word)
        .fetch_all(&self.readers)
        .await
        .map_err(ReadError::of("the event asked for"))?;
        Ok(ids.into_iter().map(EventId).collect())
    }
}

/// The question for the events of a selection, without an order. What is not asked for is not in it, so that SQLite
/// can look up what is.
pub(super) fn selected(what: &'static str, selection: &Selection) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(what);
    query.push(" FROM event AS e WHERE true");
    one_of_many(&mut query, selection);
    if selection.kept {
        query.push(" AND EXISTS (SELECT 1 FROM payload AS p WHERE p.event_id = e.id)");
    }
    if let Some(kind) = selection.kind {
        query.push(" AND e.type = ").push_bind(kind.word());
    }
    let Selection { since, until, .. } = selection;
    let texts = [
        (" AND coalesce(e.name, e.type) = ", &selection.event, ""),
        (" AND e.source = ", &selection.source, ""),
        (
            " AND EXISTS (SELECT 1 FROM delivery AS d WHERE d.event_id = e.id AND d.sent_to = ",
            &selection.sent_to,
            ")",
        ),
        (" AND instr(e.reason, ", &selection.reason, ") > 0"),
    ];
    for (sql, text, end) in texts {
        if let Some(text) = text {
            query.push(sql).push_bind(text.clone()).push(end);
        }
    }
    for (sql, time) in [
        (" AND e.received_ms >= ", since),
        (" AND e.received_ms < ", until),
    ] {
        if let Some(time) = time {
            query.push(sql).push_bind(time.as_millis());
        }
    }
    query
}

/// The fields of a selection of which an event has to meet one of several values.
fn one_of_many(query: &mut QueryBuilder<Sqlite>, selection: &Selection) {
    let ids: Vec<i64> = selection.ids.iter().map(|id| id.0).collect();
    let states: Vec<&str> = selection.states.iter().map(|state| state.word()).collect();
    let people = selection.profile.iter().map(ToString::to_string);
    let people: Vec<String> = people.collect();
    for (sql, values, none, end) in [
        (
            "e.id IN (SELECT value FROM json_each(",
            json!(ids),
            ids.is_empty(),
            "))",
        ),
        (
            "e.status IN (SELECT value FROM json_each(",
            json!(states),
            states.is_empty(),
            "))",
        ),
        (
            "e.id IN (SELECT i.event_id FROM event_identifier AS i WHERE i.identifier IN (SELECT value FROM json_each(",
            json!(people),
            people.is_empty(),
            ")))",
        ),
    ] {
        if !none {
            query
                .push(" AND ")
                .push(sql)
                .push_bind(values.to_string())
                .push(end);
        }
    }
}

pub(super) fn brief(row: &SqliteRow) -> Result<Brief, sqlx::Error> {
    Ok(Brief {
        id: EventId(row.try_get("id")?),
        received_at: Timestamp::from_millis(row.try_get("received_ms")?),
        kind: row.try_get("type")?,
        name: row.try_get("name")?,
        profile: row.try_get("profile")?,
        source: row.try_get("source")?,
        status: row.try_get("status")?,
        reason: row.try_get("reason")?,
    })
}

fn failed() -> impl FnOnce(sqlx::Error) -> ReadError {
    ReadError::of("the selected events")
}
