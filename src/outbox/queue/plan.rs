//! Records the deliveries of an event, as mapped.

use std::collections::HashMap;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::transition::PlannedDelivery;
use crate::model::{DeliveryId, EventId};
use crate::outbox::command::{Effects, Group, GroupCommand, ROW, Written};
use crate::outbox::rows::{self, PlanRow, Texts};
use crate::outbox::transaction::{Ticket, Transaction};

/// Records the deliveries of events; the reply is the ids of each event's deliveries, in their order.
#[derive(Debug)]
pub(in crate::outbox) struct Plan(pub(in crate::outbox) Vec<(EventId, Vec<PlannedDelivery>)>);

impl GroupCommand for Plan {
    type Reply = HashMap<EventId, Vec<DeliveryId>>;

    /// A lost plan is made again. Nothing of it was sent: before a request is sent, the start of its attempt is written to
    /// disk, and with it every earlier commit.
    fn effects(&self) -> Effects {
        Effects::MAY_BE_LOST
    }

    fn bytes(&self) -> usize {
        let owed = self.0.iter().flat_map(|(_, owed)| owed);
        owed.map(|owed| owed.request.as_ref().map_or(0, String::len) + ROW)
            .sum()
    }

    fn join<'a>(&'a self, group: &mut Group<'a>) {
        for plan in &self.0 {
            PlanRow::add(&mut group.plans, &mut group.requests, plan);
        }
    }

    fn reply(&self, written: &mut Written) -> Self::Reply {
        let events = self.0.iter();
        events
            .filter_map(|(event, _)| written.planned.remove_entry(event))
            .collect()
    }
}

/// Queues the plans of a group.
pub(in crate::outbox) fn queue(
    transaction: &mut Transaction<'_>,
    plans: &[PlanRow<'_>],
    requests: Texts,
) -> Result<Option<Ticket>, sqlx::Error> {
    if plans.is_empty() {
        return Ok(None);
    }
    let piece = transaction.queue(include_str!("sql/plan.sql"));
    let piece = piece.bind(rows::json_of(plans)?)?.bind(requests.into_bytes())?;
    Ok(Some(piece.ticket()))
}

/// The new deliveries of each event, in their order.
pub(in crate::outbox) fn planned_of(rows: &[SqliteRow]) -> Result<HashMap<EventId, Vec<DeliveryId>>, sqlx::Error> {
    let mut placed: HashMap<EventId, Vec<(i64, DeliveryId)>> = HashMap::new();
    for row in rows {
        let event = EventId(row.try_get("event_id")?);
        let place = (row.try_get("position")?, DeliveryId(row.try_get("id")?));
        placed.entry(event).or_default().push(place);
    }
    let in_order = |mut deliveries: Vec<(i64, DeliveryId)>| {
        deliveries.sort_unstable_by_key(|(position, _)| *position);
        deliveries.into_iter().map(|(_, id)| id).collect()
    };
    Ok(placed
        .into_iter()
        .map(|(event, deliveries)| (event, in_order(deliveries)))
        .collect())
}
