//! The loop that joins the outbox, the scheduler, the mapper and delivery.
//!
//! It waits until there may be work, takes as many events as there is room for, and gives each its [`turn`]. It
//! promises that an event is worked on by one turn at a time, that a turn that fails gives its event back, and
//! that after `stop` nothing more is taken and what is in the air is finished.
//! May use `outbox`, `scheduler`, `mapper`, `delivery`, `klaviyo`, `segment`, `model`, `config` and `clock`.

mod gate;
mod plan;
mod turn;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::{DeliveryConfig, MappingConfig};
use crate::delivery::Sender;
use crate::model::{EventId, Side, Timestamp};
use crate::outbox::{Outbox, WriteError};
use crate::scheduler::{self, Passage};

use gate::SharedGate;
pub use plan::{Explained, explain};

/// The longest the loop sleeps without looking: a bound on what a missed notice or a jump of the clock can cost.
const LONGEST_NAP: Duration = Duration::from_secs(30);
/// The pause after the outbox could not be read or written.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);

/// Everything a relay works with.
pub struct Relay {
    /// Where events come from and outcomes go.
    pub outbox: Outbox,
    /// What sends.
    pub sender: Sender,
    /// The name of where it sends: `sandbox`, or a Klaviyo account.
    pub sent_to: String,
    /// `[mapping]`.
    pub mapping: MappingConfig,
    /// `[delivery]`.
    pub policy: DeliveryConfig,
    /// The sides that sources are set to; a source that is not here is `auto`.
    pub sides: HashMap<String, Side>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
}

/// What the turns of a running relay share.
struct Shared {
    relay: Relay,
    gate: SharedGate,
    stop: CancellationToken,
}

impl Relay {
    /// Works until `stop`, then until what is in the air is settled.
    pub async fn run(self, stop: CancellationToken) {
        let max = self.policy.max_in_flight;
        let gate = SharedGate::load(&self.outbox, max, self.clock.now()).await;
        let shared = Arc::new(Shared {
            relay: self,
            gate,
            stop,
        });
        let places = Arc::new(Semaphore::new(max));
        let turns = TaskTracker::new();
        while !shared.stop.is_cancelled() {
            // Registered before looking: a notice between the look and the wait is not lost.
            let wake = Arc::clone(shared.relay.outbox.wake());
            let notice = wake.notified();
            tokio::pin!(notice);
            notice.as_mut().enable();
            let until = match shared.take(&places, max, &turns).await {
                Ok(until) => until,
                Err(error) => {
                    tracing::error!(error = %error_chain(&*error), "failed to take work from the outbox");
                    Some(shared.relay.clock.now().plus(TROUBLE_PAUSE))
                }
            };
            let nap = until.map_or(LONGEST_NAP, |at| at.since(shared.relay.clock.now()));
            tokio::select! {
                () = shared.stop.cancelled() => {}
                () = notice => {}
                () = tokio::time::sleep(nap.min(LONGEST_NAP)) => {}
            }
        }
        turns.close();
        turns.wait().await;
    }
}

impl Shared {
    /// Takes what may go now and gives each its turn; answers when to look again, if no notice comes before.
    async fn take(
        self: &Arc<Self>,
        places: &Arc<Semaphore>,
        max: usize,
        turns: &TaskTracker,
    ) -> Result<Option<Timestamp>, Box<dyn std::error::Error + Send + Sync>> {
        let now = self.relay.clock.now();
        let in_flight = max.saturating_sub(places.available_permits());
        let room = match self.gate.passage(now, in_flight) {
            Passage::Free => scheduler::room(in_flight, max),
            Passage::UpTo(more) => scheduler::room(in_flight, max).min(more),
            Passage::Probe => 1,
            Passage::Wait(until) => return Ok(Some(until)),
        };
        if room == 0 {
            // The end of a turn is a notice.
            return Ok(None);
        }
        // A look costs a read; only when something is due is it worth the writer's while.
        match self.relay.outbox.next_due().await? {
            Some(due) if due <= now => {}
            later => return Ok(later),
        }
        let events = self.relay.outbox.claim(now, room).await?;
        let full = events.len() == room;
        for event in events {
            let place = Arc::clone(places).acquire_owned().await?;
            turns.spawn(Arc::clone(self).give_turn(event, place));
        }
        // With no room left, the end of a turn is the notice to wait for.
        if full {
            Ok(None)
        } else {
            Ok(self.relay.outbox.next_due().await?)
        }
    }

    async fn give_turn(self: Arc<Self>, event: EventId, place: OwnedSemaphorePermit) {
        let shared = Arc::clone(&self);
        let turn = tokio::spawn(async move { turn::take(&shared, event).await });
        if turn.await.is_err() {
            // A panic, which is a bug of ours: the event must not hold up its person for it.
            tracing::error!(%event, "failed on an event; it is dead, please report this");
            turn::give_up(&self, event).await;
        }
        drop(place);
        self.relay.outbox.wake().notify_waiters();
    }

    /// Writes until it is written: what was sent must not be forgotten because the disk was full for a while.
    /// Gives up when the outbox is closed (the process is ending; the next start recovers), or when the same
    /// write fails again and again for a reason of its own.
    async fn persist<T, F>(
        &self,
        event: EventId,
        what: &'static str,
        write: impl Fn() -> F,
    ) -> Option<T>
    where
        F: Future<Output = Result<T, WriteError>>,
    {
        const OWN_FAULT_TRIES: u32 = 5;
        let mut own_fault = 0;
        loop {
            match write().await {
                Ok(written) => return Some(written),
                Err(WriteError::Closed) => return None,
                Err(error) => {
                    own_fault += u32::from(matches!(error, WriteError::Sqlite(_)));
                    tracing::error!(event = %event, error = %error_chain(&error), what, "failed to write; trying again");
                    if own_fault >= OWN_FAULT_TRIES {
                        return None;
                    }
                    tokio::time::sleep(TROUBLE_PAUSE).await;
                }
            }
        }
    }
}

/// An error and its causes, in one line.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        line.push_str(": ");
        line.push_str(&inner.to_string());
        cause = inner.source();
    }
    line
}
