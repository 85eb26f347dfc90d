//! A job whose id is not known: its answer was lost, or the daemon ended before the answer came. It is searched for in
//! Klaviyo's list of jobs.
//!
//! The items wait while a listed job could be this one, but it is never certain that it is. So the only conclusion is
//! that the items may be sent again, singly: after the job has run, that changes nothing.

use std::collections::HashSet;
use std::time::Duration;

use crate::klaviyo::bulk::{ImportJob, ImportStatus, import_jobs, import_jobs_route, next_page_route};
use crate::model::Timestamp;
use crate::outbox::OpenImport;

use super::{Context, End, get, pause, read};

/// The largest difference between Klaviyo's clock and ours.
const SKEW: Duration = Duration::from_mins(2);
/// A job that is not listed after this time was never made: a new job is listed at once, or after a few seconds.
const LISTED_WITHIN: Duration = Duration::from_secs(30);
/// The longest wait after the job was sent, whatever the list contains.
const AT_MOST: Duration = Duration::from_mins(15);
/// Pages of a hundred jobs each. When more were made in the few minutes that are searched, the oldest are left out.
const MOST_PAGES: usize = 10;

/// Whether a listed job can be the one that was sent with `items` items at `began`. `ours`: the ids of our other jobs.
fn can_be(listed: &ImportJob, began: Timestamp, items: u64, ours: &HashSet<String>) -> bool {
    listed.created.is_none_or(|created| created >= began.minus(SKEW))
        && listed.total.is_none_or(|total| total == items)
        && !ours.contains(&listed.id)
}

/// Whether the search ends and the items may be sent again, and why. `candidates`: the jobs that could be this one,
/// `None` when the list request was not answered. `looked`: how long the search has run, at least. `age`: the time
/// since the job was sent.
fn given_up(candidates: Option<&[ImportStatus]>, looked: Duration, age: Duration) -> Option<&'static str> {
    if age >= AT_MOST {
        return Some("the answer to its import job was lost, and the job was not found in time");
    }
    match candidates? {
        [] if looked >= LISTED_WITHIN => Some("the answer to its import job was lost, and Klaviyo lists no such job"),
        [] => None,
        some if some.iter().all(|status| status.is_over()) => {
            Some("the answer to its import job was lost; the job is over")
        }
        _ => None,
    }
}

/// Searches for the job until it is over, or until it cannot be expected any more.
pub(super) async fn looked_for(context: &Context, job: &OpenImport) -> End {
    let mut looked = Duration::ZERO;
    loop {
        let context = context.current();
        let candidates = candidates(&context, job).await;
        // A clock that was set back does not prolong the wait.
        let age = context.now().since(job.began).max(looked);
        if let Some(why) = given_up(candidates.as_deref(), looked, age) {
            tracing::info!(items = job.items, why, "items of an import job are sent singly");
            return End::Unclear(why);
        }
        let pause = pause(&context);
        tokio::time::sleep(pause).await;
        looked += pause;
    }
}

/// The states of the listed jobs that could be this one; `None` when the list cannot be read.
async fn candidates(context: &Context, job: &OpenImport) -> Option<Vec<ImportStatus>> {
    let outbox = &context.scheduler.outbox;
    // Our own jobs that the list can contain.
    let since = job.began.minus(SKEW * 2);
    let ours = read(context, || outbox.known_imports(since)).await?;
    let first = import_jobs_route();
    let mut next = Some(first.clone());
    let mut found = Vec::new();
    for _ in 0..MOST_PAGES {
        let Some(route) = next.take() else { break };
        let (_, answer) = get(context, &route).await;
        let jobs = import_jobs(&answer)?;
        let before = |listed: &ImportJob| listed.created.is_some_and(|at| at < job.began.minus(SKEW));
        // The newest jobs come first.
        let more = !jobs.last().is_some_and(before);
        next = next_page_route(&first, &answer).filter(|_| more);
        let can_be = |listed: &&ImportJob| can_be(listed, job.began, job.items, &ours);
        found.extend(jobs.iter().filter(can_be).map(|listed| listed.status));
        if next.is_some() {
            tokio::time::sleep(pause(context)).await;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: Timestamp = Timestamp::from_millis(1_795_430_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn listed(id: &str, created: Option<Timestamp>, total: Option<u64>) -> ImportJob {
        ImportJob {
            id: id.to_owned(),
            status: ImportStatus::Queued,
            created,
            total,
            completed: None,
            failed: None,
        }
    }

    #[test]
    fn a_job_of_its_time_and_size_that_is_not_another_of_ours_can_be_it() {
        let ours = HashSet::from(["ours".to_owned()]);
        let can_be = |id, created, total| can_be(&listed(id, created, total), BEGAN, 300, &ours);
        assert!(can_be("a", Some(BEGAN), Some(300)));
        assert!(can_be("a", Some(BEGAN.minus(120 * SECOND)), Some(300)));
        assert!(can_be("a", Some(BEGAN.plus(600 * SECOND)), Some(300)));
        assert!(can_be("a", None, None), "a missing value excludes no job");
        assert!(!can_be("a", Some(BEGAN.minus(121 * SECOND)), Some(300)));
        assert!(!can_be("a", Some(BEGAN), Some(299)));
        assert!(!can_be("ours", Some(BEGAN), Some(300)));
    }

    #[test]
    fn while_one_that_can_be_it_is_not_over_the_items_wait() {
        use ImportStatus::{Cancelled, Complete, Other, Processing, Queued};
        let late = 14 * 60 * SECOND;
        let waits = |candidates: &[ImportStatus]| given_up(Some(candidates), late, late).is_none();
        for running in [Queued, Processing, Other] {
            assert!(waits(&[running]));
            assert!(waits(&[Complete, running]));
        }
        assert!(!waits(&[Complete]));
        assert!(!waits(&[Cancelled, Complete]));
    }

    #[test]
    fn when_one_is_over_and_none_runs_the_items_go_at_once() {
        let over = [ImportStatus::Complete];
        assert!(given_up(Some(&over), Duration::ZERO, Duration::ZERO).is_some());
    }

    #[test]
    fn a_job_that_is_not_listed_for_half_a_minute_was_never_made() {
        let none = |looked| given_up(Some(&[]), looked, looked);
        assert_eq!(none(29 * SECOND), None);
        assert!(none(30 * SECOND).is_some());
    }

    #[test]
    fn a_list_that_is_not_answered_proves_nothing() {
        assert_eq!(given_up(None, 800 * SECOND, 800 * SECOND), None);
    }

    #[test]
    fn after_a_quarter_of_an_hour_the_items_go_whatever_is_listed() {
        let running = [ImportStatus::Processing];
        let late = 900 * SECOND;
        for candidates in [None, Some(&[][..]), Some(&running[..])] {
            assert!(given_up(candidates, Duration::ZERO, late).is_some());
        }
    }
}
