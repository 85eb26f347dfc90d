//! Accepts events: new events are stored and added to the queues of their identifiers, in one commit.

pub(in crate::outbox) mod admission;
pub(in crate::outbox) mod append;
pub(in crate::outbox) mod arrival;
pub(in crate::outbox) mod fingerprint;
pub(in crate::outbox) mod rejections;

use tokio::sync::mpsc;

use self::admission::Measure;
use self::append::Append;
use self::arrival::Arrival;
use super::command;
use super::error::{AppendError, WriteError};
use super::handles::Intake;
use super::queue::transition::Import;
use crate::config::OutboxConfig;
use crate::model::NewEvent;

impl Intake {
    /// Stores events in one commit, which is on disk when this returns. An event whose source and message id are known
    /// is not stored again.
    pub async fn append(&self, events: Vec<NewEvent>) -> Result<Vec<Arrival>, AppendError> {
        self.add(Append { events, import: None }).await
    }

    /// As [`Intake::append`], for events that happened long ago.
    pub async fn import(&self, events: Vec<NewEvent>, how: Import) -> Result<Vec<Arrival>, AppendError> {
        let import = Some(how);
        self.add(Append { events, import }).await
    }

    async fn add(&self, events: Append) -> Result<Vec<Arrival>, AppendError> {
        if self.store.admission.rejection_cause().is_some() {
            // Measured here too, so that space freed by an operator is detected while nothing else is written.
            drop(self.store.execute(Measure).await);
            if let Some(reason) = self.store.admission.rejection_cause() {
                return Err(AppendError::of(reason));
            }
        }
        let (order, reply) = command::grouped(events);
        self.store.orders.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => AppendError::of(WriteError::Overloaded),
            mpsc::error::TrySendError::Closed(_) => AppendError::of(WriteError::Closed),
        })?;
        let reply = reply.await.unwrap_or(Err(WriteError::Closed));
        reply.map_err(AppendError::of)
    }

    /// Why no new event is accepted at the moment, because of the disk or the backlog; `None` where events are
    /// accepted.
    pub fn rejection_cause(&self) -> Option<WriteError> {
        self.store.admission.rejection_cause()
    }

    /// Sets new limits for accepting events: `min_free_disk` and `max_pending` of `[outbox]`.
    pub fn set_bounds(&self, config: &OutboxConfig) {
        self.store.admission.reconfigure(config);
    }
}
