//! One event's turn: its requests go out one after the other until all are settled, one must wait, or the relay
//! stops. Each attempt is written down before it is sent and completed after.

use std::time::Duration;

use crate::klaviyo;
use crate::model::{
    DeliveryKind, DeliveryStatus, EventId, EventStatus, Outcome, OutcomeKind, Timestamp,
};
use crate::outbox::{Begun, ClaimedEvent, Settlement, Start, StoredDelivery, Then};
use crate::scheduler::{Facts, Next, Verdict, decide};

use super::plan::{Plan, Settings, plan};
use super::{Shared, error_chain};

/// How long an event waits whose `$event_id` another unfinished delivery carries.
const BUSY_PAUSE: Duration = Duration::from_secs(5);
/// How long an event waits that could not be read or written, so that it does not spin.
const TROUBLE_WAIT: Duration = Duration::from_mins(1);

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
    let settle = || shared.relay.outbox.settle(None, then.clone());
    shared.persist(id, "the end of a turn", settle).await;
}

/// Ends an event whose turn broke off in the middle.
pub(super) async fn give_up(shared: &Shared, id: EventId) {
    let reason = "klaviyo-relay failed on it, which is a bug; replay it after an update".to_owned();
    let then = finish(shared, id, EventStatus::Dead, Some(reason));
    let settle = || shared.relay.outbox.settle(None, then.clone());
    shared.persist(id, "the end of a broken turn", settle).await;
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
    let mut turn = Turn { shared, event };
    for at in 0..turn.event.deliveries.len() {
        while !turn.event.deliveries[at].status.is_final() {
            if shared.stop.is_cancelled() {
                return Some(Then::Release {
                    event: id,
                    due: shared.relay.clock.now(),
                });
            }
            match turn.step(at).await? {
                Step::Again => {}
                Step::Left(then) => return Some(then),
            }
        }
    }
    Some(turn.end())
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

/// A mapped event in work. `event` is kept as the outbox has it.
struct Turn<'a> {
    shared: &'a Shared,
    event: ClaimedEvent,
}

/// What one step came to.
enum Step {
    /// The delivery is settled, or goes again at once.
    Again,
    /// The event's turn is over; this is left to write, if it is not [`Then::Stay`].
    Left(Then),
}

