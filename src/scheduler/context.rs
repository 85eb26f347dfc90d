//! The state that every task of a running scheduler shares, and how it writes to the outbox.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{DeliveryConfig, MappingConfig, SecretOrigin};
use crate::delivery::Sender;
use crate::metrics::Instruments;
use crate::model::{
    AfterDead, DeliveryKind, EventId, EventStatus, EventType, ImportJobId, Outcome, Reason, SourceRules, Timestamp,
};
use crate::outbox::{Begun, ClaimedEvent, Next, Queue, Start, Transition, WriteError};

use crate::scheduler::policy::{Cause, longest_wait};

use super::counters;
use super::deaths::{DeadLog, Refusal};
use super::lead::Lead;

/// A parked event is due after this time at the latest, in case the end of the pause is missed.
pub(super) const LONGEST_PARKED: Duration = Duration::from_mins(10);
/// The delay before a failed write is tried again.
const WRITE_PAUSE: Duration = Duration::from_secs(1);
/// How often a write is tried that SQLite itself rejects, for example by a constraint.
const OWN_FAULT_TRIES: u32 = 5;

/// The parts that a scheduler works with.
#[derive(Clone)]
pub struct Scheduler {
    /// The source of events, and the store of their outcomes.
    pub outbox: Queue,
    /// The settings that can change at run time. Work in flight continues with the settings it began with.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// Time and randomness.
    pub clock: Arc<dyn Clock>,
    /// Metrics and heartbeats.
    pub instruments: Instruments,
}

/// The settings of a scheduler that can change at run time.
#[derive(Clone)]
pub struct Settings {
    /// Sends the requests.
    pub sender: Sender,
    /// The name of the destination: `sandbox`, or a Klaviyo account.
    pub sent_to: String,
    /// `[mapping]`.
    pub mapping: MappingConfig,
    /// `[delivery]`.
    pub policy: DeliveryConfig,
    /// Where the private key came from.
    pub key_from: SecretOrigin,
    /// The rules for the calls of each source, by its name.
    pub sources: HashMap<String, SourceRules>,
}

/// The context of the tasks of a running scheduler. A task keeps the context it began with.
pub(super) struct Context {
    pub(super) scheduler: Scheduler,
    /// The scheduler's settings when this context was made.
    pub(super) settings: Arc<Settings>,
    pub(super) stop: CancellationToken,
    dead: DeadLog,
    lead: Arc<Lead>,
}

/// How an event ends, and why.
pub(super) enum End {
    Delivered,
    /// All its requests were delivered before, for this event.
    Copy(EventId),
    /// It owes no request.
    Skipped(Reason),
    /// It cannot be mapped, or is not allowed.
    Dead(Reason),
    /// A request was refused: the kind of the first refused request, the reason and the refusal.
    Refused(DeliveryKind, Reason, Refusal),
}

/// What is known, when a request is sent, about the cause of its possible failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blame {
    /// Its family or the account is paused, or is just recovering.
    pub(super) outage: bool,
    /// Its family has accepted requests of other events since this one failed.
    pub(super) alone: bool,
}

impl Blame {
    /// Nothing indicates that the request is the cause.
    pub(super) const NOBODY: Self = Self {
        outage: true,
        alone: false,
    };
}

/// The outbox did not accept a write after all tries, or is closed.
#[derive(Debug)]
pub(super) struct WriteGaveUp;

impl Context {
    /// Makes a context with the scheduler's current settings.
    pub(super) async fn new(scheduler: Scheduler, stop: CancellationToken) -> Self {
        let latest = scheduler.outbox.latest_time().await.ok().flatten();
        let lead = Arc::new(Lead::since(latest, scheduler.clock.as_ref()));
        Self::led(scheduler, stop, lead)
    }

    fn led(mut scheduler: Scheduler, stop: CancellationToken, lead: Arc<Lead>) -> Self {
        let settings = Arc::clone(&scheduler.settings.borrow_and_update());
        Self {
            scheduler,
            settings,
            stop,
            dead: DeadLog::default(),
            lead,
        }
    }

    /// The same scheduler with its current settings, for tasks that run long.
    pub(super) fn current(&self) -> Self {
        Self::led(self.scheduler.clone(), self.stop.clone(), Arc::clone(&self.lead))
    }

    /// How far the clock of the outbox's due times is ahead.
    pub(super) fn lead(&self) -> Duration {
        let clock = self.scheduler.clock.as_ref();
        self.lead.of(clock, self.longest_wait())
    }

    /// The longest time that anything waits under the current settings.
    pub(super) fn longest_wait(&self) -> Duration {
        longest_wait(&self.settings.policy).max(LONGEST_PARKED)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.scheduler.clock.now()
    }

    /// The earliest time it can be, by the earlier of two clocks. An event dies of its age by this time, because a dead
    /// event does not come back by itself.
    pub(super) fn earliest(&self) -> Timestamp {
        let witnessed = self.witnessed();
        witnessed.map_or(Timestamp::from_millis(0), |at| at.min(self.now()))
    }

    /// The latest time it can be, by the later of two clocks. Requests that are sent only while they are recent are
    /// checked against this time, because a sent request cannot be undone.
    pub(super) fn latest(&self) -> Timestamp {
        let now = self.now();
        self.witnessed().map_or(now, |at| at.max(now))
    }

    fn witnessed(&self) -> Option<Timestamp> {
        let clock = self.scheduler.clock.as_ref();
        self.scheduler.outbox.trusted_time().now(clock)
    }

