//! The state that decides which request is sent next: the active events, the limits, the breakers and the tasks in
//! flight, in one place.
//!
//! It makes no decision about time or order itself: the outbox's queues determine which events may be claimed, and the
//! scheduler determines how and when a request is sent. This module joins their state: [`dispatch`] sends, [`books`]
//! applies the results, [`pauses`] keeps the pauses in the outbox.

mod books;
mod dispatch;
mod imports;
mod pauses;
mod returns;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

use crate::delivery::Remote;
use crate::model::{EventId, Family, Timestamp};
use crate::outbox::{LimitInUse, NextDue};
use crate::scheduler::policy::{Breakers, Latencies, Limits};

use super::active::Held;
use super::context::{Context, LONGEST_PARKED, WriteGaveUp};
use super::counters;
use super::intake::{self, Capacity, Intake};
use super::queues::Queues;
use super::report::Report;
use pauses::Pauses;

/// How often the use of the limits is written to the outbox while it changes.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// How many events of a stopped family stay active, ready for when it resumes. The others are parked.
const KEPT_WHILE_STOPPED: usize = 64;

/// The result of a task.
enum Returned {
    /// Events were claimed.
    Taken(Result<Intake, WriteGaveUp>),
    /// A request or a bulk job was sent and settled.
    Sent(Report),
    /// A watched job is over and settled; `None` when the scheduler stopped before.
    Watched(Option<Report>),
    /// The answer of the accounts endpoint, which shows whether Klaviyo accepts the key.
    Account(Remote),
    /// The pauses were read from the outbox; these were removed by an operator's `release`.
    Looked(Vec<Option<Family>>),
    /// Events were requeued in the outbox, or parked ones made due.
    Written,
}

/// A task that has ended and whose result is not applied yet.
pub(super) struct Ended(Result<(Id, Returned), JoinError>);

/// What is kept about a request in flight, for the case that its task panics.
struct InFlightRequest {
    /// The family whose limit it counts against.
    family: Family,
    /// It is a bulk job.
    job: bool,
    started: Timestamp,
    events: Vec<EventId>,
    held: Held,
    /// It has failed before.
    failed_before: bool,
    /// The runs of its events, for those that are in one.
    runs: Vec<EventId>,
}

/// The state of a running scheduler.
pub(super) struct Dispatcher {
    context: Arc<Context>,
    breakers: Breakers,
    limits: Limits,
    latencies: Latencies,
    pauses: Pauses,
    queues: Queues,
    tasks: JoinSet<Returned>,
    in_flight: HashMap<Id, InFlightRequest>,
    /// The events of the import jobs that are watched.
    watched: HashMap<Id, Vec<EventId>>,
    /// How much of the window the active events use, queued or in flight.
    held: Held,
    taking_in: bool,
    /// Something may have become due since the last intake.
    look: bool,
    /// When the next event in the outbox is due, whether or not there was capacity for it.
    next_due: NextDue,
    /// The family that is served first next time.
    next_family: usize,
    /// The use of the limits that was last written to the outbox, and when.
    reported: (Timestamp, Vec<LimitInUse>),
}

impl Dispatcher {
    pub(super) async fn open(context: Arc<Context>) -> Self {
        let mut breakers = Breakers::default();
        let pauses = Pauses::load(&context, &mut breakers).await;
        let limits = Limits::new(&context.settings.policy);
        let mut dispatcher = Self {
            context,
            breakers,
            limits,
            latencies: Latencies::default(),
            pauses,
            queues: Queues::default(),
            tasks: JoinSet::new(),
            in_flight: HashMap::new(),
            watched: HashMap::new(),
            held: Held::default(),
            taking_in: false,
            look: true,
            next_due: NextDue::default(),
            next_family: 0,
            reported: (Timestamp::from_millis(0), Vec::new()),
        };
        // A rest that a 429 caused ends with the process.
        dispatcher.write_pauses(dispatcher.context.now()).await;
        dispatcher
    }

    /// Continues with the scheduler's current settings. What is in flight keeps the settings it began with, and the
    /// counts of what was sent are kept.
    pub(super) fn apply_settings(&mut self) {
        let former = &self.context;
        let context = former.current();
        let other_key = context.settings.sender.fingerprint() != former.settings.sender.fingerprint();
        self.limits.set(&context.settings.policy);
        self.context = Arc::new(context);
        if other_key {
            let now = self.context.now();
            self.breakers.key_changed(now);
            for family in Queues::FAMILIES {
                self.unpark(family, now);
            }
        }
    }

    /// The outbox may have new events.
    pub(super) fn look(&mut self) {
        self.look = true;
    }

