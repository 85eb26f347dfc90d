//! What the writer can be asked to write, and the one place where that becomes SQL: each kind of command is one
//! statement text for all of a group's commands of that kind, fed by one JSON array.

use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::model::{
    DeliveryId, DeliveryKind, DeliveryStatus, EventId, EventStatus, EventType, Identifier,
    IdentifierKind, NewEvent, Outcome, Timestamp,
};

/// One thing to write.
#[derive(Debug)]
pub(super) enum Command {
    Append(Vec<NewEvent>),
    Claim {
        now: Timestamp,
        limit: usize,
    },
    Plan {
        event: EventId,
        deliveries: Vec<PlannedDelivery>,
    },
    Begin(Start),
    Settle {
        settlement: Option<Settlement>,
        then: Then,
    },
    Replay {
        now: Timestamp,
        events: Vec<EventId>,
        consent: bool,
    },
    Pause {
        now: Timestamp,
        reason: String,
        probe_at: Timestamp,
    },
    Resume,
    Remember {
        name: String,
        value: String,
    },
}

/// What a command came to.
#[derive(Debug)]
pub(super) enum Answer {
    Done,
    Claimed(Vec<EventId>),
    Planned(Vec<DeliveryId>),
    Begun(Begun),
}

/// A request that an event owes, as mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedDelivery {
    /// What it asks of Klaviyo.
    pub kind: DeliveryKind,
    /// The metric's name, of an event.
    pub metric: Option<String>,
    /// The `$event_id`, of an event.
    pub event_key: Option<String>,
    /// The list, of a subscription or a list change.
    pub list_id: Option<String>,
    /// The body, frozen from here on; `None` where it needs the answer to an earlier request.
    pub request: Option<String>,
    /// Why it will never be sent.
    pub refused: Option<String>,
    /// What Klaviyo will take and then ignore, and the like.
    pub warnings: Vec<String>,
}

/// An attempt about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Where it goes: the sandbox or a Klaviyo account.
    pub sent_to: String,
    /// The body, where it was not frozen before.
    pub request: Option<String>,
    /// The time.
    pub now: Timestamp,
}

/// Whether the attempt may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is written down, under this number: send.
    Go {
        /// Counts the delivery's attempts, from 1.
        attempt: i64,
    },
    /// The `$event_id` was delivered before; the delivery is settled as `duplicate`, nothing is to be sent.
    Duplicate,
    /// Another delivery with this `$event_id` is not finished: try again later.
    Busy,
}

/// What came of an attempt, and what that makes of its delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The delivery.
    pub delivery: DeliveryId,
    /// The attempt's number.
    pub attempt: i64,
    /// What came of it.
    pub outcome: Outcome,
    /// Where the delivery stands now.
    pub status: DeliveryStatus,
    /// Why, when it is not delivered.
    pub reason: Option<String>,
    /// A new body, when the answer asked for one (409).
    pub request: Option<String>,
    /// Whether the attempt counts against `max_attempts`.
    pub counts: bool,
    /// The time.
    pub now: Timestamp,
}

/// What becomes of the event, in the same commit as the settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Its next delivery goes at once.
    Stay,
    /// It waits, and keeps its place in the order.
    Release {
        /// The event.
        event: EventId,
        /// Not before this time.
        due: Timestamp,
    },
    /// It is done; those behind it move up.
    Finish {
        /// The event.
        event: EventId,
        /// How it ended.
        status: EventStatus,
        /// Why, when it was not delivered.
        reason: Option<String>,
        /// The time.
        now: Timestamp,
    },
}

/// Writes a group of commands on a connection with an open transaction, and answers each in its place.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    commands: &[Command],
) -> Result<Vec<Answer>, sqlx::Error> {
    let mut answers: Vec<Answer> = commands.iter().map(|_| Answer::Done).collect();
    let group = Group::of(commands);
    append(connection, &group.events).await?;
    run(
        connection,
        include_str!("sql/settle.sql"),
        &group.settlements,
    )
    .await?;
    run(connection, include_str!("sql/finish.sql"), &group.finishes).await?;
    run(connection, include_str!("sql/release.sql"), &group.releases).await?;
    let planned = run(connection, include_str!("sql/plan.sql"), &group.plans).await?;
    let begun = run(connection, include_str!("sql/begin.sql"), &group.begins).await?;
    let mut begun = begun.iter();
    for (command, answer) in commands.iter().zip(&mut answers) {
        match command {
            Command::Plan { event, deliveries } => {
                *answer = Answer::Planned(planned_of(&planned, *event, deliveries.len())?);
            }
            Command::Begin(start) => *answer = Answer::Begun(begun_of(begun.next(), start)?),
            Command::Append(_)
            | Command::Claim { .. }
            | Command::Settle { .. }
            | Command::Replay { .. }
            | Command::Pause { .. }
            | Command::Resume
            | Command::Remember { .. } => {
                if let Some(own) = alone(connection, command).await? {
                    *answer = own;
                }
            }
        }
    }
    Ok(answers)
}

