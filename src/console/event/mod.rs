//! The page of one event: a summary, its history, the actions, and its call next to the requests made of it.
//!
//! While the event is unfinished the page refreshes. It shows personal data unmasked: the operator selected this one
//! event on purpose.

mod actions;
pub(super) mod call_and_requests;
mod edited;
pub(super) mod json;
mod summary;
mod timeline;

use axum::Extension;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use maud::{Markup, html};

use super::format;
use super::frame::Section;
use super::request::{Answer, PageRequest};
use super::urls::address;
use crate::model::{EventId, EventStatus, EventType, Timestamp};
use crate::operator::{EventReport, Pause, ReadError, Selection, StoredCall, stored_call};

/// The refresh interval of an event that may be sent at any moment, in milliseconds.
const SOON: u64 = 1000;
/// The refresh interval of an event with a long wait, or that waits for an operator.
const LATER: u64 = 5000;

/// The data of the page.
struct ShownEvent {
    report: EventReport,
    /// Its call, unless that was deleted.
    stored: Option<StoredCall>,
    /// The event that this one is an edited copy of, if it is still stored.
    original: Option<EventReport>,
    /// The pause that delays it.
    pause: Option<Pause>,
    /// The previous and the next event that may be about the same person.
    neighbours: (Option<EventId>, Option<EventId>),
    now: Timestamp,
}

/// The page.
pub(super) async fn page(
    Extension(request): Extension<PageRequest>,
    number: Result<Path<i64>, PathRejection>,
) -> Answer {
    let id = match number {
        Ok(Path(number)) => EventId(number),
        Err(_) => return Ok(absent(&request, None).await?),
    };
    let Some(shown) = read(&request, id).await? else {
        return Ok(absent(&request, Some(id)).await?);
    };
    let title = format!("Event {id}: {}", shown.what());
    Ok(request.page(&title, Section::Events, &whole(&shown)))
}

async fn read(request: &PageRequest, id: EventId) -> Result<Option<ShownEvent>, ReadError> {
    let outbox = &request.admin.outbox;
    let Some(report) = outbox.report(id).await? else {
        return Ok(None);
    };
    let settings = request.admin.settings();
    Ok(Some(ShownEvent {
        stored: stored_call(outbox, &settings, &report).await?,
        original: edited::original(outbox, &report).await?,
        pause: pause_of(&report, outbox.pauses().await?),
        neighbours: outbox.neighbours(id).await?,
        now: request.now,
        report,
    }))
}

/// The pause that delays an event: of the whole account, or of the endpoint of its next request.
fn pause_of(report: &EventReport, pauses: Vec<Pause>) -> Option<Pause> {
    let next = report.deliveries.iter().find(|delivery| !delivery.status.is_final());
    let next = next.map(|delivery| delivery.kind.family());
    let keeps = |pause: &Pause| pause.family.is_none() || pause.family == next;
    pauses.into_iter().find(keeps)
}

/// The page for an event number that does not exist.
async fn absent(request: &PageRequest, id: Option<EventId>) -> Result<axum::response::Response, ReadError> {
    let all = Selection::default();
    let newest = request.admin.outbox.page(&all, None, 1);
    let newest = newest.await?.events.first().map(|brief| brief.id);
    let words = match (id, newest) {
        (None, _) => "Events have whole numbers; this is none.",
        (Some(id), Some(newest)) if id <= newest && id.0 > 0 => {
            "It was here and is no longer kept: it was finished for longer than [outbox] retain_delivered or retain_dead \
             says."
        }
        (Some(_), _) => "No event was given this number yet.",
    };
    let next = html! {
        @if let Some(newest) = newest {
            "The newest is " a href=(path(newest)) { "event " (newest) } ". "
        }
        a href="/events" { "To the list of events" }
    };
    let main = format::empty(words, &next);
    let page = request.page("There is no such event", Section::Events, &main);
    Ok((StatusCode::NOT_FOUND, page).into_response())
}

/// The path of an event's page.
pub(super) fn path(id: EventId) -> String {
    format!("/events/{id}")
}

fn whole(shown: &ShownEvent) -> Markup {
    html! {
        div #event data-follow=[shown.follow()] {
            (summary::note(shown))
            (edited::note(shown))
            div.event-parts {
                (format::card("happened", "What happened", &timeline::list(shown)))
                div {
                    (format::card("facts", "The event", &facts(shown)))
                    (format::card("acts", "What you can do", &actions::list(shown)))
                }
            }
            div.halves {
                (call_and_requests::call(shown))
                (call_and_requests::requests(shown))
            }
        }
    }
}

fn facts(shown: &ShownEvent) -> Markup {
    let report = &shown.report;
    let order = shown.stored.as_ref().and_then(|stored| stored.order.as_deref());
    html! {
        dl.facts {
            dt { "Status" } dd { (format::status(report.status.word())) }
            dt { "Call" } dd { (report.kind.map_or("unknown", EventType::word)) @if let Some(name) = &report.name { " “" (name) "”" } }
            dt { "Whose" }
            dd {
                @for who in &report.identifiers {
                    a href=(address("/events", &[("profile", who)])) { (who) }
                    br;
                }
                @if report.identifiers.is_empty() { span.soft { "nobody, or somebody erased since" } }
            }
            @if let Some(order) = order {
                dt { "Order" } dd { a href=(address("/events", &[("order_id", order)])) { (order) } }
            }
            dt { "Source" } dd { a href=(address("/events", &[("source", &report.source)])) { (report.source) } }
            dt { "Received" } dd { (format::time(report.received_at)) }
            dt { "Message id" } dd.mono { (report.message_id) }
            dt { "As JSON" } dd { a href={ "/api/v1/events/" (report.id) } { "/api/v1/events/" (report.id) } }
        }
        @if shown.neighbours != (None, None) {
            nav.actions.near aria-label="The same person's events" {
                @if let Some(id) = shown.neighbours.0 { a rel="prev" href=(path(id)) { "← event " (id) } }
                span.soft { "of the same person" }
                @if let Some(id) = shown.neighbours.1 { a rel="next" href=(path(id)) { "event " (id) " →" } }
            }
        }
    }
}

impl ShownEvent {
    /// Its name, or its type if it has no name.
    fn what(&self) -> String {
        let kind = self.report.kind.map_or("a call of no known type", EventType::word);
        self.report.name.clone().unwrap_or_else(|| kind.to_owned())
    }

    /// The refresh interval in milliseconds; `None` when it is finished.
    fn follow(&self) -> Option<u64> {
        match self.report.status {
            EventStatus::Delivered | EventStatus::Skipped | EventStatus::Dead => None,
            EventStatus::Held => Some(LATER),
            EventStatus::Pending => {
                let soon = self.tried_again_at().is_none() && self.report.waits_for.is_empty();
                Some(if soon && self.pause.is_none() { SOON } else { LATER / 2 })
            }
        }
    }

    /// When it is tried again, if that is in the future.
    fn tried_again_at(&self) -> Option<Timestamp> {
        self.report.next_attempt_at.filter(|at| *at > self.now)
    }
}
