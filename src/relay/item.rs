//! The events of a bulk job, each with its requests in the job, and their results: settled by the job's outcome, or
//! sent again in smaller jobs.

use crate::model::{DeliveryStatus, Outcome, OutcomeKind};
use crate::outbox::{Settlement, Step, Then};

use super::context::{Blame, Context, Unwritten};
use super::hand::InHand;
use super::report::Report;
use super::single::judge;

/// An event in a job, at the first of its requests that are in the job.
pub(super) struct Item {
    pub(super) hand: InHand,
    /// The attempt number of that request.
    pub(super) attempt: i64,
    /// Its further requests in the job: the index of the delivery, and the attempt number.
    pub(super) more: Vec<(usize, i64)>,
}

impl Item {
    /// An event with one request in the job.
    pub(super) const fn of(hand: InHand, attempt: i64) -> Self {
        let more = Vec::new();
        Self { hand, attempt, more }
    }

    /// The deliveries in the job, with their attempt numbers.
    pub(super) fn attempts(&self) -> Vec<(usize, i64)> {
        let first = (self.hand.place(), self.attempt);
        std::iter::once(first).chain(self.more.iter().copied()).collect()
    }
}

/// Settled events: the results of their requests, and what happens next with each.
pub(super) type Done = Vec<(InHand, Vec<Settlement>, Then)>;

/// Writes the results of a job's events, and further steps in the same commit.
pub(super) async fn settle(context: &Context, done: Done, others: Vec<Step>, answered: Option<Outcome>) -> Report {
    let steps: Vec<Step> = done.iter().flat_map(steps).chain(others).collect();
    let events = done.into_iter().map(|(hand, _, then)| (hand, then));
    match context.settle(&steps).await {
        Ok(()) => Report::of(events.collect(), answered),
        Err(Unwritten) => Report::unwritten(events.map(|(hand, _)| hand).collect()),
    }
}

/// The steps to write for an event: its requests; the last one carries what happens next with the event.
fn steps((_, settlements, then): &(InHand, Vec<Settlement>, Then)) -> Vec<Step> {
    let step = |settlement: Option<&Settlement>, then: Then| Step {
        settlement: settlement.cloned(),
        then,
    };
    let Some((last, before)) = settlements.split_last() else {
        return vec![step(None, then.clone())];
    };
    let before = before.iter().map(|settlement| step(Some(settlement), Then::Stay));
    before.chain([step(Some(last), then.clone())]).collect()
}

/// Applies the job's outcome to each request.
pub(super) fn each(context: &Context, items: Vec<Item>, outcome: &Outcome, blame: Blame) -> Done {
    items
        .into_iter()
        .map(|item| {
            let attempts = item.attempts();
            let mut hand = item.hand;
            let mut settlements = Vec::with_capacity(attempts.len());
            let mut then = Then::Stay;
            for (place, attempt) in attempts {
                hand.stand_at(place);
                let (settlement, next) = judge(context, &mut hand, attempt, outcome.clone(), "", blame);
                settlements.push(settlement);
                then = next;
            }
            (hand, settlements, then)
        })
        .collect()
}

/// Sends all items of a job again, in jobs of at most `largest` items.
pub(super) fn taken_apart(context: &Context, items: Vec<Item>, largest: usize, words: &str) -> Done {
    items
        .into_iter()
        .map(|item| again(context, item, largest, words))
        .collect()
}

/// Sends an event again at once. The attempts do not count, because nothing indicates that it is the cause.
pub(super) fn again(context: &Context, item: Item, largest: usize, words: &str) -> (InHand, Vec<Settlement>, Then) {
    let attempts = item.attempts();
    let first = item.hand.place();
    let mut hand = item.hand;
    hand.largest_job = largest;
    let words = format!("its bulk job was taken apart: {words}");
    let mut settlements = Vec::with_capacity(attempts.len());
    for (place, attempt) in attempts {
        hand.stand_at(place);
        settlements.push(unsent(context, &hand, attempt, &words));
    }
    hand.stand_at(first);
    (hand, settlements, Then::Stay)
}

/// The result of an attempt that gives no information about the current request.
pub(super) fn unsent(context: &Context, hand: &InHand, attempt: i64, words: &str) -> Settlement {
    let mut outcome = Outcome::of(OutcomeKind::Retry);
    outcome.error = Some(words.to_owned());
    Settlement {
        delivery: hand.delivery().id,
        attempt,
        outcome,
        status: DeliveryStatus::Pending,
        reason: None,
        request: None,
        counts: false,
        failed: false,
        now: context.now(),
    }
}
