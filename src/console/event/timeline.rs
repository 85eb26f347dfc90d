//! The history of an event in time order, and what comes next.

use maud::{Markup, html};

use super::summary::place;
use super::{ShownEvent, path};
use crate::console::format;
use crate::model::{DeliveryStatus, EventId, EventStatus, OutcomeKind, Timestamp};
use crate::operator::{AttemptReport, DeliveryReport, WaitingEvents, awaited, route};

/// One entry: something that happened or will happen.
struct Entry<'a> {
    /// `None` if it is not recorded, or is in the future and unknown.
    at: Option<Timestamp>,
    /// The colour of its badge.
    tone: &'a str,
    what: Markup,
    more: Markup,
}

/// The list.
pub(super) fn list(shown: &ShownEvent) -> Markup {
    let mut entries = vec![received(shown)];
    sent(shown, &mut entries);
    entries.extend(finished(shown));
    ahead(shown, &mut entries);
    html! {
        ol.timeline {
            @for entry in &entries {
                li class=(entry.tone) {
                    div.when { @if let Some(at) = entry.at { (format::time(at)) } }
                    div.what {
                        div { (entry.what) }
                        @if !entry.more.0.is_empty() { div.soft { (entry.more) } }
                    }
                }
            }
        }
    }
}

fn received(shown: &ShownEvent) -> Entry<'_> {
    let report = &shown.report;
    Entry {
        at: Some(report.received_at),
        tone: "calm",
        what: html! { strong { "Received" } " from " (report.source) },
        more: html! {
            "as message " span.mono { (report.message_id) } ", about "
            @if report.identifiers.is_empty() { "nobody, or somebody erased since" }
            @else { (report.identifiers.join(", ")) }
        },
    }
}

/// For each generation: its planned requests and its attempts.
fn sent<'a>(shown: &'a ShownEvent, entries: &mut Vec<Entry<'a>>) {
    let mut rest = &shown.report.deliveries[..];
    while let Some(first) = rest.first() {
        let same = rest.iter().take_while(|of| of.generation == first.generation);
        let (generation, after) = rest.split_at(same.count());
        again(shown, first.generation, entries);
        entries.push(planned(generation));
        attempts(generation, entries);
        rest = after;
    }
    let last = shown.report.deliveries.last().map(|of| of.generation);
    match &shown.stored {
        Some(stored) if Some(stored.generation) != last => again(shown, stored.generation, entries),
        Some(_) | None => {}
    }
}

/// The entry for the start of another generation.
fn again<'a>(shown: &'a ShownEvent, number: i64, entries: &mut Vec<Entry<'a>>) {
    if number < 2 {
        return;
    }
    let stored = shown.stored.as_ref().filter(|stored| stored.generation == number);
    entries.push(Entry {
        at: stored.map(|stored| stored.generation_began),
        tone: "busy",
        what: html! { strong { "Sent again" } },
        more: html! { "by a replay or an import; this is sending " (number) },
    });
}

fn planned<'a>(deliveries: &[DeliveryReport]) -> Entry<'a> {
    let count = deliveries.len();
    Entry {
        at: None,
        tone: "calm",
        what: html! { strong { "Became " (format::counted(count, "request")) } },
        more: html! {
            ul.plain-list {
                @for (at, delivery) in deliveries.iter().enumerate() {
                    li {
                        (at + 1) ". " (named(delivery)) " " (format::status(delivery.status.word()))
                        @if delivery.attempts.is_empty() && delivery.status == DeliveryStatus::Rejected {
                            " not sent: " (delivery.reason.as_deref().unwrap_or("no reason is known"))
                        }
                    }
                }
            }
        },
    }
}

/// A request in a few words.
fn named(delivery: &DeliveryReport) -> String {
    let (method, path) = route(delivery);
    match &delivery.metric {
        Some(metric) => format!("{method} {path} ({metric})"),
        None => format!("{method} {path}"),
    }
}

fn attempts<'a>(deliveries: &'a [DeliveryReport], entries: &mut Vec<Entry<'a>>) {
    let mut found = Vec::new();
    for (at, delivery) in deliveries.iter().enumerate() {
        found.extend(delivery.attempts.iter().map(|attempt| (at + 1, delivery, attempt)));
    }
    // A stable sort: attempts of the same moment stay in the order of their requests.
    found.sort_by_key(|(_, _, attempt)| attempt.started_at);
    let several = deliveries.len() > 1;
    for (number, delivery, attempt) in found {
        entries.push(attempted(several.then_some(number), delivery, attempt));
    }
}

