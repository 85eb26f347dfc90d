//! The loop that takes events from the outbox to Klaviyo and writes back what became of them.
//!
//! Events are claimed, read and mapped ([`intake`]), queued by the request they owe next ([`active`]), sent singly or
//! in bulk jobs as the [`dispatcher`] and the [`policy`] decide, and settled. Each attempt is recorded before it is
//! sent and completed after it. Each step is a commit of its own, and no transaction is open during a network request.
//!
//! Promises: only one task works on an event at a time; memory is bounded by `[delivery] window`; a task that fails
//! returns its events; after `stop` nothing more is claimed or sent, and what is in flight is finished. A job that
//! Klaviyo is still processing then stays in the outbox, and the next run continues with it. The decisions are pure and
//! stand in [`policy`]. May use `outbox`, `mapper`, `delivery`, `klaviyo`, `segment`, `model`, `config`, `clock`,
//! `metrics` and `telemetry`.

mod active;
mod bulk;
mod context;
mod counters;
mod deaths;
mod dispatcher;
mod import;
mod intake;
mod item;
mod lead;
mod plan;
pub mod policy;
mod queues;
mod reading;
mod report;
mod single;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use context::Context;
pub use context::{Scheduler, Settings};
use dispatcher::Dispatcher;
pub use plan::{Explained, explain};

/// The longest sleep of the loop: it bounds the effect of a missed notification or a jump of the clock.
const LONGEST_NAP: Duration = Duration::from_secs(30);

impl Scheduler {
    /// Runs until `stop`, then until what is in flight is settled.
    pub async fn run(self, stop: CancellationToken) {
        let mut settings = self.settings.clone();
        settings.mark_unchanged();
        let wake = Arc::clone(self.outbox.wake());
        let (clock, heartbeats) = (Arc::clone(&self.clock), self.instruments.heartbeats.clone());
        // Registered before the look, and again after each notification, so that no notification is lost during other
        // work.
        let notice = wake.notified();
        tokio::pin!(notice);
        notice.as_mut().enable();
        let context = Context::new(self, stop.clone()).await;
        let mut dispatcher = Dispatcher::open(Arc::new(context)).await;
        dispatcher.take_up().await;
        while !stop.is_cancelled() {
            heartbeats.polled();
            dispatcher.claim_more();
            let until = dispatcher.dispatch();
            dispatcher.report_metrics();
            let nap = until.map_or(LONGEST_NAP, |at| at.since(clock.now()));
            tokio::select! {
                () = stop.cancelled() => {}
                ended = dispatcher.next() => dispatcher.enter(ended).await,
                () = &mut notice => {
                    notice.set(wake.notified());
                    notice.as_mut().enable();
                    dispatcher.look();
                }
                // An error means that the sender is gone and the settings cannot change any more.
                Ok(()) = settings.changed() => dispatcher.apply_settings(),
                () = tokio::time::sleep(nap.min(LONGEST_NAP)) => dispatcher.look(),
            }
        }
        // Boxed: it owns the dispatcher, which is large.
        Box::pin(dispatcher.close()).await;
    }
}
