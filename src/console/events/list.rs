//! Events in rows, newest first, each with its state and its reason.

use maud::{Markup, html};

use super::super::format;
use super::super::request::PageRequest;
use crate::operator::Brief;

/// How much of a text a row shows: a reason starts with its subject.
const SHOWN_CHARS: usize = 90;

/// A table of events; `by`: how each event was found, after a search.
pub(in super::super) fn table(request: &PageRequest, caption: &str, events: &[&Brief], by: Option<&[&str]>) -> Markup {
    html! {
        div.table {
            table.rows.events aria-label=(caption) {
                thead {
                    tr {
                        @for name in ["Event", "Received", "What", "Whose", "Source", "Status", "Reason"] {
                            th scope="col" { (name) }
                        }
                        @if by.is_some() { th scope="col" { "Found by its" } }
                    }
                }
                tbody {
                    @for (at, brief) in events.iter().enumerate() {
                        (row(request, brief, by.and_then(|by| by.get(at).copied())))
                    }
                }
            }
        }
    }
}

fn row(request: &PageRequest, brief: &Brief, by: Option<&str>) -> Markup {
    let number = brief.id;
    let kind = brief.kind.as_deref().unwrap_or("unreadable");
    html! {
        tr {
            td data-label="Event" { a.row href={ "/events/" (number) } { (number) } }
            td data-label="Received" { (format::time(brief.received_at)) }
            td data-label="What" {
                span {
                    @if let Some(name) = &brief.name {
                        strong { (short(&request.masked(name))) } " " span.soft { (kind) }
                    } @else {
                        strong { (kind) }
                    }
                }
            }
            td.whose data-label="Whose" {
                @match &brief.profile {
                    Some(profile) => (person(&short(&request.masked(profile)))),
                    None => span.soft { "nobody" },
                }
            }
            td data-label="Source" { (short(&request.masked(&brief.source))) }
            td data-label="Status" { (format::status(&brief.status)) }
            td.reason data-label="Reason" {
                @if let Some(reason) = &brief.reason { (short(&request.masked(reason))) }
            }
            @if let Some(by) = by { td data-label="Found by its" { (by) } }
        }
    }
}

/// `email:j•••@shop.example`, such that a narrow cell breaks it after the kind.
fn person(text: &str) -> Markup {
    html! {
        @match text.split_once(':') {
            Some((kind, name)) => { (kind) ":" wbr; (name) },
            None => (text),
        }
    }
}

/// The beginning of a text.
fn short(text: &str) -> String {
    let mut chars = text.chars();
    let beginning: String = chars.by_ref().take(SHOWN_CHARS).collect();
    if chars.next().is_none() {
        return beginning;
    }
    format!("{}…", beginning.trim_end())
}
