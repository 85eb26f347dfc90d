//! The bulk imports of a sandbox: those that wait, and for the endpoints that ask about them those that are done.
//!
//! Promises to keep a bounded number. Uses `model` for time.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::Timestamp;

/// Older jobs are forgotten.
const MOST_JOBS: usize = 100;

/// An import.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) created: Timestamp,
    pub(crate) total: usize,
    pub(crate) state: JobState,
}

/// How far an import is.
#[derive(Debug, Clone)]
pub(crate) enum JobState {
    /// It is carried out from this time on.
    Queued { due: Timestamp, load: Load },
    /// It is over.
    Complete {
        at: Timestamp,
        /// One import error of each profile that was not accepted.
        errors: Vec<Value>,
    },
}

/// What an import brings.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) profiles: Vec<Value>,
    /// The list that the people are added to.
    pub(crate) list: Option<String>,
}

/// The jobs by id.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    by_id: BTreeMap<String, Job>,
    last: u64,
}

impl Jobs {
    /// Keeps a job; answers its id.
    pub(crate) fn add(&mut self, job: Job) -> String {
        self.last += 1;
        // Padded, so that the oldest sorts first.
        let id = format!("sandbox-import-{:012}", self.last);
        self.by_id.insert(id.clone(), job);
        if self.by_id.len() > MOST_JOBS {
            self.by_id.pop_first();
        }
        id
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Job> {
        self.by_id.get(id)
    }

    /// All jobs, the oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&String, &Job)> {
        self.by_id.iter()
    }

    /// The oldest job whose time has come, and what it brings; it is over from then on, with the errors to be added.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<(String, Load)> {
        for (id, job) in &mut self.by_id {
            if let JobState::Queued { due, load } = &job.state
                && *due <= now
            {
                let (due, load) = (*due, load.clone());
                job.state = JobState::Complete {
                    at: due,
                    errors: Vec::new(),
                };
                return Some((id.clone(), load));
            }
        }
        None
    }

    /// Enters the errors of a job that is over.
    pub(crate) fn failed(&mut self, id: &str, failed: Vec<Value>) {
        if let Some(Job {
            state: JobState::Complete { errors, .. },
            ..
        }) = self.by_id.get_mut(id)
        {
            *errors = failed;
        }
    }
}
