//! The two columns of an event: the received call, and the requests made of it or planned for it.

use std::collections::HashSet;

use maud::{Markup, html};

use super::ShownEvent;
use super::json;
use super::summary::{by_generation, place};
use crate::console::format;
use crate::model::DeliveryStatus;
use crate::operator::{DeliveryReport, Remapped, RequestView, StoredCall, route};

/// The column that stays visible while the other one is read. It scrolls separately, by keyboard only with the focus.
const CALL: &str = "Segment";

/// The call as it was received.
pub(super) fn call(shown: &ShownEvent) -> Markup {
    let Some(stored) = &shown.stored else {
        return side(CALL, &gone(shown));
    };
    let owed = owed_now(stored);
    let rules = owed.iter().flat_map(|owed| &owed.rules);
    let sources: HashSet<&str> = rules.filter_map(|rule| rule.from.as_deref()).collect();
    side(
        CALL,
        &html! {
            p.hint { "The call as it came" @if stored.envelope.is_some() { ", and below what its batch says for all of its calls" } "." }
            (json::call(&stored.call, &sources))
            @if let Some(envelope) = &stored.envelope {
                h3 { "Around it, in its batch" }
                (json::call(envelope, &sources))
            }
        },
    )
}

fn gone(shown: &ShownEvent) -> Markup {
    let erased = shown.report.identifiers.is_empty();
    html! {
        div.empty {
            p { strong { "The call is gone." } }
            p {
                @if erased { "The person was erased, or retention deleted it." }
                @else { "It was deleted after " code { "[outbox] retain_bodies" } "; the results stay." }
            }
        }
    }
}

/// The requests: those of the present generation, and those of earlier ones, collapsed.
pub(super) fn requests(shown: &ShownEvent) -> Markup {
    let (mut now, mut before) = by_generation(shown);
    let mapped = shown
        .stored
        .as_ref()
        .is_none_or(|stored| now.first().is_some_and(|of| of.generation == stored.generation));
    if !mapped {
        before.append(&mut now);
    }
    side(
        "Klaviyo",
        &html! {
            @if now.is_empty() {
                (would(shown))
            } @else {
                p.hint { "What it became. Point at a field, tap it or tab to it: it says where it comes from." }
            }
            @for (at, delivery) in now.iter().enumerate() { (stored(shown, at + 1, delivery)) }
            @if !before.is_empty() {
                details {
                    summary { "Earlier sendings (" (format::counted(before.len(), "request")) ")" }
                    @for (at, delivery) in before.iter().enumerate() { (stored(shown, at + 1, delivery)) }
                }
            }
        },
    )
}

/// The requests planned for an event that is not mapped yet, or never will be.
fn would(shown: &ShownEvent) -> Markup {
    let finished = shown.report.finished_at.is_some();
    let Some(stored) = &shown.stored else {
        return html! { div.empty { p { strong { "No request is left to be seen." } } } };
    };
    match &stored.remapped {
        Remapped::Requests(_) => html! {
            p.note {
                @if finished { "It became no request. Replayed, it would become these, by the rules of now." }
                @else { "It is not mapped yet. By the rules of now it becomes these." }
            }
            @for (at, owed) in owed_now(stored).iter().enumerate() { (planned(at + 1, owed)) }
        },
        Remapped::Nothing(reason) => html! {
            div.empty { p { strong { "It becomes no request." } } p { (format::sentence(reason)) } }
        },
        Remapped::Unknown => html! {
            div.empty { p { strong { "It cannot be mapped." } } p { "Its call cannot be read as one of Segment's." } }
        },
    }
}

fn owed_now(stored: &StoredCall) -> Vec<RequestView> {
    match &stored.remapped {
        Remapped::Requests(planned) => planned.iter().map(RequestView::of).collect(),
        Remapped::Nothing(_) | Remapped::Unknown => Vec::new(),
    }
}

/// A stored request, as it is sent.
fn stored(shown: &ShownEvent, number: usize, delivery: &DeliveryReport) -> Markup {
    let planned = shown
        .stored
        .as_ref()
        .and_then(|stored| stored.remapped.for_stored(&shown.report, delivery));
    let owed = planned.map(RequestView::of);
    let rules = owed.as_ref().map_or(&[][..], |owed| &owed.rules);
    let same = owed
        .as_ref()
        .is_none_or(|owed| owed.body.as_deref() == delivery.request.as_deref());
    let (method, path) = route(delivery);
    html! {
        details.request open[number == 1] {
            summary {
                h3 { (number) ". " (method) " " (path) " " (format::status(delivery.status.word())) }
                @if let Some(metric) = &delivery.metric { " " span.soft { (metric) } }
            }
            dl.facts {
                @if let Some(key) = &delivery.event_id_key { dt { "$event_id" } dd { (key) } }
                @if let Some(to) = &delivery.sent_to { dt { "Sent to" } dd { (place(to)) } }
                @if let Some(at) = delivery.delivered_at { dt { "Delivered" } dd { (format::time(at)) } }
            }
            @if let Some(reason) = &delivery.reason { (why(delivery, reason)) }
            @for warning in delivery.warnings.as_deref().unwrap_or_default().lines() { p.note.warn { "Warning: " (warning) } }
            @match &delivery.request {
                Some(body) => {
                    @if !same {
                        p.hint { "The rules have changed since, or the answer to a request went in: the rules shown for its fields are the present ones." }
                    }
                    (json::request(body, rules))
                }
                None => p.hint { "Its body is made when it is sent, or is gone with the call." },
            }
        }
    }
}

/// Why a request has its state.
fn why(delivery: &DeliveryReport, reason: &str) -> Markup {
    let (tone, words) = match delivery.status {
        DeliveryStatus::Rejected if delivery.attempts.is_empty() => ("bad", "Not sent: "),
        DeliveryStatus::Rejected => ("bad", "Refused: "),
        DeliveryStatus::Duplicate => ("calm", "Not sent again: "),
        DeliveryStatus::Pending => ("warn", "The last attempt: "),
        DeliveryStatus::Delivered | DeliveryStatus::Unknown => ("warn", ""),
    };
    html! { p class={ "note " (tone) } { (words) (reason) } }
}

/// A planned request that is not stored.
pub(in crate::console) fn planned(number: usize, owed: &RequestView) -> Markup {
    html! {
        details.request open[number == 1] {
            summary {
                h3 { (number) ". " (owed.method) " " (owed.path) }
                @if let Some(metric) = &owed.metric { " " span.soft { (metric) } }
            }
            @if let Some(reason) = &owed.not_sent { p.note.bad { "Not sent: " (reason) } }
            @for warning in &owed.warnings { p.note.warn { "Warning: " (warning) } }
            @match &owed.body {
                Some(body) => (json::request(body, &owed.rules)),
                None => {
                    p.hint { "It names the profile by the id that Klaviyo answers the first request with." }
                    dl.facts {
                        @for rule in &owed.rules { dt.mono { (rule.field) } dd { (rule.rule) } }
                    }
                }
            }
        }
    }
}

fn side(name: &str, of: &Markup) -> Markup {
    html! { section.card.side aria-label=(name) { h2 { (name) } (of) } }
}
