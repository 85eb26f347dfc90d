//! Bulk jobs: many requests in one job. Their attempts are recorded one by one, sent together and settled one by one. A
//! refused or unclear job is split, so that one bad item never fails a good one. Klaviyo processes an import job after
//! its answer, so its items are settled when the job is over ([`import`]).

use std::time::Duration;

use tracing::{Instrument as _, Span, field};

use crate::klaviyo::bulk::{BulkJob, named_items};
use crate::model::{DeliveryKind, EventId, ImportJobId, Outcome, OutcomeKind, Timestamp};
use crate::outbox::{Begun, Start};

use crate::telemetry;

use super::context::{Blame, Context, WriteGaveUp, request_id};
use super::import::{self, Watch};
use super::item::{Done, Item, again, each, settle, taken_apart, unsent};
use super::queues::Part;
use super::report::Report;
use super::single::BUSY_PAUSE;

/// Sends the requests that were taken for one job.
pub(super) async fn send(context: &Context, parts: Vec<Part>, blame: Blame, timeout: Duration) -> Report {
    let starts: Vec<Start> = parts.iter().flat_map(|part| starts(context, part)).collect();
    let Ok((begun, import)) = begin(context, &parts, &starts).await else {
        return Report::unwritten(parts.into_iter().map(|part| part.active).collect());
    };
    let (items, mut done) = sort(context, parts, begun);
    let (settled, answered, watch) = match job(&items) {
        Some(job) => {
            let span = span(&items);
            let exchange = exchange(context, &job, items, import, blame, timeout);
            exchange.instrument(span).await
        }
        // No request is left to send, or (which should not happen) the requests do not fit: each one is sent singly.
        None => (taken_apart(context, items, 1, "the job could not be built"), None, None),
    };
    done.extend(settled);
    let report = settle(context, done, Vec::new(), answered).await;
    Report { watch, ..report }
}

fn starts<'a>(context: &'a Context, part: &'a Part) -> impl Iterator<Item = Start> + 'a {
    let first = part.active.place;
    let requests = &part.active.event.deliveries[first..first + part.requests];
    requests.iter().map(|delivery| Start {
        delivery: delivery.id,
        sent_to: context.settings.sent_to.clone(),
        request: None,
        now: context.now(),
    })
}

/// Records the start of the attempts. Profiles go in an import job, which is recorded too; its id and the time of its
/// start are returned.
async fn begin(
    context: &Context,
    parts: &[Part],
    starts: &[Start],
) -> Result<(Vec<Begun>, Option<(ImportJobId, Timestamp)>), WriteGaveUp> {
    let imports = |part: &Part| part.active.delivery().kind == DeliveryKind::Profile;
    if !parts.iter().all(imports) {
        return Ok((context.begin(starts).await?, None));
    }
    let at = context.now();
    let (id, begun) = context.begin_import(starts).await?;
    Ok((begun, Some((id, at))))
}

fn span(items: &[Item]) -> Span {
    let span = tracing::info_span!(
        "job",
        items = items.len(),
        http.status = field::Empty,
        klaviyo.request_id = field::Empty,
    );
    for Item { active, .. } in items {
        telemetry::linked(&span, active.event.traceparent.as_deref());
    }
    span
}

/// Separates the events that may be sent from those that may not, with the result of the latter. An event behind one
/// that may not be sent is not sent either.
fn sort(context: &Context, parts: Vec<Part>, begun: Vec<Begun>) -> (Vec<Item>, Done) {
    let (mut items, mut done) = (Vec::with_capacity(parts.len()), Vec::new());
    let mut stopped: Vec<EventId> = Vec::new();
    let mut begun = begun.into_iter();
    for Part { mut active, requests } in parts {
        let first = active.place;
        let own: Vec<Begun> = begun.by_ref().take(requests).collect();
        let mut attempts = Vec::with_capacity(requests);
        let busy = own.iter().any(|begun| matches!(begun, Begun::Busy));
        for (place, begun) in (first..).zip(own) {
            match begun {
                Begun::Go { attempt } => attempts.push((place, attempt)),
                Begun::Duplicate(copied) => {
                    active.place = place;
                    active.copied(copied);
                    active.settled.push(place);
                }
                Begun::Busy => {}
            }
        }
        active.place = first;
        if busy || active.run.is_some_and(|run| stopped.contains(&run)) {
            stopped.extend(active.run);
            let settlements = attempts.iter();
            let settlements = settlements.map(|(place, attempt)| {
                active.place = *place;
                unsent(context, &active, *attempt, "another request has to go first")
            });
            let settlements = settlements.collect();
            let then = active.release(context.now().plus(BUSY_PAUSE));
            done.push((active, settlements, then));
            continue;
        }
        let Some((place, _)) = attempts.first() else {
            let then = active.end(context);
            done.push((active, Vec::new(), then));
            continue;
        };
        active.place = *place;
        items.push(Item { active, attempts });
    }
    (items, done)
}

