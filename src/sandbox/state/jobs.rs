//! The bulk imports a sandbox has done, for the two endpoints that ask about them.
//!
//! Promises to keep a bounded number. Uses `model` for time.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::Timestamp;

/// Older jobs are forgotten.
const MOST_JOBS: usize = 100;

/// A finished import: the sandbox does it at once.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) created: Timestamp,
    pub(crate) total: usize,
    /// One import error of each profile that was not taken.
    pub(crate) errors: Vec<Value>,
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
}
