//! The events of a bulk job, each with its requests in the job, and their results: settled by the job's outcome, or
//! sent again in smaller jobs.

use crate::model::{DeliveryStatus, Outcome, OutcomeKind};
use crate::outbox::{Next, Settlement, Transition};

use super::active::ActiveEvent;
use super::context::{Blame, Context, WriteGaveUp};
use super::report::Report;
use super::single::judge;

/// An event in a job, at the first of its requests that are in the job.
pub(super) struct Item {
    pub(super) active: ActiveEvent,
    /// These requests: the index of the delivery, and the attempt number.
    pub(super) attempts: Vec<(usize, i64)>,
}

/// Settled events: the results of their requests, and what happens next with each.
pub(super) type Done = Vec<(ActiveEvent, Vec<Settlement>, Next)>;

/// Writes the results of a job's events, and further steps in the same commit.
pub(super) async fn settle(
    context: &Context,
    done: Done,
    others: Vec<Transition>,
    answered: Option<Outcome>,
) -> Report {
    let mut transitions = Vec::with_capacity(done.len() + others.len());
    let mut events = Vec::with_capacity(done.len());
    for (active, settlements, next) in done {
        let mut settlements = settlements.into_iter();
        let last = settlements.next_back();
        transitions.extend(settlements.map(|settlement| Transition {
            settlement: Some(settlement),
            next: Next::Continue,
        }));
        // The last request carries what happens next with the event.
        transitions.push(Transition {
            settlement: last,
            next: next.clone(),
        });
        events.push((active, next));
    }
    transitions.extend(others);
    match context.settle(&transitions).await {
        Ok(()) => Report::of(events, answered),
        Err(WriteGaveUp) => Report::unwritten(events.into_iter().map(|(active, _)| active).collect()),
    }
}

/// Applies the job's outcome to each request.
pub(super) fn each(context: &Context, items: Vec<Item>, outcome: &Outcome, blame: Blame) -> Done {
    items
        .into_iter()
        .map(|Item { mut active, attempts }| {
            let mut settlements = Vec::with_capacity(attempts.len());
            let mut last = Next::Continue;
            for (place, attempt) in attempts {
                active.place = place;
                let (settlement, next) = judge(context, &mut active, attempt, outcome.clone(), "", blame);
                settlements.push(settlement);
                last = next;
            }
            (active, settlements, last)
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
pub(super) fn again(
    context: &Context,
    item: Item,
    largest: usize,
    words: &str,
) -> (ActiveEvent, Vec<Settlement>, Next) {
    let Item { mut active, attempts } = item;
    let first = active.place;
    active.largest_job = largest;
    let words = format!("its bulk job was taken apart: {words}");
    let mut settlements = Vec::with_capacity(attempts.len());
    for (place, attempt) in attempts {
        active.place = place;
        settlements.push(unsent(context, &active, attempt, &words));
    }
    active.place = first;
    (active, settlements, Next::Continue)
}

/// The result of an attempt that gives no information about the current request.
pub(super) fn unsent(context: &Context, active: &ActiveEvent, attempt: i64, words: &str) -> Settlement {
    let mut outcome = Outcome::of(OutcomeKind::Retry);
    outcome.error = Some(words.to_owned());
    Settlement {
        delivery: active.delivery().id,
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
