//! Records the results of attempts and the next state of their events, in one commit.

use super::transition::{Deletion, Next, Transition};
use crate::outbox::command::{Effects, Group, GroupCommand, Written};
use crate::outbox::rows::{self, FinishRow, LostRow, RequeueRow, SettlementRow};
use crate::outbox::transaction::{Ticket, Transaction};

/// Writes settlements and the state changes that follow from them.
#[derive(Debug)]
pub(in crate::outbox) struct Settle(pub(in crate::outbox) Vec<Transition>);

impl GroupCommand for Settle {
    type Reply = ();

    fn effects(&self) -> Effects {
        let erases = |transition: &Transition| matches!(transition.next, Next::Complete { erase: true, .. });
        Effects {
            wakes: self.0.iter().any(|transition| transition.next != Next::Continue),
            erases: self.0.iter().any(erases),
            ..Effects::default()
        }
    }

    fn join<'a>(&'a self, group: &mut Group<'a>) {
        for transition in &self.0 {
            join(transition, group);
        }
    }

    fn reply(&self, _: &mut Written) {}
}

fn join<'a>(transition: &'a Transition, group: &mut Group<'a>) {
    if let Some(settlement) = &transition.settlement {
        group.settlements.push(SettlementRow::of(settlement));
    }
    match &transition.next {
        Next::Continue => {}
        Next::Reschedule { event, due, parked } => {
            group.requeued.push(RequeueRow::of(*event, *due, *parked));
        }
        Next::Requeue { event, due, now } => {
            let (event_id, now_ms) = (event.0, now.as_millis());
            group.lost.push(LostRow { event_id, now_ms });
            group.requeued.push(RequeueRow::of(*event, *due, None));
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
                    reason: reason.as_ref(),
                    now: *now,
                });
            }
            group.finishes.push(FinishRow {
                event_id: event.0,
                status: status.word(),
                reason: reason.as_ref().map(|reason| reason.text.as_str()),
                reason_code: reason.as_ref().map(|reason| reason.code.as_ref()),
                copy_of: copy_of.map(|of| of.0),
                hold: i32::from(*hold),
                now_ms: now.as_millis(),
            });
        }
    }
}

/// Queues the settlements of a group and its finished events. The ticket is of the settlements.
pub(in crate::outbox) fn queue(
    transaction: &mut Transaction<'_>,
    group: &Group<'_>,
) -> Result<Option<Ticket>, sqlx::Error> {
    let settled = rows::queue(transaction, include_str!("sql/settle.sql"), &group.settlements)?;
    rows::queue(transaction, include_str!("sql/finish.sql"), &group.finishes)?;
    Ok(settled)
}

/// How many rows the settlements of a group must change: the delivery of each, and its attempt if there was one.
pub(in crate::outbox) fn expected(group: &Group<'_>) -> usize {
    let attempts = group.settlements.iter().filter(|settlement| settlement.number > 0);
    group.settlements.len() + attempts.count()
}

/// Queues what requeues the events of a group that wait for another attempt.
pub(in crate::outbox) fn requeue(transaction: &mut Transaction<'_>, group: &Group<'_>) -> Result<(), sqlx::Error> {
    rows::queue(transaction, include_str!("sql/close_lost.sql"), &group.lost)?;
    rows::queue(transaction, include_str!("sql/requeue.sql"), &group.requeued)?;
    Ok(())
}