fn attempted<'a>(number: Option<usize>, delivery: &'a DeliveryReport, attempt: &'a AttemptReport) -> Entry<'a> {
    let took = attempt
        .ended_at
        .map(|ended| format::span(ended.since(attempt.started_at)));
    Entry {
        at: Some(attempt.started_at),
        tone: attempt.outcome.map_or("busy", tone),
        what: html! {
            strong {
                @if let Some(number) = number { "Request " (number) ", attempt " } @else { "Attempt " }
                (attempt.number)
            }
            " to " (delivery.sent_to.as_deref().map_or_else(|| "?".to_owned(), place)) " "
            @match attempt.outcome {
                Some(outcome) => {
                    (format::status(outcome.word()))
                    @if let Some(status) = attempt.http_status { " HTTP " (status) }
                    @if let Some(took) = took { ", " (took) }
                }
                None => { span.badge.busy { (awaited(attempt)) } }
            }
        },
        more: html! {
            @if let Some(error) = &attempt.error { q.said { (error) } }
            @if let Some(id) = &attempt.klaviyo_job_id { div { "Klaviyo's import job " span.mono { (id) } } }
            @if let Some(id) = &attempt.klaviyo_request_id { div { "Klaviyo's request id " span.mono { (id) } } }
        },
    }
}

/// The result of an attempt as a colour; the badge also has the word.
const fn tone(outcome: OutcomeKind) -> &'static str {
    match outcome {
        OutcomeKind::Accepted => "good",
        OutcomeKind::Refused => "bad",
        OutcomeKind::Retry | OutcomeKind::Unknown | OutcomeKind::Stopped | OutcomeKind::Conflict => "warn",
    }
}

fn finished(shown: &ShownEvent) -> Option<Entry<'_>> {
    let at = shown.report.finished_at?;
    let (tone, word) = match shown.report.status {
        EventStatus::Delivered => ("good", "Delivered"),
        EventStatus::Skipped => ("calm", "Skipped"),
        EventStatus::Dead => ("bad", "Dead"),
        EventStatus::Pending | EventStatus::Held => return None,
    };
    let reason = shown.report.reason.as_deref();
    // A reason is not repeated: a request's own reason is shown above.
    let deliveries = &shown.report.deliveries;
    let is_shown = deliveries.iter().any(|of| of.reason.as_deref() == reason);
    let reason = reason.filter(|_| !is_shown);
    Some(Entry {
        at: Some(at),
        tone,
        what: html! { strong { (word) } },
        more: html! { @if let Some(reason) = reason { (format::sentence(reason)) } },
    })
}

/// What the event waits for, and which events wait for it.
fn ahead<'a>(shown: &'a ShownEvent, entries: &mut Vec<Entry<'a>>) {
    let report = &shown.report;
    if report.status == EventStatus::Held {
        entries.push(Entry {
            at: None,
            tone: "warn",
            what: html! { strong { "Held" } " until you release or discard it" },
            more: html! {},
        });
    }
    if !report.waits_for.is_empty() {
        entries.push(Entry {
            at: None,
            tone: "warn",
            what: html! { strong { "Waits for" } " " (links(&report.waits_for)) },
            more: html! { "earlier events of the same person, which are still in front of it" },
        });
    }
    if let Some(at) = shown.tried_again_at() {
        entries.push(Entry {
            at: Some(at),
            tone: "busy",
            what: html! { strong { "May go" } " from then on" },
            more: html! {},
        });
    }
    let WaitingEvents { count, first } = &report.waited_for_by;
    if *count > 0 {
        let shown = i64::try_from(first.len()).unwrap_or(i64::MAX);
        entries.push(Entry {
            at: None,
            tone: "calm",
            what: html! { strong { (format::waiting(*count)) " for it" } },
            more: html! { (links(first)) @if *count > shown { " and " (format::count(count - shown)) " more" } },
        });
    }
}

fn links(events: &[EventId]) -> Markup {
    html! {
        @for (at, id) in events.iter().enumerate() {
            @if at > 0 { ", " }
            a href=(path(*id)) { "event " (id) }
        }
    }
}
