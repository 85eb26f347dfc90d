//! What the writer can be asked to write, and the one place where that becomes SQL: each kind of command is one
//! statement text for all of a group's commands of that kind, fed by one JSON array.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::model::{DeliveryId, EventId, EventType, Identifier, ImportJobId, NewEvent, Timestamp};
use crate::outbox::control::dissolve;
use crate::outbox::control::erase::{self, Deletion};
use crate::outbox::intake::arrival::{self, Arrival};
use crate::outbox::maintain::history;
use crate::outbox::maintain::retention::{self, Removed, Round};
use crate::outbox::queue::begin;
use crate::outbox::queue::import_job;
use crate::outbox::queue::pause::{self, Pause};
use crate::outbox::queue::run::{self, Claimed};
use crate::outbox::queue::transition::{Begun, Erased, Import, PlannedDelivery, Replay, Start, Step, Then};
use crate::outbox::queue::waiting::{self, Waiting};
use crate::outbox::rows;

/// The bytes of an event's or a request's row beside its text, about.
const ROW: usize = 512;

/// One thing to write.
#[derive(Debug)]
pub(super) enum Command {
    Append(Vec<NewEvent>),
    Import(Vec<NewEvent>, Import),
    Claim {
        now: Timestamp,
        live: usize,
        replayed: usize,
        followers: usize,
    },
    Plan(Vec<(EventId, Vec<PlannedDelivery>)>),
    Begin(Vec<Start>),
    /// All in one import job.
    BeginImport(Vec<Start>),
    /// Klaviyo's id of an import job.
    ImportTaken(ImportJobId, String),
    Settle(Vec<Step>),
    Replay {
        now: Timestamp,
        events: Vec<EventId>,
        how: Replay,
    },
    Discard {
        now: Timestamp,
        events: Vec<EventId>,
    },
    Hold(Vec<EventId>),
    Release {
        now: Timestamp,
        events: Vec<EventId>,
    },
    Erase {
        now: Timestamp,
        identifiers: Vec<Identifier>,
    },
    /// Takes the last events out of the queues of these identifiers.
    Dissolve(Vec<String>),
    SetPauses(Vec<Pause>),
    Unpark {
        what: Waiting,
        now: Timestamp,
    },
    Remove(Round),
    Chronicle(Box<history::Note>),
    Remember {
        name: String,
        value: String,
    },
}

/// What a command came to.
#[derive(Debug)]
pub(super) enum Answer {
    Done,
    /// What became of each event.
    Appended(Vec<Arrival>),
    Claimed(Vec<Claimed>),
    Planned(HashMap<EventId, Vec<DeliveryId>>),
    Begun(Vec<Begun>),
    ImportBegun(ImportJobId, Vec<Begun>),
    Removed(Removed),
    Erased(Erased),
    Unparked(bool),
    Dissolved(u64),
}

impl Command {
    /// Whether it stores events that somebody else forgets when it is answered.
    pub(super) const fn stores(&self) -> bool {
        matches!(self, Self::Append(_) | Self::Import(..))
    }

    /// Whether it empties events, so that what they held is still in the log.
    pub(super) fn erases(&self) -> bool {
        let finishes = |step: &Step| matches!(step.then, Then::Finish { erase: true, .. });
        match self {
            Self::Erase { .. } => true,
            Self::Settle(steps) => steps.iter().any(finishes),
            Self::Append(_)
            | Self::Claim { .. }
            | Self::Plan(_)
            | Self::Begin(_)
            | Self::BeginImport(_)
            | Self::ImportTaken(..)
            | Self::Replay { .. }
            | Self::Discard { .. }
            | Self::Hold(_)
            | Self::Release { .. }
            | Self::Remove(_)
            | Self::Chronicle(_)
            | Self::Import { .. }
            | Self::Dissolve(_)
            | Self::SetPauses(_)
            | Self::Unpark { .. }
            | Self::Remember { .. } => false,
        }
    }

