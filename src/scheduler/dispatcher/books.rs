//! Applies the results of tasks: to the active events, the limits, the breakers and the pauses.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::Id;

use crate::model::{EventId, Family, Outcome, OutcomeKind, Timestamp};
use crate::outbox::{Next, NextDue};
use crate::scheduler::policy::Attempted;

use super::super::active::{ActiveEvent, Held};
use super::super::context::WriteGaveUp;
use super::super::intake::{self, Intake};
use super::super::report::{self, Report};
use super::returns::Returns;
use super::{Dispatcher, Ended, InFlightRequest, Returned};

/// The delay before the next read of an outbox that failed.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);

impl Dispatcher {
    /// Applies the result of a task.
    pub(in crate::scheduler) async fn enter(&mut self, Ended(ended): Ended) {
        match ended {
            Ok((id, returned)) => {
                let request = self.in_flight.remove(&id);
                match returned {
                    Returned::Taken(taken) => self.taken(taken),
                    Returned::Sent(report) => self.sent(report, request).await,
                    Returned::Watched(report) => self.watch_ended(id, report).await,
                    Returned::Account(remote) => self.account_answered(&remote).await,
                    Returned::Looked(released) => self.looked(&released),
                    Returned::Written => {}
                }
            }
            Err(error) => self.broke_off(error.id()),
        }
    }

    fn taken(&mut self, taken: Result<Intake, WriteGaveUp>) {
        self.taking_in = false;
        self.context.scheduler.instruments.heartbeats.intake_ended();
        match taken {
            Ok((batch, next_due)) => {
                self.next_due = next_due;
                self.held.add(Held::by(&batch));
                self.queues.push(batch);
            }
            Err(WriteGaveUp) => {
                self.next_due = NextDue::at(self.context.now().plus(TROUBLE_PAUSE));
            }
        }
    }

    pub(super) async fn sent(&mut self, report: Report, request: Option<InFlightRequest>) {
        let metrics = &self.context.scheduler.instruments.metrics;
        let mut returned = Returns::default();
        for (mut active, next) in report.events {
            report::stepped(metrics, &mut active, &next);
            returned.sort(active, &next);
        }
        for active in report.unwritten {
            returned.unwritten(&active);
        }
        self.returned(returned);
        if let Some(watch) = report.watch {
            self.watch_sent(watch);
        }
        if let Some(request) = request {
            self.answered(&request, report.answered).await;
        }
    }

    /// Queues the events that stay active and removes the others, each run in its order.
    fn returned(&mut self, returned: Returns) {
        for (run, batch) in returned.behind {
            self.queues.wait_again(run, batch);
        }
        for active in returned.first.into_iter().rev() {
            self.queues.push_first(active);
        }
        for active in returned.next {
            self.queues.push_last(active);
        }
        let runs: Vec<EventId> = returned.interrupted.iter().filter_map(|active| active.run).collect();
        let mut back = returned.interrupted;
        for run in returned.broken {
            back.extend(self.queues.give_up(run));
        }
        for run in runs {
            self.queues.left(run);
        }
        for (run, held) in returned.gone {
            self.held.remove(held);
            if let Some(run) = run {
                self.queues.left(run);
            }
        }
        self.requeue(returned.unwritten);
        // They have not been sent. They may be sent as soon as the event they wait for has been.
        let now = self.context.now();
        self.release(&back, |active| active.release(now));
    }

    /// Requeues events in the outbox, as `next` decides for each. They are not active any more.
    pub(super) fn release(&mut self, batch: &[ActiveEvent], next: impl Fn(&ActiveEvent) -> Next) {
        if batch.is_empty() {
            return;
        }
        self.held.remove(Held::by(batch));
        let steps = batch.iter().map(next).collect();
        let context = Arc::clone(&self.context);
        self.tasks.spawn(async move {
            context.requeue(steps).await;
            Returned::Written
        });
    }

    /// Applies an answer to its family: to its limit, its latency and its breaker.
    async fn answered(&mut self, request: &InFlightRequest, answered: Option<Outcome>) {
        let now = self.context.now();
        let family = request.family;
        // The limits must get the answer of every request they have counted, even when nothing was sent in the end.
        self.limits.answered(family, answered.as_ref(), now);
        let (Some(outcome), Some(event)) = (answered, request.events.first()) else {
            self.breakers.unsent(family, now);
            return;
        };
        let metrics = &self.context.scheduler.instruments.metrics;
        metrics.request_out(family, outcome.http_status);
        if outcome.http_status.is_some() {
            self.latencies.answered(family, now.since(request.started));
        }
        let attempted = Attempted {
            event: *event,
            family,
            kind: outcome.kind,
            http_status: outcome.http_status,
            started: request.started,
        };
        let max_in_flight = self.context.settings.policy.max_in_flight;
        self.breakers.record(attempted, max_in_flight, now);
        if outcome.kind == OutcomeKind::Stopped {
            self.probe_account(now);
        }
        self.pauses.note(family, &outcome);
        self.write_pauses(now).await;
    }

    /// A task panicked, which is a bug in this program. Its events go back to the outbox, so that they do not block the
    /// other events of the same people.
    fn broke_off(&mut self, id: Id) {
        tracing::error!("a task of the scheduler panicked; please report this");
        match self.in_flight.remove(&id) {
            Some(request) => {
                let now = self.context.now();
                self.limits.answered(request.family, None, now);
                self.held.remove(request.held);
                for run in request.runs {
                    let waiting = self.queues.give_up(run);
                    self.release(&waiting, |active| active.release(now));
                    self.queues.left(run);
                }
                self.requeue(request.events);
            }
            None => match self.watched.remove(&id) {
                Some(events) => self.requeue(events),
                None => self.taken(Err(WriteGaveUp)),
            },
        }
    }

    fn requeue(&mut self, events: Vec<EventId>) {
        if !events.is_empty() {
            let context = Arc::clone(&self.context);
            self.tasks.spawn(async move {
                intake::requeue(&context, &events).await;
                Returned::Written
            });
        }
    }

    /// Makes the parked events of a family due.
    pub(super) fn unpark(&mut self, family: Family, now: Timestamp) {
        let context = Arc::clone(&self.context);
        self.tasks.spawn(async move {
            let outbox = &context.scheduler.outbox;
            let unpark = || outbox.unpark(family, now);
            while let Ok(true) = context.write_until_done("the end of a pause", unpark).await {}
            Returned::Written
        });
    }
}
