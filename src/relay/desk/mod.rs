//! Who goes next: the events in hand, the limits, the breakers, and the tasks in flight, in one place.
//!
//! Decides nothing about time or order by itself: the outbox's queues say what may be taken in, the scheduler which way
//! a request goes and when. Here is only the state that joins them: [`dispatch`] sends, [`books`] takes in what came of
//! it, [`pauses`] keeps what is paused in the outbox.

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
use crate::scheduler::{Breakers, Latencies, Limits};

use super::context::{Context, LONGEST_PARKED, Unwritten};
use super::hand::Held;
use super::intake::{self, Intake, Room};
use super::queues::Queues;
use super::report::Report;
use super::told;
use pauses::Pauses;

/// How often the outbox is told what is in use of the limits, while that changes.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// So many events of a family that cannot go stay in hand, ready for when it can; the others are parked.
const KEPT_WHILE_STOPPED: usize = 64;

/// What a task comes to.
enum Returned {
    /// Events were taken in.
    Taken(Result<Intake, Unwritten>),
    /// A request, or a job of many, was sent and settled.
    Sent(Report),
    /// A job that was watched is over and settled; `None` when the relay stops before.
    Watched(Option<Report>),
    /// The accounts endpoint was asked whether it takes the key.
    Asked(Remote),
    /// The pauses were read in the outbox; these were taken off by an operator's `release`.
    Looked(Vec<Option<Family>>),
    /// Events were given back to the outbox, or parked ones made due.
    Written,
}

/// A task that ended, not yet entered in the books.
pub(super) struct Ended(Result<(Id, Returned), JoinError>);

/// What is known of a request in flight, should its task break off.
struct InFlightRequest {
    /// Whose limit it is under.
    family: Family,
    /// It is a job of many.
    job: bool,
    started: Timestamp,
    events: Vec<EventId>,
    held: Held,
    /// It has failed before.
    failed_before: bool,
    /// The run of each of its events that is in one.
    runs: Vec<EventId>,
}

/// The books of a running relay.
pub(super) struct Desk {
    context: Arc<Context>,
    breakers: Breakers,
    limits: Limits,
    latencies: Latencies,
    pauses: Pauses,
    queues: Queues,
    tasks: JoinSet<Returned>,
    in_flight: HashMap<Id, InFlightRequest>,
    /// The events of import jobs that are watched.
    watched: HashMap<Id, Vec<EventId>>,
    /// What the events in hand take of the window, queued or in flight.
    held: Held,
    taking_in: bool,
    /// Something may be due that was not at the last look.
    look: bool,
    /// When the outbox has something due, whether or not there was room for it.
    next_due: NextDue,
    /// Which of the families has the next turn.
    turn: usize,
    /// The limits in use as the outbox was last told, and when.
    told: (Timestamp, Vec<LimitInUse>),
}

impl Desk {
    pub(super) async fn open(context: Arc<Context>) -> Self {
        let mut breakers = Breakers::closed(context.settings.policy.max_in_flight);
        let pauses = Pauses::load(&context, &mut breakers).await;
        let limits = Limits::new(&context.settings.policy);
        let mut desk = Self {
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
            turn: 0,
            told: (Timestamp::from_millis(0), Vec::new()),
        };
        // A rest that a 429 asked for ends with the process.
        desk.write_pauses(desk.context.now()).await;
        desk
    }

    /// Goes on with the relay's settings as they are now; what is in flight keeps those it began with. What was sent
    /// stays counted.
    pub(super) fn set_anew(&mut self) {
        let former = &self.context;
        let context = former.current();
        let other_key = context.settings.sender.fingerprint() != former.settings.sender.fingerprint();
        let policy = &context.settings.policy;
        self.limits.set(policy);
        self.breakers.set_max_in_flight(policy.max_in_flight);
        self.context = Arc::new(context);
        if other_key {
            let now = self.context.now();
            self.breakers.key_changed(now);
            for family in Queues::FAMILIES {
                self.unpark(family, now);
            }
        }
    }

    /// There may be something new in the outbox.
    pub(super) fn look(&mut self) {
        self.look = true;
    }

