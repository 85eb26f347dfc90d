//! Records the results of attempts and the next state of their events, in one commit.

use sqlx::sqlite::SqliteConnection;

use super::transition::{Deletion, Step, Then};
use crate::outbox::command::{Command, Effects, Group, Written};
use crate::outbox::rows;

/// Writes settlements and the state changes that follow from them.
#[derive(Debug)]
pub(in crate::outbox) struct Settle(pub(in crate::outbox) Vec<Step>);

impl Command for Settle {
    type Reply = ();

    fn effects(&self) -> Effects {
        let erases = |step: &Step| matches!(step.then, Then::Finish { erase: true, .. });
        Effects {
            wakes: self.0.iter().any(|step| step.then != Then::Stay),
            stores: false,
            erases: self.0.iter().any(erases),
        }
    }

    fn join<'a>(&'a self, group: &mut Group<'a>) {
        for step in &self.0 {
            join(step, group);
        }
    }

    async fn write(&self, _: &mut SqliteConnection, _: &mut Written) -> Result<(), sqlx::Error> {
        Ok(())
    }
}

fn join<'a>(step: &'a Step, group: &mut Group<'a>) {
    if let Some(settlement) = &step.settlement {
        group.settlements.push(rows::settlement(settlement));
        group.settled_rows += 1 + usize::from(settlement.attempt > 0);
    }
    match &step.then {
        Then::Stay => {}
        Then::Release { event, due, parked } => {
            group.requeued.push(rows::requeue(*event, *due, *parked));
        }
        Then::GiveBack { event, due, now } => {
            group.lost.push(rows::lost(*event, *now));
            group.requeued.push(rows::requeue(*event, *due, None));
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
                group.deletions.push(Deletion {
                    event: *event,
                    status: *status,
                    reason: reason.as_deref(),
                    now: *now,
                });
            }
            let finish = rows::finish(*event, *status, reason.as_deref(), *copy_of, *hold, *now);
            group.finishes.push(finish);
        }
    }
}

/// Writes the settlements and the finished events of a group on a connection with an open transaction.
pub(in crate::outbox) async fn write(
    connection: &mut SqliteConnection,
    group: &Group<'_>,
    written: &mut Written,
) -> Result<(), sqlx::Error> {
    let settled = rows::execute(connection, include_str!("sql/settle.sql"), &group.settlements).await?;
    written.expect("settle", group.settled_rows, settled.len());
    rows::execute(connection, include_str!("sql/finish.sql"), &group.finishes).await?;
    Ok(())
}

/// Requeues the events of a group that wait for another attempt.
pub(in crate::outbox) async fn requeue(
    connection: &mut SqliteConnection,
    group: &Group<'_>,
) -> Result<(), sqlx::Error> {
    rows::execute(connection, include_str!("sql/close_lost.sql"), &group.lost).await?;
    rows::execute(connection, include_str!("sql/requeue.sql"), &group.requeued).await?;
    Ok(())
}
