//! From a stored event to the requests it owes: parses the call, runs the mapper, and leaves out old consent on a
//! replay.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::config::MappingConfig;
use crate::mapper::{self, Input, Mapped, Planned};
use crate::model::{DeliveryKind, EventType, NewEvent, Reason, Right, Side, SourceRules, Timestamp};
use crate::outbox::{ClaimedEvent, PlannedDelivery};
use crate::scheduler::policy::Cause;
use crate::segment::{self, Call, CallError, Envelope};

/// The result of mapping an event.
pub(super) enum Plan {
    /// It owes these requests, in order; at least one.
    Owes(Vec<PlannedDelivery>),
    /// It owes nothing, and why.
    Skip(Reason),
    /// It cannot be mapped, or is not allowed, and why.
    Dead(Cause),
}

/// How a stored event is mapped.
pub(super) struct Settings<'a> {
    pub(super) mapping: &'a MappingConfig,
    /// The rules of its source.
    pub(super) rules: &'a SourceRules,
    pub(super) replay_consent_within: Duration,
    pub(super) now: Timestamp,
    /// The latest time it can be, by the later of two clocks.
    pub(super) latest: Timestamp,
}

/// Maps a stored event.
pub(super) fn plan(event: &ClaimedEvent, envelopes: &mut Envelopes, settings: &Settings<'_>) -> Plan {
    let call = match call_of(event, envelopes) {
        Ok(call) => call,
        Err(error) => return Plan::Dead(Cause::Unreadable(super::context::error_chain(&error))),
    };
    let side = settings.rules.side.unwrap_or_else(|| call.side());
    let (at, received_at) = times(event, &call, settings.now);
    let input = Input {
        call: &call,
        message_id: &event.message_id,
        at,
        received_at,
        side,
        rights: settings.rules.rights(side),
        explain: false,
        backfill: event.replay.backfill,
    };
    // Ingest already refuses these calls; a replay does not give the source a right that it does not have.
    if call.kind == EventType::Delete && !input.rights.may(Right::Delete) {
        return Plan::Dead(Cause::DeleteNotAllowed);
    }
    let planned = match mapper::map(&input, settings.mapping) {
        Mapped::Requests(planned) => planned,
        Mapped::Skipped(skip) => return Plan::Skip(Reason::from(&skip)),
    };
    Plan::of(planned.into_iter().map(owed_by).collect(), event, at, settings)
}

/// When a call was made, and when it arrived. While the clock was known to be wrong, both are unknown: then the call's
/// own time counts, and without one the current time.
fn times(event: &ClaimedEvent, call: &Call, now: Timestamp) -> (Timestamp, Timestamp) {
    if clock::is_set(event.received_at) {
        return (event.at, event.received_at);
    }
    let stated = |name| call.field(name).and_then(segment::parse_time);
    let stated = stated("timestamp").or_else(|| stated("originalTimestamp"));
    let at = if event.at > event.received_at {
        event.at
    } else {
        stated.unwrap_or(now)
    };
    (at, now.max(at))
}

/// The envelope that was read last: the calls of one batch follow each other, so it is parsed once for them.
#[derive(Default)]
pub(super) struct Envelopes(Option<Envelope>);

impl Envelopes {
    fn read(&mut self, text: &Arc<str>) -> Result<&Envelope, CallError> {
        let known = self.0.take().filter(|known| Arc::ptr_eq(known.text(), text));
        let envelope = match known {
            Some(known) => known,
            None => Envelope::read(Arc::clone(text)).map_err(CallError::Json)?,
        };
        Ok(self.0.insert(envelope))
    }
}

fn call_of(event: &ClaimedEvent, envelopes: &mut Envelopes) -> Result<Call, CallError> {
    let envelope = event.envelope.as_ref();
    let envelope = envelope.map(|text| envelopes.read(text)).transpose()?;
    Call::read(&event.payload, envelope, event.kind)
}

impl Plan {
    /// A plan with these deliveries of a call made `at`. On a replay or import, subscriptions that are not recent are
    /// left out, because subscribing again would cancel a later unsubscribe. The operator can request them; the delivery
    /// before records what was left out. The time of the call counts, because an imported call arrived only recently.
    /// While two clocks disagree the later one counts: a subscription that was left out can still be sent, but one that
    /// was sent cannot be undone.
    pub(super) fn of(
        mut owed: Vec<PlannedDelivery>,
        event: &ClaimedEvent,
        at: Timestamp,
        settings: &Settings<'_>,
    ) -> Self {
        let before = owed.len();
        let recent = settings.latest.since(at) <= settings.replay_consent_within;
        if event.generation != 1 && !event.replay.consent && !recent {
            owed.retain(|delivery| delivery.kind != DeliveryKind::Subscription);
        }
        let left_out = owed.len() < before;
        let Some(first) = owed.first_mut() else {
            return Self::Skip(Reason::from(&Cause::OldConsent));
        };
        if left_out {
            first.warnings.push(
                "the subscription was left out of this replay or import: it is older than \
                 `delivery.replay_consent_within`; `replay --consent` sends it"
                    .to_owned(),
            );
        }
        Self::Owes(owed)
    }
}

fn owed_by(planned: Planned) -> PlannedDelivery {
    let request = &planned.request;
    PlannedDelivery {
        kind: request.kind(),
        metric: request.metric().map(str::to_owned),
        event_key: request.event_key().map(str::to_owned),
        list_id: request.list_id().map(str::to_owned),
        request: planned.body,
        rejected: planned.rejected.as_ref().map(Reason::from),
        warnings: planned.warnings.iter().map(ToString::to_string).collect(),
    }
}

/// An event mapped for `explain`: the call, its side, and the result.
#[derive(Debug)]
pub struct Explained {
    /// Which call it is.
    pub kind: EventType,
    /// The side it is mapped as.
    pub side: Side,
    /// The result of the mapping.
    pub mapped: Mapped,
}

/// Maps an event that was never stored, as it would be mapped if it were.
pub fn explain(event: &NewEvent, rules: &SourceRules, mapping: &MappingConfig) -> Result<Explained, CallError> {
    let envelope = event.envelope.clone().map(Envelope::read).transpose();
    let envelope = envelope.map_err(CallError::Json)?;
    let call = Call::read(&event.payload, envelope.as_ref(), event.kind)?;
    let side = rules.side.unwrap_or_else(|| call.side());
    let input = Input {
        call: &call,
        message_id: &event.message_id,
        at: event.at,
        received_at: event.received_at,
        side,
        rights: rules.rights(side),
        explain: true,
        backfill: false,
    };
    let mapped = mapper::map(&input, mapping);
    Ok(Explained {
        kind: call.kind,
        side,
        mapped,
    })
}
