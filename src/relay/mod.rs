//! The loop that joins the outbox, the scheduler, the mapper and delivery.
//!
//! Events are taken in ([`intake`]: claimed, read, mapped), queued by what they owe next ([`hand`]), sent singly or in
//! jobs as the [`desk`] and the scheduler find, and settled. Each attempt is written down before it is sent and
//! completed after, each step is a commit of its own, and none is held across the network.
//!
//! It promises that an event is worked on by one task at a time, that memory is bounded by `[delivery] window`, that
//! a task that fails gives its events back, and that after `stop` nothing more is taken or sent and what is in the
//! air is finished. A job that Klaviyo still works on then stays in the books, and the next run goes on with it. May use `outbox`, `scheduler`, `mapper`, `delivery`, `klaviyo`, `segment`, `model`, `config`,
//! `clock`, `metrics` and `telemetry`.

mod bulk;
mod context;
mod deaths;
mod desk;
mod hand;
mod import;
mod intake;
mod item;
mod lead;
mod plan;
mod queues;
mod reading;
mod report;
mod single;
mod told;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use context::Context;
pub use context::{Relay, Settings};
use desk::Desk;
pub use plan::{Explained, explain};

/// The longest the loop sleeps without looking: a bound on what a missed notice or a jump of the clock can cost.
const LONGEST_NAP: Duration = Duration::from_secs(30);

impl Relay {
    /// Works until `stop`, then until what is in the air is settled.
    pub async fn run(self, stop: CancellationToken) {
        let mut settings = self.settings.clone();
        settings.mark_unchanged();
        let wake = Arc::clone(self.outbox.wake());
        let (clock, pulse) = (Arc::clone(&self.clock), self.instruments.pulse.clone());
        // Registered once and anew after each notice, before looking: none is lost while something else is done.
        let notice = wake.notified();
        tokio::pin!(notice);
        notice.as_mut().enable();
        let context = Context::new(self, stop.clone()).await;
        let mut desk = Desk::open(Arc::new(context)).await;
        desk.take_up().await;
        while !stop.is_cancelled() {
            pulse.looked();
            desk.take_in();
            let until = desk.dispatch();
            desk.tell();
            let nap = until.map_or(LONGEST_NAP, |at| at.since(clock.now()));
            tokio::select! {
                () = stop.cancelled() => {}
                ended = desk.next() => desk.enter(ended).await,
                () = &mut notice => {
                    notice.set(wake.notified());
                    notice.as_mut().enable();
                    desk.look();
                }
                // As an error, nobody is left who could change them.
                Ok(()) = settings.changed() => desk.set_anew(),
                () = tokio::time::sleep(nap.min(LONGEST_NAP)) => desk.look(),
            }
        }
        desk.close().await;
    }
}
