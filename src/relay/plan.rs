//! From a stored event to what it owes: reads the call, asks the mapper, and leaves out old consent on a replay.

use std::time::Duration;

use crate::config::MappingConfig;
use crate::klaviyo::Request;
use crate::mapper::{self, Input, Mapped, Planned};
use crate::model::{DeliveryKind, EventType, NewEvent, Side, Timestamp};
use crate::outbox::{ClaimedEvent, PlannedDelivery};
use crate::segment::{Call, CallError};

/// What an event becomes.
pub(super) enum Plan {
    /// It owes these, in order; at least one.
    Owes(Vec<PlannedDelivery>),
    /// It owes nothing, and why.
    Skip(String),
    /// It can never be mapped, and why.
    Unreadable(String),
}

/// How a stored event is mapped.
pub(super) struct Settings<'a> {
    pub(super) mapping: &'a MappingConfig,
    /// The side its source is set to; `None`: its library tells.
    pub(super) side: Option<Side>,
    pub(super) replay_consent_within: Duration,
    pub(super) now: Timestamp,
}

/// Maps a stored event.
pub(super) fn plan(event: &ClaimedEvent, settings: &Settings<'_>) -> Plan {
    let call = match Call::read(&event.payload, event.envelope.as_deref(), event.kind) {
        Ok(call) => call,
        Err(error) => return Plan::Unreadable(super::context::error_chain(&error)),
    };
    let input = Input {
        call: &call,
        message_id: &event.message_id,
        at: event.at,
        received_at: event.received_at,
        side: settings.side.unwrap_or_else(|| call.side()),
    };
    let planned = match mapper::map(&input, settings.mapping) {
        Mapped::Requests(planned) => planned,
        Mapped::Skipped(skip) => return Plan::Skip(skip.to_string()),
    };
    let backfill = event.replay.backfill;
    let owed = planned
        .into_iter()
        .map(|planned| owed_by(planned, backfill))
        .collect();
    Plan::of(owed, event, settings)
}

impl Plan {
    /// A plan of these, without subscriptions that a replay should not send.
    pub(super) fn of(
        mut owed: Vec<PlannedDelivery>,
        event: &ClaimedEvent,
        settings: &Settings<'_>,
    ) -> Self {
        leave_out_old_consent(&mut owed, event, settings);
        if owed.is_empty() {
            let reason =
                "neither a replay nor an import subscribes people anew; see `replay --consent`";
            return Self::Skip(reason.to_owned());
        }
        Self::Owes(owed)
    }
}

fn owed_by(planned: Planned, backfill: bool) -> PlannedDelivery {
    let Planned {
        mut request,
        refused,
        warnings,
        rules: _,
    } = planned;
    if let Request::Event(event) = &mut request {
        event.backfill = backfill;
    }
    PlannedDelivery {
        kind: request.kind(),
        metric: request.metric().map(str::to_owned),
        event_key: request.event_key().map(str::to_owned),
        list_id: request.list_id().map(str::to_owned),
        request: request.body(),
        refused: refused.as_ref().map(ToString::to_string),
        warnings,
    }
}

/// Subscribing lifts an unsubscribe that came later: a replay or import leaves out subscriptions that are not recent,
/// unless the operator asked for them, and says so on the delivery before. What counts is when the call was made: what
/// was imported arrived only lately.
fn leave_out_old_consent(
    owed: &mut Vec<PlannedDelivery>,
    event: &ClaimedEvent,
    settings: &Settings<'_>,
) {
    let recent = settings.now.since(event.at) <= settings.replay_consent_within;
    if event.cycle == 1 || event.replay.consent || recent {
        return;
    }
    let before = owed.len();
    owed.retain(|delivery| delivery.kind != DeliveryKind::Subscription);
    if owed.len() < before
        && let Some(first) = owed.first_mut()
    {
        first.warnings.push(
            "the subscription was left out of this replay or import: it is older than \
             `delivery.replay_consent_within`; `replay --consent` sends it"
                .to_owned(),
        );
    }
}

/// An event mapped for `explain`: the call, its side, and what it becomes.
#[derive(Debug)]
pub struct Explained {
    /// Which call it is.
    pub kind: EventType,
    /// The side it is mapped as.
    pub side: Side,
    /// What it becomes.
    pub mapped: Mapped,
}

/// Maps an event that was never stored, as it would be mapped if it were.
pub fn explain(
    event: &NewEvent,
    side: Option<Side>,
    mapping: &MappingConfig,
) -> Result<Explained, CallError> {
    let call = Call::read(&event.payload, event.envelope.as_deref(), event.kind)?;
    let side = side.unwrap_or_else(|| call.side());
    let input = Input {
        call: &call,
        message_id: &event.message_id,
        at: event.at,
        received_at: event.received_at,
        side,
    };
    let mapped = mapper::map(&input, mapping);
    Ok(Explained {
        kind: call.kind,
        side,
        mapped,
    })
}
