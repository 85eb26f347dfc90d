//! Reports identifiers that many people share: one constant `anonymousId` for all people puts all events into one
//! queue, and each event waits for all earlier ones. Also dissolves the queues of identifiers that identify no person
//! (`garbage_ids`).

use serde_json::json;
use sqlx::{FromRow, SqliteExecutor};

use super::dissolve::Dissolve;
use crate::model::GarbageIds;
use crate::outbox::error::{ReadError, WriteError};
use crate::outbox::handles::{Control, Reader};

/// If the events of one queue name so many different people, they are not one person with several ids.
const PEOPLE: i64 = 10;

/// The queues of the newest waiting events, and how many people the events in each queue name. Only the last 200 events
/// of a queue are examined, so that the cost does not grow with the queue. People are counted by their user ids or by
/// their e-mail addresses, whichever gives more. ?1: the number of people from which a queue counts as shared.
pub(in crate::outbox) const SHARED: &str = "
    WITH newest (id) AS MATERIALIZED (
        SELECT id FROM event WHERE finished_ms IS NULL AND status = 'pending' ORDER BY received_ms DESC LIMIT 100),
    queue (identifier) AS MATERIALIZED (
        SELECT DISTINCT t.identifier FROM newest AS n CROSS JOIN queue_entry AS t ON t.event_id = n.id),
    counted AS MATERIALIZED (
        SELECT q.identifier,
               (SELECT count(*) FROM (SELECT 1 FROM queue_entry AS t WHERE t.identifier = q.identifier LIMIT 100000)) AS waiting,
               (SELECT max(count(DISTINCT iif(o.identifier GLOB 'user:*', o.identifier, NULL)),
                           count(DISTINCT iif(o.identifier GLOB 'email:*', o.identifier, NULL)))
                FROM (SELECT t.event_id FROM queue_entry AS t WHERE t.identifier = q.identifier ORDER BY t.queue_pos DESC LIMIT 200) AS w
                CROSS JOIN event_identifier AS o ON o.event_id = w.event_id
                WHERE o.identifier <> q.identifier) AS people
        FROM queue AS q)
    SELECT identifier, waiting, people FROM counted WHERE people >= ?1 ORDER BY waiting DESC, identifier LIMIT 3";

/// The queues with these identifier values, ignoring case. ?1: JSON array of the values in lower case.
const QUEUES: &str = "
    SELECT identifier FROM queue_entry
    WHERE lower(trim(substr(identifier, instr(identifier, ':') + 1))) IN (SELECT value FROM json_each(?1))
    GROUP BY identifier";

/// An identifier that many people share.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema, FromRow)]
pub struct SharedIdentifier {
    /// For example `anonymous:kiosk-1`.
    pub identifier: String,
    /// The number of events in its queue; at most 100,000 are counted.
    #[schemars(range(min = 1))]
    pub waiting: i64,
    /// The number of different people in the last 200 of them.
    #[schemars(range(min = 10))]
    pub people: i64,
}

impl Reader {
    /// Identifiers that many people share, the longest queue first; at most three.
    pub async fn shared_identifiers(&self) -> Result<Vec<SharedIdentifier>, ReadError> {
        let shared = shared_identifiers(&self.store.readers).await;
        shared.map_err(ReadError::of("the shared identifiers"))
    }
}

pub(in crate::outbox) async fn shared_identifiers(
    connection: impl SqliteExecutor<'_>,
) -> Result<Vec<SharedIdentifier>, sqlx::Error> {
    sqlx::query_as(SHARED).bind(PEOPLE).fetch_all(connection).await
}

impl Control {
    /// Removes the waiting events from the queues of identifiers that identify no person: each event then waits only
    /// for the events of its own person. Returns the number of events. Reads all queues once.
    pub async fn dissolve(&self, garbage: &GarbageIds) -> Result<u64, DissolveError> {
        let words: Vec<&str> = garbage.words().collect();
        let queues = sqlx::query_scalar(QUEUES).bind(json!(words).to_string());
        let queues: Vec<String> = self.store.values("the queues of `garbage_ids`", queues).await?;
        let mut freed = 0;
        while !queues.is_empty() {
            let events = self.store.execute(Dissolve(queues.clone())).await?;
            if events == 0 {
                break;
            }
            freed += events;
        }
        Ok(freed)
    }
}

/// Why queues were not dissolved.
#[derive(Debug, thiserror::Error)]
#[error("failed to dissolve the queues of identifiers that name nobody")]
pub enum DissolveError {
    /// The queues could not be read.
    Read(#[from] ReadError),
    /// The change could not be written.
    Write(#[from] WriteError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Identifier, IdentifierKind, NewEvent};
    use crate::outbox::tests::{claim_all, event, files};

    fn of_kiosk(number: usize, user: &str) -> NewEvent {
        let mut event = event(&format!("m{number}"), &[user]);
        let kiosk = Identifier::new(IdentifierKind::AnonymousId, "Kiosk-1");
        event.identifiers.extend(kiosk);
        event
    }

    #[tokio::test]
    async fn an_identifier_that_many_people_share_is_named() {
        let files = files();
        let outbox = files.open().await;
        let of_one = (0..20).map(|number| event(&format!("one{number}"), &["ann"]));
        outbox.intake().append(of_one.collect()).await.unwrap();
        let of_nine = (0..9).map(|number| of_kiosk(number, &format!("u{number}")));
        outbox.intake().append(of_nine.collect()).await.unwrap();
        assert_eq!(outbox.shared_identifiers().await.unwrap(), []);
        outbox.intake().append(vec![of_kiosk(9, "u9")]).await.unwrap();
        let shared = SharedIdentifier {
            identifier: "anonymous:Kiosk-1".to_owned(),
            waiting: 10,
            people: 10,
        };
        assert_eq!(outbox.shared_identifiers().await.unwrap(), [shared]);
    }

    #[tokio::test]
    async fn a_queue_of_nobody_is_dissolved_and_each_persons_stays() {
        let files = files();
        let outbox = files.open().await;
        let users = ["ann", "bob", "ann", "cid", "bob"];
        let events = users.iter().enumerate();
        let events = events.map(|(number, user)| of_kiosk(number, user));
        outbox.intake().append(events.collect()).await.unwrap();
        assert_eq!(claim_all(&outbox).await, [1]);
        let garbage = GarbageIds::new(["KIOSK-1".to_owned()]);
        assert_eq!(outbox.dissolve(&garbage).await.unwrap(), 5);
        assert_eq!(outbox.dissolve(&garbage).await.unwrap(), 0);
        assert_eq!(claim_all(&outbox).await, [2, 4], "not who waits for their own");
        let audit = outbox.audit(true).await.unwrap();
        assert!(audit.holds, "{audit:?}");
    }
}
