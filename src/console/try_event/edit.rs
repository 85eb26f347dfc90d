//! An edited copy of a stored call: the initial form, and the confirmation before it is sent to Klaviyo.
//!
//! It promises that nothing is sent to Klaviyo that the page did not show first: the confirmation carries the call and
//! the number of requests that were shown. If the call then becomes a different number of requests, it is shown again.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};

use super::super::event::{call_and_requests, path};
use super::super::format;
use super::super::frame::Section;
use super::super::request::PageRequest;
use super::super::urls::address;
use super::{CallForm, Refusal};
use crate::model::{EventId, EventStatus};
use crate::operator::{Draft, RequestView, SubmitPreview, draft};

/// How many people are listed.
const NAMED: usize = 5;

/// The event whose call is copied.
pub(super) struct Original {
    pub(super) id: EventId,
    /// The initial content of the copy.
    pub(super) draft: Draft,
    status: EventStatus,
    /// How many events wait for it.
    behind: i64,
}

/// The event with this number, unless its call was deleted.
pub(super) async fn original(request: &PageRequest, number: &str) -> Result<Original, Refusal> {
    let id = number.parse().map(EventId);
    let id = id.map_err(|_| Refusal::NO_SUCH_EVENT)?;
    let outbox = &request.admin.outbox;
    let report = outbox.report(id).await?.ok_or(Refusal::NO_SUCH_EVENT)?;
    let draft = draft(outbox, id).await?.ok_or(Refusal::CALL_GONE)?;
    Ok(Original {
        id,
        draft,
        status: report.status,
        behind: report.waited_for_by.count,
    })
}

/// The form's note about the copy.
pub(super) fn note(request: &PageRequest, original: &Original) -> Markup {
    let id = original.id;
    let settings = request.admin.settings();
    let source = &original.draft.source;
    let is_source = settings.sources().any(|known| known == source);
    html! {
        div.note {
            strong { "A copy of the call of " a href=(path(id)) { "event " (id) } "." }
            p {
                "The stored call is not changed. What you send is an event of its own, of the original's time and without \
                 its " code { "messageId" } "."
            }
            p {
                "An order keeps its " code { "$event_id" } ": where it was delivered already, the copy is recognised as one \
                 and skipped. Other events are distinguished by their message ids: if the original was delivered, Klaviyo \
                 records the copy beside it."
            }
            @if !is_source {
                p { "It came from the source " code { (source) } ", which is not configured any more." }
            }
            @if let Some(words) = open_events(original) { p { (words) } }
        }
    }
}

/// The warning that the original may still be sent itself.
fn open_events(original: &Original) -> Option<&'static str> {
    match original.status {
        EventStatus::Pending | EventStatus::Held => Some(
            "The original is not finished, and the copy waits behind it. Discard it first if it is not to be sent too.",
        ),
        EventStatus::Delivered | EventStatus::Skipped | EventStatus::Dead => None,
    }
}

/// The destination.
fn target(request: &PageRequest) -> &'static str {
    if request.admin.goes_to_sandbox() {
        "the sandbox"
    } else {
        "Klaviyo"
    }
}

/// The button that leads to [`confirm`].
pub(super) fn button(request: &PageRequest) -> Markup {
    html! { button formaction="/try/send" aria-describedby="sending" { "Send it to " (target(request)) " …" } }
}

/// Whether the form confirms the requests as they are now.
pub(super) fn is_confirmed(input: &CallForm, owed: &[RequestView]) -> bool {
    input.requests.parse() == Ok(sent(owed).count())
}

fn sent(owed: &[RequestView]) -> impl Iterator<Item = &RequestView> {
    owed.iter().filter(|owed| owed.not_sent.is_none())
}

/// The page that states what will be sent and where.
pub(super) fn confirm(
    request: &PageRequest,
    input: &CallForm,
    original: &Original,
    preview: &SubmitPreview,
    owed: &[RequestView],
) -> Response {
    let changed = !input.requests.is_empty();
    let main = html! {
        @if changed {
            div.note.warn role="alert" {
                strong { "Nothing was sent." }
                p { "The call becomes other requests now than were shown. Look again, then confirm." }
            }
        }
        div.card {
            h2 { "What will happen" }
            ul.means {
                (requests(request, preview, owed))
                li { "The call is accepted as an event of its own, behind whatever its person still waits for." }
                (stays(original))
            }
            (form(request, input, owed))
        }
        @for (at, owed) in owed.iter().enumerate() { (call_and_requests::planned(at + 1, owed)) }
    };
    let title = format!("Send the copy to {}?", target(request));
    let page = request.page(&title, Section::Try, &main);
    let status = if changed { StatusCode::CONFLICT } else { StatusCode::OK };
    (status, page).into_response()
}

fn requests(request: &PageRequest, preview: &SubmitPreview, owed: &[RequestView]) -> Markup {
    let mut kinds: BTreeMap<String, i64> = BTreeMap::new();
    for owed in sent(owed) {
        let metric = owed.metric.as_ref();
        let name = metric.map(|metric| format!(" “{metric}”"));
        let kind = format!("{}{}", owed.kind, name.unwrap_or_default());
        *kinds.entry(kind).or_default() += 1;
    }
    let people = preview.people.iter().take(NAMED).map(ToString::to_string);
    let people = people.collect::<Vec<_>>().join(", ");
    let left_out = owed.len() - sent(owed).count();
    html! {
        li {
            strong { (format::counted(sent(owed).count(), "request")) " to " (target(request)) }
            @if !people.is_empty() { " for " (people) }
            @if !kinds.is_empty() { ":" }
            @for (at, (kind, number)) in kinds.iter().enumerate() { @if at > 0 { "," } " " (number) " " (kind) }
            "."
        }
        @if left_out > 0 {
            li { (format::counted(left_out, "request")) " is not sent, since Klaviyo refuses it; the reason is below." }
        }
    }
}

/// What happens to the original.
fn stays(original: &Original) -> Markup {
    let id = original.id;
    html! {
        li {
            "Event " (id) " stays " (original.status) ". "
            @match original.status {
                EventStatus::Dead if original.behind > 0 => {
                    (format::counted(original.behind, "event")) " of the same person "
                    @if original.behind == 1 { "waits" } @else { "wait" }
                    " behind it. The copy waits behind these, and all of them go on once you discard event " (id) "."
                }
                EventStatus::Dead => {
                    "Where " code { "[delivery] after_dead" } " has such events keep their place, the copy waits until you \
                     discard event " (id) "; its page has the link."
                }
                EventStatus::Pending | EventStatus::Held => { "The copy waits behind it." }
                EventStatus::Delivered | EventStatus::Skipped => {}
            }
        }
    }
}

fn form(request: &PageRequest, input: &CallForm, owed: &[RequestView]) -> Markup {
    html! {
        form method="post" action="/try/send" {
            (request.csrf_field())
            input type="hidden" name="event" value=(input.event);
            input type="hidden" name="source" value=(input.source);
            input type="hidden" name="requests" value=(sent(owed).count());
            input type="hidden" name="call" value=(input.call);
            div.actions {
                button.primary { "Send it to " (target(request)) }
                button formaction="/try" { "Edit it further" }
                a.button href=(address("/try", &[("event", &*input.event)])) { "Begin with the original again" }
            }
        }
    }
}