    /// Records the start of attempts.
    pub(super) async fn begin(&self, starts: &[Start]) -> Result<Vec<Begun>, WriteGaveUp> {
        let outbox = &self.scheduler.outbox;
        self.write_until_done("the start of attempts", || outbox.begin(starts.to_vec()))
            .await
    }

    /// Records the start of attempts that form one import job, in this order.
    pub(super) async fn begin_import(&self, starts: &[Start]) -> Result<(ImportJobId, Vec<Begun>), WriteGaveUp> {
        let outbox = &self.scheduler.outbox;
        let begin = || outbox.begin_import(starts.to_vec());
        self.write_until_done("the start of an import job", begin).await
    }

    /// Records the results of attempts.
    pub(super) async fn settle(&self, transitions: &[Transition]) -> Result<(), WriteGaveUp> {
        if transitions.is_empty() {
            return Ok(());
        }
        let (outbox, lead) = (&self.scheduler.outbox, self.lead());
        let transitions_of = || transitions.iter().cloned().map(|transition| transition.due_later(lead));
        self.write_until_done("the outcomes of attempts", || outbox.settle(transitions_of().collect()))
            .await?;
        counters::settled(&self.scheduler.instruments.metrics, transitions);
        if transitions.iter().any(is_progress) {
            self.scheduler.instruments.heartbeats.settled();
        }
        Ok(())
    }

    /// Records steps of events without the result of an attempt.
    pub(super) async fn step(&self, steps: Vec<Next>) -> Result<(), WriteGaveUp> {
        let step = |next| Transition { settlement: None, next };
        let transitions: Vec<Transition> = steps.into_iter().map(step).collect();
        self.settle(&transitions).await
    }

    /// Requeues events by these steps.
    pub(super) async fn requeue(&self, steps: Vec<Next>) {
        let events = steps.len();
        if self.step(steps).await.is_err() {
            tracing::error!(events, "failed to requeue events; the next start claims them again");
        }
    }

    /// Repeats a write until it succeeds: the result of a sent request must not be lost because the disk was full for a
    /// while. Stops when the outbox is closed (the process is ending; the next start recovers), or when SQLite itself
    /// rejects the same write several times.
    pub(super) async fn write_until_done<T, F>(
        &self,
        what: &'static str,
        write: impl Fn() -> F,
    ) -> Result<T, WriteGaveUp>
    where
        F: Future<Output = Result<T, WriteError>>,
    {
        let mut own_fault = 0;
        loop {
            let error = match write().await {
                Ok(written) => return Ok(written),
                Err(WriteError::Closed) => return Err(WriteGaveUp),
                Err(error) => error,
            };
            self.scheduler.instruments.heartbeats.waiting_for_outbox();
            own_fault += u32::from(matches!(error, WriteError::Sqlite(_)));
            tracing::error!(error = %error_chain(&error), what, "failed to write; trying again");
            if own_fault >= OWN_FAULT_TRIES {
                return Err(WriteGaveUp);
            }
            tokio::time::sleep(WRITE_PAUSE).await;
        }
    }

    /// Makes the end of an event. Where `[delivery] after_dead` is `hold`, a dead event is held: the events behind it
    /// wait for a replay or a discard.
    pub(super) fn finish(&self, event: &ClaimedEvent, end: End) -> Next {
        // An event that never became a deletion request erases nobody.
        let is_request = !matches!(end, End::Dead(_));
        let erase = is_request && event.kind == Some(EventType::Delete);
        // The reason stays in the outbox and out of the log: it may contain Klaviyo's text about a person, or text of
        // the call.
        let copy_of = if let End::Copy(first) = end { Some(first) } else { None };
        let (status, reason, refused) = match end {
            End::Delivered => (EventStatus::Delivered, None, None),
            End::Copy(first) => (EventStatus::Skipped, Some(Reason::from(&Cause::Copy(first))), None),
            End::Skipped(reason) => (EventStatus::Skipped, Some(reason), None),
            End::Dead(reason) => (EventStatus::Dead, Some(reason), None),
            End::Refused(kind, reason, refusal) => (EventStatus::Dead, Some(reason), Some((kind, refusal))),
        };
        let hold = status == EventStatus::Dead && self.holds(event);
        if status == EventStatus::Dead {
            let clock = self.scheduler.clock.as_ref();
            self.dead.note(event.id, refused, hold, clock, &self.stop);
        } else {
            tracing::debug!(event = %event.id, %status, "event is done");
        }
        Next::Complete {
            event: event.id,
            status,
            reason,
            copy_of,
            hold,
            erase,
            now: self.now(),
        }
    }

    fn holds(&self, event: &ClaimedEvent) -> bool {
        let Some(kind) = event.kind else { return false };
        let after = self.settings.policy.after_dead_of(kind, event.name.as_deref());
        after == AfterDead::Hold
    }
}

/// Whether a step is progress for its event: an answer, or an end.
fn is_progress(transition: &Transition) -> bool {
    transition.settlement.is_some() || matches!(transition.next, Next::Complete { .. })
}

/// Klaviyo's request id, if it is safe to log: only ids, no other text.
pub(super) fn request_id(outcome: &Outcome) -> Option<&str> {
    let id = outcome.request_id.as_deref()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (id.len() <= 64 && id.chars().all(plain)).then_some(id)
}

/// An error and its causes, in one line.
pub(super) fn error_chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
