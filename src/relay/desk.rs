//! Who goes next: the events in hand, the limits, the gate, and the tasks in the air, in one place.
//!
//! The desk decides nothing about time or order by itself: the outbox's lines say what may be taken in, the
//! scheduler which way a request goes and when. It only keeps the books.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

use crate::model::{EventId, Family, Outcome, Timestamp};
use crate::outbox::{LimitInUse, Step, Then};
use crate::scheduler::{Gate, Limits, Move, Passage, Pressure, choose};

use super::context::{Context, Unwritten};
use super::gate;
use super::hand::{InHand, Queues};
use super::intake::{self, Intake, Room};
use super::{bulk, single, told};

/// How long the desk waits before it asks an outbox again that failed it.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);
/// How often the outbox is told what is in use of the limits, while that changes.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// What a task in the air comes to.
enum Returned {
    /// Events were taken in.
    Taken(Result<Intake, Unwritten>),
    /// A request, or a job of many, was sent and settled.
    Sent(Report),
    /// Events were given back to the outbox.
    GivenBack,
}

/// What a request, or a job of many, came to.
pub(super) struct Report {
    /// The events it was about, and what was written of each.
    events: Vec<(InHand, Then)>,
    /// Events about which nothing could be written.
    unwritten: Vec<InHand>,
    /// The answer; `None` when nothing was sent.
    answered: Option<Outcome>,
}

impl Report {
    pub(super) fn of(events: Vec<(InHand, Then)>, answered: Option<Outcome>) -> Self {
        Self {
            events,
            unwritten: Vec::new(),
            answered,
        }
    }

    pub(super) fn unwritten(hands: Vec<InHand>) -> Self {
        Self {
            events: Vec::new(),
            unwritten: hands,
            answered: None,
        }
    }
}

/// A task that ended, not yet entered in the books.
pub(super) struct Ended(Result<(Id, Returned), JoinError>);

/// What is known of a task in the air, should it break off.
struct InAir {
    /// Whose limit it is under.
    family: Family,
    /// It is a job of many.
    job: bool,
    events: Vec<EventId>,
    replayed: usize,
}

impl InAir {
    fn of(family: Family, job: bool, hands: &[InHand]) -> Self {
        Self {
            family,
            job,
            events: hands.iter().map(|hand| hand.event.id).collect(),
            replayed: hands.iter().filter(|hand| hand.replayed()).count(),
        }
    }
}

/// The books of a running relay.
pub(super) struct Desk {
    context: Arc<Context>,
    gate: Gate,
    limits: Limits,
    queues: Queues,
    tasks: JoinSet<Returned>,
    in_air: HashMap<Id, InAir>,
    /// Events in hand, queued or in the air; the replayed ones among them.
    in_hand: usize,
    replayed: usize,
    taking_in: bool,
    /// Something may be due that was not at the last look.
    look: bool,
    /// When the outbox has something due for which there was room.
    next_due: Option<Timestamp>,
    /// The limits in use as the outbox was last told, and when.
    told: (Timestamp, Vec<LimitInUse>),
}

impl Desk {
    pub(super) async fn open(context: Arc<Context>) -> Self {
        let gate = gate::load(&context).await;
        let limits = Limits::new(&context.settings.policy.limits);
        Self {
            context,
            gate,
            limits,
            queues: Queues::default(),
            tasks: JoinSet::new(),
            in_air: HashMap::new(),
            in_hand: 0,
            replayed: 0,
            taking_in: false,
            look: true,
            next_due: None,
            told: (Timestamp::from_millis(0), Vec::new()),
        }
    }

    /// Goes on with the relay's settings as they are now; what is in the air keeps those it began with. What was sent
    /// stays counted.
    pub(super) fn set_anew(&mut self) {
        let former = &self.context;
        let context = Context::new(former.relay.clone(), former.stop.clone());
        let other_key =
            context.settings.sender.fingerprint() != former.settings.sender.fingerprint();
        let policy = &context.settings.policy;
        self.limits.set(&policy.limits);
        self.gate = self.gate.with_max_in_flight(policy.max_in_flight);
        if other_key {
            self.gate = self.gate.with_another_key(context.now());
        }
        self.context = Arc::new(context);
    }

    /// There may be something new in the outbox.
    pub(super) fn look(&mut self) {
        self.look = true;
    }

    /// Takes in what is due, one intake at a time, when a good part of the window is free. Looks only when something
    /// may be due: an intake that found nothing is no reason for another.
    pub(super) fn take_in(&mut self) {
        let policy = &self.context.settings.policy;
        let free = policy.window.saturating_sub(self.in_hand);
        let now = self.context.now();
        let due = self.look || self.next_due.is_some_and(|due| due <= now);
        if !due || self.taking_in || free < policy.window.div_ceil(4) {
            return;
        }
        (self.look, self.next_due) = (false, None);
        let share = share_of(policy.window, policy.replay_share);
        let room = Room {
            live: free,
            replayed: share.saturating_sub(self.replayed).min(free),
        };
        self.taking_in = true;
        let instruments = &self.context.relay.instruments;
        instruments.pulse.taking_in();
        instruments.metrics.looked_for_work();
        let context = Arc::clone(&self.context);
        self.tasks
            .spawn(async move { Returned::Taken(intake::take(&context, room).await) });
    }

