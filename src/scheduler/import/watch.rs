//! A job whose id is known: it is polled until it is over.

use std::time::Duration;

use crate::klaviyo::bulk::{
    ImportError, ImportJob, ImportStatus, import_errors, import_errors_route, import_job, import_job_route,
    next_page_route,
};
use crate::model::{Outcome, OutcomeKind, Timestamp};

use super::{Context, End, get, pause};

/// The longest wait, after it was sent, for a job that Klaviyo reports as queued or running. The job would overwrite
/// traits that are sent singly meanwhile, so a long wait is worth it; but a job that hangs at Klaviyo must not block
/// its people for ever. Klaviyo documents no bound; jobs of the size used here are done in seconds to minutes.
const RUNS_AT_MOST: Duration = Duration::from_hours(1);
/// After this time without information (no answer, 500, no permission), it is unknown whether the job still runs.
const SILENT_AT_MOST: Duration = Duration::from_mins(5);

/// The state of a job, by an answer.
#[derive(Debug, PartialEq, Eq)]
enum JobState {
    /// It is over, with or without a result.
    Ended(ImportJob),
    /// It is queued or running.
    Running,
    /// Klaviyo does not know it, so it cannot run any more.
    NotFound,
    /// The answer contains no state.
    Unknown,
}

/// Whether the watch of a job that is not over ends, and why. `age`: the time since it was sent. `silent`: the time
/// since Klaviyo last reported that it runs, or since the watch began.
fn given_up(state: &JobState, age: Duration, silent: Duration) -> Option<&'static str> {
    match state {
        JobState::NotFound => Some("Klaviyo does not know its import job any more"),
        JobState::Running if age >= RUNS_AT_MOST => Some("its import job was not over after an hour"),
        JobState::Unknown if silent >= SILENT_AT_MOST => {
            Some("its import job was accepted, and its end never reported")
        }
        JobState::Ended(_) | JobState::Running | JobState::Unknown => None,
    }
}

/// Polls the job until it is over, or until no result is to be expected any more.
pub(super) async fn followed(context: &Context, id: &str, state: Option<ImportJob>, began: Timestamp) -> End {
    let (mut waited, mut silent) = (Duration::ZERO, Duration::ZERO);
    // The answer to the job may already report its end. After a start there is no answer, so the job is polled at once.
    let mut known = match state {
        Some(job) => state_of(job),
        None => poll(&context.current(), id).await,
    };
    loop {
        let context = context.current();
        match known {
            JobState::Ended(job) => return ended(&context, &job).await,
            JobState::Running => silent = Duration::ZERO,
            JobState::NotFound | JobState::Unknown => {}
        }
        // A clock that was set back does not prolong the wait.
        let age = context.now().since(began).max(waited);
        if let Some(why) = given_up(&known, age, silent) {
            tracing::warn!(job = id, why, "an import job is given up; its items are sent singly");
            return End::Unclear(why);
        }
        let pause = pause(&context);
        tokio::time::sleep(pause).await;
        (waited, silent) = (waited + pause, silent + pause);
        known = poll(&context, id).await;
    }
}

async fn poll(context: &Context, id: &str) -> JobState {
    let (outcome, answer) = get(context, &import_job_route(id)).await;
    import_job(&answer).map_or_else(|| state_without_a_job(&outcome), state_of)
}

fn state_of(job: ImportJob) -> JobState {
    match job.status {
        ImportStatus::Complete | ImportStatus::Cancelled => JobState::Ended(job),
        ImportStatus::Queued | ImportStatus::Processing => JobState::Running,
        ImportStatus::Other => JobState::Unknown,
    }
}

/// Only Klaviyo's own 404 means that there is no such job. A proxy's 404 is not a refusal and means nothing.
fn state_without_a_job(outcome: &Outcome) -> JobState {
    if outcome.http_status == Some(404) && outcome.kind == OutcomeKind::Refused {
        JobState::NotFound
    } else {
        JobState::Unknown
    }
}

async fn ended(context: &Context, job: &ImportJob) -> End {
    tracing::debug!(job = job.id, failed = job.failed, "an import job is over");
    match job.status {
        ImportStatus::Cancelled => End::Cancelled,
        ImportStatus::Complete | ImportStatus::Queued | ImportStatus::Processing | ImportStatus::Other => {
            End::Complete(errors(context, job).await)
        }
    }
}

/// All errors of a job, page by page; `None` when not all of them could be read.
async fn errors(context: &Context, job: &ImportJob) -> Option<Vec<ImportError>> {
    const MOST_PAGES: usize = 100;
    if job.failed == Some(0) {
        return Some(Vec::new());
    }
    let first = import_errors_route(&job.id);
    let mut errors = Vec::new();
    let mut next = Some(first.clone());
    for _ in 0..MOST_PAGES {
        let Some(route) = next.take() else { break };
        let (_, answer) = get(context, &route).await;
        errors.extend(import_errors(&answer)?);
        next = next_page_route(&first, &answer);
        if next.is_some() {
            tokio::time::sleep(pause(context)).await;
        }
    }
    let read = u64::try_from(errors.len()).unwrap_or(u64::MAX);
    let all = next.is_none() && job.failed.is_none_or(|failed| read >= failed);
    all.then_some(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_job_that_runs_is_waited_for_an_hour() {
        let runs = |age| given_up(&JobState::Running, age, Duration::ZERO);
        assert_eq!(runs(59 * MINUTE), None);
        assert!(runs(60 * MINUTE).is_some());
    }

    #[test]
    fn a_job_without_a_reported_state_is_waited_for_five_minutes_however_old_it_is() {
        let nothing = |silent| given_up(&JobState::Unknown, 100 * MINUTE, silent);
        assert_eq!(nothing(4 * MINUTE), None);
        assert!(nothing(5 * MINUTE).is_some());
    }

    #[test]
    fn a_job_that_klaviyo_does_not_know_is_given_up_at_once() {
        assert!(given_up(&JobState::NotFound, Duration::ZERO, Duration::ZERO).is_some());
    }

    #[test]
    fn only_klaviyos_own_404_means_that_there_is_no_job() {
        let state = |status, kind| {
            let mut outcome = Outcome::of(kind);
            outcome.http_status = Some(status);
            state_without_a_job(&outcome)
        };
        assert_eq!(state(404, OutcomeKind::Refused), JobState::NotFound);
        for (status, kind) in [
            (404, OutcomeKind::Retry),
            (403, OutcomeKind::Stopped),
            (400, OutcomeKind::Refused),
            (500, OutcomeKind::Retry),
        ] {
            assert_eq!(state(status, kind), JobState::Unknown, "{status} {kind}");
        }
    }
}