    /// Takes in what is due, one intake at a time, when a good part of the window is free. Looks only when something
    /// may be due: an intake that found nothing is no reason for another. What was due and had no room stays due.
    pub(super) fn take_in(&mut self) {
        let now = self.context.now();
        let room = self.room();
        if self.taking_in || !(self.look || room.fits(self.next_due, now)) {
            return;
        }
        if room.live < self.context.settings.policy.window.div_ceil(4) {
            self.park(now);
            return;
        }
        self.look = false;
        self.taking_in = true;
        let instruments = &self.context.relay.instruments;
        instruments.pulse.taking_in();
        instruments.metrics.looked_for_work();
        let context = Arc::clone(&self.context);
        self.tasks
            .spawn(async move { Returned::Taken(intake::take(&context, room).await) });
    }

    /// How many more requests may be in hand.
    fn room(&self) -> Room {
        let policy = &self.context.settings.policy;
        let free = policy.window.saturating_sub(self.held.requests);
        let share = share_of(policy.window, policy.replay_share);
        Room {
            live: free,
            replayed: share.saturating_sub(self.held.replayed).min(free),
            // One person's backlog never has more than half of the window.
            followers: if policy.bulk { free / 2 } else { 0 },
        }
    }

    /// Gives most events of families that cannot go back to the outbox, so that those of the others find room. When no
    /// family can go, nothing is gained by that.
    fn park(&mut self, now: Timestamp) {
        let stopped = |family: &Family| self.pauses.stops(*family);
        if Queues::FAMILIES.iter().all(stopped) {
            return;
        }
        let families: Vec<Family> = Queues::FAMILIES.into_iter().filter(stopped).collect();
        let until = now.plus(LONGEST_PARKED);
        for family in families {
            let hands = self.queues.keep(family, KEPT_WHILE_STOPPED);
            self.release(&hands, |hand| hand.park(until));
        }
    }

    /// Tells the metrics how breakers and limits stand, and now and then the outbox what is in use of the limits.
    pub(super) fn tell(&mut self) {
        let now = self.context.now();
        self.look_at_pauses(now);
        self.tell_of_work(now);
        let relay = &self.context.relay;
        told::standing(&relay.instruments.metrics, &self.breakers, &self.limits, now);
        if !has_passed(TELL_EVERY, self.told.0, now) {
            return;
        }
        let families = told::limits_in_use(&self.limits, now);
        if families != self.told.1 {
            let outbox = relay.outbox.clone();
            let told = families.clone();
            // For people who look: whether it is written changes nothing.
            drop(tokio::spawn(async move { outbox.tell_limits(now, told).await }));
        }
        self.told = (now, families);
    }

    /// Tells the heartbeats whether something may go that nothing hinders: no pause, and no import job that Klaviyo works
    /// on.
    fn tell_of_work(&mut self, now: Timestamp) {
        let hindered = !self.pauses.is_empty() || !self.watched.is_empty();
        let has_room = self.room().live >= self.context.settings.policy.window.div_ceil(4);
        let due = self.next_due.live.filter(|at| *at <= now && !hindered && has_room);
        let queued = Queues::FAMILIES
            .iter()
            .any(|family| !self.queues.of(*family).is_empty());
        let something = !hindered && (due.is_some() || queued);
        self.context.relay.instruments.pulse.owes(something, due);
    }

    /// Waits for a task in flight; never ends while there is none. Nothing is lost when the wait is given up:
    /// what ended is entered in the books afterwards, by [`Desk::enter`].
    pub(super) async fn next(&mut self) -> Ended {
        match self.tasks.join_next_with_id().await {
            Some(ended) => Ended(ended),
            None => std::future::pending().await,
        }
    }

    /// Waits until nothing is in flight, then gives back what is in hand.
    pub(super) async fn close(mut self) {
        self.finish().await;
        let now = self.context.now();
        let back = self.queues.drain();
        self.release(&back, |hand| hand.release(now));
        self.finish().await;
    }

    async fn finish(&mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.enter(Ended(ended)).await;
        }
    }
}

/// The family of the bulk jobs that take what waits in a family of single requests.
const fn job_family(family: Family) -> Option<Family> {
    match family {
        Family::Event => Some(Family::EventBulk),
        Family::Profile => Some(Family::ProfileBulk),
        // One endpoint takes one person or a thousand.
        Family::Subscription => Some(Family::Subscription),
        Family::List | Family::Deletion | Family::EventBulk | Family::ProfileBulk | Family::ProfileBulkStatus => None,
    }
}

/// Whether so much time has passed. When the clock went back, nobody knows how much has.
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