    /// The bytes of what it stores, about.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Append(events) | Self::Import(events, _) => {
                events.iter().map(|event| event.payload.len() + ROW).sum()
            }
            Self::Plan(events) => {
                let owed = events.iter().flat_map(|(_, owed)| owed);
                let request = |owed: &PlannedDelivery| owed.request.as_ref().map_or(0, String::len);
                owed.map(|owed| request(owed) + ROW).sum()
            }
            Self::Claim { .. }
            | Self::Begin(_)
            | Self::BeginImport(_)
            | Self::ImportTaken(..)
            | Self::Settle(_)
            | Self::Replay { .. }
            | Self::Discard { .. }
            | Self::Hold(_)
            | Self::Release { .. }
            | Self::Erase { .. }
            | Self::Dissolve(_)
            | Self::SetPauses(_)
            | Self::Unpark { .. }
            | Self::Remove(_)
            | Self::Chronicle(_)
            | Self::Remember { .. } => ROW,
        }
    }
}

/// Writes a group of commands on a connection with an open transaction, and answers each in its place.
pub(super) async fn write(connection: &mut SqliteConnection, commands: &[Command]) -> Result<Vec<Answer>, sqlx::Error> {
    let group = Group::of(commands);
    let mut arrivals = append(connection, &group.events).await?.into_iter();
    settle(connection, &group).await?;
    let planned = rows::execute(connection, include_str!("queue/sql/plan.sql"), &group.plans).await?;
    let mut planned = planned_of(&planned)?;
    let mut begun = begin::all(connection, &group.begins).await?.into_iter();
    let mut answers = Vec::with_capacity(commands.len());
    for command in commands {
        answers.push(match command {
            Command::Append(events) | Command::Import(events, _) => {
                Answer::Appended(arrivals.by_ref().take(events.len()).collect())
            }
            Command::Settle(_) => Answer::Done,
            Command::Plan(events) => {
                let own = events.iter().filter_map(|(event, _)| planned.remove_entry(event));
                Answer::Planned(own.collect())
            }
            Command::Begin(starts) => Answer::Begun(begun.by_ref().take(starts.len()).collect()),
            Command::BeginImport(starts) => {
                let (job, begun) = import_job::begin(connection, starts).await?;
                Answer::ImportBegun(job, begun)
            }
            Command::Claim {
                now,
                live,
                replayed,
                followers,
            } => {
                let heads = claim(connection, *now, *live, *replayed).await?;
                Answer::Claimed(run::join(connection, heads, *followers).await?)
            }
            Command::Remove(round) => Answer::Removed(retention::remove(connection, round).await?),
            Command::Chronicle(note) => {
                history::write(connection, note).await?;
                Answer::Done
            }
            Command::Erase { now, identifiers } => Answer::Erased(erase::now(connection, *now, identifiers).await?),
            Command::Replay { .. }
            | Command::Discard { .. }
            | Command::Hold(_)
            | Command::Release { .. }
            | Command::ImportTaken(..)
            | Command::Remember { .. } => alone(connection, command).await?,
            Command::Dissolve(queues) => Answer::Dissolved(dissolve::take_out(connection, queues).await?),
            Command::SetPauses(pauses) => {
                pause::write(connection, pauses).await?;
                Answer::Done
            }
            Command::Unpark { what, now } => Answer::Unparked(waiting::unpark(connection, *what, *now).await?),
        });
    }
    Ok(answers)
}

/// Writes what came of requests and events.
async fn settle(connection: &mut SqliteConnection, group: &Group<'_>) -> Result<(), sqlx::Error> {
    let settle = include_str!("queue/sql/settle.sql");
    rows::execute(connection, settle, &group.settlements).await?;
    rows::execute(connection, include_str!("queue/sql/finish.sql"), &group.finishes).await?;
    for deletion in &group.deletions {
        erase::after(connection, *deletion).await?;
    }
    rows::execute(connection, include_str!("queue/sql/close_lost.sql"), &group.lost).await?;
    rows::execute(connection, include_str!("queue/sql/requeue.sql"), &group.releases).await?;
    Ok(())
}

