//! What the outbox forgets, and when: bodies first, then events with their history and all that is known of them.
//!
//! Everything is removed a little at a time by the writer, between the events that come and go: a round is a few
//! milliseconds of its work, and [`keep`] leaves it alone for several times as long before the next. What is removed
//! is counted, so that the audit adds up for ever. The space is given back to the disk in small steps too. What the time
//! is, two clocks must agree on: the outbox's witness.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::command::{Answer, Command};
use super::{Outbox, WriteError, history, import_job, mismatch};
use crate::clock::Clock;
use crate::config::OutboxConfig;
use crate::model::Timestamp;

/// Events of each kind that one round takes.
const EVENTS: u64 = 100;
/// Pages that one round gives back.
const PAGES: i64 = 256;
/// Free pages that a file keeps for what comes next: this part of it, and this many.
const SPARE_PART: i64 = 10;
const SPARE_PAGES: i64 = 1024;
/// The pause while nothing is left to do.
const REST: Duration = Duration::from_secs(5);
/// The pause after a round that left something, as a multiple of what the round took.
const RESPITE: u32 = 4;
/// Import jobs that ended are known for so long at least: a list of Klaviyo's may show them.
const IMPORT_JOBS: Duration = Duration::from_hours(24);
/// How long minutes are kept: a week, and a day to look back at its beginning.
const MINUTES: Duration = Duration::from_hours(8 * 24);
/// The fact that says what was believed to be the time in the last round, and how often it is written.
const ROUND: &str = "the time of the last removal";
const KEPT_EVERY: Duration = Duration::from_mins(1);
/// A clock that is ahead of what is believed by this is reported. A restart is less.
const NOTED: Duration = Duration::from_hours(1);
/// The fact that tells how far bodies are removed.
const STRIPPED: &str = "bodies removed up to";

/// What one round goes by: what finished before these times goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Round {
    /// Delivered and skipped events.
    pub(super) delivered: Timestamp,
    /// Dead events.
    pub(super) dead: Timestamp,
    /// Bodies of delivered and skipped events.
    pub(super) bodies: Timestamp,
    /// Import jobs of which no attempt is left.
    pub(super) import_jobs: Timestamp,
    /// Minutes of the history.
    pub(super) minutes: Timestamp,
}

/// What a round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Removed {
    pub(super) events: u64,
    pub(super) bodies: u64,
    /// Whether another round has something to do.
    pub(super) more: bool,
}

