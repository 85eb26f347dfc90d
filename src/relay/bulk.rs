//! Many requests in one job: written down one by one, sent together, settled one by one. A refused or unclear job is
//! taken apart, so that one bad item never costs a good one.

use std::time::Duration;

use tracing::{Instrument as _, Span, field};

use crate::klaviyo::bulk::{BulkJob, named_items};
use crate::model::{DeliveryKind, DeliveryStatus, Outcome, OutcomeKind};
use crate::outbox::{Begun, Settlement, Start, Step, Then};

use crate::telemetry;

use super::context::{Blame, Context, Unwritten, request_id};
use super::desk::Report;
use super::hand::InHand;
use super::import;
use super::single::{BUSY_PAUSE, judge};

/// An item of a job: the event and the number of its attempt.
pub(super) struct Item {
    pub(super) hand: InHand,
    pub(super) attempt: i64,
}

/// Sends what was taken for one job.
pub(super) async fn send(
    context: &Context,
    hands: Vec<InHand>,
    blame: Blame,
    timeout: Duration,
) -> Report {
    let starts: Vec<Start> = hands
        .iter()
        .map(|hand| Start {
            delivery: hand.delivery().id,
            sent_to: context.settings.sent_to.clone(),
            request: None,
            now: context.now(),
        })
        .collect();
    let Ok(begun) = context.begin(&starts).await else {
        return Report::unwritten(hands);
    };
    let (items, mut done) = sort(context, hands, &begun);
    let (settled, answered) = match job(&items) {
        Some(job) => {
            let span = span(&items);
            exchange(context, &job, items, blame, timeout)
                .instrument(span)
                .await
        }
        // Nothing of it is left to send; or, which cannot be, it does not fit: each by itself then.
        None => (
            taken_apart(context, items, 1, "the job could not be built"),
            None,
        ),
    };
    done.extend(settled);
    let (hands, steps): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    match context.settle(&steps).await {
        Ok(()) => {
            let thens = steps.into_iter().map(|step| step.then);
            Report::of(hands.into_iter().zip(thens).collect(), answered)
        }
        Err(Unwritten) => Report::unwritten(hands),
    }
}

fn span(items: &[Item]) -> Span {
    let span = tracing::info_span!(
        "job",
        items = items.len(),
        http.status = field::Empty,
        klaviyo.request_id = field::Empty,
    );
    for Item { hand, .. } in items {
        telemetry::linked(&span, &hand.event.source, &hand.event.message_id);
    }
    span
}

type Done = Vec<(InHand, Step)>;

/// Those that may go, and the steps of those that may not.
fn sort(context: &Context, hands: Vec<InHand>, begun: &[Begun]) -> (Vec<Item>, Done) {
    let (mut items, mut done) = (Vec::with_capacity(hands.len()), Vec::new());
    for (mut hand, begun) in hands.into_iter().zip(begun) {
        let then = match begun {
            Begun::Go { attempt } => {
                items.push(Item {
                    hand,
                    attempt: *attempt,
                });
                continue;
            }
            Begun::Duplicate => {
                hand.delivery_mut().status = DeliveryStatus::Duplicate;
                hand.end(context)
            }
            Begun::Busy => hand.release(context.now().plus(BUSY_PAUSE)),
        };
        done.push((
            hand,
            Step {
                settlement: None,
                then,
            },
        ));
    }
    (items, done)
}

fn job(items: &[Item]) -> Option<BulkJob> {
    let first = items.first()?.hand.delivery();
    let mut job = BulkJob::new(first.kind, first.list_id.as_deref())?;
    for item in items {
        job.add(item.hand.delivery().request.as_deref()?).ok()?;
    }
    Some(job)
}

