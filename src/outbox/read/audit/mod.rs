//! Proof that nothing vanished: the counts add up, whoever counts them, and the rows are as the promises need them.
//!
//! All of it is read in one transaction, so that a daemon at work does not make it differ. It writes nothing, and its
//! memory does not grow with the outbox.

mod rules;

use std::path::Path;

use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection as _, Row};

use crate::model::EventId;
use crate::outbox::error::{OpenError, ReadError};
use crate::outbox::file::{connect, identity};
use crate::outbox::{Outbox, SCHEMA};

use rules::RULES;

/// Events named of those that break a rule.
const NAMED: i64 = 10;
/// Sentences of SQLite's own check that are kept.
const TOLD: i64 = 100;

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// accepted, delivered, skipped, dead, pending, held, difference: the `audit` view, which counts rows.
    pub totals: Vec<(String, i64)>,
    /// What was counted in two ways.
    pub counts: Vec<Counted>,
    /// What must hold of the rows.
    pub rules: Vec<Checked>,
    /// What SQLite found wrong with the file itself; `None` where that was not asked for.
    pub file: Option<Vec<String>>,
}

/// One number, found in two ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// What is counted: a state of events.
    pub name: String,
    /// As the rows say.
    pub rows: i64,
    /// As was kept beside them.
    pub kept: i64,
}

/// One rule, and the events that break it.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// How far accepted is from delivered + skipped + dead + pending + held.
    pub fn difference(&self) -> i64 {
        let found = self.totals.iter().find(|(name, _)| name == "difference");
        found.map_or(0, |(_, difference)| *difference)
    }

    /// Whether everything holds.
    pub fn holds(&self) -> bool {
        self.difference() == 0
            && self.counts.iter().all(|counted| counted.rows == counted.kept)
            && self.rules.iter().all(|rule| rule.broken == 0)
            && self.file.as_ref().is_none_or(Vec::is_empty)
    }
}

impl Outbox {
    /// Holds the outbox against its promises. `deep` has SQLite check every page of the file too.
    pub async fn audit(&self, deep: bool) -> Result<Audit, ReadError> {
        let mut reader = self.readers.acquire().await.map_err(failed())?;
        audit(&mut reader, deep).await.map_err(failed())
    }

    /// As [`Outbox::audit`], deep, for a file that nobody has open; opened read-only. `None` where an older program made
    /// it, whose tables say less.
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
    let mut moment = connection.begin().await?;
    let audit = Audit {
        totals: totals(&mut moment).await?,
        counts: counts(&mut moment).await?,
        rules: rules(&mut moment).await?,
        file: if deep { Some(file(&mut moment).await?) } else { None },
    };
    moment.rollback().await?;
    Ok(audit)
}

async fn totals(connection: &mut SqliteConnection) -> Result<Vec<(String, i64)>, sqlx::Error> {
    let row = sqlx::query("SELECT * FROM audit").fetch_one(connection).await?;
    let names = [
        "accepted",
        "delivered",
        "skipped",
        "dead",
        "pending",
        "held",
        "difference",
    ];
    let of = |name: &&str| Ok(((*name).to_owned(), row.try_get(*name)?));
    names.iter().map(of).collect()
}

async fn counts(connection: &mut SqliteConnection) -> Result<Vec<Counted>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT substr(c.name, 8) AS status, c.value AS kept,
                (SELECT count(*) FROM event AS e WHERE e.status = substr(c.name, 8)) AS counted
         FROM counter AS c WHERE c.name GLOB 'status_*' ORDER BY c.name",
    )
    .fetch_all(connection)
    .await?;
    let of = |row: &SqliteRow| {
        Ok(Counted {
            name: row.try_get("status")?,
            rows: row.try_get("counted")?,
            kept: row.try_get("kept")?,
        })
    };
    rows.iter().map(of).collect()
}

async fn rules(connection: &mut SqliteConnection) -> Result<Vec<Checked>, sqlx::Error> {
    let mut checked = Vec::with_capacity(RULES.len());
    for rule in RULES {
        // Each is a constant of this program.
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
    let said: Vec<String> = sqlx::query_scalar(
        "SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'
         UNION ALL
         SELECT 'a row of ' || \"table\" || ' (' || coalesce(rowid, '?') || ') refers to a missing one of ' || parent
         FROM (SELECT * FROM pragma_foreign_key_check LIMIT ?1)",
    )
    .bind(TOLD)
    .fetch_all(connection)
    .await?;
    Ok(said)
}

fn failed() -> impl FnOnce(sqlx::Error) -> ReadError {
    ReadError::of("the audit")
}

#[cfg(test)]
mod tests;