/// Forgets what the configuration says at the time, until `stop`.
pub async fn keep(
    outbox: Outbox,
    config: watch::Receiver<OutboxConfig>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let witness = outbox.witness();
    witness.begin(last_round(&outbox).await, clock.as_ref());
    let (mut kept, mut leapt) = (None, None);
    loop {
        let began = clock.monotonic();
        let now = witness.look(clock.as_ref());
        if kept.is_none_or(|kept| now.since(kept).max(kept.since(now)) >= KEPT_EVERY) {
            kept = Some(now);
            let told = outbox.remember(ROUND.to_owned(), now.as_millis().to_string());
            if let Err(error) = told.await {
                tracing::debug!(%error, "failed to keep the time of this round");
            }
        }
        leapt = note_leap(&outbox, leapt, clock.now().since(now)).await;
        let round = Round::at(&config.borrow(), now);
        let pause = match outbox.remove_some(round).await {
            Ok(removed) => {
                let Removed { events, bodies, .. } = removed;
                if events + bodies > 0 {
                    tracing::debug!(events, bodies, "what was kept long enough is removed");
                }
                if removed.more {
                    clock.monotonic().saturating_sub(began) * RESPITE
                } else {
                    REST
                }
            }
            Err(WriteError::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "failed to remove what was kept long enough; it is tried again");
                REST
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// What was believed to be the time in the last round of an earlier daemon.
async fn last_round(outbox: &Outbox) -> Option<Timestamp> {
    let fact = outbox.recall(ROUND).await.ok().flatten()?;
    fact.parse().ok().map(Timestamp::from_millis)
}

/// Reports that the clock is far ahead of what is believed, once, and that it no longer is; gives what it was ahead by when
/// that was reported.
async fn note_leap(outbox: &Outbox, reported: Option<Duration>, ahead: Duration) -> Option<Duration> {
    let ahead = Some(ahead).filter(|ahead| *ahead >= NOTED);
    if ahead.is_some() == reported.is_some() {
        return reported;
    }
    if let Some(ahead) = ahead {
        tracing::warn!(
            seconds = ahead.as_secs(),
            "the clock is ahead of the time that passed: nothing is removed or given up for its age until it has stood by it"
        );
    }
    match outbox.report_leap(ahead).await {
        Ok(()) => ahead,
        Err(error) => {
            tracing::debug!(%error, "failed to keep what the clock has leapt");
            reported
        }
    }
}

impl Round {
    fn at(config: &OutboxConfig, now: Timestamp) -> Self {
        Self {
            delivered: now.minus(config.retain_delivered),
            dead: now.minus(config.retain_dead),
            bodies: now.minus(config.retain_bodies),
            import_jobs: now.minus(IMPORT_JOBS),
            minutes: now.minus(MINUTES),
        }
    }
}

impl Outbox {
    pub(super) async fn remove_some(&self, round: Round) -> Result<Removed, WriteError> {
        let answer = self.ask(Command::Remove(round)).await?;
        if let Answer::Removed(removed) = answer {
            Ok(removed)
        } else {
            Err(mismatch(&answer))
        }
    }
}

/// Does one round on a connection with an open transaction.
pub(super) async fn remove(connection: &mut SqliteConnection, round: &Round) -> Result<Removed, sqlx::Error> {
    let events = prune(connection, round).await?;
    let bodies = strip(connection, round).await?;
    import_job::forget(connection, round.import_jobs).await?;
    history::forget(connection, round.minutes).await?;
    let vacuumed = give_back(connection).await?;
    Ok(Removed {
        events,
        bodies,
        more: events >= EVENTS || bodies >= EVENTS || vacuumed,
    })
}

async fn prune(connection: &mut SqliteConnection, round: &Round) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(include_str!("../sql/prune.sql"))
        .bind(round.delivered.as_millis())
        .bind(round.dead.as_millis())
        .bind(limit())
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}

/// Goes on where the last round stopped, which is kept in the file: what has no body is not looked at again.
async fn strip(connection: &mut SqliteConnection, round: &Round) -> Result<u64, sqlx::Error> {
    if round.bodies <= round.delivered {
        // They go with their events.
        return Ok(0);
    }
    let place: Option<String> = sqlx::query_scalar("SELECT value FROM fact WHERE name = ?1")
        .bind(STRIPPED)
        .fetch_optional(&mut *connection)
        .await?;
    let (after_ms, after_id) = place.as_deref().and_then(place_of).unwrap_or((0, 0));
    let rows = sqlx::query(include_str!("../sql/strippable.sql"))
        .bind(after_ms)
        .bind(after_id)
        .bind(round.bodies.as_millis())
        .bind(limit())
        .fetch_all(&mut *connection)
        .await?;
    let Some(last) = rows.last() else {
        return Ok(0);
    };
    let place: (i64, i64) = (last.try_get("finished_ms")?, last.try_get("id")?);
    let ids = rows.iter().map(|row| row.try_get("id"));
    let ids: Vec<i64> = ids.collect::<Result<_, _>>()?;
    sqlx::query(include_str!("../sql/strip.sql"))
        .bind(serde_json::json!(ids).to_string())
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT OR REPLACE INTO fact (name, value) VALUES (?1, ?2)")
        .bind(STRIPPED)
        .bind(format!("{} {}", place.0, place.1))
        .execute(connection)
        .await?;
    Ok(u64::try_from(ids.len()).unwrap_or(u64::MAX))
}

fn place_of(fact: &str) -> Option<(i64, i64)> {
    let (millis, id) = fact.split_once(' ')?;
    Some((millis.parse().ok()?, id.parse().ok()?))
}

/// Gives free pages back to the disk, when there are many. Whether it did.
async fn give_back(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let (free, all): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT freelist_count FROM pragma_freelist_count), (SELECT page_count FROM pragma_page_count)",
    )
    .fetch_one(&mut *connection)
    .await?;
    if free <= SPARE_PAGES.max(all / SPARE_PART) {
        return Ok(false);
    }
    // The pages are given back as the rows of its (empty) result are asked for.
    sqlx::query(sqlx::AssertSqlSafe(format!("PRAGMA incremental_vacuum({PAGES})")))
        .fetch_all(connection)
        .await?;
    Ok(true)
}

fn limit() -> i64 {
    i64::try_from(EVENTS).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
