//! Checks that no event was lost: independent counts agree, and the rows fulfil the conditions that the promises need.
//!
//! All of it is read in one transaction, so that concurrent writes of a daemon cause no difference. It writes nothing,
//! and its memory does not grow with the outbox.

mod rules;

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, FromRow};

use super::overview::Counts;
use crate::model::EventId;
use crate::outbox::SCHEMA;
use crate::outbox::error::{OpenError, ReadError};
use crate::outbox::file::{connect, identity};
use crate::outbox::handles::Reader;

use rules::RULES;

/// How many events that break a rule are listed.
const NAMED: i64 = 10;
/// How many messages of SQLite's own check are kept.
const MESSAGES: i64 = 100;

/// The result of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Audit {
    /// Whether all checks passed.
    pub holds: bool,
    /// The `audit` view, which counts rows.
    #[serde(rename = "audit")]
    pub totals: Counts,
    /// Counts that were computed in two ways.
    pub counts: Vec<Counted>,
    /// The rules for the rows, checked.
    pub rules: Vec<Checked>,
    /// Errors that SQLite found in the file itself; null where the file was not checked.
    pub file: Option<Vec<String>>,
}

/// One count, computed in two ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, FromRow)]
#[schemars(inline)]
pub struct Counted {
    /// What is counted: a state of events.
    #[serde(rename = "status")]
    #[sqlx(rename = "status")]
    pub name: String,
    /// The number of rows.
    pub rows: i64,
    /// The stored count.
    #[serde(rename = "counted")]
    pub kept: i64,
}

/// One rule, and the events that break it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Checked {
    /// Its name, for scripts.
    pub name: &'static str,
    /// What must hold.
    pub must: &'static str,
    /// How many events break it.
    pub broken: i64,
    /// The first ten of them.
    pub first: Vec<EventId>,
}

impl Audit {
    fn of(totals: Counts, counts: Vec<Counted>, rules: Vec<Checked>, file: Option<Vec<String>>) -> Self {
        Self {
            holds: totals.difference == 0
                && counts.iter().all(|counted| counted.rows == counted.kept)
                && rules.iter().all(|rule| rule.broken == 0)
                && file.as_ref().is_none_or(Vec::is_empty),
            totals,
            counts,
            rules,
            file,
        }
    }
}

impl Reader {
    /// Checks the outbox. With `deep`, SQLite also checks every page of the file.
    pub async fn audit(&self, deep: bool) -> Result<Audit, ReadError> {
        let mut reader = self.store.readers.acquire().await.map_err(failed())?;
        audit(&mut reader, deep).await.map_err(failed())
    }

    /// As [`Reader::audit`] with `deep`, for a file that no process has open. Opens it read-only. `None` where an older
    /// version of the program created it, whose tables do not support all checks.
    pub async fn audit_file(path: &Path) -> Result<Option<Audit>, OpenError> {
        if identity::version(path).await? < SCHEMA {
            return Ok(None);
        }
        let failed = |source| OpenError::Connect {
            path: path.to_owned(),
            source,
        };
        let mut connection = connect::reader(path).await?;
        let audit = audit(&mut connection, true).await.map_err(failed)?;
        connect::close(connection).await;
        Ok(Some(audit))
    }
}

async fn audit(connection: &mut SqliteConnection, deep: bool) -> Result<Audit, sqlx::Error> {
    let mut snapshot = connection.begin().await?;
    let totals = sqlx::query_as("SELECT * FROM audit").fetch_one(&mut *snapshot).await?;
    let counts = counts(&mut snapshot).await?;
    let rules = rules(&mut snapshot).await?;
    let file = if deep { Some(file(&mut snapshot).await?) } else { None };
    snapshot.rollback().await?;
    Ok(Audit::of(totals, counts, rules, file))
}

async fn counts(connection: &mut SqliteConnection) -> Result<Vec<Counted>, sqlx::Error> {
    let counts = sqlx::query_as(
        "SELECT substr(c.name, 8) AS status, c.value AS kept,
                (SELECT count(*) FROM event AS e WHERE e.status = substr(c.name, 8)) AS rows
         FROM counter AS c WHERE c.name GLOB 'status_*' ORDER BY c.name",
    );
    counts.fetch_all(connection).await
}

async fn rules(connection: &mut SqliteConnection) -> Result<Vec<Checked>, sqlx::Error> {
    let mut checked = Vec::with_capacity(RULES.len());
    for rule in RULES {
        // Each text is a constant of this program.
        let sql = format!(
            "WITH wrong (id) AS MATERIALIZED (SELECT DISTINCT id FROM ({}))
             SELECT (SELECT count(*) FROM wrong),
                    (SELECT json_group_array(id) FROM (SELECT id FROM wrong ORDER BY id LIMIT ?1))",
            rule.broken_by
        );
        let (broken, first): (i64, String) = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(NAMED)
            .fetch_one(&mut *connection)
            .await?;
        let first: Vec<i64> = serde_json::from_str(&first).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        checked.push(Checked {
            name: rule.name,
            must: rule.must,
            broken,
            first: first.into_iter().map(EventId).collect(),
        });
    }
    Ok(checked)
}

async fn file(connection: &mut SqliteConnection) -> Result<Vec<String>, sqlx::Error> {
    let errors: Vec<String> = sqlx::query_scalar(
        "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'
         UNION ALL
         SELECT 'a row of ' || \"table\" || ' (' || coalesce(rowid, '?') || ') refers to a missing one of ' || parent
         FROM (SELECT * FROM pragma_foreign_key_check LIMIT ?1)",
    )
    .bind(MESSAGES)
    .fetch_all(connection)
    .await?;
    Ok(errors)
}

fn failed() -> impl FnOnce(sqlx::Error) -> ReadError {
    ReadError::of("the audit")
}

#[cfg(test)]
mod tests;
