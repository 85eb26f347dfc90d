//! What each endpoint does with a checked request: one function per operation, state in, answer out.
//!
//! Promises that a refused request changes nothing. No I/O and no clock: the time and the revision are handed in.

mod consent;
mod deletion;
mod events;
mod filter;
mod imports;
mod lists;
mod paging;
mod reads;

use serde_json::Value;

use super::answer::{Answer, Refusal};
use super::endpoint::Endpoint;
use super::log::Outcome;
use super::options::Options;
use super::revision::Revision;
use super::schema::{Check, Shape};
use super::state::State;
use crate::model::Timestamp;

/// An operation, and what it works with.
pub(crate) struct Operation<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) options: &'a Options,
    /// The request's number in the log.
    pub(crate) request: u64,
    pub(crate) now: Timestamp,
    pub(crate) revision: Revision,
}

/// The arguments of an operation.
pub(crate) struct Args<'a> {
    /// The id in the path, empty where there is none.
    pub(crate) id: &'a str,
    pub(crate) query: &'a [(String, String)],
    /// The document; null where the operation takes none.
    pub(crate) document: &'a Value,
}

/// A request that was not refused.
pub(crate) struct Response {
    pub(crate) answer: Answer,
    pub(crate) outcome: Outcome,
    /// The profile it was about, by Klaviyo's id.
    pub(crate) profile: Option<String>,
    pub(crate) note: Option<String>,
}

/// The result of an operation.
pub(crate) type Result<T> = std::result::Result<T, Vec<Refusal>>;

impl Response {
    fn new(answer: Answer, outcome: Outcome) -> Self {
        Self {
            answer,
            outcome,
            profile: None,
            note: None,
        }
    }
}

impl Operation<'_> {
    /// Runs one operation.
    pub(crate) fn run(&mut self, endpoint: Endpoint, args: &Args<'_>) -> Result<Response> {
        self.state.run_imports(self.now);
        let response = match endpoint {
            Endpoint::CreateEvent => self.create_event(args.document),
            Endpoint::BulkCreateEvents => self.bulk_create_events(args.document),
            Endpoint::ImportProfile => self.import_profile(args.document),
            Endpoint::BulkImportProfiles => self.bulk_import_profiles(args.document),
            Endpoint::GetImportJobs => self.get_import_jobs(args),
            Endpoint::GetImportJob => self.get_import_job(args.id),
            Endpoint::GetImportErrors => self.get_import_errors(args),
            Endpoint::Subscribe => self.subscribe(args.document),
            Endpoint::AddToList => self.add_to_list(args.id, args.document),
            Endpoint::RemoveFromList => self.remove_from_list(args.id, args.document),
            Endpoint::RequestDeletion => self.request_deletion(args.document),
            Endpoint::GetAccounts => Ok(self.get_accounts()),
            Endpoint::GetLists => self.get_lists(args),
            Endpoint::GetList => self.get_list(args),
            Endpoint::GetProfiles => self.get_profiles(args),
            Endpoint::GetEvents => self.get_events(args),
        };
        self.state.trim(self.options.keep);
        response
    }

    /// Compares a document with its shape, and, once that fits, with what no shape can express.
    fn check(&self, shape: &Shape, document: &Value, further: impl FnOnce(&mut Check)) -> Result<()> {
        let mut check = Check::new(self.revision, self.now);
        check.shape(shape, document, "");
        if check.is_clean() {
            further(&mut check);
        }
        check.finish()
    }
}

/// The items of the array at a pointer.
fn items<'a>(document: &'a Value, pointer: &str) -> &'a [Value] {
    document
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The string at a pointer.
fn text<'a>(document: &'a Value, pointer: &str) -> Option<&'a str> {
    document.pointer(pointer).and_then(Value::as_str)
}
