//! The data of an overview, by look-ups only: the cost does not depend on how many events are stored or wait.

use std::collections::BTreeMap;

use crate::model::{EventStatus, Timestamp};
use crate::outbox::control::shared::SharedIdentifier;
use crate::outbox::error::{ReadError, WriteError};
use crate::outbox::file::disk;
use crate::outbox::handles::Reader;
use crate::outbox::maintain::checkpoint::LogTrouble;
use crate::outbox::maintain::history::OLDEST_PENDING;
use crate::outbox::queue::pause::{FailingAlone, Pause};

/// The counts that triggers keep, in one statement, so that they are consistent.
pub(in crate::outbox) const KEPT: &str = "SELECT name, value FROM counter";

/// The status of the outbox in numbers.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Events ever accepted.
    pub accepted: i64,
    /// Stored events by state, all five states.
    pub counts: Vec<(EventStatus, i64)>,
    /// How many of the skipped events were copies of another event.
    pub copies: i64,
    /// Finished events that retention has removed.
    pub removed: i64,
    /// When the oldest pending event arrived.
    pub oldest_pending: Option<Timestamp>,
    /// What is paused, and why.
    pub pauses: Vec<Pause>,
    /// Events whose requests fail although their endpoint family is not paused; a few, the worst first.
    pub failing: Vec<FailingAlone>,
    /// Subscriptions that were sent and got no answer: Klaviyo may have accepted them.
    pub unknown_subscriptions: i64,
    /// Identifiers in whose queues events of many people wait.
    pub shared_identifiers: Vec<SharedIdentifier>,
    /// Why no new event is accepted; `None` where events are accepted.
    pub refuses: Option<WriteError>,
    /// What prevents the WAL from being checkpointed into the file, if anything does.
    pub log: Option<LogTrouble>,
    /// The file's size, in bytes.
    pub database_bytes: u64,
    /// The size of its WAL, in bytes.
    pub wal_bytes: u64,
    /// Free bytes on its disk; `None` when that is unknown.
    pub free_bytes: Option<u64>,
    /// With fewer free bytes, no new event is accepted.
    pub min_free_bytes: u64,
}

/// Consistent counts, read in one statement.
pub(in crate::outbox) struct Kept {
    pub(in crate::outbox) accepted: i64,
    pub(in crate::outbox) counts: Vec<(EventStatus, i64)>,
    pub(in crate::outbox) copies: i64,
    pub(in crate::outbox) removed: i64,
}

impl Reader {
    /// The present status.
    pub async fn standing(&self) -> Result<Standing, ReadError> {
        let kept = self.kept().await?;
        let (database_bytes, wal_bytes) = disk::file_bytes(&self.store.path);
        let (pauses, failing) = self.hindered().await?;
        Ok(Standing {
            accepted: kept.accepted,
            counts: kept.counts,
            copies: kept.copies,
            removed: kept.removed,
            oldest_pending: self.oldest_pending().await?,
            failing,
            pauses,
            unknown_subscriptions: self.unknown_subscriptions().await?,
            shared_identifiers: self.shared_identifiers().await?,
            refuses: self.refuses(),
            log: self.log_trouble().await?,
            database_bytes,
            wal_bytes,
            free_bytes: disk::free_bytes(&self.store.path),
            min_free_bytes: self.min_free_bytes(),
        })
    }

    /// Free bytes on the outbox's disk; `None` when that is unknown.
    pub fn free_bytes(&self) -> Option<u64> {
        disk::free_bytes(&self.store.path)
    }

    /// With fewer free bytes, no new event is accepted.
    pub fn min_free_bytes(&self) -> u64 {
        self.store.admission.min_free()
    }

    pub(in crate::outbox) async fn kept(&self) -> Result<Kept, ReadError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(KEPT)
            .fetch_all(&self.store.readers)
            .await
            .map_err(ReadError::of("the kept counts"))?;
        let rows: BTreeMap<String, i64> = rows.into_iter().collect();
        let of = |name: &str| rows.get(name).copied().unwrap_or(0);
        let states = EventStatus::ALL.iter();
        let removed = rows.iter().filter(|(name, _)| name.starts_with("pruned_"));
        Ok(Kept {
            accepted: of("accepted"),
            counts: states
                .map(|state| (*state, of(&format!("status_{}", state.word()))))
                .collect(),
            copies: of("copies"),
            removed: removed.map(|(_, count)| count).sum(),
        })
    }

    /// When the oldest pending event arrived.
    pub(in crate::outbox) async fn oldest_pending(&self) -> Result<Option<Timestamp>, ReadError> {
        let oldest: Option<i64> = sqlx::query_scalar(OLDEST_PENDING)
            .fetch_one(&self.store.readers)
            .await
            .map_err(ReadError::of("the oldest pending event"))?;
        Ok(oldest.map(Timestamp::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventId, PauseKind};
    use crate::outbox::maintain::retention::Round;
    use crate::outbox::tests::{NOW, claim_all, count, event, files, finish};

    #[tokio::test]
    async fn an_overview_agrees_with_the_audit_whatever_retention_removed() {
        let files = files();
        let outbox = files.open().await;
        let events = (1..=6).map(|number| event(&format!("m{number}"), &[]));
        outbox.intake().append(events.collect()).await.unwrap();
        claim_all(&outbox).await;
        finish(&outbox, 1, EventStatus::Delivered).await;
        let later = Timestamp::from_millis(NOW.as_millis() + 1);
        let delivered = Round {
            delivered: later,
            dead: NOW,
            bodies: NOW,
            import_jobs: NOW,
            minutes: NOW,
        };
        outbox.remove_some(delivered).await.unwrap();
        finish(&outbox, 2, EventStatus::Delivered).await;
        finish(&outbox, 3, EventStatus::Dead).await;
        let mut back = event("m7", &[]);
        back.received_at = later;
        outbox.intake().append(vec![back]).await.unwrap();
        outbox.hold(vec![EventId(7)]).await.unwrap();
        outbox
            .queue()
            .set_pauses(vec![Pause {
                family: None,
                kind: PauseKind::Refused,
                since: NOW,
                reason: "the key".to_owned(),
                probe_at: later,
            }])
            .await
            .unwrap();

        let standing = outbox.standing().await.unwrap();
        let expected = [
            (EventStatus::Pending, 3),
            (EventStatus::Delivered, 1),
            (EventStatus::Skipped, 0),
            (EventStatus::Dead, 1),
            (EventStatus::Held, 1),
        ];
        for state in expected {
            assert!(standing.counts.contains(&state), "{state:?}");
        }
        assert_eq!((standing.counts.len(), standing.removed), (5, 1));
        let accepted = count(&outbox, "SELECT accepted FROM audit").await;
        assert_eq!((standing.accepted, accepted), (7, 7));
        assert_eq!(standing.oldest_pending, Some(NOW));
        let pause = &standing.pauses[0];
        assert_eq!((pause.since, pause.reason.as_str()), (NOW, "the key"));
        assert_eq!(standing.unknown_subscriptions, 0);
        assert!(standing.refuses.is_none());
        assert!(standing.database_bytes > 0);
    }
}