/// The commands of a group by kind, as the arrays that the statements read.
#[derive(Default)]
struct Group<'a> {
    events: Vec<(&'a NewEvent, Option<Import>)>,
    settlements: Vec<Value>,
    finishes: Vec<Value>,
    deletions: Vec<Deletion<'a>>,
    lost: Vec<Value>,
    releases: Vec<Value>,
    plans: Vec<Value>,
    begins: Vec<&'a [Start]>,
}

impl<'a> Group<'a> {
    fn of(commands: &'a [Command]) -> Self {
        let mut group = Self::default();
        for command in commands {
            match command {
                Command::Append(events) => {
                    group.events.extend(events.iter().map(|event| (event, None)));
                }
                Command::Import(events, how) => {
                    group.events.extend(events.iter().map(|event| (event, Some(*how))));
                }
                Command::Plan(events) => group.plans.extend(events.iter().flat_map(rows::plan)),
                Command::Begin(starts) => group.begins.push(starts),
                Command::Settle(steps) => steps.iter().for_each(|step| group.step(step)),
                Command::Claim { .. }
                | Command::BeginImport(_)
                | Command::ImportTaken(..)
                | Command::Replay { .. }
                | Command::Discard { .. }
                | Command::Hold(_)
                | Command::Release { .. }
                | Command::Erase { .. }
                | Command::Dissolve(_)
                | Command::SetPauses(_)
                | Command::Unpark { .. }
                | Command::Remove(_)
                | Command::Chronicle(_)
                | Command::Remember { .. } => {}
            }
        }
        group
    }

    fn step(&mut self, step: &'a Step) {
        self.settlements.extend(step.settlement.as_ref().map(rows::settlement));
        match &step.then {
            Then::Stay => {}
            Then::Release { event, due, parked } => {
                self.releases.push(rows::release(*event, *due, *parked));
            }
            Then::GiveBack { event, due, now } => {
                self.lost.push(rows::lost(*event, *now));
                self.releases.push(rows::release(*event, *due, None));
            }
            Then::Finish {
                event,
                status,
                reason,
                copy_of,
                hold,
                erase,
                now,
            } => {
                if *erase {
                    self.deletions.push(Deletion {
                        event: *event,
                        status: *status,
                        reason: reason.as_deref(),
                        now: *now,
                    });
                }
                self.finishes
                    .push(rows::finish(*event, *status, reason.as_deref(), *copy_of, *hold, *now));
            }
        }
    }
}

/// Stores envelopes, before the events that refer to them.
const ENVELOPES: &str = "
    INSERT INTO envelope (id, body)
    SELECT (SELECT value FROM counter WHERE name = 'last_envelope') + 1 + j.key, j.value FROM json_each(?1) AS j";

/// Removes those of copies alone, and counts.
const ENVELOPES_COUNTED: &str = "
    DELETE FROM envelope
    WHERE id > (SELECT value FROM counter WHERE name = 'last_envelope')
      AND NOT EXISTS (SELECT 1 FROM payload AS p WHERE p.envelope_id = envelope.id);
    UPDATE counter SET value = value + json_array_length(?1) WHERE name = 'last_envelope'";