    /// Claims the events that are due, one intake at a time, when a good part of the window is free. It looks only when
    /// something may be due: an intake that found nothing does not cause another one. Due events beyond the capacity
    /// stay due.
    pub(super) fn claim_more(&mut self) {
        let now = self.context.now();
        let capacity = self.capacity();
        if self.taking_in || !(self.look || capacity.fits(self.next_due, now)) {
            return;
        }
        if capacity.live < self.context.settings.policy.window.div_ceil(4) {
            self.park(now);
            return;
        }
        self.look = false;
        self.taking_in = true;
        let instruments = &self.context.scheduler.instruments;
        instruments.heartbeats.intake_started();
        instruments.metrics.polled();
        let context = Arc::clone(&self.context);
        self.tasks
            .spawn(async move { Returned::Taken(intake::take(&context, capacity).await) });
    }

    /// How many more requests may become active.
    fn capacity(&self) -> Capacity {
        let policy = &self.context.settings.policy;
        let free = policy.window.saturating_sub(self.held.requests);
        let share = share_of(policy.window, policy.replay_share);
        Capacity {
            live: free,
            replayed: share.saturating_sub(self.held.replayed).min(free),
            // The backlog of one person never uses more than half of the window.
            followers: if policy.bulk { free / 2 } else { 0 },
        }
    }

    /// Requeues most events of the families that are stopped, to make room for the others. When all families are
    /// stopped, this would gain nothing.
    fn park(&mut self, now: Timestamp) {
        let stopped = |family: &Family| self.pauses.stops(*family);
        if Queues::FAMILIES.iter().all(stopped) {
            return;
        }
        let families: Vec<Family> = Queues::FAMILIES.into_iter().filter(stopped).collect();
        let until = now.plus(LONGEST_PARKED);
        for family in families {
            let batch = self.queues.keep(family, KEPT_WHILE_STOPPED);
            self.release(&batch, |active| active.park(until));
        }
    }

    /// Updates the metrics of the breakers and limits, and from time to time the use of the limits in the outbox.
    pub(super) fn report_metrics(&mut self) {
        let now = self.context.now();
        self.look_at_pauses(now);
        self.report_work(now);
        let scheduler = &self.context.scheduler;
        counters::standing(&scheduler.instruments.metrics, &self.breakers, &self.limits, now);
        if !has_passed(REPORT_EVERY, self.reported.0, now) {
            return;
        }
        let families = counters::limits_in_use(&self.limits, now);
        if families != self.reported.1 {
            let outbox = scheduler.outbox.clone();
            let reported = families.clone();
            // Only for display: a failed write changes nothing.
            drop(tokio::spawn(async move { outbox.report_limits(now, reported).await }));
        }
        self.reported = (now, families);
    }

    /// Reports to the heartbeats whether there is work that nothing blocks: neither a pause nor an import job at
    /// Klaviyo.
    fn report_work(&mut self, now: Timestamp) {
        let hindered = !self.pauses.is_empty() || !self.watched.is_empty();
        let has_capacity = self.capacity().live >= self.context.settings.policy.window.div_ceil(4);
        let due = self.next_due.live.filter(|at| *at <= now && !hindered && has_capacity);
        let queued = Queues::FAMILIES
            .iter()
            .any(|family| !self.queues.of(*family).is_empty());
        let something = !hindered && (due.is_some() || queued);
        self.context.scheduler.instruments.heartbeats.backlog(something, due);
    }

    /// Waits until a task in flight ends; never returns while there is none. It is safe to cancel: the result is
    /// applied afterwards, by [`Dispatcher::enter`].
    pub(super) async fn next(&mut self) -> Ended {
        match self.tasks.join_next_with_id().await {
            Some(ended) => Ended(ended),
            None => std::future::pending().await,
        }
    }

    /// Waits until nothing is in flight, then requeues the active events.
    pub(super) async fn close(mut self) {
        self.finish().await;
        let now = self.context.now();
        let back = self.queues.drain();
        self.release(&back, |active| active.release(now));
        self.finish().await;
    }

    async fn finish(&mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.enter(Ended(ended)).await;
        }
    }
}

/// The family of the bulk jobs that can carry the requests of a family of single requests.
const fn job_family(family: Family) -> Option<Family> {
    match family {
        Family::Event => Some(Family::EventBulk),
        Family::Profile => Some(Family::ProfileBulk),
        // The same endpoint takes one person or a thousand.
        Family::Subscription => Some(Family::Subscription),
        Family::List | Family::Deletion | Family::EventBulk | Family::ProfileBulk | Family::ProfileBulkStatus => None,
    }
}

/// Whether `span` has passed. When the clock was set back, the elapsed time is unknown and counts as passed.
fn has_passed(span: Duration, since: Timestamp, now: Timestamp) -> bool {
    since > now || now.since(since) >= span
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// A share of the window, at least one.
fn share_of(window: usize, share: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a window is at most a few thousand, a share between 0 and 1"
    )]
    let part = (window as f64 * share) as usize;
    part.max(1)
}
