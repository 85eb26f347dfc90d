//! The import jobs that are watched: Klaviyo is processing them, and no request of ours is in flight for them.
//!
//! They count neither as in flight nor as active, so that no other event waits for them. Their number is bounded: no
//! more jobs are started than may run concurrently, including the jobs of an earlier run.

use std::sync::Arc;

use tokio::task::Id;

use super::super::report::Report;
use super::{Dispatcher, Returned};
use crate::model::Family;
use crate::scheduler::active::Held;
use crate::scheduler::import::{self, Watch};

impl Dispatcher {
    /// Continues to watch the import jobs that an earlier run left open.
    pub(in crate::scheduler) async fn take_up(&mut self) {
        for job in import::left_open(&self.context).await {
            self.watch(Watch::of(job));
        }
    }

    /// Starts to watch a job that was sent. Its events are not active any more.
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

    /// A job is over and settled: the events that still owe requests become active again. `None`: the scheduler is
    /// stopping, and the job stays in the outbox.
    pub(super) async fn watch_ended(&mut self, id: Id, report: Option<Report>) {
        self.watched.remove(&id);
        if let Some(report) = report {
            let Report { events, unwritten, .. } = &report;
            let batch = events.iter().map(|(active, _)| active).chain(unwritten);
            self.held.add(Held::by(batch));
            self.sent(report, None).await;
        }
    }
}
