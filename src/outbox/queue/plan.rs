//! Records the deliveries of an event, as mapped.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::transition::PlannedDelivery;
use crate::model::{DeliveryId, EventId};
use crate::outbox::command::{Command, Group, ROW, Written};
use crate::outbox::rows;

/// Records the deliveries of events; the reply is the ids of each event's deliveries, in their order.
#[derive(Debug)]
pub(in crate::outbox) struct Plan(pub(in crate::outbox) Vec<(EventId, Vec<PlannedDelivery>)>);

impl Command for Plan {
    type Reply = HashMap<EventId, Vec<DeliveryId>>;

    fn bytes(&self) -> usize {
        let owed = self.0.iter().flat_map(|(_, owed)| owed);
        owed.map(|owed| owed.request.as_ref().map_or(0, String::len) + ROW)
            .sum()
    }

    fn join<'a>(&'a self, group: &mut Group<'a>) {
        group.plans.extend(self.0.iter().flat_map(rows::plan));
    }

    async fn write(&self, _: &mut SqliteConnection, written: &mut Written) -> Result<Self::Reply, sqlx::Error> {
        let own = self
            .0
            .iter()
            .filter_map(|(event, _)| written.planned.remove_entry(event));
        Ok(own.collect())
    }
}

/// Writes the plans of a group on a connection with an open transaction.
pub(in crate::outbox) async fn write(
    connection: &mut SqliteConnection,
    plans: &[Value],
    written: &mut Written,
) -> Result<(), sqlx::Error> {
    let planned = rows::execute(connection, include_str!("sql/plan.sql"), plans).await?;
    written.expect("plan", plans.len(), planned.len());
    written.planned = planned_of(&planned)?;
    Ok(())
}

/// The new deliveries of each event, in their order.
fn planned_of(rows: &[SqliteRow]) -> Result<HashMap<EventId, Vec<DeliveryId>>, sqlx::Error> {
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