fn job(items: &[Item]) -> Option<BulkJob> {
    let first = items.first()?.active.delivery();
    let mut job = BulkJob::new(first.kind, first.list_id.as_deref())?;
    for item in items {
        for (place, _) in &item.attempts {
            job.add_item(item.active.item(*place)?).ok()?;
        }
    }
    Some(job)
}

/// Sends a job. Returns the settled events, the answer, and the job to be watched if Klaviyo is processing it: then its
/// items are settled when it is over.
async fn exchange(
    context: &Context,
    job: &BulkJob,
    items: Vec<Item>,
    import: Option<(ImportJobId, Timestamp)>,
    blame: Blame,
    timeout: Duration,
) -> (Done, Option<Outcome>, Option<Watch>) {
    let sender = &context.settings.sender;
    let (outcome, answer) = sender
        .send(&job.route(), Some(job.body()), timeout, context.now())
        .await;
    let answered = outcome.clone();
    Span::current().record("http.status", outcome.http_status.map(i64::from));
    Span::current().record("klaviyo.request_id", request_id(&outcome));
    tracing::debug!(
        kind = %job.kind(),
        items = items.len(),
        bytes = job.bytes(),
        http.status = outcome.http_status,
        outcome = %outcome.kind,
        klaviyo.request_id = request_id(&outcome),
        "bulk job"
    );
    if let Some(begun) = import.filter(|_| import::may_run(&outcome)) {
        let answer = (outcome.kind == OutcomeKind::Accepted).then_some(answer.as_slice());
        let watch = import::sent(context, begun, items.iter().map(|item| &item.active), answer).await;
        return (Vec::new(), Some(answered), Some(watch));
    }
    let words = outcome.error.as_deref().unwrap_or("no words");
    let settled = match outcome.kind {
        OutcomeKind::Refused | OutcomeKind::Conflict => refused(context, job, items, words, &answer),
        // The cause may be a single item: splitting the job in halves isolates that item in a few steps. In an
        // outage the circuit breaker stops the halves from being sent.
        OutcomeKind::Retry | OutcomeKind::Stopped if outcome.http_status != Some(429) && job.len() > 1 => {
            let half = items.len().div_ceil(2);
            taken_apart(context, items, half, words)
        }
        // An unclear job is not sent again as a job: its items become unknown, and are sent singly when they are due.
        OutcomeKind::Accepted | OutcomeKind::Retry | OutcomeKind::Unknown | OutcomeKind::Stopped => {
            each(context, items, &outcome, blame)
        }
    };
    (settled, Some(answered), None)
}

/// Handles a refused job. Events whose items the error names are sent again singly; the others are sent again without
/// them. When the error names no item, all items are sent again in halves.
fn refused(context: &Context, job: &BulkJob, items: Vec<Item>, words: &str, answer: &[u8]) -> Done {
    let named = named_items(job, answer);
    if named.is_empty() {
        let half = items.len() / 2;
        return taken_apart(context, items, half, words);
    }
    let mut done = Vec::with_capacity(items.len());
    let mut at = 0;
    for item in items {
        let own = at..at + item.attempts.len();
        at = own.end;
        let own = named.iter().find(|named| own.contains(&named.index));
        let (largest, words) = match own {
            Some(named) => (1, named.words.as_str()),
            None => (usize::MAX, "another item of its bulk job was refused"),
        };
        done.push(again(context, item, largest, words));
    }
    done
}
