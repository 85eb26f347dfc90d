//! Which events an operator means: by number, state, type, name, person, order, source, time, destination and reason.

use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use super::gist::Wanted;
use crate::model::{EventId, EventStatus, EventType, Identifier, IdentifierKind, Timestamp};
use crate::outbox::Outbox;
use crate::outbox::error::ReadError;

/// The columns of a [`Brief`].
pub(in crate::outbox) const BRIEF: &str =
    "SELECT e.id, e.received_ms, e.type, e.name, e.profile, e.source, e.status, e.reason";

/// A request of the event is in flight.
const IN_FLIGHT: &str = " AND e.active = 1 AND EXISTS (
    SELECT 1 FROM delivery AS o JOIN attempt AS a ON a.delivery_id = o.id
    WHERE o.event_id = e.id AND a.ended_ms IS NULL)";

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
    /// That name this order, in one of these spellings ([`Selection::orders`]); empty: any or none.
    pub order: Vec<String>,
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
    /// Dead, and with a reason that says the same as this one ([`crate::outbox::DeadGroup::words`]), about whatever ids.
    pub group: Option<String>,
    /// Those alone that have a request in flight.
    pub in_flight: bool,
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
        Self { ids, ..Self::default() }
    }

    /// The states it asks for; `None` when it asks for none, and for no event when a group is asked for in other states:
    /// that is of dead ones.
    pub(in crate::outbox) fn asked_states(&self) -> Option<Vec<EventStatus>> {
        let any = self.states.is_empty();
        if self.group.is_some() {
            let dead = any || self.states.contains(&EventStatus::Dead);
            return Some(if dead { vec![EventStatus::Dead] } else { vec![] });
        }
        (!any).then(|| self.states.clone())
    }

    /// The group it asks for.
    pub(in crate::outbox) fn wanted(&self) -> Option<Wanted> {
        self.group.as_deref().map(Wanted::of)
    }

    /// Everybody that a word may name: `user:u1` is exact, `u1` is a user id, an anonymous id, an e-mail or a phone.
    pub fn people(word: &str) -> Vec<Identifier> {
        let exact = word.split_once(':').and_then(|(kind, value)| {
            let kind = IdentifierKind::from_word(kind)?;
            Identifier::new(kind, value)
        });
        // A word without a digit is no phone: its letters would be lost.
        let phone = |kind: &IdentifierKind| *kind != IdentifierKind::Phone || !word.chars().any(char::is_alphabetic);
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
    /// The events of a selection, in their order of arrival. Reads every event, unless the selection names some, or asks
    /// for a state that few are in.
    pub async fn select(&self, selection: &Selection) -> Result<Vec<EventId>, ReadError> {
        let wanted = selection.wanted();
        let what = if wanted.is_some() {
            "SELECT e.id, e.reason"
        } else {
            "SELECT e.id, NULL AS reason"
        };
        let mut query = selected(what, selection);
        query.push(" ORDER BY e.id");
        let rows = query.build_query_as::<(i64, Option<String>)>();
        let rows = rows.fetch_all(&self.readers).await.map_err(failed())?;
        let meant = rows
            .into_iter()
            .filter(|(_, reason)| is_wanted(wanted.as_ref(), reason.as_deref()));
        Ok(meant.map(|(id, _)| EventId(id)).collect())
    }

    /// The first `most` events of a selection, in a few words each.
    pub async fn briefs(&self, selection: &Selection, most: u32) -> Result<Vec<Brief>, ReadError> {
        let wanted = selection.wanted();
        let mut query = selected(BRIEF, selection);
        query.push(" ORDER BY e.id");
        if wanted.is_none() {
            query.push(" LIMIT ").push_bind(most);
        }
        let rows = query.build().fetch_all(&self.readers).await;
        let briefs = briefs(&rows.map_err(failed())?, wanted.as_ref(), most);
        briefs.map_err(failed())
    }
}

/// Rows as events, those of the group alone where one is asked for, `most` at most.
pub(in crate::outbox) fn briefs(
    rows: &[SqliteRow],
    wanted: Option<&Wanted>,
    most: u32,
) -> Result<Vec<Brief>, sqlx::Error> {
    let briefs = rows.iter().map(brief);
    let meant = briefs.filter(|brief| match brief {
        Ok(brief) => is_wanted(wanted, brief.reason.as_deref()),
        Err(_) => true,
    });
    meant.take(most as usize).collect()
}

/// Whether an event that SQL let through is of the group asked for: SQL cannot tell.
pub(in crate::outbox) fn is_wanted(wanted: Option<&Wanted>, reason: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| wanted.is(reason))
}

/// The question for the events of a selection, without an order. What is not asked for is not in it, so that SQLite
/// can look up what is. A group has to be asked for once more, of each row ([`is_wanted`]).
pub(in crate::outbox) fn selected(what: &'static str, selection: &Selection) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new(what);
    query.push(" FROM event AS e WHERE true");
    let Selection {
        ids, profile, order, ..
    } = selection;
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let people: Vec<String> = profile.iter().map(ToString::to_string).collect();
    for (sql, values, none, end) in [
        (
            " AND e.id IN (SELECT value FROM json_each(",
            json!(ids),
            ids.is_empty(),
            "))",
        ),
        (
            " AND e.id IN (SELECT i.event_id FROM event_identifier AS i
                           WHERE i.identifier IN (SELECT value FROM json_each(",
            json!(people),
            people.is_empty(),
            ")))",
        ),
        (
            " AND e.order_id IN (SELECT value FROM json_each(",
            json!(order),
            order.is_empty(),
            "))",
        ),
    ] {
        if !none {
            query.push(sql).push_bind(values.to_string()).push(end);
        }
    }
    met(&mut query, selection);
    query
}

/// Who an event must be about, and which order it must name, asked of each event for itself.
pub(in crate::outbox) fn named_row_by_row(query: &mut QueryBuilder<Sqlite>, selection: &Selection) {
    let people: Vec<String> = selection.profile.iter().map(ToString::to_string).collect();
    if !people.is_empty() {
        query
            .push(
                " AND EXISTS (SELECT 1 FROM event_identifier AS i WHERE i.event_id = e.id
                              AND i.identifier IN (SELECT value FROM json_each(",
            )
            .push_bind(json!(people).to_string())
            .push(")))");
    }
    if !selection.order.is_empty() {
        query
            .push(" AND e.order_id IN (SELECT value FROM json_each(")
            .push_bind(json!(selection.order).to_string())
            .push("))");
    }
}

/// What an event must meet, apart from being named: by number, person or order.
pub(in crate::outbox) fn met(query: &mut QueryBuilder<Sqlite>, selection: &Selection) {
    if let Some(states) = selection.asked_states() {
        // As words, not as values: SQLite then knows which index holds them all.
        let words: Vec<String> = states.iter().map(|state| format!("'{state}'")).collect();
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
    let in_all = selection.wanted().map(|wanted| wanted.in_all().to_owned());
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
        (" AND instr(e.reason, ", &in_all, ") > 0"),
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

pub(in crate::outbox) fn brief(row: &SqliteRow) -> Result<Brief, sqlx::Error> {
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
