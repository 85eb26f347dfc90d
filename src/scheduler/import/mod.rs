//! Import jobs, from their answer to their end. Klaviyo processes a job for a while; until it is over, the later events
//! of its people must wait, or older traits could overwrite newer ones.
//!
//! A job and its events are in the outbox from before the job is sent until its items are settled. The task that
//! watches it keeps no other state: after a restart it continues from the outbox, and at a stop it ends at once. A job
//! whose id is known is polled ([`mod@watch`]); one whose answer was lost is searched for ([`lost`]). When it is over,
//! its items are read from the outbox and settled ([`items`]). Each wait is bounded.

mod items;
mod lost;
mod sent;
mod watch;

pub(super) use sent::{Watch, may_run, sent};

use std::time::Duration;

use crate::klaviyo::Route;
use crate::klaviyo::bulk::ImportError;
use crate::model::{Family, Outcome};
use crate::outbox::{OpenImport, ReadError};
use crate::scheduler::policy::JOBS_IN_FLIGHT;

use super::context::{Context, error_chain};
use super::report::Report;

/// The shortest time between two polls of a job.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// The delay before the outbox is read again after a failed read.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// How the watch of a job ends.
enum End {
    /// Klaviyo finished it. Contains its errors, where all of them could be read.
    Complete(Option<Vec<ImportError>>),
    /// Klaviyo cancelled it: none of its items is known to be accepted.
    Cancelled,
    /// Its result cannot be determined, for this reason.
    Unclear(&'static str),
}

/// The jobs that an earlier run left open. Tries until they can be read, or the scheduler stops.
pub(super) async fn left_open(context: &Context) -> Vec<OpenImport> {
    let outbox = &context.scheduler.outbox;
    let Some(jobs) = read(context, || outbox.open_imports()).await else {
        return Vec::new();
    };
    if !jobs.is_empty() {
        tracing::info!(
            jobs = jobs.len(),
            events = jobs.iter().map(|job| job.events.len()).sum::<usize>(),
            "import jobs of an earlier run are open; their events wait for them"
        );
    }
    jobs
}

/// Watches a job to its end and settles its items; `None` when the scheduler stops before: the job stays in the outbox.
pub(super) async fn watch(context: &Context, watch: Watch) -> Option<Report> {
    let Watch { job, state, .. } = watch;
    let followed = async {
        let end = match &job.klaviyo_id {
            Some(id) => watch::followed(context, id, state, job.began).await,
            None => lost::looked_for(context, &job).await,
        };
        let frozen = read(context, || items::frozen(context, job.id)).await?;
        Some((end, frozen))
    };
    let (end, frozen) = tokio::select! {
        biased;
        () = context.stop.cancelled() => return None,
        followed = followed => followed?,
    };
    Some(items::settle(&context.current(), end, frozen).await)
}

/// Repeats a read of the outbox until it succeeds; `None` when the scheduler stops before.
async fn read<T, F>(context: &Context, read: impl Fn() -> F) -> Option<T>
where
    F: Future<Output = Result<T, ReadError>>,
{
    loop {
        match read().await {
            Ok(found) => return Some(found),
            Err(error) => tracing::error!(
                error = %error_chain(&error),
                "failed to read import jobs; trying again"
            ),
        }
        tokio::select! {
            () = context.stop.cancelled() => return None,
            () = tokio::time::sleep(READ_PAUSE) => {}
        }
    }
}

/// The delay between two polls of a job, so that all jobs together stay within our share of the minute limit.
fn pause(context: &Context) -> Duration {
    let policy = &context.settings.policy;
    let a_minute = f64::from(policy.limits.of(Family::ProfileBulkStatus).steady) * policy.limit_share;
    let jobs = f64::from(u32::try_from(JOBS_IN_FLIGHT).unwrap_or(u32::MAX));
    Duration::from_secs_f64((60.0 * jobs / a_minute.max(1.0)).min(60.0)).max(ASK_EVERY)
}

/// Sends a GET request about import jobs.
async fn get(context: &Context, route: &Route) -> (Outcome, Vec<u8>) {
    let settings = &context.settings;
    let timeout = settings.policy.timeout;
    let (outcome, answer) = settings.sender.send(route, None, timeout, context.now()).await;
    let metrics = &context.scheduler.instruments.metrics;
    metrics.request_out(Family::ProfileBulkStatus, outcome.http_status);
    (outcome, answer)
}
