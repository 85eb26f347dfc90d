//! The import jobs that are watched: in flight at Klaviyo, but no request of ours.
//!
//! They count neither as in flight nor as in hand, so that nobody else waits for them. What they hold is bounded all the
//! same: no more of them are begun than may run at once, those of an earlier run among them.

use std::sync::Arc;

use tokio::task::Id;

use super::super::report::Report;
use super::{Desk, Returned};
use crate::model::Family;
use crate::relay::hand::Held;
use crate::relay::import::{self, Watch};

impl Desk {
    /// Takes up the import jobs that an earlier run left open.
    pub(in crate::relay) async fn take_up(&mut self) {
        for job in import::left_open(&self.context).await {
            self.watch(Watch::of(job));
        }
    }

    /// Watches a job that was sent; its events are in hand no longer.
    pub(super) fn watch_sent(&mut self, watch: Watch) {
        self.held.remove(watch.held);
        self.watch(watch);
    }

    fn watch(&mut self, watch: Watch) {
        let context = Arc::clone(&self.context);
        let events = watch.job.events.clone();
        let task = self
            .tasks
            .spawn(async move { Returned::Watched(import::watch(&context, watch).await) });
        self.watched.insert(task.id(), events);
    }

    /// How many jobs of a family are watched.
    pub(super) fn watched(&self, family: Option<Family>) -> usize {
        if family == Some(Family::ProfileBulk) {
            self.watched.len()
        } else {
            0
        }
    }

    /// A job is over and settled: what its events owe still is in hand again. `None`: the relay stops, and the books
    /// keep the job.
    pub(super) async fn watch_ended(&mut self, id: Id, report: Option<Report>) {
        self.watched.remove(&id);
        if let Some(report) = report {
            let Report { events, unwritten, .. } = &report;
            let hands = events.iter().map(|(hand, _)| hand).chain(unwritten);
            self.held.add(Held::by(hands));
            self.sent(report, None).await;
        }
    }
}
