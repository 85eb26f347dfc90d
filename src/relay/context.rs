//! What every task of a running relay works with, and how it writes to the outbox.

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
    AfterDead, DeliveryKind, EventId, EventStatus, EventType, ImportJobId, Outcome, SourceRules, Timestamp,
};
use crate::outbox::{Begun, ClaimedEvent, Outbox, Start, Step, Then, WriteError};

use crate::scheduler::longest_wait;

use super::deaths::{DeadLog, Refusal};
use super::lead::Lead;
use super::told;

/// A parked event is due after this long at the latest, should the end of the pause be missed.
pub(super) const LONGEST_PARKED: Duration = Duration::from_mins(10);
/// The pause before a write is tried again.
const WRITE_PAUSE: Duration = Duration::from_secs(1);
/// How often a write is tried that fails for a reason of its own, such as a constraint.
const OWN_FAULT_TRIES: u32 = 5;

/// Everything a relay works with.
#[derive(Clone)]
pub struct Relay {
    /// Where events come from and outcomes go.
    pub outbox: Outbox,
    /// What may change while it runs. What is in the air goes on with what it began with.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// Where it tells of itself.
    pub instruments: Instruments,
}

/// What of a relay may change while it runs.
#[derive(Clone)]
pub struct Settings {
    /// What sends.
    pub sender: Sender,
    /// The name of where it sends: `sandbox`, or a Klaviyo account.
    pub sent_to: String,
    /// `[mapping]`.
    pub mapping: MappingConfig,
    /// `[delivery]`.
    pub policy: DeliveryConfig,
    /// Where the private key came from.
    pub key_from: SecretOrigin,
    /// What holds for the calls of each source, by its name.
    pub sources: HashMap<String, SourceRules>,
}

/// A running relay, as its tasks see it. A task keeps the one it began with.
pub(super) struct Context {
    pub(super) relay: Relay,
    /// The relay's settings when this was made.
    pub(super) settings: Arc<Settings>,
    pub(super) stop: CancellationToken,
    dead: DeadLog,
    lead: Arc<Lead>,
}

/// How an event ends, and why.
pub(super) enum End {
    Delivered,
    /// All that it owes was delivered before, for this event.
    Copy(EventId),
    /// It owes nothing.
    Skipped(String),
    /// It can never be mapped, or may not be.
    Dead(String),
    /// A request of this kind, the first of those that were.
    Refused(DeliveryKind, String, Refusal),
}

/// Whose fault a failure of a request is, as far as is known when it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Blame {
    /// Its family, or the account, is paused or just recovering.
    pub(super) outage: bool,
    /// Its family has taken other events' requests since it failed before.
    pub(super) alone: bool,
}

impl Blame {
    /// Nothing says that the request is at fault.
    pub(super) const NOBODY: Self = Self {
        outage: true,
        alone: false,
    };
}

/// The outbox did not take a write, however often it was tried, or is closed.
#[derive(Debug)]
pub(super) struct Unwritten;

impl Context {
    /// The relay as it is set now.
    pub(super) async fn new(relay: Relay, stop: CancellationToken) -> Self {
        let latest = relay.outbox.latest_time().await.ok().flatten();
        let lead = Arc::new(Lead::since(latest, relay.clock.as_ref()));
        Self::led(relay, stop, lead)
    }

    fn led(mut relay: Relay, stop: CancellationToken, lead: Arc<Lead>) -> Self {
        let settings = Arc::clone(&relay.settings.borrow_and_update());
        Self {
            relay,
            settings,
            stop,
            dead: DeadLog::default(),
            lead,
        }
    }

    /// The same relay, with its settings as they are now: for what goes on for long.
    pub(super) fn current(&self) -> Self {
        Self::led(self.relay.clone(), self.stop.clone(), Arc::clone(&self.lead))
    }

    /// How far the clock of the outbox's due times is ahead.
    pub(super) fn lead(&self) -> Duration {
        let clock = self.relay.clock.as_ref();
        self.lead.of(clock, self.longest_wait())
    }

    /// Nothing waits for longer by the settings.
    pub(super) fn longest_wait(&self) -> Duration {
        longest_wait(&self.settings.policy).max(LONGEST_PARKED)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.relay.clock.now()
    }

    /// It is not earlier than this, as far as two clocks agree: what is given up for its age goes by it, since nothing
    /// brings it back by itself.
    pub(super) fn earliest(&self) -> Timestamp {
        let witnessed = self.witnessed();
        witnessed.map_or(Timestamp::from_millis(0), |at| at.min(self.now()))
    }

    /// It may be as late as this, by the later of two clocks: what is sent only while it is recent goes by it, since
    /// nothing takes it back.
    pub(super) fn latest(&self) -> Timestamp {
        let now = self.now();
        self.witnessed().map_or(now, |at| at.max(now))
    }

