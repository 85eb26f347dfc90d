//! Import jobs, from the answer to one to its end: Klaviyo works on it for a while, and only then may what stands behind
//! its people go, or older traits end over newer ones.
//!
//! A job is in the books of the outbox from before it is sent until its items are settled, and so are its events. What
//! watches it here keeps nothing else: after a restart it is taken up from the books, and at a stop it is dropped at
//! once. A job whose id is known is asked about ([`mod@watch`]); one whose answer was lost is looked for ([`lost`]); when it is
//! over, its items are read from the books and settled ([`items`]). Each wait is bounded.

mod items;
mod lost;
mod sent;
mod watch;

pub(super) use sent::{Begun, Watch, may_run, sent};

use std::time::Duration;

use crate::klaviyo::Route;
use crate::klaviyo::bulk::ImportError;
use crate::model::{Family, Outcome};
use crate::outbox::OpenImport;
use crate::scheduler::JOBS_IN_AIR;

use super::context::{Context, error_chain};
use super::report::Report;

/// A job is asked about no more often than this.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// The pause before the books are read again that could not be read.
const READ_PAUSE: Duration = Duration::from_secs(1);

/// How the watch of a job ends.
enum End {
    /// Klaviyo finished it; with its errors, where they could all be read.
    Complete(Option<Vec<ImportError>>),
    /// Klaviyo cancelled it: none of its items is known to have been taken.
    Cancelled,
    /// What became of it cannot be found out; why.
    Unclear(&'static str),
}

/// The jobs that an earlier run left open. Tries until they can be read, or the relay stops.
pub(super) async fn left_open(context: &Context) -> Vec<OpenImport> {
    let outbox = &context.relay.outbox;
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

/// Watches a job to its end and settles its items; `None` when the relay stops meanwhile: the books keep the job.
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

/// Reads the books until they can be read; `None` when the relay stops meanwhile.
async fn read<T, E, F>(context: &Context, read: impl Fn() -> F) -> Option<T>
where
    F: Future<Output = Result<T, E>>,
    E: std::error::Error,
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

/// The pause between two requests about a job, so that all jobs together stay within our share of a minute's limit.
fn pause(context: &Context) -> Duration {
    let policy = &context.settings.policy;
    let a_minute = f64::from(policy.limits.of(Family::ProfileBulkStatus).steady) * policy.limit_share;
    let jobs = f64::from(u32::try_from(JOBS_IN_AIR).unwrap_or(u32::MAX));
    Duration::from_secs_f64((60.0 * jobs / a_minute.max(1.0)).min(60.0)).max(ASK_EVERY)
}

/// Asks something about import jobs.
async fn get(context: &Context, route: &Route) -> (Outcome, Vec<u8>) {
    let settings = &context.settings;
    let timeout = settings.policy.timeout;
    let (outcome, answer) = settings.sender.get(route, timeout, context.now()).await;
    let metrics = &context.relay.instruments.metrics;
    metrics.request_out(Family::ProfileBulkStatus, outcome.http_status);
    (outcome, answer)
}