    /// Tells the metrics how gate and limits stand, and now and then the outbox what is in use of the limits.
    pub(super) fn tell(&mut self) {
        let now = self.context.now();
        let relay = &self.context.relay;
        told::standing(&relay.instruments.metrics, &self.gate, &self.limits, now);
        if now.since(self.told.0) < TELL_EVERY {
            return;
        }
        let families = told::limits_in_use(&self.limits, now);
        if families != self.told.1 {
            let outbox = relay.outbox.clone();
            let told = families.clone();
            // For people who look: whether it is written changes nothing.
            drop(tokio::spawn(
                async move { outbox.tell_limits(now, told).await },
            ));
        }
        self.told = (now, families);
    }

    /// Sends what may go; answers when to look again, if nothing happens before.
    pub(super) fn dispatch(&mut self) -> Option<Timestamp> {
        let now = self.context.now();
        let mut until = self.next_due.filter(|due| *due > now);
        let mut moved = true;
        while std::mem::take(&mut moved) {
            for family in Queues::FAMILIES {
                match self.passage(now) {
                    Ok(false) => return until,
                    Ok(true) => {}
                    Err(closed_until) => return earlier(until, Some(closed_until)),
                }
                match choose(self.pressure(family, now)) {
                    Move::Single => moved |= self.send_single(family, now),
                    Move::Job => moved |= self.send_job(family, now),
                    Move::Nothing => until = earlier(until, self.room_again(family, now)),
                }
            }
        }
        until
    }

    /// Whether another request may go now; as an error, until when none may.
    fn passage(&self, now: Timestamp) -> Result<bool, Timestamp> {
        let in_air = self.in_air.len();
        let room = in_air < self.context.settings.policy.max_in_flight;
        match self.gate.passage(now, in_air) {
            Passage::Free => Ok(room),
            Passage::UpTo(more) => Ok(room && more > 0),
            Passage::Probe => Ok(true),
            Passage::Wait(until) => Err(until),
        }
    }

    fn pressure(&mut self, family: Family, now: Timestamp) -> Pressure {
        let queue = self.queues.of(family);
        let (waiting, travelling) = (
            queue.len(),
            queue.iter().filter(|hand| hand.travels).count(),
        );
        let job_family = job_family(family);
        let jobs = self
            .in_air
            .values()
            .filter(|in_air| in_air.job && Some(in_air.family) == job_family)
            .count();
        // No job while it is doubtful whether anything is taken: a refused probe costs one request.
        let bulk = self.context.settings.policy.bulk && self.gate.counts();
        let job_room = match job_family {
            Some(job_family) if bulk && travelling > 0 => self.limits.room(job_family, now),
            Some(_) | None => 0,
        };
        let single_room = self.limits.room(family, now);
        let clears = self.limits.clears(family, now);
        Pressure {
            waiting,
            travelling,
            single_room,
            clears,
            job_room,
            jobs,
        }
    }

    fn room_again(&mut self, family: Family, now: Timestamp) -> Option<Timestamp> {
        if self.queues.of(family).is_empty() {
            return None;
        }
        let single = self.limits.next(family, now);
        earlier(
            single,
            job_family(family).and_then(|family| self.limits.next(family, now)),
        )
    }

    fn send_single(&mut self, family: Family, now: Timestamp) -> bool {
        let Some(hand) = self.queues.of(family).pop_front() else {
            return false;
        };
        let in_air = InAir::of(family, false, std::slice::from_ref(&hand));
        let (context, outage) = (Arc::clone(&self.context), !self.gate.counts());
        self.send(in_air, now, async move {
            single::send(&context, hand, outage).await
        });
        true
    }

    fn send_job(&mut self, family: Family, now: Timestamp) -> bool {
        let hands = self.queues.take_job(family);
        let Some(job) = job_family(family).filter(|_| !hands.is_empty()) else {
            return false;
        };
        let in_air = InAir::of(job, true, &hands);
        let (context, outage) = (Arc::clone(&self.context), !self.gate.counts());
        self.send(in_air, now, async move {
            bulk::send(&context, hands, outage).await
        });
        true
    }

    /// Puts a request into the air: in the limits' count and in the books.
    fn send<F>(&mut self, in_air: InAir, now: Timestamp, request: F)
    where
        F: Future<Output = Report> + Send + 'static,
    {
        self.limits.sent(in_air.family, 1, now);
        let task = self
            .tasks
            .spawn(async move { Returned::Sent(request.await) });
        self.in_air.insert(task.id(), in_air);
    }