/// The commands of a group by kind, as the arrays that the statements read.
#[derive(Default)]
struct Group<'a> {
    events: Vec<&'a NewEvent>,
    settlements: Vec<Value>,
    finishes: Vec<Value>,
    releases: Vec<Value>,
    plans: Vec<Value>,
    begins: Vec<Value>,
}

impl<'a> Group<'a> {
    fn of(commands: &'a [Command]) -> Self {
        let mut group = Self::default();
        for command in commands {
            match command {
                Command::Append(events) => group.events.extend(events),
                Command::Plan { event, deliveries } => {
                    let rows = deliveries.iter().enumerate();
                    group
                        .plans
                        .extend(rows.map(|(at, delivery)| plan_row(*event, at, delivery)));
                }
                Command::Begin(start) => group.begins.push(json!({
                    "delivery_id": start.delivery.0, "sent_to": start.sent_to,
                    "request": start.request, "now_ms": start.now.as_millis(),
                })),
                Command::Settle { settlement, then } => {
                    group
                        .settlements
                        .extend(settlement.as_ref().map(settlement_row));
                    group.step(then);
                }
                Command::Claim { .. }
                | Command::Replay { .. }
                | Command::Pause { .. }
                | Command::Resume
                | Command::Remember { .. } => {}
            }
        }
        group
    }

    fn step(&mut self, then: &Then) {
        match then {
            Then::Stay => {}
            Then::Release { event, due } => {
                self.releases
                    .push(json!({"event_id": event.0, "due_ms": due.as_millis()}));
            }
            Then::Finish {
                event,
                status,
                reason,
                now,
            } => self.finishes.push(json!({
                "event_id": event.0, "status": status.word(), "reason": reason,
                "now_ms": now.as_millis(),
            })),
        }
    }
}

fn plan_row(event: EventId, position: usize, delivery: &PlannedDelivery) -> Value {
    let PlannedDelivery {
        kind,
        metric,
        event_key,
        list_id,
        request,
        refused,
        warnings,
    } = delivery;
    let warnings = (!warnings.is_empty()).then(|| warnings.join("\n"));
    json!({
        "event_id": event.0, "position": position, "kind": kind.word(), "metric": metric,
        "event_key": event_key, "list_id": list_id, "request": request, "refused": refused,
        "warnings": warnings,
    })
}

fn settlement_row(settlement: &Settlement) -> Value {
    let Outcome {
        kind,
        http_status,
        error,
        retry_after: _,
        rate: _,
        request_id,
        profile_id,
    } = &settlement.outcome;
    json!({
        "delivery_id": settlement.delivery.0, "number": settlement.attempt,
        "now_ms": settlement.now.as_millis(), "outcome": kind.word(), "http_status": http_status,
        "error": error, "request_id": request_id, "profile_id": profile_id,
        "status": settlement.status.word(), "reason": settlement.reason,
        "request": settlement.request, "counts": i32::from(settlement.counts),
    })
}

async fn run(
    connection: &mut SqliteConnection,
    sql: &'static str,
    rows: &[Value],
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query(sql)
        .bind(Value::from(rows.to_vec()).to_string())
        .fetch_all(connection)
        .await
}

async fn append(
    connection: &mut SqliteConnection,
    events: &[&NewEvent],
) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let known: Vec<Value> = events.iter().map(|event| event_row(event)).collect();
    let texts: Vec<Value> = events
        .iter()
        .map(|e| json!([e.payload, e.envelope]))
        .collect();
    sqlx::query(include_str!("sql/append.sql"))
        .bind(Value::from(known).to_string())
        .bind(Value::from(texts).to_string())
        .execute(connection)
        .await?;
    Ok(())
}

