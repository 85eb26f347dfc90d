//! The summary of an event in one or two sentences: its state, the reason, and what to do.

use maud::{Markup, html};

use super::{ShownEvent, path};
use crate::console::format;
use crate::model::{DeliveryStatus, EventStatus};
use crate::operator::{AttemptReport, DeliveryReport};

/// The note at the top of the page.
pub(super) fn note(shown: &ShownEvent) -> Markup {
    let (tone, words, more) = match shown.report.status {
        EventStatus::Delivered => delivered(shown),
        EventStatus::Skipped => skipped(shown),
        EventStatus::Dead => dead(shown),
        EventStatus::Held => held(shown),
        EventStatus::Pending => pending(shown),
    };
    html! {
        div class={ "note first " (tone) } {
            strong { (words) }
            @if !more.0.is_empty() { p { (more) } }
        }
    }
}

type Words = (&'static str, Markup, Markup);

fn delivered(shown: &ShownEvent) -> Words {
    let report = &shown.report;
    let (now, _) = by_generation(shown);
    let to = now.iter().find_map(|delivery| delivery.sent_to.as_deref());
    let to = to.map_or_else(|| "Klaviyo".to_owned(), place);
    let known = !now.is_empty() && now.iter().all(|of| of.status == DeliveryStatus::Duplicate);
    let began = match &shown.stored {
        Some(stored) if stored.generation > 1 => stored.generation_began,
        Some(_) | None => report.received_at,
    };
    let took = report.finished_at.map(|ended| format::span(ended.since(began)));
    let again = shown.stored.as_ref().is_some_and(|stored| stored.generation > 1);
    let since = if again {
        "after it was sent again"
    } else {
        "after it arrived"
    };
    let words = html! {
        @if known { "Already at " (to) ": it has an event of the same $event_id, and nothing was sent twice." }
        @else { "Delivered to " (to) @if let Some(took) = took { ", " (took) " " (since) } "." }
    };
    let warned = now.iter().filter(|of| of.warnings.is_some()).count();
    let more = html! {
        @if warned > 0 { "The mapping has warnings; they stand at the requests below." }
    };
    ("good", words, more)
}

fn skipped(shown: &ShownEvent) -> Words {
    let reason = shown.report.reason.as_deref().unwrap_or("there was nothing to send");
    let words = html! { "Nothing was sent, since there was nothing to send." };
    ("calm", words, html! { (format::sentence(reason)) })
}

fn dead(shown: &ShownEvent) -> Words {
    let report = &shown.report;
    let reason = report.reason.as_deref().unwrap_or("no reason is known");
    let behind = report.waited_for_by.count;
    let at_ingest = report.deliveries.is_empty() && report.finished_at == Some(report.received_at);
    let more = html! {
        (format::sentence(reason)) " "
        @if shown.stored.is_none() { "Its call is gone, so it cannot be sent again." }
        @else if at_ingest {
            "What sends it has to be corrected. Replay it, if it can be read after all, or "
            a href={ "/try?event=" (report.id) } { "edit a copy" } " and send that."
        }
        @else {
            "Correct what that names, here or at Klaviyo, then replay it. A replay sends the call as it stands: where the \
             call itself is wrong, "
            a href={ "/try?event=" (report.id) } { "edit a copy" } " and send that."
        }
        @if behind > 0 {
            " " (format::counted(behind, "event")) " of the same person "
            @if behind == 1 { "waits" } @else { "wait" } " behind it until it is replayed or discarded."
        }
    };
    let words = if at_ingest {
        "Dead on arrival: it is invalid, and is kept so that you can see it."
    } else {
        "Dead: it has failed for good."
    };
    ("bad", html! { (words) }, more)
}

fn held(shown: &ShownEvent) -> Words {
    let behind = shown.report.waited_for_by.count;
    let more = html! {
        "Release it to let it go, or discard it."
        @if behind > 0 { " " (format::waiting(behind)) " behind it." }
    };
    ("warn", html! { "Held by an operator." }, more)
}

fn pending(shown: &ShownEvent) -> Words {
    let report = &shown.report;
    let last = last_attempt(shown);
    let error = last.and_then(|attempt| attempt.error.as_deref());
    if let Some(first) = report.waits_for.first() {
        let words = html! {
            "Waits for " a href=(path(*first)) { "event " (first) } " of the same person, which is still in front of it."
        };
        return (
            "warn",
            words,
            html! { "A person's events leave in the order in which they came." },
        );
    }
    if last.is_some_and(|attempt| attempt.outcome.is_none()) {
        return ("busy", html! { "It is being sent now." }, html! {});
    }
    if let Some(pause) = &shown.pause {
        let words = html! { "Nothing like it is sent at present; it waits, and is not lost." };
        let more = html! { (format::sentence(&pause.reason)) " Sending is tried again at " (format::time(pause.probe_at)) "." };
        return ("bad", words, more);
    }
    match (shown.tried_again_at(), error) {
        (Some(at), Some(error)) => (
            "warn",
            html! { "It is tried again at " (format::time(at)) "." },
            html! { "The last attempt ended with: " (format::sentence(error)) },
        ),
        (Some(at), None) => ("busy", html! { "It may go from " (format::time(at)) " on." }, html! {}),
        (None, Some(error)) => (
            "busy",
            html! { "It is tried again as soon as there is room." },
            html! { "The last attempt ended with: " (format::sentence(error)) },
        ),
        (None, None) => (
            "busy",
            html! { "It is due, and is sent as soon as there is room." },
            html! {},
        ),
    }
}

/// The requests of the last mapped generation, and those of earlier generations.
pub(super) fn by_generation(shown: &ShownEvent) -> (Vec<&DeliveryReport>, Vec<&DeliveryReport>) {
    let deliveries = &shown.report.deliveries;
    let last = deliveries.last().map(|of| of.generation);
    deliveries.iter().partition(|of| Some(of.generation) == last)
}

/// The attempt that began last.
fn last_attempt(shown: &ShownEvent) -> Option<&AttemptReport> {
    let deliveries = shown.report.deliveries.iter();
    let attempts = deliveries.flat_map(|delivery| &delivery.attempts);
    attempts.max_by_key(|attempt| attempt.started_at)
}

/// The name of a destination.
pub(super) fn place(sent_to: &str) -> String {
    match sent_to.split_once(':') {
        Some(("klaviyo", account)) => format!("Klaviyo (account {account})"),
        _ if sent_to == "sandbox" => "the sandbox".to_owned(),
        _ => sent_to.to_owned(),
    }
}
