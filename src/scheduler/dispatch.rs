//! How the next request of a family is sent: singly, or many in one job.

/// Below this many, a job is not worth its delay: single requests send them in the time that a job takes.
const FEWEST_FOR_A_JOB: usize = 50;
/// From this many events of one person on, a job is faster than sending them one after the other.
const FEWEST_IN_A_RUN: usize = 8;
/// Jobs of one family that may run concurrently, including those that Klaviyo processes after its answer. More would
/// not be faster: their limit is ten a second.
pub const JOBS_IN_AIR: usize = 2;

/// What waits in a family, and what its limits allow at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressure {
    /// Requests that wait.
    pub waiting: usize,
    /// Those of them that may be sent in a job.
    pub travelling: usize,
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
pub enum Move {
    /// One request by itself: the least delay.
    Single,
    /// As many as fit in one job: the most throughput.
    Job,
    /// Nothing now: nothing waits, or the limits allow nothing.
    Nothing,
}

/// Decides. Jobs are used for what single requests cannot send within the limits of about the next second. As soon as
/// single requests can, everything is sent singly again.
pub const fn choose(pressure: Pressure) -> Move {
    let Pressure {
        waiting,
        travelling,
        following,
        single_room,
        clears,
        job_room,
        jobs,
    } = pressure;
    let threshold = if clears > FEWEST_FOR_A_JOB {
        clears
    } else {
        FEWEST_FOR_A_JOB
    };
    let many = travelling > threshold || following >= FEWEST_IN_A_RUN;
    if many && job_room > 0 && jobs < JOBS_IN_AIR {
        return Move::Job;
    }
    if waiting > 0 && single_room > 0 {
        Move::Single
    } else {
        Move::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Pressure = Pressure {
        waiting: 0,
        travelling: 0,
        following: 0,
        single_room: 280,
        clears: 280,
        job_room: 8,
        jobs: 0,
    };

    #[test]
    fn a_shallow_backlog_goes_singly() {
        assert_eq!(choose(QUIET), Move::Nothing);
        let few = Pressure {
            waiting: 280,
            travelling: 280,
            ..QUIET
        };
        assert_eq!(choose(few), Move::Single);
        let few_and_no_room = Pressure {
            waiting: 50,
            travelling: 50,
            single_room: 0,
            ..QUIET
        };
        assert_eq!(choose(few_and_no_room), Move::Nothing);
    }

    #[test]
    fn what_single_calls_cannot_clear_in_a_second_goes_in_jobs() {
        let deep = Pressure {
            waiting: 281,
            travelling: 281,
            ..QUIET
        };
        assert_eq!(choose(deep), Move::Job);
        let spent = Pressure {
            waiting: 51,
            travelling: 51,
            single_room: 0,
            clears: 0,
            ..QUIET
        };
        assert_eq!(choose(spent), Move::Job);
    }

    #[test]
    fn without_room_for_a_job_single_calls_use_theirs() {
        let deep = Pressure {
            waiting: 1000,
            travelling: 1000,
            ..QUIET
        };
        assert_eq!(choose(Pressure { job_room: 0, ..deep }), Move::Single);
        assert_eq!(
            choose(Pressure {
                jobs: JOBS_IN_AIR,
                ..deep
            }),
            Move::Single
        );
        assert_eq!(
            choose(Pressure {
                job_room: 0,
                single_room: 0,
                ..deep
            }),
            Move::Nothing
        );
    }

    #[test]
    fn events_of_one_person_behind_each_other_go_in_a_job() {
        let run = |following| Pressure {
            waiting: 1,
            travelling: 1,
            following,
            ..QUIET
        };
        assert_eq!(choose(run(FEWEST_IN_A_RUN - 1)), Move::Single);
        assert_eq!(choose(run(FEWEST_IN_A_RUN)), Move::Job);
    }

    #[test]
    fn what_may_not_travel_goes_singly_however_deep() {
        let deep = Pressure {
            waiting: 1000,
            travelling: 0,
            ..QUIET
        };
        assert_eq!(choose(deep), Move::Single);
    }
}
