//! Records the results of attempts and the next state of their events, in one commit.

use sqlx::sqlite::SqliteConnection;

use super::transition::{Deletion, Next, Transition};
use crate::outbox::command::{Command, Effects, Group, Written};
use crate::outbox::rows;

/// Writes settlements and the state changes that follow from them.
#[derive(Debug)]
pub(in crate::outbox) struct Settle(pub(in crate::outbox) Vec<Transition>);

impl Command for Settle {
    type Reply = ();

    fn effects(&self) -> Effects {
        let erases = |transition: &Transition| matches!(transition.next, Next::Complete { erase: true, .. });
        Effects {
            wakes: self.0.iter().any(|transition| transition.next != Next::Continue),
            stores: false,
            erases: self.0.iter().any(erases),
        }
    }

    fn join<'a>(&'a self, group: &mut Group<'a>) {
        for transition in &self.0 {
            join(transition, group);
        }
    }

    async fn write(&self, _: &mut SqliteConnection, _: &mut Written) -> Result<(), sqlx::Error> {
        Ok(())
    }
}

fn join<'a>(transition: &'a Transition, group: &mut Group<'a>) {
    if let Some(settlement) = &transition.settlement {
        group.settlements.push(rows::settlement(settlement));
        group.settled_rows += 1 + usize::from(settlement.attempt > 0);
    }
    match &transition.next {
        Next::Continue => {}
        Next::Reschedule { event, due, parked } => {
            group.requeued.push(rows::requeue(*event, *due, *parked));
        }
        Next::Requeue { event, due, now } => {
            group.lost.push(rows::lost(*event, *now));
            group.requeued.push(rows::requeue(*event, *due, None));
        }
        Next::Complete {
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
