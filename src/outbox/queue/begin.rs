//! Decides which attempts may start, and records them.
//!
//! A claimed event can be held, discarded or claimed again before its request is sent. So this is checked here, in the
//! transaction that records the attempt: an event has at most one request in flight, and none if it must not be sent
//! any more. Uses `command`, `transition` and `rows`.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::transition::{Begun, Copied, Start};
use crate::model::{DeliveryStatus, EventId, ImportJobId};
use crate::outbox::command::{Group, GroupCommand, Written};
use crate::outbox::rows::{self, StartRow};
use crate::outbox::transaction::{Ticket, Transaction};

/// Records that attempts start; the reply contains for each whether it may start.
#[derive(Debug)]
pub(in crate::outbox) struct Begin(pub(in crate::outbox) Vec<Start>);

impl GroupCommand for Begin {
    type Reply = Vec<Begun>;

    fn join<'a>(&'a self, group: &mut Group<'a>) {
        group.begins.push(&self.0);
    }

    fn reply(&self, written: &mut Written) -> Vec<Begun> {
        written.begun.by_ref().take(self.0.len()).collect()
    }
}

/// Which of these deliveries may start an attempt, and the event of each. ?1: JSON array of delivery ids.
pub(in crate::outbox) const MAY_BEGIN: &str = "
    SELECT d.id, d.event_id FROM json_each(?1) AS j
    JOIN delivery AS d ON d.id = j.value AND d.status IN ('pending', 'unknown')
    JOIN event AS e ON e.id = d.event_id AND e.generation = d.generation AND e.status = 'pending' AND e.active = 1
    WHERE NOT EXISTS (SELECT 1 FROM delivery AS o JOIN attempt AS a ON a.delivery_id = o.id AND a.ended_ms IS NULL
                      WHERE o.event_id = e.id)";

/// For each attempt of some commands, in the same order, whether it may start.
pub(in crate::outbox) async fn permitted(
    transaction: &mut Transaction<'_>,
    commands: &[&[Start]],
) -> Result<Vec<bool>, sqlx::Error> {
    let requested: Vec<i64> = commands
        .iter()
        .flat_map(|starts| starts.iter().map(|start| start.delivery.0))
        .collect();
    if requested.is_empty() {
        return Ok(Vec::new());
    }
    let piece = transaction.queue(MAY_BEGIN).bind(json!(requested).to_string())?;
    let may = piece.fetch().await?;
    let mut events = HashMap::with_capacity(may.rows.len());
    for row in &may.rows {
        events.insert(row.try_get::<i64, _>(0)?, EventId(row.try_get(1)?));
    }
    let mut taken: HashSet<EventId> = HashSet::new();
    let mut permitted = Vec::with_capacity(requested.len());
    for starts in commands {
        let mut own: HashSet<EventId> = HashSet::new();
        for start in *starts {
            // An earlier command of the same commit may have started an attempt of this event.
            let event = events.get(&start.delivery.0);
            let event = event.filter(|event| !taken.contains(event));
            own.extend(event);
            permitted.push(event.is_some());
        }
        taken.extend(own);
    }
    Ok(permitted)
}

/// Queues the permitted attempts, in an import job if one is given.
pub(in crate::outbox) fn queue<'a>(
    transaction: &mut Transaction<'_>,
    starts: impl Iterator<Item = &'a Start>,
    permitted: &[bool],
    import: Option<ImportJobId>,
) -> Result<Option<Ticket>, sqlx::Error> {
    let may = starts
        .zip(permitted)
        .filter_map(|(start, permitted)| permitted.then_some(start));
    let going: Vec<StartRow<'_>> = may
        .enumerate()
        .map(|(place, start)| StartRow::of(start, import.map(|job| (job, place))))
        .collect();
    rows::queue(transaction, include_str!("sql/begin.sql"), &going)
}

/// The result for every attempt, in the same order, from the rows of [`queue`].
pub(in crate::outbox) fn begun_of(permitted: &[bool], rows: &[SqliteRow]) -> Result<Vec<Begun>, sqlx::Error> {
    let mut rows = rows.iter();
    let answer = |permitted: &bool| {
        if *permitted {
            begun(rows.next())
        } else {
            Ok(Begun::Busy)
        }
    };
    permitted.iter().map(answer).collect()
}

fn begun(row: Option<&SqliteRow>) -> Result<Begun, sqlx::Error> {
    let row = row.ok_or(sqlx::Error::RowNotFound)?;
    let status: String = row.try_get("status")?;
    if status == DeliveryStatus::Duplicate.word() {
        return Ok(Begun::Duplicate(Copied {
            event: EventId(row.try_get("copy_of")?),
            profile_id: row.try_get("profile_id")?,
        }));
    }
    let number: Option<i64> = row.try_get("number")?;
    Ok(number.map_or(Begun::Busy, |attempt| Begun::Go { attempt }))
}
