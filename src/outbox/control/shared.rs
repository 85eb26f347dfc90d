//! Identifiers that many people share: one constant `anonymousId` for everybody puts them all into one queue, and each waits
//! for all before. They are named here, and a queue of an identifier that names nobody is dissolved.

use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::dissolve::Dissolve;
use crate::model::GarbageIds;
use crate::outbox::Outbox;
use crate::outbox::error::{ReadError, WriteError};

/// So many different people in one queue are no person with several ids.
const PEOPLE: i64 = 10;

/// The queues that the newest waiting events stand in, and who else stands there: of each the last 200 events are looked
/// at, so that it costs the same however many wait. People are known by their user ids, or by their e-mail addresses.
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

/// The queues of identifiers, without regard to case.
const QUEUES: &str = "
    SELECT identifier FROM queue_entry
    WHERE lower(trim(substr(identifier, instr(identifier, ':') + 1))) IN (SELECT value FROM json_each(?1))
    GROUP BY identifier";

/// An identifier in whose queue many people wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedIdentifier {
    /// As `anonymous:kiosk-1`.
    pub identifier: String,
    /// Events in its queue; 100,000 stands for more, too.
    pub waiting: i64,
    /// Different people among the last 200 of them.
    pub people: i64,
}

impl Outbox {
    /// Identifiers in whose queues many people wait, the longest queue first; three at most.
    pub async fn shared_identifiers(&self) -> Result<Vec<SharedIdentifier>, ReadError> {
        let failed = || ReadError::of("the shared identifiers");
        let rows = sqlx::query(SHARED)
            .bind(PEOPLE)
            .fetch_all(&self.readers)
            .await
            .map_err(failed())?;
        let shared: Result<_, sqlx::Error> = rows.iter().map(shared_of).collect();
        shared.map_err(failed())
    }

    /// Takes what waits out of the queues of identifiers that name nobody: each event waits for its own person's alone.
    /// With how many events that were. Goes once through all queues.
    pub async fn dissolve(&self, garbage: &GarbageIds) -> Result<u64, DissolveError> {
        let words: Vec<&str> = garbage.words().collect();
        let queues: Vec<String> = sqlx::query_scalar(QUEUES)
            .bind(json!(words).to_string())
            .fetch_all(&self.readers)
            .await
            .map_err(ReadError::of("the queues of `garbage_ids`"))?;
        let mut freed = 0;
        while !queues.is_empty() {
            let events = self.ask(Dissolve(queues.clone())).await?;
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
    /// They could not be found.
    Read(#[from] ReadError),
    /// They could not be written.
    Write(#[from] WriteError),
}

fn shared_of(row: &SqliteRow) -> Result<SharedIdentifier, sqlx::Error> {
    Ok(SharedIdentifier {
        identifier: row.try_get("identifier")?,
        waiting: row.try_get("waiting")?,
        people: row.try_get("people")?,
    })
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
        outbox.append(of_one.collect()).await.unwrap();
        let of_nine = (0..9).map(|number| of_kiosk(number, &format!("u{number}")));
        outbox.append(of_nine.collect()).await.unwrap();
        assert_eq!(outbox.shared_identifiers().await.unwrap(), []);
        outbox.append(vec![of_kiosk(9, "u9")]).await.unwrap();
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
        outbox.append(events.collect()).await.unwrap();
        assert_eq!(claim_all(&outbox).await, [1]);
        let garbage = GarbageIds::new(["KIOSK-1".to_owned()]);
        assert_eq!(outbox.dissolve(&garbage).await.unwrap(), 5);
        assert_eq!(outbox.dissolve(&garbage).await.unwrap(), 0);
        assert_eq!(claim_all(&outbox).await, [2, 4], "not who waits for their own");
        let audit = outbox.audit(true).await.unwrap();
        assert!(audit.holds(), "{audit:?}");
    }
}
