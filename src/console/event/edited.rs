//! For an edited copy: the event whose call was copied, and how to discard that event.

use maud::{Markup, html};

use super::super::format;
use super::super::urls::address;
use super::{ShownEvent, path};
use crate::model::EventStatus;
use crate::operator::{EventReport, ReadError, Reader, edited_from};

/// The event that this one is an edited copy of; `None` if it is no copy or that event is no longer stored.
pub(super) async fn original(outbox: &Reader, report: &EventReport) -> Result<Option<EventReport>, ReadError> {
    match edited_from(&report.message_id) {
        // The sender chooses the message id, so it may name any number.
        Some(original) if original < report.id => outbox.report(original).await,
        Some(_) | None => Ok(None),
    }
}

/// The link to the original event, and if that is dead, the link that discards it.
pub(super) fn note(shown: &ShownEvent) -> Markup {
    let Some(original) = &shown.original else {
        return html! {};
    };
    let id = original.id;
    let is_dead = original.status == EventStatus::Dead;
    let behind = original.waited_for_by.count;
    let number = id.to_string();
    let back = path(shown.report.id);
    let discard = address("/change", &[("do", "discard"), ("id", &*number), ("back", &*back)]);
    html! {
        div.note {
            strong { "An edited copy of " a href=(path(id)) { "event " (id) } ", which is " (format::status(original.status.word())) "." }
            @if is_dead {
                p {
                    @if behind > 0 {
                        (format::waiting(behind)) " behind event " (id)
                        @if shown.report.waits_for.contains(&id) { ", this one among them" }
                        ". Discard it to let them go on. "
                    } @else {
                        "Nothing waits behind it. "
                    }
                    a href=(discard) { "Discard event " (id) " …" }
                }
            }
        }
    }
}
