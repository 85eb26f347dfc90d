//! A bulk import of profiles, from its acceptance to its end: Klaviyo works on it for a while, and only then the
//! events behind these people may go.

use std::collections::HashMap;
use std::time::Duration;

use crate::klaviyo::Route;
use crate::klaviyo::bulk::{
    BulkJob, ImportError, ImportJob, ImportStatus, import_errors, import_errors_route, import_job,
    import_job_route, item_of, next_import_errors_route,
};
use crate::model::{Family, Outcome, OutcomeKind};
use crate::scheduler::JOBS_IN_AIR;

use super::bulk::{Done, Item, again, each};
use super::context::{Blame, Context};

/// A job is asked after no more often than this.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How often, at most: after this long, its people are sent singly, which is idempotent.
const ASK_TIMES: u32 = 150;

/// The pause between two requests about a job, so that all jobs in the air together stay within our share of a
/// minute's limit.
fn pause(context: &Context) -> Duration {
    let limits = &context.settings.policy.limits;
    let a_minute = f64::from(limits.of(Family::ProfileBulkStatus).steady) * limits.share;
    let jobs = f64::from(u32::try_from(JOBS_IN_AIR).unwrap_or(u32::MAX));
    Duration::from_secs_f64((60.0 * jobs / a_minute.max(1.0)).min(60.0)).max(ASK_EVERY)
}

/// Waits for the end of the job that `answer` tells of, and settles each item by it.
pub(super) async fn wait(
    context: &Context,
    job: &BulkJob,
    items: Vec<Item>,
    answer: &[u8],
    blame: Blame,
) -> Done {
    let mut unknown = Outcome::of(OutcomeKind::Unknown);
    unknown.error = Some("the bulk import was accepted, and its end never told".to_owned());
    let Some(import) = import_job(answer) else {
        return each(context, items, &unknown, blame);
    };
    let mut state = import;
    for _ in 0..ASK_TIMES {
        match state.status {
            ImportStatus::Complete => {
                let failed = failed_items(context, job, &state).await;
                return by_errors(context, items, failed.as_ref(), blame);
            }
            ImportStatus::Cancelled => {
                return items
                    .into_iter()
                    .map(|item| again(context, item, 1, "Klaviyo cancelled it"))
                    .collect();
            }
            ImportStatus::Queued | ImportStatus::Processing | ImportStatus::Other => {}
        }
        tokio::select! {
            () = context.stop.cancelled() => break,
            () = tokio::time::sleep(pause(context)) => {}
        }
        let answer = get(context, &import_job_route(&state.id)).await;
        if let Some(newer) = import_job(&answer) {
            state = newer;
        }
    }
    each(context, items, &unknown, blame)
}

async fn get(context: &Context, route: &Route) -> Vec<u8> {
    let timeout = context.settings.policy.timeout;
    let sender = &context.settings.sender;
    let (outcome, answer) = sender.get(route, timeout, context.now()).await;
    let metrics = &context.relay.instruments.metrics;
    metrics.request_out(Family::ProfileBulkStatus, outcome.http_status);
    answer
}

/// All errors of a job, page by page; `None` when they could not all be read.
async fn errors(context: &Context, id: &str) -> Option<Vec<ImportError>> {
    const MOST_PAGES: usize = 100;
    let mut errors = Vec::new();
    let mut next = Some(import_errors_route(id));
    for _ in 0..MOST_PAGES {
        let Some(route) = next.take() else {
            return Some(errors);
        };
        let answer = get(context, &route).await;
        errors.extend(import_errors(&answer)?);
        next = next_import_errors_route(id, &answer);
        if next.is_some() {
            tokio::time::sleep(pause(context)).await;
        }
    }
    None
}

/// Which items a finished job's errors are about, and their words; `None` when that is not certain for each.
async fn failed_items(
    context: &Context,
    job: &BulkJob,
    state: &ImportJob,
) -> Option<HashMap<usize, String>> {
    if state.failed == Some(0) {
        return Some(HashMap::new());
    }
    let errors = errors(context, &state.id).await?;
    let told = u64::try_from(errors.len()).unwrap_or(u64::MAX);
    if state.failed.is_some_and(|failed| told < failed) {
        return None;
    }
    errors
        .into_iter()
        .map(|error| Some((item_of(job, &error)?, error.words)))
        .collect()
}

/// Those an error is about are judged alone, with an answer of their own; the others are delivered.
fn by_errors(
    context: &Context,
    items: Vec<Item>,
    failed: Option<&HashMap<usize, String>>,
    blame: Blame,
) -> Done {
    let Some(failed) = failed else {
        let words = "the errors of its bulk import do not say whom they are about";
        return items
            .into_iter()
            .map(|item| again(context, item, 1, words))
            .collect();
    };
    let accepted = Outcome::of(OutcomeKind::Accepted);
    let mut done = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        match failed.get(&at) {
            Some(words) => done.push(again(context, item, 1, words)),
            None => done.extend(each(context, vec![item], &accepted, blame)),
        }
    }
    done
}
