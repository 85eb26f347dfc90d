//! Read-only queries for the commands and the admin port.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::dead::DeadCount;
use crate::outbox::control::shared::SharedIdentifier;
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;
use crate::outbox::maintain::checkpoint::LogTrouble;
use crate::outbox::maintain::clocks::ClockTrouble;
use crate::outbox::queue::import_job::ImportJobReport;
use crate::outbox::queue::pause::{FailingAlone, Pause};

/// What [`Status::unknown_subscriptions`] counts.
pub(in crate::outbox) const UNKNOWN_SUBSCRIPTIONS: &str =
    "SELECT count(*) FROM delivery WHERE status = 'unknown' AND kind = 'subscription'";

/// The status of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// accepted, delivered, skipped, dead, pending, held, difference: the `audit` view.
    pub audit: Vec<(String, i64)>,
    /// Unfinished events, by status and type.
    pub backlog: Vec<BacklogRow>,
    /// Dead events by reason, of the 100,000 that died last; the ten largest groups, largest first.
    pub dead: Vec<DeadCount>,
    /// What is paused, and why.
    pub pauses: Vec<Pause>,
    /// Events whose requests fail although their endpoint family is not paused; a few, the worst first.
    pub failing: Vec<FailingAlone>,
    /// How many of the stored skipped events were copies of another event.
    pub copies: i64,
    /// Subscriptions that were sent and got no answer: Klaviyo may have accepted them.
    pub unknown_subscriptions: i64,
    /// Identifiers in whose queues events of many people wait.
    pub shared_identifiers: Vec<SharedIdentifier>,
    /// Calls that were received again and not stored again.
    pub repeats: i64,
    /// Import jobs that events wait for.
    pub import_jobs: Vec<ImportJobReport>,
    /// What prevents the WAL from being checkpointed into the file, if anything does.
    pub log: Option<LogTrouble>,
    /// Signs that the machine's clock is wrong.
    pub clock: Vec<ClockTrouble>,
}

/// A row of the `backlog` view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacklogRow {
    /// `pending` or `held`.
    pub status: String,
    /// The type of the call.
    pub kind: Option<String>,
    /// How many.
    pub count: i64,
    /// When the oldest arrived.
    pub oldest: Option<String>,
    /// How many of them are under one minute old, under ten minutes, under an hour, under a day, older.
    pub ages: Vec<i64>,
}

impl Reader {
    /// The status of the outbox. The counts are those that triggers keep, so that the cost does not depend on how many
    /// events there are; [`Reader::audit`] compares them with the rows.
    pub async fn status(&self) -> Result<Status, ReadError> {
        let failed = || ReadError::of("the status");
        let backlog = sqlx::query("SELECT * FROM backlog ORDER BY status, type")
            .fetch_all(&self.store.readers)
            .await
            .map_err(failed())?;
        let backlog = backlog.iter().map(backlog_row).collect::<Result<_, _>>();
        let (pauses, failing) = self.hindered().await?;
        Ok(Status {
            audit: self.kept_counts().await.map_err(failed())?,
            backlog: backlog.map_err(failed())?,
            dead: self.dead_counts().await.map_err(failed())?,
            failing,
            pauses,
            copies: self.kept().await?.copies,
            unknown_subscriptions: self.unknown_subscriptions().await?,
            repeats: self.repeats().await?,
            shared_identifiers: self.shared_identifiers().await?,
            import_jobs: self.import_job_reports().await?,
            log: self.log_trouble().await?,
            clock: self.clock_troubles().await?,
        })
    }

    /// Subscriptions that were sent and got no answer. Reads the requests that got no answer.
    pub(in crate::outbox) async fn unknown_subscriptions(&self) -> Result<i64, ReadError> {
        sqlx::query_scalar(UNKNOWN_SUBSCRIPTIONS)
            .fetch_one(&self.store.readers)
            .await
            .map_err(ReadError::of("the unanswered subscriptions"))
    }

    /// The columns of the `audit` view, from the stored counts and without reading events.
    async fn kept_counts(&self) -> Result<Vec<(String, i64)>, sqlx::Error> {
        let counts = sqlx::query(
            "SELECT accepted, delivered, skipped, dead, pending, held,
                    accepted - delivered - skipped - dead - pending - held AS difference
             FROM (SELECT (SELECT value FROM counter WHERE name = 'accepted') AS accepted,
                          sum(n) FILTER (WHERE state = 'delivered') AS delivered,
                          sum(n) FILTER (WHERE state = 'skipped') AS skipped,
                          sum(n) FILTER (WHERE state = 'dead') AS dead,
                          sum(n) FILTER (WHERE state = 'pending') AS pending,
                          sum(n) FILTER (WHERE state = 'held') AS held
                   FROM (SELECT substr(name, 8) AS state, value AS n FROM counter
                         WHERE name GLOB 'status_*' OR name GLOB 'pruned_*'))",
        )
        .fetch_one(&self.store.readers)
        .await?;
        let columns = columns(&counts)?.into_iter();
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(columns.map(|(name, text)| (name, number(text))).collect())
    }

    /// How many events are pending; held events are not included.
    pub async fn pending(&self) -> Result<i64, ReadError> {
        sqlx::query_scalar("SELECT value FROM counter WHERE name = 'status_pending'")
            .fetch_one(&self.store.readers)
            .await
            .map_err(ReadError::of("the number of waiting events"))
    }
}

/// A row as names and texts, to be printed.
fn columns(row: &SqliteRow) -> Result<Vec<(String, Option<String>)>, sqlx::Error> {
    use sqlx::Column;
    let texts = row.columns().iter().map(|column| {
        let at = column.ordinal();
        let text = match row.try_get_unchecked::<Option<String>, _>(at) {
            Ok(text) => text,
            Err(_) => row
                .try_get_unchecked::<Option<i64>, _>(at)?
                .map(|number| number.to_string()),
        };
        Ok((column.name().to_owned(), text))
    });
    texts.collect()
}

fn backlog_row(row: &SqliteRow) -> Result<BacklogRow, sqlx::Error> {
    let ages = ["under_1m", "under_10m", "under_1h", "under_1d", "older"];
    let ages = ages.iter().map(|age| row.try_get(*age));
    Ok(BacklogRow {
        status: row.try_get("status")?,
        kind: row.try_get("type")?,
        count: row.try_get("count")?,
        oldest: row.try_get("oldest")?,
        ages: ages.collect::<Result<_, _>>()?,
    })
}