fn event_row(event: &NewEvent) -> Value {
    let identifiers: Vec<String> = event
        .identifiers
        .iter()
        .map(|id| storable(&id.to_string()))
        .collect();
    json!({
        "source": event.source, "message_id": storable(&event.message_id),
        "type": event.kind.map(EventType::word),
        "name": event.name.as_deref().map(storable),
        "profile": profile_label(&event.identifiers).map(|label| storable(&label)),
        "at_ms": event.at.as_millis(), "received_ms": event.received_at.as_millis(),
        "refused": event.refused.as_deref().map(storable), "identifiers": identifiers,
    })
}

/// The strongest name of the person, for the `profile` column.
fn profile_label(identifiers: &[Identifier]) -> Option<String> {
    use IdentifierKind::{AnonymousId, Email, Phone, UserId};
    [UserId, Email, Phone, AnonymousId]
        .iter()
        .find_map(|kind| {
            identifiers
                .iter()
                .find(|identifier| identifier.kind() == *kind)
        })
        .map(ToString::to_string)
}

/// SQLite ends a text at a NUL in many of its functions: in what is looked up, it becomes U+FFFD. (The payload
/// itself never holds one: in JSON it is an escape.)
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Commands that come singly: one statement each. `None`: answered elsewhere.
async fn alone(
    connection: &mut SqliteConnection,
    command: &Command,
) -> Result<Option<Answer>, sqlx::Error> {
    match command {
        Command::Claim { now, limit } => {
            let rows = sqlx::query(include_str!("sql/claim.sql"))
                .bind(now.as_millis())
                .bind(i64::try_from(*limit).unwrap_or(i64::MAX))
                .fetch_all(connection)
                .await?;
            let ids = rows.iter().map(|row| row.try_get(0).map(EventId));
            return Ok(Some(Answer::Claimed(ids.collect::<Result<_, _>>()?)));
        }
        Command::Replay {
            now,
            events,
            consent,
        } => {
            let ids: Vec<i64> = events.iter().map(|event| event.0).collect();
            sqlx::query(include_str!("sql/replay.sql"))
                .bind(now.as_millis())
                .bind(json!(ids).to_string())
                .bind(i32::from(*consent))
                .execute(connection)
                .await?;
        }
        Command::Pause {
            now,
            reason,
            probe_at,
        } => {
            sqlx::query(
                "INSERT INTO pause (id, since_ms, reason, probe_ms) VALUES (1, ?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, probe_ms = excluded.probe_ms",
            )
            .bind(now.as_millis())
            .bind(reason)
            .bind(probe_at.as_millis())
            .execute(connection)
            .await?;
        }
        Command::Resume => {
            sqlx::query("DELETE FROM pause").execute(connection).await?;
        }
        Command::Remember { name, value } => {
            sqlx::query("INSERT OR REPLACE INTO fact (name, value) VALUES (?1, ?2)")
                .bind(name)
                .bind(value)
                .execute(connection)
                .await?;
        }
        Command::Append(_) | Command::Plan { .. } | Command::Begin(_) | Command::Settle { .. } => {
            return Ok(None);
        }
    }
    Ok(None)
}

fn planned_of(
    rows: &[SqliteRow],
    event: EventId,
    count: usize,
) -> Result<Vec<DeliveryId>, sqlx::Error> {
    let mut ids: Vec<(i64, DeliveryId)> = Vec::with_capacity(count);
    for row in rows {
        if row.try_get::<i64, _>("event_id")? == event.0 {
            ids.push((row.try_get("position")?, DeliveryId(row.try_get("id")?)));
        }
    }
    ids.sort_unstable_by_key(|(position, _)| *position);
    Ok(ids.into_iter().map(|(_, id)| id).collect())
}

fn begun_of(row: Option<&SqliteRow>, start: &Start) -> Result<Begun, sqlx::Error> {
    let row = row.ok_or(sqlx::Error::RowNotFound)?;
    let status: String = row.try_get("status")?;
    let owner: Option<i64> = row.try_get("owner")?;
    if status == DeliveryStatus::Duplicate.word() {
        return Ok(Begun::Duplicate);
    }
    if owner.is_some_and(|owner| owner != start.delivery.0) {
        return Ok(Begun::Busy);
    }
    Ok(Begun::Go {
        attempt: row.try_get("number")?,
    })
}
