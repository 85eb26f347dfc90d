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
    /// Whether the connection's next commit waits for the disk; otherwise the connection has to be dropped.
    pub(super) durable: bool,
}

/// Writes orders in one transaction. When this returns, it is on disk; if a power cut may undo each of them, it is only
/// committed, and the next commit that waits for the disk includes it. Their replies are ready to be sent. After an error
/// the connection has to be dropped.
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
    // What is committed is no error any more: it would be written a second time.
    let durable = connection.execute("PRAGMA synchronous = FULL").await.is_ok();
    Ok(Report { durable, ..report })
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
        durable: true,
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

    use super::super::command::{Command, Effects, GroupCommand as _, single};
    use super::super::file::connect;
    use super::super::intake::append::Append;
    use super::super::kv;
    use super::super::queue::begin::Begin;
    use super::super::queue::claim::Claim;
    use super::super::queue::import_job::write::BeginImport;
    use super::super::queue::pause::SetPauses;
    use super::super::queue::plan::Plan;
    use super::super::queue::settle::Settle;
    use super::super::tests::{NOW, files};
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
            Effects {
                may_be_lost: self.may_be_lost,
                ..Effects::default()
            }
        }

        async fn write(&self, transaction: &mut Transaction<'_>) -> Result<i64, sqlx::Error> {
            synchronous(transaction.connection().await?).await
        }
    }

    /// The commands of which a power cut may undo the last: what clients and Klaviyo rely on is not among them.
    #[test]
    fn only_claims_and_plans_may_be_lost() {
        let set = kv::Set {
            key: String::new(),
            value: String::new(),
        };
        let claim = Claim {
            now: NOW,
            live: 1,
            replayed: 1,
            followers: 1,
        };
        let append = Append {
            events: Vec::new(),
            import: None,
        };
        for (name, effects, may_be_lost) in [
            ("claim", claim.effects(), true),
            ("plan", Plan(Vec::new()).effects(), true),
            ("append", append.effects(), false),
            ("begin", Begin(Vec::new()).effects(), false),
            ("begin import", BeginImport(Vec::new()).effects(), false),
            ("settle", Settle(Vec::new()).effects(), false),
            ("set pauses", SetPauses(Vec::new()).effects(), false),
            ("set", set.effects(), false),
        ] {
            assert_eq!(effects.may_be_lost, may_be_lost, "{name}");
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
