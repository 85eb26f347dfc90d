//! What became of an import job: its status, and the profiles that were not accepted.
//!
//! Klaviyo works through an import after it has answered; the job is polled until it is over, and then its errors
//! are read. A job whose id was lost with the answer can be looked for among all jobs.
//! Source: Klaviyo's published API description of the four endpoints (2026-04-15).

use serde_json::Value;

use super::names::names_of;
use super::{BulkJob, Load};
use crate::json;
use crate::klaviyo::answer::ApiError;
use crate::klaviyo::route::{Route, encoded};
use crate::klaviyo::success::Success;
use crate::model::Timestamp;

/// The most errors, or jobs, that Klaviyo shows at once.
const AT_ONCE: u32 = 100;

/// An import job, as Klaviyo answers when it is made and when it is polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportJob {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub status: ImportStatus,
    /// When it was made, by Klaviyo's clock; `None` when that is absent or no time.
    pub created: Option<Timestamp>,
    /// How many profiles it has; an absent count is `None`, here and below.
    pub total: Option<u64>,
    /// How many were accepted so far.
    pub completed: Option<u64>,
    /// How many were not accepted so far: each has an [`ImportError`].
    pub failed: Option<u64>,
}

/// How far an import job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportStatus {
    /// It waits.
    Queued,
    /// It is worked on.
    Processing,
    /// It is over.
    Complete,
    /// It is over, and was not finished.
    Cancelled,
    /// A status that was not documented when this was written, or none.
    Other,
}

impl ImportStatus {
    fn of(word: Option<&str>) -> Self {
        match word {
            Some("queued") => Self::Queued,
            Some("processing") => Self::Processing,
            Some("complete") => Self::Complete,
            Some("cancelled") => Self::Cancelled,
            Some(_) | None => Self::Other,
        }
    }

    /// Whether nothing more happens to the job.
    pub const fn is_over(self) -> bool {
        match self {
            Self::Complete | Self::Cancelled => true,
            Self::Queued | Self::Processing | Self::Other => false,
        }
    }
}

impl ImportJob {
    fn read(resource: &Value) -> Option<Self> {
        let id = resource.get("id")?.as_str()?.trim();
        let attribute = |name: &str| resource.get("attributes")?.get(name);
        let text = |name: &str| attribute(name).and_then(Value::as_str);
        let count = |name: &str| attribute(name).and_then(Value::as_u64);
        (!id.is_empty()).then(|| Self {
            id: id.to_owned(),
            status: ImportStatus::of(text("status")),
            created: text("created_at").and_then(Timestamp::parse),
            total: count("total_count"),
            completed: count("completed_count"),
            failed: count("failed_count"),
        })
    }
}

/// Reads an import job from an answer's body. `None` when it is none, or has no id: then it cannot be polled.
pub fn import_job(body: &[u8]) -> Option<ImportJob> {
    let body = json::from_slice(body).ok()?;
    ImportJob::read(body.get("data")?)
}

/// Reads a page of the list of import jobs, which can be empty. `None` when the body is no such page: then nothing is
/// known of the jobs.
pub fn import_jobs(body: &[u8]) -> Option<Vec<ImportJob>> {
    let body = json::from_slice(body).ok()?;
    body.get("data")?.as_array()?.iter().map(ImportJob::read).collect()
}

/// The path of all import jobs of the account, the newest first: the first page.
pub fn import_jobs_route() -> Route {
    Route::read(format!(
        "/api/profile-bulk-import-jobs?sort=-created_at&page%5Bsize%5D={AT_ONCE}"
    ))
}

/// The path of an import job.
pub fn import_job_route(id: &str) -> Route {
    Route {
        success: Success::READ_ONE,
        ..Route::read(format!("/api/profile-bulk-import-jobs/{}", encoded(id)))
    }
}

/// The path of an import job's errors: the first page.
pub fn import_errors_route(id: &str) -> Route {
    let id = encoded(id);
    Route::read(format!(
        "/api/profile-bulk-import-jobs/{id}/import-errors?page%5Bsize%5D={AT_ONCE}"
    ))
}

/// The path of the page after the one with this body; `None` when it is the last. `first` is the path of the first
/// page. Of the link only the cursor is taken: the request goes where the others go, whatever host an answer names.
pub fn next_page_route(first: &Route, body: &[u8]) -> Option<Route> {
    let body = json::from_slice(body).ok()?;
    let link = body.pointer("/links/next")?.as_str()?;
    let (_, query) = link.split_once('?')?;
    // A cursor is no form: a plus in it is a plus.
    let parameters: Vec<(String, String)> = serde_urlencoded::from_str(&query.replace('+', "%2B")).ok()?;
    let (_, cursor) = parameters.into_iter().find(|(name, _)| name == "page[cursor]")?;
    let (first, cursor) = (&first.path, encoded(&cursor));
    Some(Route::read(format!("{first}&page%5Bcursor%5D={cursor}")))
}

/// One profile that an import did not accept.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportError {
    /// The kind of error, where one is named; Klaviyo publishes no list of them.
    pub code: Option<String>,
    /// Klaviyo's words on it.
    pub words: String,
    /// The place in the request, where one is named.
    pub pointer: Option<String>,
    /// The profile as it was sent, where it is given back.
    pub original: Option<Value>,
}

/// Reads a page of import errors, which can be empty. `None` when the body is no such page, as when it was cut short:
/// then nothing is known of the errors.
pub fn import_errors(body: &[u8]) -> Option<Vec<ImportError>> {
    let body = json::from_slice(body).ok()?;
    let entries = body.get("data")?.as_array()?;
    Some(entries.iter().map(ImportError::read).collect())
}

impl ImportError {
    fn read(entry: &Value) -> Self {
        let attributes = entry.get("attributes").unwrap_or(entry);
        let error = ApiError::read(attributes).unwrap_or_default();
        let original = attributes.get("original_payload");
        Self {
            words: error.to_string(),
            code: error.code,
            pointer: error.pointer,
            original: original.filter(|original| original.is_object()).cloned(),
        }
    }
}

/// The item of an import job that an import error is about. The identifiers of the profile in the error decide,
/// because they name the person that Klaviyo means; without one, or with one that the job does not have, the pointer
/// does. Whether the profile comes with or without the `data` and `attributes` around its fields is not described: it
/// may be either. `None` when neither leads to one item.
pub fn item_of(job: &BulkJob, error: &ImportError) -> Option<usize> {
    let Load::People(people) = &job.load else {
        return None;
    };
    let by_name = error.original.as_ref().and_then(|original| {
        let profile = original.get("data").unwrap_or(original);
        if profile.get("attributes").is_some() {
            return people.who(&names_of(profile));
        }
        people.who(&names_of(&serde_json::json!({ "attributes": profile })))
    });
    by_name.or_else(|| match job.at(error.pointer.as_deref()?)?.0[..] {
        [place] => Some(place),
        _ => None,
    })
}
