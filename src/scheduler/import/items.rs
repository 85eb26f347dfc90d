//! The items of a job that is over, read from the outbox in the job's order, and their results.

use std::collections::HashMap;

use crate::klaviyo::bulk::{BulkJob, ImportError, item_of};
use crate::model::{DeliveryKind, DeliveryStatus, EventId, ImportJobId, Outcome, OutcomeKind, Reason};
use crate::outbox::{ImportItem, Next, ReadError, Settlement, Transition};

use super::{Context, End};
use crate::scheduler::active::ActiveEvent;
use crate::scheduler::context::Blame;
use crate::scheduler::item::{self, Done, Item, again, each, taken_apart};
use crate::scheduler::policy::Cause;
use crate::scheduler::report::Report;

/// A job as it was sent.
pub(super) struct Frozen {
    /// The events that wait for it, each with its place in the job.
    waiting: Vec<(usize, Item)>,
    /// The events that wait for it but cannot be loaded: their payload was removed by hand.
    strays: Vec<ImportItem>,
    /// The request, built again; `None` when a body is missing, or does not fit.
    request: Option<BulkJob>,
}

/// Reads a job and its events from the outbox.
pub(super) async fn frozen(context: &Context, job: ImportJobId) -> Result<Frozen, ReadError> {
    let outbox = &context.scheduler.outbox;
    let items = outbox.import_items(job).await?;
    let events: Vec<EventId> = items.iter().map(|item| item.event).collect();
    let events = outbox.claimed(&events).await?;
    let mut batch: HashMap<EventId, ActiveEvent> = events
        .into_iter()
        .map(|event| (event.id, ActiveEvent::new(event).0))
        .collect();
    let request = request(&items);
    let (mut waiting, mut strays) = (Vec::with_capacity(items.len()), Vec::new());
    for (place, item) in items.into_iter().enumerate() {
        if !item.open {
            continue;
        }
        let active = batch.remove(&item.event);
        match active.filter(|active| active.stands_at(item.delivery)) {
            Some(mut active) => {
                // From here on only the stored bodies are sent; the call is not needed.
                active.event.payload = String::new();
                active.event.envelope = None;
                let attempts = vec![(active.place, item.attempt)];
                waiting.push((place, Item { active, attempts }));
            }
            None => strays.push(item),
        }
    }
    Ok(Frozen {
        waiting,
        strays,
        request,
    })
}

fn request(items: &[ImportItem]) -> Option<BulkJob> {
    let mut job = BulkJob::new(DeliveryKind::Profile, None)?;
    for item in items {
        job.add(item.request.as_deref()?).ok()?;
    }
    Some(job)
}

/// Settles the items of a job by its result, which closes the job in the outbox.
pub(super) async fn settle(context: &Context, end: End, frozen: Frozen) -> Report {
    let waiting = frozen.waiting;
    let done = match end {
        End::Complete(errors) => {
            let failed = errors.and_then(|errors| failed(frozen.request.as_ref()?, errors));
            by_errors(context, waiting, failed.as_ref())
        }
        End::Cancelled => taken_apart(context, items(waiting), 1, "Klaviyo cancelled it"),
        End::Unclear(why) => {
            let why = Reason::from(&Cause::ImportUnclear(why));
            let mut unknown = Outcome::of(OutcomeKind::Unknown);
            (unknown.reason_code, unknown.error) = (Some(why.code), Some(why.text));
            // Nothing indicates that an item is the cause: the attempt does not count.
            each(context, items(waiting), &unknown, Blame::NOBODY)
        }
    };
    let strays = frozen.strays.iter().map(|item| given_back(context, item)).collect();
    item::settle(context, done, strays, None).await
}

fn items(waiting: Vec<(usize, Item)>) -> Vec<Item> {
    waiting.into_iter().map(|(_, item)| item).collect()
}

/// The items that the job's errors name, with the error text; `None` when an error cannot be assigned to an item.
fn failed(job: &BulkJob, errors: Vec<ImportError>) -> Option<HashMap<usize, String>> {
    errors
        .into_iter()
        .map(|error| Some((item_of(job, &error)?, error.words)))
        .collect()
}

/// The items that an error names are sent again singly, to get an answer of their own. The others are delivered.
fn by_errors(context: &Context, waiting: Vec<(usize, Item)>, failed: Option<&HashMap<usize, String>>) -> Done {
    let Some(failed) = failed else {
        let words = "the errors of its bulk import do not name an item";
        return taken_apart(context, items(waiting), 1, words);
    };
    let accepted = Outcome::of(OutcomeKind::Accepted);
    let mut done = Vec::with_capacity(waiting.len());
    for (place, item) in waiting {
        match failed.get(&place) {
            Some(words) => done.push(again(context, item, 1, words)),
            None => done.extend(each(context, vec![item], &accepted, Blame::NOBODY)),
        }
    }
    done
}

/// Requeues an item whose event cannot be loaded: the next intake finds the cause.
fn given_back(context: &Context, item: &ImportItem) -> Transition {
    let now = context.now();
    Transition {
        settlement: Some(Settlement {
            delivery: item.delivery,
            attempt: item.attempt,
            outcome: Outcome::of(OutcomeKind::Unknown),
            status: DeliveryStatus::Unknown,
            reason: Some(Reason::from(&Cause::ImportChanged)),
            request: None,
            counts: false,
            failed: false,
            now,
        }),
        next: Next::Reschedule {
            event: item.event,
            due: now,
            parked: None,
        },
    }
}
