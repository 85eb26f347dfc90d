//! One event's turn: its requests go out one after the other until all are settled, one must wait, or the relay
//! stops. Each attempt is written down before it is sent and completed after.

use crate::klaviyo;
use crate::model::{
    DeliveryKind, DeliveryStatus, EventId, EventStatus, Outcome, OutcomeKind, Timestamp,
};
use crate::outbox::{Begun, ClaimedEvent, Settlement, Start, StoredDelivery, Then};
use crate::scheduler::{Facts, Next, Verdict, decide};

use super::plan::{Plan, Settings, plan};
use super::{Shared, error_chain};

/// How long an event waits whose `$event_id` another unfinished delivery carries.
const BUSY_PAUSE: std::time::Duration = std::time::Duration::from_secs(5);
/// How long an event waits that could not be read or written, so that it does not spin.
const TROUBLE_WAIT: std::time::Duration = std::time::Duration::from_mins(1);

/// Works on a claimed event until it is finished or given back.
pub(super) async fn take(shared: &Shared, id: EventId) {
    let then = match work(shared, id).await {
        Some(Then::Stay) => return,
        Some(then) => then,
        None => Then::Release {
            event: id,
            due: shared.relay.clock.now().plus(TROUBLE_WAIT),
        },
    };
    shared
        .persist(id, "the end of a turn", || {
            shared.relay.outbox.settle(None, then.clone())
        })
        .await;
}

/// What is left to write about the event; `Stay` when that is done, `None` when the outbox failed.
async fn work(shared: &Shared, id: EventId) -> Option<Then> {
    let mut event = load(shared, id).await?;
    if event.deliveries.is_empty() {
        let settings = Settings {
            mapping: &shared.relay.mapping,
            side: shared.relay.sides.get(&event.source).copied(),
            replay_consent_within: shared.relay.policy.replay_consent_within,
            now: shared.relay.clock.now(),
        };
        match plan(&event, &settings) {
            Plan::Owes(deliveries) => {
                let planned = || shared.relay.outbox.plan(id, deliveries.clone());
                shared.persist(id, "what the event owes", planned).await?;
                event = load(shared, id).await?;
            }
            Plan::Skip(reason) => {
                return Some(finish(shared, id, EventStatus::Skipped, Some(reason)));
            }
            Plan::Unreadable(reason) => {
                return Some(finish(shared, id, EventStatus::Dead, Some(reason)));
            }
        }
    }
    for at in 0..event.deliveries.len() {
        while !event.deliveries[at].status.is_final() {
            if shared.stop.is_cancelled() {
                return Some(Then::Release {
                    event: id,
                    due: shared.relay.clock.now(),
                });
            }
            match step(shared, &mut event, at).await? {
                Step::Again => {}
                Step::Left(then) => return Some(then),
            }
        }
    }
    Some(end(shared, &event))
}

/// What one step came to.
enum Step {
    /// The delivery is settled, or goes again at once.
    Again,
    /// The event's turn is over; this is left to write, if it is not [`Then::Stay`].
    Left(Then),
}

/// One attempt of one delivery, and its settlement.
async fn step(shared: &Shared, event: &mut ClaimedEvent, at: usize) -> Option<Step> {
    let relay = &shared.relay;
    let delivery = event.deliveries[at].clone();
    let body = match body(event, &delivery) {
        Ok(body) => body,
        Err(reason) => {
            refuse(shared, event, at, reason).await?;
            return Some(Step::Again);
        }
    };
    let start = Start {
        delivery: delivery.id,
        sent_to: relay.sent_to.clone(),
        request: delivery.request.is_none().then(|| body.clone()),
        now: relay.clock.now(),
    };
    let begin = || relay.outbox.begin(start.clone());
    let attempt = match shared
        .persist(event.id, "the start of an attempt", begin)
        .await?
    {
        Begun::Go { attempt } => attempt,
        Begun::Duplicate => {
            event.deliveries[at].status = DeliveryStatus::Duplicate;
            return Some(Step::Again);
        }
        Begun::Busy => {
            let due = relay.clock.now().plus(BUSY_PAUSE);
            return Some(Step::Left(Then::Release {
                event: event.id,
                due,
            }));
        }
    };
    let route = klaviyo::route(delivery.kind, delivery.list_id.as_deref());
    let outcome = relay
        .sender
        .send(&route, body.clone(), || relay.clock.now())
        .await;
    let now = relay.clock.now();
    shared.gate.after(&relay.outbox, &outcome, now).await;

    let smaller = match outcome.kind {
        OutcomeKind::Conflict if delivery.conflicts == 0 => {
            klaviyo::without_weaker_identifier(&body)
        }
        _ => None,
    };
    let facts = Facts {
        tries: delivery.tries,
        cycle_began: event.cycle_began,
        can_drop_identifier: smaller.is_some(),
    };
    let verdict = decide(&outcome, facts, &relay.policy, now, relay.clock.chance());
    log(event, &delivery, attempt, &outcome, &verdict);
    apply(
        &mut event.deliveries[at],
        &outcome,
        &verdict,
        smaller.as_ref(),
    );
    let then = next(shared, event, verdict.next, now);
    let settlement = Settlement {
        delivery: delivery.id,
        attempt,
        status: verdict.status,
        reason: verdict.reason,
        request: smaller,
        counts: verdict.counts,
        now,
        outcome,
    };
    let settle = || relay.outbox.settle(Some(settlement.clone()), then.clone());
    shared
        .persist(event.id, "the end of an attempt", settle)
        .await?;
    Some(match then {
        Then::Stay => Step::Again,
        Then::Release { .. } | Then::Finish { .. } => Step::Left(Then::Stay),
    })
}

