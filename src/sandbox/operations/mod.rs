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

use axum::http::StatusCode;
use jiff::civil::Date;
use serde_json::Value;

use super::answer::{self, Answer, Place, Refusal};
use super::endpoint::Endpoint;
use super::log::Outcome;
use super::options::Options;
use super::schema::{Check, Shape};
use super::state::State;
use super::state::profiles::Names;
use crate::model::Timestamp;

/// An operation, and what it works with.
pub(crate) struct Operation<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) options: &'a Options,
    /// The request's number in the log.
    pub(crate) request: u64,
    pub(crate) now: Timestamp,
    pub(crate) revision: Date,
}

/// The pairs of a query.
type Query = [(String, String)];

/// What a request comes to.
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
    pub(crate) fn new(answer: Answer, outcome: Outcome) -> Self {
        Self {
            answer,
            outcome,
            profile: None,
            note: None,
        }
    }

    /// A 202 without a body.
    fn accepted(outcome: Outcome) -> Self {
        Self::new(answer::empty(StatusCode::ACCEPTED), outcome)
    }

    /// A 200 with the document that was requested.
    fn read(document: &Value) -> Self {
        Self::new(answer::document(StatusCode::OK, document), Outcome::Read)
    }

    /// The refusals; the first one is noted.
    pub(crate) fn refused(request: u64, refusals: &[Refusal]) -> Self {
        Self {
            note: refusals.first().map(Refusal::why),
            ..Self::new(answer::refused(request, refusals), Outcome::Refused)
        }
    }
}

impl Operation<'_> {
    /// Runs one operation. The id is that in the path, empty where there is none; the document is null where the
    /// operation takes none.
    pub(crate) fn run(&mut self, endpoint: Endpoint, id: &str, query: &Query, document: &Value) -> Result<Response> {
        self.state.run_imports(self.now);
        let response = match endpoint {
            Endpoint::CreateEvent => self.create_event(document),
            Endpoint::BulkCreateEvents => self.bulk_create_events(document),
            Endpoint::ImportProfile => self.import_profile(document),
            Endpoint::BulkImportProfiles => self.bulk_import_profiles(document),
            Endpoint::GetImportJobs => self.get_import_jobs(query),
            Endpoint::GetImportJob => self.get_import_job(id),
            Endpoint::GetImportErrors => self.get_import_errors(id, query),
            Endpoint::Subscribe => self.subscribe(document),
            Endpoint::AddToList => self.add_to_list(id, document),
            Endpoint::RemoveFromList => self.remove_from_list(id, document),
            Endpoint::RequestDeletion => self.request_deletion(document),
            Endpoint::GetAccounts => Ok(self.get_accounts()),
            Endpoint::GetLists => self.get_lists(query),
            Endpoint::GetList => self.get_list(id, query),
            Endpoint::GetProfiles => self.get_profiles(query),
            Endpoint::GetEvents => self.get_events(query),
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

/// Refuses a person without any name; answers whether they have one.
fn require_names(check: &mut Check, person: &Value, pointer: &str) -> bool {
    let named = Names::of(person).any();
    if !named {
        check.refuse(format!("{pointer}/attributes"), "One or more identifiers is required.");
    }
    named
}

fn no_such_list(id: &str) -> Vec<Refusal> {
    let detail = format!("A list with id {id} does not exist.");
    vec![Refusal::not_found(Place::Whole, detail)]
}

fn unknown_parameter(name: &str) -> Vec<Refusal> {
    let detail = format!("'{name}' is not a parameter of this endpoint.");
    vec![Refusal::parameter("query", detail)]
}
