//! What a transaction of the writer contains: first the frequent commands, one statement per kind, then the others in
//! order.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Executor as _, Row as _};

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

/// Writes orders in one transaction. It is on disk when this returns, unless a power cut may undo all of them: then it
/// is on disk with the next that is. Their replies are ready to be sent. After an error the connection has to be dropped.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    orders: &mut [Box<dyn Order>],
) -> Result<Report, sqlx::Error> {
    let waits = orders.iter().any(|order| !order.effects().may_be_lost);
    if waits {
        return transact(connection, orders).await;
    }
    // Texts, which sqlx prepares each time: SQLite applies this setting when the statement is prepared.
    connection.execute("PRAGMA synchronous = NORMAL").await?;
    let report = transact(connection, orders).await?;
    connection.execute("PRAGMA synchronous = FULL").await?;
    Ok(report)
}

async fn transact(connection: &mut SqliteConnection, orders: &mut [Box<dyn Order>]) -> Result<Report, sqlx::Error> {
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

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnection;

    use super::super::command::{Command, Effects, single};
    use super::super::file::connect;
    use super::super::tests::files;
    use super::*;

    const NORMAL: i64 = 1;
    const FULL: i64 = 2;

    /// Reads with which setting it is committed.
    #[derive(Debug)]
    struct Synchronous {
        may_be_lost: bool,
    }

    impl Command for Synchronous {
        type Reply = i64;

        fn effects(&self) -> Effects {
            if self.may_be_lost {
                Effects::MAY_BE_LOST
            } else {
                Effects::default()
            }
        }

        async fn write(&self, transaction: &mut Transaction<'_>) -> Result<i64, sqlx::Error> {
            synchronous(transaction.connection().await?).await
        }
    }

    async fn synchronous(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("PRAGMA synchronous").fetch_one(connection).await
    }

    #[tokio::test]
    async fn a_commit_waits_for_the_disk_unless_all_its_commands_may_be_lost() {
        let files = files();
        files.open().await;
        let mut connection = connect::writer(&files.config.path, false).await.unwrap();
        for (group, expected) in [
            (vec![true], NORMAL),
            (vec![false], FULL),
            // Again: a setting must not come from a cached statement.
            (vec![true, true], NORMAL),
            (vec![true, false], FULL),
            (vec![false, true], FULL),
        ] {
            let commands = group.iter().map(|may_be_lost| Synchronous {
                may_be_lost: *may_be_lost,
            });
            let (mut orders, replies): (Vec<_>, Vec<_>) = commands.map(single).unzip();
            write(&mut connection, &mut orders).await.unwrap();
            assert_eq!(synchronous(&mut connection).await.unwrap(), FULL, "afterwards");
            for (order, reply) in orders.into_iter().zip(replies) {
                order.answer(Ok(()));
                assert_eq!(reply.await.unwrap().unwrap(), expected, "{group:?}");
            }
        }
    }
}
