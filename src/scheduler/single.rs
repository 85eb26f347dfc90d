//! One request by itself: recorded, sent, settled.

use std::time::Duration;

use tracing::{Instrument as _, Span, field};

use crate::klaviyo;
use crate::model::{DeliveryKind, DeliveryStatus, Outcome, OutcomeKind, Reason};
use crate::outbox::{Begun, Next, Settlement, Start, StoredDelivery, Transition};
use crate::scheduler::policy::{Action, AttemptContext, Cause, decide, not_resent};

use crate::telemetry;

use super::active::ActiveEvent;
use super::context::{Blame, Context, WriteGaveUp, request_id};
use super::report::Report;

/// How long an event waits while another unfinished delivery has the same `$event_id`.
pub(super) const BUSY_PAUSE: Duration = Duration::from_secs(5);

/// Makes one attempt of the current delivery of an event, which may take as long as `timeout`.
pub(super) async fn send(context: &Context, mut active: ActiveEvent, blame: Blame, timeout: Duration) -> Report {
    let span = tracing::info_span!(
        "attempt",
        event = %active.event.id,
        delivery = %active.delivery().id,
        kind = %active.delivery().kind,
        attempt = field::Empty,
        http.status = field::Empty,
        klaviyo.request_id = field::Empty,
    );
    telemetry::resumed(&span, active.event.traceparent.as_deref());
    let settled = async {
        let (settlement, next, answered) = attempt(context, &mut active, blame, timeout).await?;
        let step = Transition {
            settlement,
            next: next.clone(),
        };
        context.settle(&[step]).await?;
        Ok((next, answered))
    };
    match settled.instrument(span).await {
        Ok((next, answered)) => Report::of(vec![(active, next)], answered),
        Err(WriteGaveUp) => Report::unwritten(vec![active]),
    }
}

/// The result of the attempt, if one was made; what happens next with the event; and the answer.
type Attempted = (Option<Settlement>, Next, Option<Outcome>);

async fn attempt(
    context: &Context,
    active: &mut ActiveEvent,
    blame: Blame,
    timeout: Duration,
) -> Result<Attempted, WriteGaveUp> {
    let body = match body(context, active) {
        Ok(body) => body,
        Err(cause) => return Ok(refuse(context, active, Reason::from(&cause))),
    };
    let delivery = active.delivery();
    let route = klaviyo::route(delivery.kind, delivery.list_id.as_deref());
    let start = Start {
        delivery: delivery.id,
        sent_to: context.settings.sent_to.clone(),
        request: delivery.request.is_none().then(|| body.clone()),
        now: context.now(),
    };
    let attempt = match context.begin(&[start]).await?.pop() {
        Some(Begun::Go { attempt }) => attempt,
        Some(Begun::Duplicate(copied)) => {
            active.copied(copied);
            return Ok((None, active.end(context), None));
        }
        Some(Begun::Busy) | None => {
            let next = active.release(context.now().plus(BUSY_PAUSE));
            return Ok((None, next, None));
        }
    };
    Span::current().record("attempt", attempt);
    let sender = &context.settings.sender;
    let (outcome, _) = sender.send(&route, Some(body.clone()), timeout, context.now()).await;
    Span::current().record("http.status", outcome.http_status.map(i64::from));
    Span::current().record("klaviyo.request_id", request_id(&outcome));
    let answered = outcome.clone();
    let (settlement, next) = judge(context, active, attempt, outcome, &body, blame);
    Ok((Some(settlement), next, Some(answered)))
}

/// Decides from an answer what happens with the delivery and its event.
pub(super) fn judge(
    context: &Context,
    active: &mut ActiveEvent,
    attempt: i64,
    mut outcome: Outcome,
    body: &str,
    blame: Blame,
) -> (Settlement, Next) {
    let now = context.now();
    let delivery = active.delivery();
    let smaller = smaller(&outcome, body);
    let smaller = smaller.map(|(body, note)| {
        outcome.note = Some(note);
        body
    });
    let facts = AttemptContext {
        kind: delivery.kind,
        tries: delivery.tries,
        failures: delivery.failures,
        age: context.earliest().since(active.event.generation_began),
        can_go_without: smaller.is_some(),
        outage: blame.outage,
        alone: blame.alone,
    };
    let stopped = outcome.kind == OutcomeKind::Stopped;
    let chance = context.scheduler.clock.chance();
    let decision = decide(&outcome, facts, &context.settings.policy, now, chance);
    let next = decision.next;
    let settlement = active.settle(attempt, outcome, decision, smaller, now);
    let next = match next {
        // An event that waits for the end of a pause is due as soon as the pause ends.
        Action::RetryAt(due) if blame.outage || stopped => active.park(due),
        Action::RetryAt(due) => active.release(due),
        Action::Resend => Next::Continue,
        Action::Settled => active.end(context),
    };
    (settlement, next)
}

/// The request without the part that Klaviyo rejected, and a note about it; `None` where it cannot be sent without it.
fn smaller(outcome: &Outcome, body: &str) -> Option<(String, String)> {
    match outcome.kind {
        OutcomeKind::Conflict => {
            let note = "its identifiers belong to two profiles (409): sent again without the weaker one, which is kept \
                        as a property";
            Some((klaviyo::without_weaker_identifier(body)?, note.to_owned()))
        }
        OutcomeKind::Refused if outcome.http_status == Some(400) => {
            let (body, name) = klaviyo::without_attribute(body, outcome.pointer.as_deref()?)?;
            let note =
                format!("Klaviyo refused its `{name}` (400): sent again without it, which is kept as a property");
            Some((body, note))
        }
        OutcomeKind::Refused
        | OutcomeKind::Accepted
        | OutcomeKind::Retry
        | OutcomeKind::Unknown
        | OutcomeKind::Stopped => None,
    }
}

/// The body to send: the stored one, or one that names the profile by the id in the answer to its import. The error is
/// the reason why nothing is sent.
fn body(context: &Context, active: &ActiveEvent) -> Result<String, Cause> {
    let delivery = active.delivery();
    if delivery.status == DeliveryStatus::Unknown
        && let Some(why) = not_resent(delivery.kind, &context.settings.policy)
    {
        return Err(why);
    }
    if let Some(frozen) = &active.delivery().request {
        return Ok(frozen.clone());
    }
    let is_profile = |other: &&StoredDelivery| other.kind == DeliveryKind::Profile;
    let profile = active.event.deliveries.iter().find(is_profile);
    let id = profile.and_then(|profile| profile.profile_id.as_deref());
    id.and_then(|id| klaviyo::body_for_profile(delivery.kind, id))
        .ok_or(Cause::NoProfile)
}

/// Settles a delivery that cannot be sent.
fn refuse(context: &Context, active: &mut ActiveEvent, reason: Reason) -> Attempted {
    let settlement = Settlement {
        delivery: active.delivery().id,
        attempt: 0,
        outcome: Outcome::of(OutcomeKind::Refused),
        status: DeliveryStatus::Rejected,
        reason: Some(reason.clone()),
        request: None,
        counts: false,
        failed: false,
        now: context.now(),
    };
    let delivery = active.delivery_mut();
    delivery.status = DeliveryStatus::Rejected;
    delivery.reason = Some(reason);
    (Some(settlement), active.end(context), None)
}
