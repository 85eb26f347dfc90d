//! Decides whether an incoming event was stored before. A copy is the same call: the same `messageId`, type, name and
//! person. A different call under a known `messageId` is not a copy: ids collide, and some senders use an order's id
//! for several calls. Such a call is stored as dead under a new id, so that nothing is lost silently.

use std::collections::HashMap;

use sqlx::Row as _;

use crate::outbox::reasons;
use crate::outbox::rows::{self, EventRow};
use crate::outbox::transaction::Transaction;

/// The result of storing an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The event is stored.
    New,
    /// The same call was stored before; this copy is not stored.
    Copy,
    /// Another call of the same source has its `messageId`: the event is stored as dead, under a new id.
    Other,
}

/// The reason of an event that is dead because another call has its `messageId`.
pub(in crate::outbox) const REUSED: &str = "message_id_reused: another call of this source came before with the same `messageId`, but \
     another type, event or person; this one is kept with an id of its own, and `replay` sends it; have each call get its \
     own `messageId`";

/// Stores message ids; a known id keeps its row. Then the events whose message id belongs to another event, and whether
/// that event is the same call. If the stored message has no fingerprint (the person was erased), this is unknown, and
/// the event counts as the same call. Where every id was new, nothing is looked up. ?1: JSON array of the events.
const MESSAGES: &str = "
    INSERT INTO message (source, message_id, event_id, received_ms, fingerprint)
    SELECT j.value ->> 'source', j.value ->> 'message_id',
           (SELECT value FROM counter WHERE name = 'last_id') + 1 + j.key, j.value ->> 'received_ms',
           j.value ->> 'fingerprint'
    FROM json_each(?1) AS j
    WHERE true
    ON CONFLICT DO NOTHING;

    SELECT j.key, coalesce(m.fingerprint = j.value ->> 'fingerprint', 1)
    FROM json_each(?1) AS j CROSS JOIN message AS m
    ON m.source = j.value ->> 'source' AND m.message_id = j.value ->> 'message_id'
    WHERE (SELECT changes() < json_array_length(?1))
      AND m.event_id <> (SELECT value FROM counter WHERE name = 'last_id') + 1 + j.key";

const COUNT_REPEATS: &str = "UPDATE counter SET value = value + ?1 WHERE name = 'repeats'";

/// Stores the message ids of events. An event whose id belongs to another call gets a new id and is marked as dead.
/// Returns the rows as JSON and the result for each event.
pub(in crate::outbox) async fn messages(
    transaction: &mut Transaction<'_>,
    mut rows: Vec<EventRow<'_>>,
) -> Result<(String, Vec<Arrival>), sqlx::Error> {
    let mut arrivals = vec![Arrival::New; rows.len()];
    let mut json = rows::json_of(&rows)?;
    let mut taken = store(transaction, &json).await?;
    let mut others = false;
    for (place, row) in rows.iter_mut().enumerate() {
        if taken.get(&place) == Some(&false) {
            row.becomes_another(reasons::REUSED, REUSED);
            arrivals[place] = Arrival::Other;
            others = true;
        }
    }
    if others {
        json = rows::json_of(&rows)?;
        taken = store(transaction, &json).await?;
    }
    for place in taken.into_keys() {
        arrivals[place] = Arrival::Copy;
    }
    let copies = arrivals.iter().filter(|arrival| **arrival == Arrival::Copy);
    let copies = i64::try_from(copies.count()).unwrap_or(i64::MAX);
    if copies > 0 {
        transaction.queue(COUNT_REPEATS).bind(copies)?;
    }
    Ok((json, arrivals))
}

/// Stores message ids. Returns the positions of the ids that were already in use, and whether by the same call.
async fn store(transaction: &mut Transaction<'_>, rows: &str) -> Result<HashMap<usize, bool>, sqlx::Error> {
    let stored = transaction.queue(MESSAGES).bind(rows)?.fetch().await?;
    let mut taken = HashMap::with_capacity(stored.rows.len());
    for row in &stored.rows {
        let place: i64 = row.try_get(0)?;
        taken.extend(usize::try_from(place).ok().zip(row.try_get(1)?));
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventStatus, EventType, Identifier, IdentifierKind, NewEvent};
    use crate::outbox::tests::{NOW, count, event, files, finish};

    fn person(id: &str) -> Vec<Identifier> {
        vec![Identifier::new(IdentifierKind::UserId, id).unwrap()]
    }

    fn call(kind: EventType, name: &str, user: &str) -> NewEvent {
        NewEvent {
            kind: Some(kind),
            name: Some(name.to_owned()),
            identifiers: person(user),
            ..event("m", &[])
        }
    }

    #[tokio::test]
    async fn another_call_with_a_known_id_is_kept_as_dead_and_a_copy_is_counted() {
        use Arrival::{Copy, New, Other};
        let files = files();
        let outbox = files.open().await;
        let first = call(EventType::Identify, "", "ann");
        let order = call(EventType::Track, "Order Completed", "ann");
        let refund = call(EventType::Track, "Refund", "ann");
        let bob = call(EventType::Track, "Order Completed", "bob");
        for (events, expected) in [
            (vec![first.clone()], vec![New]),
            (vec![first.clone(), order.clone()], vec![Copy, Other]),
            (vec![order.clone(), order.clone(), first.clone()], vec![Copy; 3]),
            // In one batch.
            (
                vec![refund.clone(), refund.clone(), bob.clone()],
                vec![Other, Copy, Other],
            ),
            // The payload is not part of the fingerprint.
            (
                vec![NewEvent {
                    payload: "{ }".to_owned(),
                    ..first
                }],
                vec![Copy],
            ),
        ] {
            assert_eq!(outbox.intake().append(events).await.unwrap(), expected);
        }
        let dead = "SELECT count(*) FROM event WHERE status = 'dead' AND reason_code = 'message_id_reused'";
        assert_eq!(count(&outbox, dead).await, 3);
        let ids = "SELECT count(DISTINCT message_id) FROM event WHERE message_id = 'm' OR message_id GLOB 'm#*'";
        assert_eq!(count(&outbox, ids).await, 4);
        assert_eq!(count(&outbox, "SELECT count(*) FROM payload").await, 4);
        assert_eq!(outbox.overview(NOW).await.unwrap().repeats, 6);
        let calls = [order, bob, call(EventType::Page, "P", "ann")];
        let known = outbox.known("shop", &calls).await.unwrap();
        assert_eq!(known, [true, true, false]);
        let counts = outbox.counts().await.unwrap();
        assert_eq!(counts.difference, 0, "{counts:?}");
    }

    #[tokio::test]
    async fn what_is_not_known_of_an_erased_call_is_no_difference() {
        let files = files();
        let outbox = files.open().await;
        let ann = call(EventType::Track, "Order Completed", "ann");
        outbox.intake().append(vec![ann]).await.unwrap();
        crate::outbox::tests::claim_all(&outbox).await;
        finish(&outbox, 1, EventStatus::Delivered).await;
        let erased = outbox.erase(NOW, person("ann"));
        erased.await.unwrap();
        let left = "SELECT count(*) FROM message WHERE fingerprint IS NOT NULL";
        assert_eq!(count(&outbox, left).await, 0);
        let bob = call(EventType::Track, "Order Completed", "bob");
        assert_eq!(outbox.intake().append(vec![bob]).await.unwrap(), [Arrival::Copy]);
    }
}