async fn exchange(
    context: &Context,
    job: &BulkJob,
    items: Vec<Item>,
    blame: Blame,
    timeout: Duration,
) -> (Done, Option<Outcome>) {
    let kind = items[0].hand.delivery().kind;
    let sender = &context.settings.sender;
    let (outcome, answer) = sender
        .send(&job.route(), job.body(), context.now(), timeout)
        .await;
    let answered = outcome.clone();
    Span::current().record("http.status", outcome.http_status.map(i64::from));
    Span::current().record("klaviyo.request_id", request_id(&outcome));
    tracing::debug!(
        %kind,
        items = items.len(),
        bytes = job.bytes(),
        http.status = outcome.http_status,
        outcome = %outcome.kind,
        klaviyo.request_id = request_id(&outcome),
        "bulk job"
    );
    let done = match outcome.kind {
        OutcomeKind::Accepted if kind == DeliveryKind::Profile => {
            import::wait(context, job, items, &answer, blame).await
        }
        OutcomeKind::Refused | OutcomeKind::Conflict => {
            refused(context, job, items, &outcome, &answer)
        }
        // Whatever is wrong, it may be wrong with one item: in halves, that one is alone soon. The breaker sees to it
        // that an outage is not met by all of them.
        OutcomeKind::Retry | OutcomeKind::Stopped
            if outcome.http_status != Some(429) && items.len() > 1 =>
        {
            let words = outcome.error.as_deref().unwrap_or("no words");
            let half = items.len().div_ceil(2);
            taken_apart(context, items, half, words)
        }
        // An unclear job is not sent again: its items are unknown now, and go singly when their time comes.
        OutcomeKind::Accepted
        | OutcomeKind::Retry
        | OutcomeKind::Unknown
        | OutcomeKind::Stopped => each(context, items, &outcome, blame),
    };
    (done, Some(answered))
}

/// The job's outcome is each item's.
pub(super) fn each(context: &Context, items: Vec<Item>, outcome: &Outcome, blame: Blame) -> Done {
    items
        .into_iter()
        .map(|Item { mut hand, attempt }| {
            let (settlement, then) = judge(context, &mut hand, attempt, outcome.clone(), "", blame);
            (
                hand,
                Step {
                    settlement: Some(settlement),
                    then,
                },
            )
        })
        .collect()
}

/// A refused job: the items its error names are judged alone, the others go again without them; when it names none,
/// all go again in halves.
fn refused(
    context: &Context,
    job: &BulkJob,
    items: Vec<Item>,
    outcome: &Outcome,
    answer: &[u8],
) -> Done {
    let words = outcome.error.as_deref().unwrap_or("no words");
    let named = named_items(job, answer);
    if named.is_empty() {
        let half = items.len() / 2;
        return taken_apart(context, items, half, words);
    }
    let mut done = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let own = named.iter().find(|named| named.index == at);
        let (largest, words) = match own {
            Some(named) => (1, named.words.as_str()),
            None => (usize::MAX, "another item of its bulk job was refused"),
        };
        done.push(again(context, item, largest, words));
    }
    done
}

/// Sends all of a job's items again, in jobs of at most `largest`.
fn taken_apart(context: &Context, items: Vec<Item>, largest: usize, words: &str) -> Done {
    items
        .into_iter()
        .map(|item| again(context, item, largest, words))
        .collect()
}

/// An item goes again at once; the attempt is not counted, since nothing says that it was at fault.
pub(super) fn again(context: &Context, item: Item, largest: usize, words: &str) -> (InHand, Step) {
    let Item { mut hand, attempt } = item;
    hand.largest_job = largest;
    let mut outcome = Outcome::of(OutcomeKind::Retry);
    outcome.error = Some(format!("its bulk job was taken apart: {words}"));
    let settlement = Settlement {
        delivery: hand.delivery().id,
        attempt,
        outcome,
        status: DeliveryStatus::Pending,
        reason: None,
        request: None,
        counts: false,
        failed: false,
        now: context.now(),
    };
    (
        hand,
        Step {
            settlement: Some(settlement),
            then: Then::Stay,
        },
    )
}