    fn witnessed(&self) -> Option<Timestamp> {
        let clock = self.relay.clock.as_ref();
        self.relay.outbox.witness().believed(clock)
    }

    /// Writes down that attempts begin.
    pub(super) async fn begin(&self, starts: &[Start]) -> Result<Vec<Begun>, Unwritten> {
        let outbox = &self.relay.outbox;
        self.persist("the start of attempts", || outbox.begin(starts.to_vec()))
            .await
    }

    /// Writes down that attempts begin, all in one import job in this order.
    pub(super) async fn begin_import(&self, starts: &[Start]) -> Result<(ImportJobId, Vec<Begun>), Unwritten> {
        let outbox = &self.relay.outbox;
        let begin = || outbox.begin_import(starts.to_vec());
        self.persist("the start of an import job", begin).await
    }

    /// Writes down what came of attempts.
    pub(super) async fn settle(&self, steps: &[Step]) -> Result<(), Unwritten> {
        if steps.is_empty() {
            return Ok(());
        }
        let (outbox, lead) = (&self.relay.outbox, self.lead());
        let steps_of = || steps.iter().cloned().map(|step| step.due_later(lead));
        self.persist("what came of attempts", || outbox.settle(steps_of().collect()))
            .await?;
        told::settled(&self.relay.instruments.metrics, steps);
        if steps.iter().any(is_progress) {
            self.relay.instruments.pulse.settled();
        }
        Ok(())
    }

    /// Writes until it is written: what was sent must not be forgotten because the disk was full for a while.
    /// Gives up when the outbox is closed (the process is ending; the next start recovers), or when the same write
    /// fails again and again for a reason of its own.
    pub(super) async fn persist<T, F>(&self, what: &'static str, write: impl Fn() -> F) -> Result<T, Unwritten>
    where
        F: Future<Output = Result<T, WriteError>>,
    {
        let mut own_fault = 0;
        loop {
            let error = match write().await {
                Ok(written) => return Ok(written),
                Err(WriteError::Closed) => return Err(Unwritten),
                Err(error) => error,
            };
            self.relay.instruments.pulse.waits_for_the_outbox();
            own_fault += u32::from(matches!(error, WriteError::Sqlite(_)));
            tracing::error!(error = %error_chain(&error), what, "failed to write; trying again");
            if own_fault >= OWN_FAULT_TRIES {
                return Err(Unwritten);
            }
            tokio::time::sleep(WRITE_PAUSE).await;
        }
    }

    /// How an event ends. Where `[delivery] after_dead` says so, a dead one holds its place: those behind it wait
    /// for a replay or a discard.
    pub(super) fn finish(&self, event: &ClaimedEvent, end: End) -> Then {
        // What was never a request to delete erases nobody.
        let is_request = !matches!(end, End::Dead(_));
        let erase = is_request && event.kind == Some(EventType::Delete);
        // The reason stays in the outbox: it may repeat what Klaviyo says of a person, or a text of the call.
        let copy_of = match end {
            End::Copy(first) => Some(first),
            End::Delivered | End::Skipped(_) | End::Dead(_) | End::Refused(..) => None,
        };
        let (status, reason, refused) = match end {
            End::Delivered => (EventStatus::Delivered, None, None),
            End::Copy(first) => (EventStatus::Skipped, Some(copy_reason(first)), None),
            End::Skipped(reason) => (EventStatus::Skipped, Some(reason), None),
            End::Dead(reason) => (EventStatus::Dead, Some(reason), None),
            End::Refused(kind, reason, refusal) => (EventStatus::Dead, Some(reason), Some((kind, refusal))),
        };
        let hold = status == EventStatus::Dead && self.holds(event);
        if status == EventStatus::Dead {
            let clock = self.relay.clock.as_ref();
            self.dead.note(event.id, refused, hold, clock, &self.stop);
        } else {
            tracing::debug!(event = %event.id, %status, "event is done");
        }
        Then::Finish {
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

/// Why a copy is skipped.
fn copy_reason(first: EventId) -> String {
    format!("a copy of event {first}: that one was delivered with the same `$event_id` for the same person")
}

/// Whether a step brings its event on: an answer, or an end.
fn is_progress(step: &Step) -> bool {
    step.settlement.is_some() || matches!(step.then, Then::Finish { .. })
}

/// Klaviyo's id of a request as it may stand in a log line: ids, whatever else was put in their place.
pub(super) fn request_id(outcome: &Outcome) -> Option<&str> {
    let id = outcome.request_id.as_deref()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (id.len() <= 64 && id.chars().all(plain)).then_some(id)
}

/// An error and its causes, in one line.
pub(super) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        line.push_str(": ");
        line.push_str(&inner.to_string());
        cause = inner.source();
    }
    line
}
