//! `POST /api/profile-import`, and its bulk job with the questions about it: keeping what is known of people.
//!
//! Promises that one identifier never ends up with two profiles: a document that joins two people is refused (409),
//! or, in a bulk job, becomes an import error.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::paging::Page;
use super::{Operation, Query, Response, Result, items, require_names, text};
use crate::model::Timestamp;
use crate::sandbox::answer::{self, Place, Refusal, resource};
use crate::sandbox::log::Outcome;
use crate::sandbox::schema::{BULK_IMPORT, IMPORT};
use crate::sandbox::state::State;
use crate::sandbox::state::jobs::{Job, JobState, Load};
use crate::sandbox::state::lists::Membership;
use crate::sandbox::state::profiles::{Names, Nulls, Profile, ProfileNumber, Profiles};

const PROFILES: &str = "/data/attributes/profiles/data";

impl Operation<'_> {
    pub(super) fn import_profile(&mut self, document: &Value) -> Result<Response> {
        let profile = &document["data"];
        self.check(&IMPORT, document, |check| {
            require_names(check, profile, "/data");
        })?;
        let owner = owner(&self.state.profiles, &Names::of(profile), "/data").map_err(|refusal| vec![refusal])?;
        let status = match owner {
            Some(_) => StatusCode::OK,
            None => StatusCode::CREATED,
        };
        let number = owner.unwrap_or_else(|| self.state.profiles.create(self.now));
        self.state.import(number, profile, Nulls::Clear, self.now);
        let shown = self.state.profiles.get(number).map(document_of);
        Ok(Response {
            profile: Some(number.to_string()),
            ..Response::new(answer::document(status, &json!({ "data": shown })), Outcome::Stored)
        })
    }

    pub(super) fn bulk_import_profiles(&mut self, document: &Value) -> Result<Response> {
        let profiles = items(document, PROFILES);
        let list = text(document, "/data/relationships/lists/data/0/id");
        self.check(&BULK_IMPORT, document, |check| {
            for (at, profile) in profiles.iter().enumerate() {
                require_names(check, profile, &format!("{PROFILES}/{at}"));
            }
            if list.is_some_and(|list| !self.state.lists.knows(list)) {
                check.refuse("/data/relationships/lists/data/0/id", "This list does not exist.");
            }
        })?;
        let id = self.state.jobs.add(Job {
            created: self.now,
            total: profiles.len(),
            state: JobState::Queued {
                due: self.now.plus(self.options.job_delay),
                load: Load {
                    profiles: profiles.to_vec(),
                    list: list.map(str::to_owned),
                },
            },
        });
        self.state.run_imports(self.now);
        let job = self.job(&id)?;
        let note = match &job.state {
            JobState::Queued { due, .. } => format!("{} wait until {due}", job.total),
            JobState::Complete { errors, .. } => {
                format!("{} taken, {} not", job.total - errors.len(), errors.len())
            }
        };
        let answer = answer::document(StatusCode::ACCEPTED, &json!({ "data": job_of(&id, job) }));
        Ok(Response {
            note: Some(note),
            ..Response::new(answer, Outcome::Stored)
        })
    }

    /// The newest first, unless they are sorted upwards.
    pub(super) fn get_import_jobs(&self, query: &Query) -> Result<Response> {
        let page = Page::read(query, &["status"], 20, 100)?;
        let jobs = self.state.jobs.iter();
        let jobs = jobs.filter(|(_, job)| page.wants("status", Some(status_of(job))));
        let shown = |(id, job): (&String, &Job)| job_of(id, job);
        Ok(if page.ascending {
            page.answer(jobs.map(shown))
        } else {
            page.answer(jobs.rev().map(shown))
        })
    }

    pub(super) fn get_import_job(&self, id: &str) -> Result<Response> {
        let job = self.job(id)?;
        Ok(Response::read(&json!({ "data": job_of(id, job) })))
    }

    pub(super) fn get_import_errors(&self, id: &str, query: &Query) -> Result<Response> {
        let errors = match &self.job(id)?.state {
            JobState::Queued { .. } => &[][..],
            JobState::Complete { errors, .. } => errors,
        };
        let page = Page::read(query, &[], 20, 100)?;
        let entries = errors
            .iter()
            .enumerate()
            .map(|(at, error)| json!({ "type": "import-error", "id": format!("{}-{at}", id), "attributes": error }));
        Ok(page.answer(entries))
    }

    fn job(&self, id: &str) -> Result<&Job> {
        self.state.jobs.get(id).ok_or_else(|| {
            let detail = format!("A bulk import job with id {id} does not exist.");
            vec![Refusal::not_found(Place::Whole, detail)]
        })
    }
}