/// What becomes of the event after a verdict; the last delivery's settlement finishes it in the same commit.
fn next(shared: &Shared, event: &ClaimedEvent, next: Next, now: Timestamp) -> Then {
    match next {
        Next::RetryAt(due) => Then::Release {
            event: event.id,
            due,
        },
        Next::Pause => Then::Release {
            event: event.id,
            due: now,
        },
        Next::Resend => Then::Stay,
        Next::Settled
            if event
                .deliveries
                .iter()
                .all(|delivery| delivery.status.is_final()) =>
        {
            end(shared, event)
        }
        Next::Settled if shared.gate.is_open() => Then::Stay,
        Next::Settled => Then::Release {
            event: event.id,
            due: now,
        },
    }
}

/// The body to send: the frozen one, or for a list change the one that names the profile.
fn body(event: &ClaimedEvent, delivery: &StoredDelivery) -> Result<String, String> {
    if let Some(frozen) = &delivery.request {
        return Ok(frozen.clone());
    }
    let profile = event
        .deliveries
        .iter()
        .find(|other| other.kind == DeliveryKind::Profile)
        .and_then(|other| other.profile_id.as_deref());
    match profile {
        Some(profile) => Ok(klaviyo::list_body(profile)),
        None => Err(
            "the profile was not accepted, so there is no profile id to put on the list or \
                     take off it"
                .to_owned(),
        ),
    }
}

/// Settles a delivery that cannot be sent.
async fn refuse(
    shared: &Shared,
    event: &mut ClaimedEvent,
    at: usize,
    reason: String,
) -> Option<()> {
    let settlement = Settlement {
        delivery: event.deliveries[at].id,
        // No attempt was made: none has this number.
        attempt: 0,
        outcome: Outcome::of(OutcomeKind::Refused),
        status: DeliveryStatus::Rejected,
        reason: Some(reason.clone()),
        request: None,
        counts: false,
        now: shared.relay.clock.now(),
    };
    event.deliveries[at].status = DeliveryStatus::Rejected;
    event.deliveries[at].reason = Some(reason);
    let settle = || {
        shared
            .relay
            .outbox
            .settle(Some(settlement.clone()), Then::Stay)
    };
    shared.persist(event.id, "a refusal", settle).await
}

/// Carries a verdict over to the copy in hand.
fn apply(
    delivery: &mut StoredDelivery,
    outcome: &Outcome,
    verdict: &Verdict,
    smaller: Option<&String>,
) {
    delivery.status = verdict.status;
    delivery.reason.clone_from(&verdict.reason);
    delivery.tries += u32::from(verdict.counts);
    if let Some(profile) = &outcome.profile_id {
        delivery.profile_id = Some(profile.clone());
    }
    if let Some(smaller) = smaller {
        delivery.request = Some(smaller.clone());
        delivery.conflicts += 1;
    }
}

/// How an event ends whose deliveries are all final.
fn end(shared: &Shared, event: &ClaimedEvent) -> Then {
    let refused: Vec<&StoredDelivery> = event
        .deliveries
        .iter()
        .filter(|delivery| delivery.status == DeliveryStatus::Rejected)
        .collect();
    let Some(first) = refused.first() else {
        return finish(shared, event.id, EventStatus::Delivered, None);
    };
    let words = first.reason.as_deref().unwrap_or("no reason was given");
    let reason = match (refused.len(), event.deliveries.len()) {
        (1, 1) => words.to_owned(),
        (refused, all) => format!("{refused} of {all} requests refused; the first: {words}"),
    };
    finish(shared, event.id, EventStatus::Dead, Some(reason))
}

fn finish(shared: &Shared, event: EventId, status: EventStatus, reason: Option<String>) -> Then {
    let now = shared.relay.clock.now();
    if status == EventStatus::Dead {
        // The reason stays in the outbox: it may repeat what Klaviyo says of a person.
        tracing::warn!(%event, "event is dead; `klaviyo-relay show` tells why");
    } else {
        tracing::debug!(%event, %status, "event is done");
    }
    Then::Finish {
        event,
        status,
        reason,
        now,
    }
}

async fn load(shared: &Shared, id: EventId) -> Option<ClaimedEvent> {
    match shared.relay.outbox.claimed(id).await {
        Ok(Some(event)) => Some(event),
        Ok(None) => {
            tracing::error!(event = %id, "a claimed event has no payload");
            None
        }
        Err(error) => {
            tracing::error!(event = %id, error = %error_chain(&error), "failed to read a claimed event");
            None
        }
    }
}

fn log(
    event: &ClaimedEvent,
    delivery: &StoredDelivery,
    attempt: i64,
    outcome: &Outcome,
    verdict: &Verdict,
) {
    tracing::debug!(
        event = %event.id,
        delivery = %delivery.id,
        kind = %delivery.kind,
        attempt,
        http.status = outcome.http_status,
        outcome = %outcome.kind,
        status = %verdict.status,
        klaviyo.request_id = outcome.request_id,
        "attempt"
    );
}