    /// Waits for a task in the air; never ends while there is none. Nothing is lost when the wait is given up:
    /// what ended is entered in the books afterwards, by [`Desk::enter`].
    pub(super) async fn next(&mut self) -> Ended {
        match self.tasks.join_next_with_id().await {
            Some(ended) => Ended(ended),
            None => std::future::pending().await,
        }
    }

    /// Waits until nothing is in the air, then gives back what is in hand.
    pub(super) async fn close(mut self) {
        while let Some(ended) = self.tasks.join_next_with_id().await {
            self.enter(Ended(ended)).await;
        }
        let now = self.context.now();
        let back = self.queues.drain().into_iter();
        let steps: Vec<Step> = back
            .map(|hand| Step {
                settlement: None,
                then: hand.release(now),
            })
            .collect();
        if self.context.settle(&steps).await.is_err() {
            tracing::warn!(
                events = steps.len(),
                "events were not given back; the next start does"
            );
        }
    }

    /// Enters in the books what a task came to.
    pub(super) async fn enter(&mut self, Ended(ended): Ended) {
        match ended {
            Ok((id, returned)) => {
                let in_air = self.in_air.remove(&id);
                match returned {
                    Returned::Taken(taken) => self.taken(taken),
                    Returned::Sent(report) => self.sent(report, in_air.map(|was| was.family)).await,
                    Returned::GivenBack => {}
                }
            }
            Err(error) => self.broke_off(error.id()),
        }
    }

    fn taken(&mut self, taken: Result<Intake, Unwritten>) {
        self.taking_in = false;
        self.context.relay.instruments.pulse.taken_in();
        match taken {
            Ok(Intake { hands, next_due }) => {
                self.next_due = next_due;
                for hand in hands {
                    self.in_hand += 1;
                    self.replayed += usize::from(hand.replayed());
                    self.queues.push(hand);
                }
            }
            Err(Unwritten) => self.next_due = Some(self.context.now().plus(TROUBLE_PAUSE)),
        }
    }

    async fn sent(&mut self, report: Report, family: Option<Family>) {
        let Report {
            events,
            unwritten,
            answered,
        } = report;
        let metrics = &self.context.relay.instruments.metrics;
        for (hand, then) in &events {
            told::stepped(metrics, hand, then);
        }
        if let (Some(family), Some(outcome)) = (family, &answered) {
            metrics.request_out(family, outcome.http_status);
        }
        for (mut hand, then) in events {
            let stays = match then {
                Then::Stay => hand.advance(),
                Then::Release { .. } | Then::Finish { .. } => false,
            };
            if stays {
                self.queues.push_first(hand);
            } else {
                self.leave(1, usize::from(hand.replayed()));
            }
        }
        let replayed = unwritten.iter().filter(|hand| hand.replayed()).count();
        self.leave(unwritten.len(), replayed);
        self.give_back(unwritten.iter().map(|hand| hand.event.id).collect());
        let now = self.context.now();
        // What the limits counted as sent, they must hear of, even when nothing was sent after all.
        if let Some(family) = family {
            let rate = answered.as_ref().and_then(|outcome| outcome.rate.as_ref());
            let status = answered.as_ref().and_then(|outcome| outcome.http_status);
            let retry_after = answered.as_ref().and_then(|outcome| outcome.retry_after);
            self.limits.answered(family, status, retry_after, rate, now);
        }
        if let Some(outcome) = answered {
            let before = self.gate.pause();
            self.gate = self.gate.after(outcome.kind, outcome.http_status, now);
            gate::changed(&self.context, before, self.gate.pause(), &outcome, now).await;
        }
    }

    /// A task panicked, which is a bug of ours; its events go back, so that they do not hold up their people.
    fn broke_off(&mut self, id: Id) {
        tracing::error!("a task of the relay broke off; please report this");
        match self.in_air.remove(&id) {
            Some(InAir {
                family,
                job: _,
                events,
                replayed,
            }) => {
                self.limits
                    .answered(family, None, None, None, self.context.now());
                self.leave(events.len(), replayed);
                self.give_back(events);
            }
            None => {
                self.taken(Err(Unwritten));
            }
        }
    }

    fn give_back(&mut self, events: Vec<EventId>) {
        if !events.is_empty() {
            let context = Arc::clone(&self.context);
            self.tasks.spawn(async move {
                intake::give_back(&context, &events).await;
                Returned::GivenBack
            });
        }
    }

    fn leave(&mut self, events: usize, replayed: usize) {
        self.in_hand -= events;
        self.replayed -= replayed;
    }
}

/// The family of the bulk jobs that take what waits in a family of single requests.
const fn job_family(family: Family) -> Option<Family> {
    match family {
        Family::Event => Some(Family::EventBulk),
        Family::Profile => Some(Family::ProfileBulk),
        // One endpoint takes one person or a thousand.
        Family::Subscription => Some(Family::Subscription),
        Family::List
        | Family::Deletion
        | Family::EventBulk
        | Family::ProfileBulk
        | Family::ProfileBulkStatus => None,
    }
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
