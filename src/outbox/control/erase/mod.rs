//! Erases a person: finds the identifiers of the person in a delete call, and erases the finished events.
//!
//! When a delete call arrives, the other identifiers of its person are added to it (`sql/person.sql`), so it is in the
//! queues of all of them. Therefore all earlier events of the person are finished when the delete call is first in its
//! queues, and no later event overtakes it. When it is finished, the same transaction erases the finished events of
//! the person. Their rows stay.
//!
//! Promises that no personal data is left in those rows, and that an event of another userId is not changed.
//! [`crate::outbox::maintain::vacuum`] removes the erased data from the unused parts of the file and from the WAL.

mod person;

use serde_json::json;
use sqlx::sqlite::SqliteConnection;

use crate::model::{EventStatus, Identifier, Reason, Timestamp};
use crate::outbox::kv;
use crate::outbox::maintain::vacuum;
use crate::outbox::queue::transition::{Deletion, Erased};
use crate::outbox::reasons;

pub use person::{Person, PersonsEvent};

/// No upper bound, for a queue position or an event id.
const ALL: i64 = i64::MAX;

/// Erases the events of the person before a delete call, and the call itself. A delete call that is dead, because
/// Klaviyo rejected the request, keeps its content: the operator has to see which person it names, and may replay it.
pub(in crate::outbox) async fn erase_for_call(
    connection: &mut SqliteConnection,
    deletion: Deletion<'_>,
) -> Result<(), sqlx::Error> {
    let id = deletion.event.0;
    let row: Option<(i64, String)> = sqlx::query_as(
        "SELECT queue_pos, (SELECT json_group_array(identifier) FROM event_identifier WHERE event_id = ?1) AS person
         FROM event WHERE id = ?1 AND status = ?2",
    )
    .bind(id)
    .bind(deletion.status.word())
    .fetch_optional(&mut *connection)
    .await?;
    // It was discarded in the meantime: no person is to be erased.
    let Some((queue_pos, person)) = row else { return Ok(()) };
    let mut events = erasable(connection, &person, queue_pos).await?;
    events.retain(|event| *event != id);
    let earlier = events.len();
    let kept = deletion.status == EventStatus::Dead;
    if !kept {
        events.push(id);
    }
    erase_events(connection, &events).await?;
    record(connection, deletion.now, Some(id), events.len()).await?;
    let reason = reason(deletion, earlier, kept);
    sqlx::query("UPDATE event SET reason = ?2, reason_code = ?3 WHERE id = ?1")
        .bind(id)
        .bind(reason.text)
        .bind(reason.code)
        .execute(connection)
        .await?;
    Ok(())
}

/// Erases all finished events of the person that these identifiers name; returns how many, and how many are left
/// because they are not finished.
pub(in crate::outbox) async fn erase_person(
    connection: &mut SqliteConnection,
    now: Timestamp,
    identifiers: &[Identifier],
) -> Result<Erased, sqlx::Error> {
    let named: Vec<String> = identifiers.iter().map(ToString::to_string).collect();
    let person = person(connection, &json!(named).to_string(), ALL).await?;
    let events = erasable(connection, &person, ALL).await?;
    erase_events(connection, &events).await?;
    record(connection, now, None, events.len()).await?;
    let left: i64 = sqlx::query_scalar(
        "SELECT count(DISTINCT i.event_id) FROM json_each(?1) AS j JOIN event_identifier AS i ON i.identifier = j.value
         WHERE NOT EXISTS (SELECT 1 FROM event_identifier AS f
                           WHERE f.event_id = i.event_id AND substr(f.identifier, 1, 5) = 'user:'
                             AND f.identifier NOT IN (SELECT value FROM json_each(?1)))",
    )
    .bind(&person)
    .fetch_one(connection)
    .await?;
    Ok(Erased {
        events: events.len(),
        left: usize::try_from(left).unwrap_or(0),
    })
}

/// Adds to the delete calls among the events just stored all identifiers of their person.
pub(in crate::outbox) async fn add_identifiers(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let calls: Vec<(i64, String)> = sqlx::query_as(include_str!("../sql/delete_calls.sql"))
        .fetch_all(&mut *connection)
        .await?;
    for (id, named) in calls {
        let person = person(connection, &named, id).await?;
        sqlx::query(
            "INSERT INTO event_identifier (event_id, identifier) SELECT ?1, value FROM json_each(?2) WHERE true
             ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(person)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// All identifiers, as a JSON array, of the person that `named` (a JSON array) names, according to the events before
/// `before`.
async fn person(connection: &mut SqliteConnection, named: &str, before: i64) -> Result<String, sqlx::Error> {
    let identifiers: Vec<String> = sqlx::query_scalar(include_str!("../sql/person.sql"))
        .bind(named)
        .bind(before)
        .fetch_all(connection)
        .await?;
    Ok(json!(identifiers).to_string())
}

async fn erasable(connection: &mut SqliteConnection, person: &str, before: i64) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar(include_str!("../sql/erasable.sql"))
        .bind(person)
        .bind(before)
        .fetch_all(connection)
        .await
}

async fn erase_events(connection: &mut SqliteConnection, events: &[i64]) -> Result<(), sqlx::Error> {
    sqlx::query(include_str!("../sql/erase.sql"))
        .bind(json!(events).to_string())
        .execute(connection)
        .await?;
    Ok(())
}

async fn record(
    connection: &mut SqliteConnection,
    now: Timestamp,
    event: Option<i64>,
    events: usize,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO erasure (at_ms, event_id, events) VALUES (?1, ?2, ?3)")
        .bind(now.as_millis())
        .bind(event)
        .bind(i64::try_from(events).unwrap_or(i64::MAX))
        .execute(&mut *connection)
        .await?;
    kv::set(connection, vacuum::DUE, "1").await
}

/// The result of the call, and what was erased for it.
fn reason(deletion: Deletion<'_>, earlier: usize, kept: bool) -> Reason {
    let plural = if earlier == 1 { "" } else { "s" };
    let done = if kept {
        format!(
            "{earlier} earlier event{plural} of the person erased from the outbox; this call is kept, to be replayed"
        )
    } else {
        format!("erased from the outbox, with {earlier} earlier event{plural} of the person")
    };
    match deletion.reason {
        Some(reason) => reason.with_text(format!("{reason}; {done}")),
        None => Reason::new(reasons::PERSON_ERASED, done),
    }
}

#[cfg(test)]
pub(in crate::outbox) mod tests;
