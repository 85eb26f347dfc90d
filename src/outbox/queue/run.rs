//! Runs: consecutive tracks of one person, claimed together so that they can be sent in one job.
//!
//! An event joins a run if each event directly before it, in each of its queues, is in that run: then all events that
//! block it are claimed too, and are before it in the run. Which events share a request is not decided here.

use std::collections::{HashMap, HashSet};

use sqlx::sqlite::SqliteConnection;

use crate::model::EventId;
use crate::outbox::rows;

/// A claimed event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// The event.
    pub event: EventId,
    /// The first event of its run; `None` if no other event was claimed with it. The event may be sent when the events
    /// of the run before it are done, or after them in the same job.
    pub run: Option<EventId>,
}

/// Adds at most `most` followers of the claimed events. Each comes after all earlier events of its run.
pub(in crate::outbox) async fn join(
    connection: &mut SqliteConnection,
    heads: Vec<EventId>,
    most: usize,
) -> Result<Vec<Claimed>, sqlx::Error> {
    let mut runs: HashMap<EventId, EventId> = heads.iter().map(|head| (*head, *head)).collect();
    let mut followers = Vec::new();
    if most > 0 {
        let rows: Vec<(EventId, Option<EventId>)> = sqlx::query_as(include_str!("sql/followers.sql"))
            .bind(rows::ids(&heads))
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .fetch_all(&mut *connection)
            .await?;
        let mut before: Vec<(EventId, Vec<Option<EventId>>)> = Vec::new();
        for (event, previous) in rows {
            match before.last_mut() {
                Some((last, all)) if *last == event => all.push(previous),
                Some(_) | None => before.push((event, vec![previous])),
            }
        }
        for (event, before) in before {
            if followers.len() == most {
                break;
            }
            if let Some(run) = run_of(&before, &runs) {
                runs.insert(event, run);
                followers.push(event);
            }
        }
    }
    if !followers.is_empty() {
        sqlx::query("UPDATE event SET active = 1, parked = NULL WHERE id IN (SELECT value FROM json_each(?1))")
            .bind(rows::ids(&followers))
            .execute(connection)
            .await?;
    }
    let followed: HashSet<EventId> = followers.iter().map(|event| runs[event]).collect();
    let claimed = heads.into_iter().chain(followers).map(|event| Claimed {
        event,
        run: Some(runs[&event]).filter(|run| followed.contains(run)),
    });
    Ok(claimed.collect())
}

/// The run that an event joins: the one run of all events directly before it. In a queue where the event is first,
/// there is none before it.
fn run_of(before: &[Option<EventId>], runs: &HashMap<EventId, EventId>) -> Option<EventId> {
    let mut found = None;
    for previous in before.iter().flatten() {
        let run = runs.get(previous)?;
        if found.is_some_and(|found| found != *run) {
            return None;
        }
        found = Some(*run);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_joins_the_one_run_that_all_it_waits_for_is_in() {
        let event = |id| Some(EventId(id));
        let runs = [(1, 1), (2, 1), (3, 3)];
        let runs = runs.map(|(event, run)| (EventId(event), EventId(run))).into();
        for (before, expected) in [
            (vec![event(1)], event(1)),
            (vec![event(2), event(1), None], event(1)),
            (vec![event(2), event(3)], None),
            (vec![event(2), event(9)], None),
            (vec![None], None),
        ] {
            assert_eq!(run_of(&before, &runs), expected, "{before:?}");
        }
    }
}