impl State {
    /// Carries out the bulk imports whose time has come.
    pub(crate) fn run_imports(&mut self, now: Timestamp) {
        while let Some((id, load)) = self.jobs.take_due(now) {
            let errors = self.import_all(&load, now);
            self.jobs.failed(&id, errors);
        }
    }

    /// Imports all profiles of a job; answers the errors of those that were not accepted.
    fn import_all(&mut self, load: &Load, now: Timestamp) -> Vec<Value> {
        let mut errors = Vec::new();
        for (at, profile) in load.profiles.iter().enumerate() {
            let pointer = format!("{PROFILES}/{at}");
            match owner(&self.profiles, &Names::of(profile), &pointer) {
                Err(refusal) => errors.push(import_error(&refusal, profile)),
                Ok(owner) => {
                    let number = owner.unwrap_or_else(|| self.profiles.create(now));
                    self.import(number, profile, Nulls::Ignore, now);
                    let list = load.list.as_deref();
                    if let Some(list) = list.and_then(|id| self.lists.get_mut(id, now)) {
                        list.members.entry(number).or_insert(Membership::Added);
                    }
                }
            }
        }
        errors
    }
}

/// The profile that a document changes: none for a new person.
fn owner(profiles: &Profiles, names: &Names, pointer: &str) -> std::result::Result<Option<ProfileNumber>, Refusal> {
    let owners = profiles.owners(names);
    if let Some(id) = &names.id {
        // The same answer for an unknown id and for one with an identifier of another profile: as observed.
        return match profiles.by_id(id) {
            Some(by_id) if owners.iter().all(|owner| *owner == by_id) => Ok(Some(by_id)),
            Some(_) | None => Err(Refusal::not_found(
                Place::Pointer(format!("{pointer}/id")),
                format!("A profile with id {id} does not exist."),
            )),
        };
    }
    match owners.as_slice() {
        [] => Ok(None),
        [owner] => Ok(Some(*owner)),
        [_, other, ..] => Err(Refusal::duplicate_profile(
            format!("{pointer}/attributes"),
            &other.to_string(),
        )),
    }
}

fn import_error(refusal: &Refusal, profile: &Value) -> Value {
    let pointer = match &refusal.place {
        Place::Pointer(pointer) => Some(pointer),
        Place::Parameter(_) | Place::Whole => None,
    };
    json!({
        "code": refusal.code,
        "title": refusal.title,
        "detail": refusal.detail,
        "source": { "pointer": pointer },
        "original_payload": profile,
    })
}

fn status_of(job: &Job) -> &'static str {
    match &job.state {
        JobState::Queued { .. } => "queued",
        JobState::Complete { .. } => "complete",
    }
}

fn job_of(id: &str, job: &Job) -> Value {
    let (failed, done, at) = match &job.state {
        JobState::Queued { .. } => (0, 0, None),
        JobState::Complete { at, errors } => (errors.len(), job.total - errors.len(), Some(at)),
    };
    let attributes = json!({
        "status": status_of(job),
        "created_at": job.created,
        "total_count": job.total,
        "completed_count": done,
        "failed_count": failed,
        "started_at": at,
        "completed_at": at,
        "expires_at": null,
    });
    resource("profile-bulk-import-job", id, attributes)
}

/// A profile as Klaviyo shows it: what it has, and null for what it has not.
pub(super) fn document_of(profile: &Profile) -> Value {
    const STANDARD: [&str; 7] = [
        "first_name",
        "last_name",
        "organization",
        "locale",
        "title",
        "image",
        "location",
    ];
    let mut attributes = Map::new();
    for name in ["email", "phone_number", "external_id", "anonymous_id"] {
        attributes.insert(name.to_owned(), json!(profile.identifiers.get(name)));
    }
    for name in STANDARD {
        let value = profile.attributes.get(name).cloned();
        attributes.insert(name.to_owned(), value.unwrap_or_default());
    }
    attributes.insert("created".to_owned(), json!(profile.created));
    attributes.insert("updated".to_owned(), json!(profile.updated));
    attributes.insert("properties".to_owned(), Value::Object(profile.properties.clone()));
    resource("profile", &profile.id.to_string(), attributes)
}