impl Turn<'_> {
    /// One attempt of one delivery, from its start to its settlement.
    async fn step(&mut self, at: usize) -> Option<Step> {
        let relay = &self.shared.relay;
        let delivery = self.event.deliveries[at].clone();
        let body = match self.body(&delivery) {
            Ok(body) => body,
            Err(reason) => {
                self.refuse(at, reason).await?;
                return Some(Step::Again);
            }
        };
        let attempt = match self.begin(&delivery, &body).await? {
            Begun::Go { attempt } => attempt,
            Begun::Duplicate => {
                self.event.deliveries[at].status = DeliveryStatus::Duplicate;
                return Some(Step::Again);
            }
            Begun::Busy => {
                let due = relay.clock.now().plus(BUSY_PAUSE);
                return Some(Step::Left(Then::Release {
                    event: self.event.id,
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
        self.shared.gate.after(&relay.outbox, &outcome, now).await;
        let conflict = outcome.kind == OutcomeKind::Conflict && delivery.conflicts == 0;
        let smaller = if conflict {
            klaviyo::without_weaker_identifier(&body)
        } else {
            None
        };
        let facts = Facts {
            kind: delivery.kind,
            outage: !self.shared.gate.counts(),
            tries: delivery.tries,
            cycle_began: self.event.cycle_began,
            can_drop_identifier: smaller.is_some(),
        };
        let verdict = decide(&outcome, facts, &relay.policy, now, relay.clock.chance());
        self.settle(
            at,
            Sent {
                attempt,
                outcome,
                verdict,
                smaller,
                now,
            },
        )
        .await
    }

    /// The body to send: the frozen one, or for a list change the one that names the profile.
    fn body(&self, delivery: &StoredDelivery) -> Result<String, String> {
        if let Some(frozen) = &delivery.request {
            return Ok(frozen.clone());
        }
        let mut deliveries = self.event.deliveries.iter();
        let profile = deliveries.find(|other| other.kind == DeliveryKind::Profile);
        match profile.and_then(|profile| profile.profile_id.as_deref()) {
            Some(profile) => Ok(klaviyo::list_body(profile)),
            None => Err(
                "the profile was not accepted, so there is no profile id to put on the \
                         list or take off it"
                    .to_owned(),
            ),
        }
    }

    async fn begin(&self, delivery: &StoredDelivery, body: &str) -> Option<Begun> {
        let relay = &self.shared.relay;
        let start = Start {
            delivery: delivery.id,
            sent_to: relay.sent_to.clone(),
            request: delivery.request.is_none().then(|| body.to_owned()),
            now: relay.clock.now(),
        };
        let begin = || relay.outbox.begin(start.clone());
        self.shared
            .persist(self.event.id, "the start of an attempt", begin)
            .await
    }

    /// Settles a delivery that cannot be sent.
    async fn refuse(&mut self, at: usize, reason: String) -> Option<()> {
        let settlement = Settlement {
            delivery: self.event.deliveries[at].id,
            // No attempt was made: none has this number.
            attempt: 0,
            outcome: Outcome::of(OutcomeKind::Refused),
            status: DeliveryStatus::Rejected,
            reason: Some(reason.clone()),
            request: None,
            counts: false,
            now: self.shared.relay.clock.now(),
        };
        self.event.deliveries[at].status = DeliveryStatus::Rejected;
        self.event.deliveries[at].reason = Some(reason);
        let settle = || {
            self.shared
                .relay
                .outbox
                .settle(Some(settlement.clone()), Then::Stay)
        };
        self.shared
            .persist(self.event.id, "a refusal", settle)
            .await
    }

    /// Writes down what came of an attempt and what becomes of the event, in one commit.
    async fn settle(&mut self, at: usize, sent: Sent) -> Option<Step> {
        self.apply(at, &sent);
        let Sent {
            attempt,
            outcome,
            verdict,
            smaller,
            now,
        } = sent;
        let then = self.next(verdict.next, now);
        let settlement = Settlement {
            delivery: self.event.deliveries[at].id,
            attempt,
            status: verdict.status,
            reason: verdict.reason,
            request: smaller,
            counts: verdict.counts,
            now,
            outcome,
        };
        let outbox = &self.shared.relay.outbox;
        let settle = || outbox.settle(Some(settlement.clone()), then.clone());
        self.shared
            .persist(self.event.id, "the end of an attempt", settle)
            .await?;
        Some(match then {
            Then::Stay => Step::Again,
            Then::Release { .. } | Then::Finish { .. } => Step::Left(Then::Stay),
        })
    }

    /// Carries what came of an attempt over to the copy in hand, and logs it.
    fn apply(&mut self, at: usize, sent: &Sent) {
        let Sent {
            attempt,
            outcome,
            verdict,
            smaller,
            now: _,
        } = sent;
        let delivery = &mut self.event.deliveries[at];
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
        tracing::debug!(
            event = %self.event.id,
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

    /// What becomes of the event after a verdict. The last delivery's settlement finishes it in the same commit.
    fn next(&self, next: Next, now: Timestamp) -> Then {
        let event = self.event.id;
        match next {
            Next::RetryAt(due) => Then::Release { event, due },
            Next::Resend => Then::Stay,
            Next::Settled if self.event.deliveries.iter().all(|d| d.status.is_final()) => {
                self.end()
            }
            Next::Settled if self.shared.gate.is_open() => Then::Stay,
            // Paused: the rest waits in its place.
            Next::Settled | Next::Pause => Then::Release { event, due: now },
        }
    }

    /// How the event ends when its deliveries are all final.
    fn end(&self) -> Then {
        let deliveries = &self.event.deliveries;
        let refused = deliveries
            .iter()
            .filter(|d| d.status == DeliveryStatus::Rejected);
        let refused: Vec<&StoredDelivery> = refused.collect();
        let Some(first) = refused.first() else {
            return finish(self.shared, self.event.id, EventStatus::Delivered, None);
        };
        let words = first.reason.as_deref().unwrap_or("no reason was given");
        let reason = match (refused.len(), deliveries.len()) {
            (1, 1) => words.to_owned(),
            (refused, all) => format!("{refused} of {all} requests refused; the first: {words}"),
        };
        finish(self.shared, self.event.id, EventStatus::Dead, Some(reason))
    }
}

/// An attempt that is over.
struct Sent {
    attempt: i64,
    outcome: Outcome,
    verdict: Verdict,
    /// The request without its weaker identifier, where Klaviyo asked for that.
    smaller: Option<String>,
    now: Timestamp,
}

fn finish(shared: &Shared, event: EventId, status: EventStatus, reason: Option<String>) -> Then {
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
        now: shared.relay.clock.now(),
    }
}
