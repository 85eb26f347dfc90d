//! Stores the pauses, so that `status` can show them and the next start continues with them; and finds the events that
//! fail while nothing is paused.

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use sqlx::FromRow;
use sqlx::sqlite::SqliteConnection;

use crate::model::{DeliveryKind, EventId, Family, PauseKind, Timestamp};
use crate::outbox::command::Command;
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;
use crate::outbox::transaction::Transaction;

/// How many parked events are made due in one commit.
const UNPARKED_AT_ONCE: u64 = 5_000;
/// How many events that fail alone are reported at most.
const MOST_FAILING: i64 = 5;
/// The scope of a pause of the whole account.
const ACCOUNT: &str = "account";

/// A pause of the whole account or of an endpoint family, and its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, FromRow)]
#[schemars(inline)]
pub struct Pause {
    /// The paused endpoint family; `None`, and `account` in JSON: the whole account.
    #[serde(rename = "scope", serialize_with = "scope")]
    #[schemars(with = "String")]
    pub family: Option<Family>,
    /// The cause.
    pub kind: PauseKind,
    /// When it began.
    #[sqlx(rename = "since_ms")]
    pub since: Timestamp,
    /// Klaviyo's error message, and what to do.
    pub reason: String,
    /// The code of that reason.
    pub reason_code: String,
    /// The time of the next attempt.
    #[serde(rename = "next_probe_at")]
    #[sqlx(rename = "probe_ms")]
    pub probe_at: Timestamp,
}

/// An event that fails while its endpoint family is not paused, so that the event itself is probably the cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, FromRow)]
pub struct FailingAlone {
    /// The event.
    #[sqlx(rename = "event_id")]
    pub event: EventId,
    /// The kind of its request.
    pub kind: DeliveryKind,
    /// The number of failed attempts; at least three.
    #[schemars(range(min = 3))]
    pub failures: i64,
    /// The result of the last attempt.
    pub reason: Option<String>,
    /// The code of that result.
    pub reason_code: Option<String>,
    /// The time of the next attempt.
    #[sqlx(rename = "run_after_ms")]
    pub next_attempt_at: Timestamp,
}

impl Pause {
    /// The scope in one word: `account`, or the family.
    pub fn scope(&self) -> &'static str {
        self.family.map_or(ACCOUNT, Family::word)
    }
}

#[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn scope<S: Serializer>(family: &Option<Family>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(family.map_or(ACCOUNT, Family::word))
}

/// Replaces all pauses.
#[derive(Debug)]
pub(in crate::outbox) struct SetPauses(pub(in crate::outbox) Vec<Pause>);

impl Command for SetPauses {
    type Reply = ();

    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<(), sqlx::Error> {
        let connection = transaction.connection().await?;
        sqlx::query("DELETE FROM pause").execute(&mut *connection).await?;
        for pause in &self.0 {
            sqlx::query(SET_PAUSE)
                .bind(pause.scope())
                .bind(pause.kind.word())
                .bind(pause.since.as_millis())
                .bind(&pause.reason)
                .bind(&pause.reason_code)
                .bind(pause.probe_at.as_millis())
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}

impl Reader {
    /// The pauses; the one of the account first.
    pub async fn pauses(&self) -> Result<Vec<Pause>, ReadError> {
        self.store.all("what is paused", sqlx::query_as(PAUSES)).await
    }

    /// What stops deliveries at the moment: the pauses, and the events that fail while no pause applies to them.
    pub async fn hindered(&self) -> Result<(Vec<Pause>, Vec<FailingAlone>), ReadError> {
        let failed = || ReadError::of("what is paused");
        let mut reader = self.store.readers.begin().await.map_err(failed())?;
        hindered(&mut reader).await.map_err(failed())
    }
}

/// The pauses, and the events that fail while no pause applies to them: at most a few, those with the most failures
/// first.
pub(in crate::outbox) async fn hindered(
    connection: &mut SqliteConnection,
) -> Result<(Vec<Pause>, Vec<FailingAlone>), sqlx::Error> {
    let pauses: Vec<Pause> = sqlx::query_as(PAUSES).fetch_all(&mut *connection).await?;
    let failing = sqlx::query_as(FAILING).bind(MOST_FAILING);
    let mut failing: Vec<FailingAlone> = failing.fetch_all(connection).await?;
    let is_paused = |kind: DeliveryKind| {
        let of = |pause: &Pause| pause.family.is_none_or(|family| family == kind.family());
        pauses.iter().any(of)
    };
    failing.retain(|failing| !is_paused(failing.kind));
    Ok((pauses, failing))
}

const SET_PAUSE: &str = "
    INSERT INTO pause (scope, kind, since_ms, reason, reason_code, probe_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

const PAUSES: &str = "
    SELECT nullif(scope, 'account') AS family, kind, since_ms, reason, reason_code, probe_ms FROM pause
    ORDER BY scope <> 'account', since_ms";

pub(in crate::outbox) const FAILING: &str = "
    SELECT d.event_id, d.kind, d.failures, d.reason, d.reason_code, e.run_after_ms
    FROM delivery AS d JOIN event AS e ON e.id = d.event_id AND e.generation = d.generation
    WHERE d.failures >= 3 AND d.status IN ('pending', 'unknown') AND e.status = 'pending'
    ORDER BY d.failures DESC LIMIT ?1";

/// Makes the parked events of a family due, in order of their ids; returns whether there may be more.
pub(in crate::outbox) async fn unpark(
    connection: &mut SqliteConnection,
    family: Family,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE event SET parked = NULL, run_after_ms = min(run_after_ms, ?2)
         WHERE id IN (SELECT id FROM event WHERE parked = ?1 ORDER BY id LIMIT ?3)",
    )
    .bind(family.word())
    .bind(now.as_millis())
    .bind(i64::try_from(UNPARKED_AT_ONCE).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(done.rows_affected() >= UNPARKED_AT_ONCE)
}
