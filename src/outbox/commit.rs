//! What a transaction of the writer contains: first the frequent commands, one statement per kind, then the others in
//! order.

use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use super::command::{Group, Order, Written};
use super::control::erase;
use super::intake::append;
use super::queue::{begin, plan, settle};
use super::transaction::{Committed, Ticket, Transaction, Unexpected};

/// How many events are pending, from the count that the triggers on `event` keep.
pub(super) const PENDING: &str = "SELECT value FROM counter WHERE name = 'status_pending'";

/// What a commit has changed beside the replies.
pub(super) struct Report {
    /// How many events are pending now.
    pub(super) pending: u64,
    /// Statements that changed an unexpected number of rows.
    pub(super) unexpected: Vec<Unexpected>,
}

/// Writes orders in one transaction; it is on disk when this returns. Their replies are ready to be sent.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    orders: &mut [Box<dyn Order>],
) -> Result<Report, sqlx::Error> {
    let mut transaction = Transaction::begin(connection);
    let together = Together::write(&mut transaction, orders).await?;
    for order in orders.iter_mut() {
        order.write(&mut transaction).await?;
    }
    let pending = transaction.queue(PENDING).ticket();
    let mut committed = transaction.commit().await?;
    let mut written = together.read(&mut committed)?;
    for order in orders {
        order.take(&mut written);
    }
    let pending = committed.take(Some(pending)).rows;
    let pending: i64 = pending.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0)?;
    Ok(Report {
        pending: u64::try_from(pending).unwrap_or(0),
        unexpected: committed.unexpected,
    })
}

/// What was written together, and where its results will be.
struct Together {
    written: Written,
    settled: Option<Ticket>,
    settled_rows: usize,
    planned: Option<Ticket>,
    planned_rows: usize,
    permitted: Vec<bool>,
    begun: Option<Ticket>,
}

impl Together {
    async fn write(transaction: &mut Transaction<'_>, orders: &[Box<dyn Order>]) -> Result<Self, sqlx::Error> {
        let mut group = Group::default();
        for order in orders {
            order.join(&mut group);
        }
        let written = Written {
            arrivals: append::write(transaction, &group.events).await?.into_iter(),
            ..Written::default()
        };
        let settled = settle::queue(transaction, &group)?;
        for deletion in &group.deletions {
            erase::erase_for_call(transaction.connection().await?, *deletion).await?;
        }
        settle::requeue(transaction, &group)?;
        let planned = plan::queue(transaction, &group.plans, std::mem::take(&mut group.requests))?;
        let permitted = begin::permitted(transaction, &group.begins).await?;
        let starts = group.begins.iter().copied().flatten();
        Ok(Self {
            written,
            settled,
            settled_rows: settle::expected(&group),
            planned,
            planned_rows: group.plans.len(),
            begun: begin::queue(transaction, starts, &permitted, None)?,
            permitted,
        })
    }

    /// The results, after the commit.
    fn read(self, committed: &mut Committed) -> Result<Written, sqlx::Error> {
        let mut written = self.written;
        let settled = committed.take(self.settled).rows;
        committed.expect("settle", self.settled_rows, settled.len());
        let planned = committed.take(self.planned).rows;
        committed.expect("plan", self.planned_rows, planned.len());
        written.planned = plan::planned_of(&planned)?;
        let begun = committed.take(self.begun).rows;
        written.begun = begin::begun_of(&self.permitted, &begun)?.into_iter();
        Ok(written)
    }
}
