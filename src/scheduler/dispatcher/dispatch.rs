//! Sends the requests that may be sent; the families take turns.

use std::sync::Arc;

use crate::model::{Family, Timestamp};
use crate::scheduler::policy::{Dispatch, InFlight, Permit, QueueState, Vacancy, choose_dispatch, vacancy};

use super::super::active::{ActiveEvent, Held};
use super::super::context::Blame;
use super::super::queues::Queues;
use super::super::report::Report;
use super::super::{bulk, single};
use super::{Dispatcher, InFlightRequest, Returned, earlier, job_family};

impl Dispatcher {
    /// Sends the requests that may be sent. Returns when to try again if nothing happens before.
    pub(in crate::scheduler) fn dispatch(&mut self) -> Option<Timestamp> {
        let now = self.context.now();
        let mut until = earlier(self.next_due.ahead(now), self.next_look());
        let mut moved = true;
        while std::mem::take(&mut moved) {
            for place in 0..Queues::FAMILIES.len() {
                let family = Queues::FAMILIES[(self.next_family + place) % Queues::FAMILIES.len()];
                if self.queues.of(family).is_empty() {
                    continue;
                }
                match choose_dispatch(self.pressure(family, now)) {
                    Dispatch::Single if self.send_single(family, now) => moved = true,
                    Dispatch::Job if self.send_job(family, now) => moved = true,
                    Dispatch::Single | Dispatch::Job => {}
                    Dispatch::Nothing => until = earlier(until, self.room_again(family, now)),
                }
            }
            self.next_family = (self.next_family + 1) % Queues::FAMILIES.len();
        }
        until
    }

    fn pressure(&mut self, family: Family, now: Timestamp) -> QueueState {
        let queue = self.queues.of(family);
        let (waiting, bulkable) = (queue.len(), queue.bulkable());
        let following = self.queues.following(family);
        let job_family = job_family(family);
        let jobs = self
            .in_flight
            .values()
            .filter(|request| request.job && Some(request.family) == job_family)
            .count()
            + self.watched(job_family);
        let vacant = self.vacancy(family) != Vacancy::None;
        let room = |dispatcher: &mut Self, family| match dispatcher.permit(family, now) {
            _ if !vacant => 0,
            Permit::Wait(_) => 0,
            Permit::Probe => dispatcher.limits.room(family, now).min(1),
            Permit::UpTo(more) => dispatcher.limits.room(family, now).min(more),
            Permit::Free => dispatcher.limits.room(family, now),
        };
        // No bulk job is sent while the account's state is in doubt: a probe is a single request.
        let bulk = self.context.settings.policy.bulk && !self.breakers.account_in_doubt();
        let job_room = match job_family {
            Some(job_family) if bulk && bulkable > 0 => room(self, job_family),
            Some(_) | None => 0,
        };
        QueueState {
            waiting,
            bulkable,
            following,
            single_room: room(self, family),
            clears: self.limits.clears(family, now),
            job_room,
            jobs,
        }
    }

    /// What the breakers permit for a family.
    fn permit(&self, family: Family, now: Timestamp) -> Permit {
        let short = |request: &&InFlightRequest| now.since(request.started) < self.latencies.patience(request.family);
        let all = self.in_flight.values().filter(short);
        let own = all.clone().filter(|request| request.family == family);
        let in_flight = [own.count(), all.count()];
        self.breakers.permit(family, now, in_flight)
    }

    /// Which requests of a family may be sent, by the slots that are free.
    fn vacancy(&self, family: Family) -> Vacancy {
        let own = |request: &&InFlightRequest| request.family == family || Some(request.family) == job_family(family);
        let own = self.in_flight.values().filter(own);
        let in_flight = InFlight {
            all: self.in_flight.len(),
            family: own.clone().count(),
            retried: own.filter(|request| request.failed_before).count(),
        };
        vacancy(self.context.settings.policy.max_in_flight, in_flight)
    }

    fn room_again(&mut self, family: Family, now: Timestamp) -> Option<Timestamp> {
        let families = [Some(family), job_family(family)];
        families.into_iter().flatten().fold(None, |until, family| {
            let permitted = match self.permit(family, now) {
                Permit::Wait(at) => Some(at),
                Permit::Free | Permit::UpTo(_) | Permit::Probe => None,
            };
            let limited = self.limits.next(family, now);
            earlier(until, permitted.max(limited))
        })
    }

    fn send_single(&mut self, family: Family, now: Timestamp) -> bool {
        let vacancy = self.vacancy(family);
        let probing = self.permit(family, now) != Permit::Free;
        let queue = self.queues.of(family);
        let taken = if probing {
            queue.take_probe()
        } else {
            queue.take(vacancy)
        };
        let Some(active) = taken else { return false };
        let timeout = self.context.settings.policy.timeout;
        let timeout = self.latencies.timeout(family, active.failures(), timeout);
        let blame = Blame {
            outage: !self.breakers.counts(family),
            alone: self.breakers.fails_alone(active.event.id, family),
        };
        let request = InFlightRequest::of(family, false, now, std::iter::once(&active));
        let context = Arc::clone(&self.context);
        self.send(request, now, async move {
            single::send(&context, active, blame, timeout).await
        });
        true
    }

    fn send_job(&mut self, family: Family, now: Timestamp) -> bool {
        let parts = self.queues.take_job(family);
        let Some(job) = job_family(family).filter(|_| !parts.is_empty()) else {
            return false;
        };
        let timeout = self.latencies.timeout(job, 0, self.context.settings.policy.timeout);
        let blame = Blame {
            outage: !self.breakers.counts(job),
            alone: false,
        };
        let request = InFlightRequest::of(job, true, now, parts.iter().map(|part| &part.active));
        let context = Arc::clone(&self.context);
        self.send(request, now, async move {
            bulk::send(&context, parts, blame, timeout).await
        });
        true
    }

    /// Sends a request: counts it in the limits and records it as in flight.
    fn send<F>(&mut self, in_flight: InFlightRequest, now: Timestamp, request: F)
    where
        F: Future<Output = Report> + Send + 'static,
    {
        self.limits.sent(in_flight.family, 1, now);
        self.breakers.sent(in_flight.family, now);
        let task = self.tasks.spawn(async move { Returned::Sent(request.await) });
        self.in_flight.insert(task.id(), in_flight);
    }
}

impl InFlightRequest {
    fn of<'a>(
        family: Family,
        job: bool,
        started: Timestamp,
        batch: impl Iterator<Item = &'a ActiveEvent> + Clone,
    ) -> Self {
        Self {
            family,
            job,
            started,
            events: batch.clone().map(|active| active.event.id).collect(),
            held: Held::by(batch.clone()),
            runs: batch.clone().filter_map(|active| active.run).collect(),
            failed_before: batch.into_iter().any(|active| active.failures() > 0),
        }
    }
}
