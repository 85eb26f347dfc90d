//! The history of an event in time order, and what comes next.

use std::time::Duration;

use maud::{Markup, html};

use super::summary::{place, value, waiting};
use super::{ShownEvent, path};
use crate::console::format;
use crate::model::{EventId, EventStatus};
use crate::operator::{AttemptReport, DeliveryReport, awaited, route};

/// One entry: something that happened or will happen.
struct Entry<'a> {
    /// The time in ISO 8601; `None` if it is not recorded, or is in the future and unknown.
    at: Option<String>,
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
                    div.when { @if let Some(at) = &entry.at { (format::iso(at)) } }
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
    let has = |name| report.column(name).unwrap_or("?");
    Entry {
        at: report.column("received_at").map(str::to_owned),
        tone: "calm",
        what: html! { strong { "Received" } " from " (has("source")) },
        more: html! {
            "as message " span.mono { (has("message_id")) } ", about "
            @if report.identifiers.is_empty() { "nobody, or somebody erased since" }
            @else { (report.identifiers.join(", ")) }
        },
    }
}

/// For each generation: its planned requests and its attempts.
fn sent<'a>(shown: &'a ShownEvent, entries: &mut Vec<Entry<'a>>) {
    let mut rest = &shown.report.deliveries[..];
    while let Some(first) = rest.first() {
        let generation = first.column("generation");
        let of_generation = rest
            .iter()
            .take_while(|of| of.column("generation") == generation)
            .count();
        let (generation, after) = rest.split_at(of_generation);
        again(shown, first.column("generation"), entries);
        entries.push(planned(generation));
        attempts(generation, entries);
        rest = after;
    }
    let generation = shown.stored.as_ref().map(|stored| stored.generation.to_string());
    let last = shown.report.deliveries.last().and_then(|of| of.column("generation"));
    if generation.as_deref() != last {
        again(shown, generation.as_deref(), entries);
    }
}

/// The entry for the start of another generation.
fn again<'a>(shown: &'a ShownEvent, generation: Option<&str>, entries: &mut Vec<Entry<'a>>) {
    let Some(number) = generation.and_then(|generation| generation.parse::<i64>().ok()) else {
        return;
    };
    if number < 2 {
        return;
    }
    let stored = shown.stored.as_ref().filter(|stored| stored.generation == number);
    entries.push(Entry {
        at: stored.map(|stored| stored.generation_began.to_string()),
        tone: "busy",
        what: html! { strong { "Sent again" } },
        more: html! { "by a replay or an import; this is sending " (number) },
    });
}

fn planned<'a>(deliveries: &[DeliveryReport]) -> Entry<'a> {
    let count = i64::try_from(deliveries.len()).unwrap_or(i64::MAX);
    Entry {
        at: None,
        tone: "calm",
        what: html! { strong { "Became " (format::counted(count, "request")) } },
        more: html! {
            ul.plain-list {
                @for (at, delivery) in deliveries.iter().enumerate() {
                    li {
                        (at + 1) ". " (named(delivery)) " " (format::status(delivery.column("status").unwrap_or("?")))
                        @if delivery.attempts.is_empty() && delivery.column("status") == Some("rejected") {
                            " not sent: " (delivery.column("reason").unwrap_or("no reason is known"))
                        }
                    }
                }
            }
        },
    }
}

/// A request in a few words.
fn named(delivery: &DeliveryReport) -> String {
    let route = route(delivery);
    let route = route.map_or("?".to_owned(), |(method, path)| format!("{method} {path}"));
    match delivery.column("metric") {
        Some(metric) => format!("{route} ({metric})"),
        None => route,
    }
}

fn attempts<'a>(deliveries: &'a [DeliveryReport], entries: &mut Vec<Entry<'a>>) {
    let mut found = Vec::new();
    for (at, delivery) in deliveries.iter().enumerate() {
        found.extend(delivery.attempts.iter().map(|attempt| (at + 1, delivery, attempt)));
    }
    // A stable sort: attempts of the same moment stay in the order of their requests.
    found.sort_by_key(|(_, _, attempt)| value(attempt, "started_at").unwrap_or_default());
    let several = deliveries.len() > 1;
    for (number, delivery, attempt) in found {
        entries.push(attempted(several.then_some(number), delivery, attempt));
    }
}

fn attempted<'a>(number: Option<usize>, delivery: &'a DeliveryReport, attempt: &'a AttemptReport) -> Entry<'a> {
    let of = |name| value(attempt, name);
    let outcome = of("outcome");
    let took = of("duration_ms").and_then(|millis| millis.parse().ok());
    let took = took.map(|millis| format::span(Duration::from_millis(millis)));
    Entry {
        at: of("started_at").map(str::to_owned),
        tone: outcome.map_or("busy", tone),
        what: html! {
            strong {
                @if let Some(number) = number { "Request " (number) ", attempt " } @else { "Attempt " }
                (of("number").unwrap_or("?"))
            }
            " to " (delivery.column("sent_to").map_or_else(|| "?".to_owned(), place)) " "
            @match outcome {
                Some(outcome) => {
                    (format::status(outcome))
                    @if let Some(status) = of("http_status") { " HTTP " (status) }
                    @if let Some(took) = took { ", " (took) }
                }
                None => { span.badge.busy { (awaited(attempt)) } }
            }
        },
        more: html! {
            @if let Some(error) = of("error") { q.said { (error) } }
            @if let Some(id) = of("klaviyo_job_id") { div { "Klaviyo's import job " span.mono { (id) } } }
            @if let Some(id) = of("klaviyo_request_id") { div { "Klaviyo's request id " span.mono { (id) } } }
        },
    }
}

/// The result of an attempt as a colour; the badge also has the word.
fn tone(outcome: &str) -> &'static str {
    match outcome {
        "accepted" | "duplicate" => "good",
        "refused" => "bad",
        _ => "warn",
    }
}

fn finished(shown: &ShownEvent) -> Option<Entry<'_>> {
    let at = shown.report.column("finished_at")?;
    let (tone, word) = match shown.state()? {
        EventStatus::Delivered => ("good", "Delivered"),
        EventStatus::Skipped => ("calm", "Skipped"),
        EventStatus::Dead => ("bad", "Given up"),
        EventStatus::Pending | EventStatus::Held => return None,
    };
    let reason = shown.report.column("reason");
    // A reason is not repeated: a request's own reason is shown above.
    let deliveries = &shown.report.deliveries;
    let said = deliveries.iter().any(|of| of.column("reason") == reason);
    let reason = reason.filter(|_| !said);
    Some(Entry {
        at: Some(at.to_owned()),
        tone,
        what: html! { strong { (word) } },
        more: html! { @if let Some(reason) = reason { (format::sentence(reason)) } },
    })
}

/// What the event waits for, and which events wait for it.
fn ahead<'a>(shown: &'a ShownEvent, entries: &mut Vec<Entry<'a>>) {
    let report = &shown.report;
    if shown.state() == Some(EventStatus::Held) {
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
            at: Some(at.to_owned()),
            tone: "busy",
            what: html! { strong { "May go" } " from then on" },
            more: html! {},
        });
    }
    let (count, first) = &report.waited_for_by;
    if *count > 0 {
        let shown = i64::try_from(first.len()).unwrap_or(i64::MAX);
        entries.push(Entry {
            at: None,
            tone: "calm",
            what: html! { strong { (waiting(*count)) " for it" } },
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