async fn append(
    connection: &mut SqliteConnection,
    events: &[(&NewEvent, Option<Import>)],
) -> Result<Vec<Arrival>, sqlx::Error> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let known: Vec<rows::EventRow<'_>> = events
        .iter()
        .map(|(event, import)| rows::EventRow::of(event, *import))
        .collect();
    let (known, arrivals) = arrival::messages(connection, known).await?;
    let events_of_group = events.iter().map(|(event, _)| *event);
    let (texts, envelopes) = rows::texts(events_of_group)?;
    if let Some(envelopes) = &envelopes {
        sqlx::query(ENVELOPES).bind(envelopes).execute(&mut *connection).await?;
    }
    sqlx::query(include_str!("intake/sql/append.sql"))
        .bind(&known)
        .bind(texts)
        .execute(&mut *connection)
        .await?;
    if let Some(envelopes) = envelopes {
        sqlx::query(ENVELOPES_COUNTED)
            .bind(envelopes)
            .execute(&mut *connection)
            .await?;
    }
    if events.iter().any(|(event, _)| event.kind == Some(EventType::Delete)) {
        erase::chain(connection).await?;
    }
    sqlx::query(include_str!("intake/sql/enqueue.sql"))
        .bind(known)
        .execute(connection)
        .await?;
    Ok(arrivals)
}

async fn claim(
    connection: &mut SqliteConnection,
    now: Timestamp,
    live: usize,
    replayed: usize,
) -> Result<Vec<EventId>, sqlx::Error> {
    let count = |limit: usize| i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = sqlx::query(include_str!("queue/sql/claim.sql"))
        .bind(now.as_millis())
        .bind(count(live))
        .bind(count(replayed))
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| row.try_get(0).map(EventId)).collect()
}

/// Commands that come singly: one statement text each.
async fn alone(connection: &mut SqliteConnection, command: &Command) -> Result<Answer, sqlx::Error> {
    let query = match command {
        Command::Replay { now, events, how } => sqlx::query(include_str!("control/sql/replay.sql"))
            .bind(now.as_millis())
            .bind(rows::ids(events))
            .bind(how.consent)
            .bind(how.backfill)
            .bind(how.as_sent)
            .bind(how.again),
        Command::Discard { now, events } => sqlx::query(include_str!("control/sql/discard.sql"))
            .bind(now.as_millis())
            .bind(rows::ids(events)),
        Command::Hold(events) => sqlx::query(include_str!("control/sql/hold.sql")).bind(rows::ids(events)),
        Command::Release { now, events } => sqlx::query(include_str!("control/sql/release_held.sql"))
            .bind(now.as_millis())
            .bind(rows::ids(events)),
        Command::ImportTaken(job, klaviyo_id) => sqlx::query(import_job::TAKEN).bind(job.0).bind(klaviyo_id),
        Command::Remember { name, value } => sqlx::query("INSERT OR REPLACE INTO kv (name, value) VALUES (?1, ?2)")
            .bind(name)
            .bind(value),
        // Written with their group.
        Command::Append(_)
        | Command::Import(..)
        | Command::Claim { .. }
        | Command::Plan(_)
        | Command::Begin(_)
        | Command::BeginImport(_)
        | Command::Remove(_)
        | Command::Chronicle(_)
        | Command::Erase { .. }
        | Command::Dissolve(_)
        | Command::SetPauses(_)
        | Command::Unpark { .. }
        | Command::Settle(_) => return Ok(Answer::Done),
    };
    query.execute(connection).await?;
    Ok(Answer::Done)
}

/// The new deliveries of each event, in their order.
fn planned_of(rows: &[SqliteRow]) -> Result<HashMap<EventId, Vec<DeliveryId>>, sqlx::Error> {
    let mut placed: HashMap<EventId, Vec<(i64, DeliveryId)>> = HashMap::new();
    for row in rows {
        let event = EventId(row.try_get("event_id")?);
        let place = (row.try_get("position")?, DeliveryId(row.try_get("id")?));
        placed.entry(event).or_default().push(place);
    }
    let in_order = |mut deliveries: Vec<(i64, DeliveryId)>| {
        deliveries.sort_unstable_by_key(|(position, _)| *position);
        deliveries.into_iter().map(|(_, id)| id).collect()
    };
    Ok(placed
        .into_iter()
        .map(|(event, deliveries)| (event, in_order(deliveries)))
        .collect())
}
