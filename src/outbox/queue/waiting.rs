//! Makes waiting events due early: when the pause that they wait for ends, or when their due time is further ahead than
//! any wait. In the second case the clock was ahead when the time was written, and has been corrected since.

use super::pause;
use crate::model::{Family, Timestamp};
use crate::outbox::command::{Command, Effects};
use crate::outbox::error::ReadError;
use crate::outbox::handles::Queue;
use crate::outbox::transaction::Transaction;

/// Selects the waiting events that become due now.
#[derive(Debug, Clone, Copy)]
pub(in crate::outbox) enum Waiting {
    /// Those that wait for the end of the pause of this family.
    Parked(Family),
    /// Those that nothing blocks and that are due after this time.
    Beyond(Timestamp),
}

/// Makes events due now, a limited number per commit; the reply is whether there may be more.
#[derive(Debug)]
pub(in crate::outbox) struct BringDue {
    pub(in crate::outbox) what: Waiting,
    pub(in crate::outbox) now: Timestamp,
}

impl Command for BringDue {
    type Reply = bool;

    fn effects(&self) -> Effects {
        Effects::WAKES
    }

    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<bool, sqlx::Error> {
        let connection = transaction.connection().await?;
        let beyond = match self.what {
            Waiting::Parked(family) => return pause::unpark(connection, family, self.now).await,
            Waiting::Beyond(beyond) => beyond,
        };
        let done = sqlx::query(BRING_FORWARD)
            .bind(self.now.as_millis())
            .bind(beyond.as_millis())
            .bind(i64::try_from(AT_ONCE).unwrap_or(i64::MAX))
            .execute(connection)
            .await?;
        Ok(done.rows_affected() >= AT_ONCE)
    }
}

/// How many events per index are made due in one commit.
const AT_ONCE: u64 = 1000;

pub(in crate::outbox) const LATEST_DUE: &str = "
    SELECT max(coalesce((SELECT max(run_after_ms) FROM event
                         WHERE status = 'pending' AND blocked_by = 0 AND active = 0 AND generation = 1), 0),
               coalesce((SELECT max(run_after_ms) FROM event
                         WHERE status = 'pending' AND blocked_by = 0 AND active = 0 AND generation > 1), 0))";

pub(in crate::outbox) const LATEST_TIME: &str = "
    SELECT max(coalesce((SELECT value FROM counter WHERE name = 'rollup_ms'), 0),
               coalesce((SELECT received_ms FROM event WHERE id = (SELECT max(id) FROM event)), 0))";

pub(in crate::outbox) const BRING_FORWARD: &str = "
    UPDATE event SET run_after_ms = ?1
    WHERE id IN (SELECT id FROM (SELECT id FROM event
                                 WHERE status = 'pending' AND blocked_by = 0 AND active = 0 AND generation = 1 AND run_after_ms > ?2
                                 ORDER BY run_after_ms, id LIMIT ?3)
                 UNION ALL
                 SELECT id FROM (SELECT id FROM event
                                 WHERE status = 'pending' AND blocked_by = 0 AND active = 0 AND generation > 1 AND run_after_ms > ?2
                                 ORDER BY run_after_ms, id LIMIT ?3))";

impl Queue {
    /// The latest due time of the events that nothing blocks; 1970 if there is none.
    pub async fn latest_due(&self) -> Result<Timestamp, ReadError> {
        let latest = sqlx::query_scalar(LATEST_DUE);
        self.store.value("the latest due time", latest).await
    }

    /// The latest time that a daemon has recorded in this file; `None` if there is none.
    pub async fn latest_time(&self) -> Result<Option<Timestamp>, ReadError> {
        let latest: i64 = self
            .store
            .value("the latest time", sqlx::query_scalar(LATEST_TIME))
            .await?;
        Ok((latest > 0).then(|| Timestamp::from_millis(latest)))
    }
}
