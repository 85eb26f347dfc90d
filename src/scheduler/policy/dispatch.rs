//! How the next request of a family is sent: singly, or many in one job.

/// Below this many, a job is not worth its delay: single requests send them in the time that a job takes.
const FEWEST_FOR_A_JOB: usize = 50;
/// From this many events of one person on, a job is faster than sending them one after the other.
const FEWEST_IN_A_RUN: usize = 8;
/// Jobs of one family that may run concurrently, including those that Klaviyo processes after its answer. More would
/// not be faster: their limit is ten a second.
pub const JOBS_IN_FLIGHT: usize = 2;

/// What waits in a family, and what its limits allow at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// Requests that wait.
    pub waiting: usize,
    /// Those of them that may be sent in a job.
    pub bulkable: usize,
    /// Those that wait behind one that may be sent in a job, and may go in the same job. Singly, each would wait for
    /// the one before it.
    pub following: usize,
    /// Single requests that the limits allow now.
    pub single_room: usize,
    /// Single requests that the limits allow within about a second.
    pub clears: usize,
    /// Jobs that the limits allow now; 0 where jobs are switched off.
    pub job_room: usize,
    /// Jobs in flight, or being processed by Klaviyo.
    pub jobs: usize,
}

/// What to send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dispatch {
    /// One request by itself: the least delay.
    Single,
    /// As many as fit in one job: the most throughput.
    Job,
    /// Nothing now: nothing waits, or the limits allow nothing.
    Nothing,
}

/// Decides. Jobs are used for what single requests cannot send within the limits of about the next second. As soon as
/// single requests can, everything is sent singly again.
pub fn choose_dispatch(queue: QueueState) -> Dispatch {
    let many = queue.bulkable > queue.clears.max(FEWEST_FOR_A_JOB) || queue.following >= FEWEST_IN_A_RUN;
    if many && queue.job_room > 0 && queue.jobs < JOBS_IN_FLIGHT {
        return Dispatch::Job;
    }
    if queue.waiting > 0 && queue.single_room > 0 {
        Dispatch::Single
    } else {
        Dispatch::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: QueueState = QueueState {
        waiting: 0,
        bulkable: 0,
        following: 0,
        single_room: 280,
        clears: 280,
        job_room: 8,
        jobs: 0,
    };

    /// This many requests wait, and each of them may be sent in a job.
    const fn backlog(waiting: usize) -> QueueState {
        QueueState {
            waiting,
            bulkable: waiting,
            ..QUIET
        }
    }

    #[test]
    fn a_shallow_backlog_goes_singly() {
        assert_eq!(choose_dispatch(QUIET), Dispatch::Nothing);
        assert_eq!(choose_dispatch(backlog(280)), Dispatch::Single);
        let no_room = QueueState {
            single_room: 0,
            ..backlog(50)
        };
        assert_eq!(choose_dispatch(no_room), Dispatch::Nothing);
    }

    #[test]
    fn what_single_calls_cannot_clear_in_a_second_goes_in_jobs() {
        assert_eq!(choose_dispatch(backlog(281)), Dispatch::Job);
        let spent = QueueState {
            single_room: 0,
            clears: 0,
            ..backlog(51)
        };
        assert_eq!(choose_dispatch(spent), Dispatch::Job);
    }

    #[test]
    fn without_room_for_a_job_single_calls_use_theirs() {
        for (single_room, job_room, jobs, expected) in [
            (280, 0, 0, Dispatch::Single),
            (280, 8, JOBS_IN_FLIGHT, Dispatch::Single),
            (0, 0, 0, Dispatch::Nothing),
        ] {
            let deep = QueueState {
                single_room,
                job_room,
                jobs,
                ..backlog(1000)
            };
            assert_eq!(choose_dispatch(deep), expected, "{deep:?}");
        }
    }

    #[test]
    fn events_of_one_person_behind_each_other_go_in_a_job() {
        let run = |following| QueueState {
            following,
            ..backlog(1)
        };
        assert_eq!(choose_dispatch(run(FEWEST_IN_A_RUN - 1)), Dispatch::Single);
        assert_eq!(choose_dispatch(run(FEWEST_IN_A_RUN)), Dispatch::Job);
    }

    #[test]
    fn what_is_not_bulkable_goes_singly_however_deep() {
        let deep = QueueState {
            bulkable: 0,
            ..backlog(1000)
        };
        assert_eq!(choose_dispatch(deep), Dispatch::Single);
    }
}
