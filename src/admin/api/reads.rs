//! The reading endpoints. Every list is bounded; the event list is paged.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::Admin;
use super::super::refusal::Refusal;
use super::params::{self, Listed};
use crate::model::EventId;
use crate::operator::{DeadGroups, Filter, Page, event_json, status_json};
use crate::outbox::{Audit, BlockedRow};

type Answer<T = Value> = Result<Json<T>, Refusal>;

/// The blocked profiles.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Blocked {
    /// The longest wait first.
    profiles: Vec<BlockedRow>,
}

/// The path of an event.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct EventPath {
    /// Its number, the `id` of an event.
    #[schemars(with = "i64", range(min = 1, max = Filter::LARGEST_ID), extend("example" = 1))]
    number: String,
}

/// Returns what `status --json` prints.
pub(in super::super) async fn status(State(admin): State<Arc<Admin>>) -> Answer {
    let status = admin.outbox.status(admin.clock.now()).await?;
    let settings = admin.settings();
    let sandbox = admin.goes_to_sandbox();
    Ok(Json(status_json(&status, settings.outbox(), sandbox)))
}

/// Returns what `audit --json` prints.
pub(super) async fn audit(State(admin): State<Arc<Admin>>) -> Answer<Audit> {
    Ok(Json(admin.outbox.audit(false).await?))
}

/// A page of events, newest first.
pub(super) async fn events(State(admin): State<Arc<Admin>>, uri: Uri) -> Answer<Page> {
    let Listed {
        filter,
        find,
        before,
        limit,
    } = params::listed(&uri)?;
    let settings = admin.settings();
    filter.check_source(settings.ingest(), &admin.outbox).await?;
    let mut selection = filter.selection(&[], admin.clock.now());
    if let Some(word) = find {
        let mut found = admin.outbox.find(&word).await?;
        found.retain(|event| selection.ids.is_empty() || selection.ids.contains(event));
        if found.is_empty() {
            return Ok(Json(Page::default()));
        }
        selection.ids = found;
    }
    Ok(Json(admin.outbox.page(&selection, before, limit).await?))
}

/// One event by its number, as `show --json` prints it. Any other word is a search, which the event list does.
pub(super) async fn event(State(admin): State<Arc<Admin>>, path: Result<Path<EventPath>, PathRejection>) -> Answer {
    let word = path.map_err(|_| Refusal::NO_SUCH_EVENT)?.0.number;
    let number = word.parse::<i64>().ok();
    // `007` is not an event number.
    let number = number.filter(|number| number.to_string() == word);
    let number = number.ok_or(Refusal::NO_SUCH_EVENT)?;
    let report = admin.outbox.report(EventId(number)).await?;
    let report = report.ok_or(Refusal::NO_SUCH_EVENT)?;
    Ok(Json(event_json(&report)))
}

/// Dead events by the code of their reason, largest group first.
pub(super) async fn dead(State(admin): State<Arc<Admin>>, uri: Uri) -> Answer<DeadGroups> {
    Ok(Json(admin.outbox.dead_groups(params::limit(&uri)?).await?))
}

/// The blocked profiles, the longest wait first.
pub(super) async fn blocked(State(admin): State<Arc<Admin>>, uri: Uri) -> Answer<Blocked> {
    let profiles = admin.outbox.blocked_profiles(params::limit(&uri)?).await?;
    Ok(Json(Blocked { profiles }))
}
