//! The filter form of the list, the active filters as chips, and the actions for all selected events.

use maud::{Markup, html};

use super::super::filter::FilterParams;
use super::super::request::PageRequest;
use crate::model::{EventStatus, EventType};
use crate::operator::{Change, Replay};

/// The keys that have a field in the form.
const FIELDS: [&str; 7] = ["status", "type", "event", "source", "profile", "since", "until"];
/// Suggested times.
const OFTEN: [&str; 7] = ["15m", "1h", "2h", "today", "yesterday", "3d", "1w"];

/// Whether the error of a key is shown at its field.
pub(super) fn has_field(key: &str) -> bool {
    FIELDS.contains(&key)
}

/// The form. An error is shown at its field.
pub(super) fn form(request: &PageRequest, params: &FilterParams) -> Markup {
    let states: Vec<&str> = EventStatus::ALL.iter().map(|state| state.word()).collect();
    let types: Vec<&str> = EventType::ALL.iter().map(|kind| kind.word()).collect();
    let settings = request.admin.settings();
    let sources = settings.ingest().sources.iter();
    let sources: Vec<&str> = sources.map(|source| source.name.as_str()).collect();
    html! {
        form.filters.card method="get" action="/events" aria-label="Filters" {
            (params.hidden(&FIELDS))
            (field(params, "status", "Status", &select(params, "status", &states)))
            (field(params, "type", "Type", &select(params, "type", &types)))
            (field(params, "event", "Name", &input(params, "event", "Order Completed", None)))
            (field(params, "source", "Source", &select(params, "source", &sources)))
            (field(params, "profile", "Person", &input(params, "profile", "E-mail or id", None)))
            (field(params, "since", "From", &input(params, "since", "2h, yesterday", Some("times"))))
            (field(params, "until", "Until", &input(params, "until", "today", Some("times"))))
            datalist #times { @for time in OFTEN { option value=(time) {} } }
            div.show { button.primary { "Show" } }
            p.hint.wide {
                "Times are when an event was received: " code { "2h" } " ago, " code { "yesterday" } ", "
                code { "2026-11-23" } " or " code { "2026-11-23T09:30" } ", in UTC."
            }
        }
    }
}

/// The active filters, each with a link that removes it.
pub(super) fn chips(request: &PageRequest, params: &FilterParams) -> Markup {
    let chips = params.chips(request);
    html! {
        @if !chips.is_empty() {
            ul.chips aria-label="Filters in force" {
                @for (key, words) in &chips {
                    li {
                        a.chip href=(params.without("/events", key)) {
                            (words) " "
                            span aria-hidden="true" { "×" }
                            span.quiet { " (remove this filter)" }
                        }
                    }
                }
                @if chips.len() > 1 { li { a href="/events" { "Remove all" } } }
            }
        }
    }
}

/// The actions for all selected events. `works`: whether a change works on them; `link`: builds the address of a page
/// with the filters or the found events, and further keys.
pub(super) fn actions(
    request: &PageRequest,
    works: impl Fn(Change) -> bool,
    link: impl Fn(&str, &[(&str, &str)]) -> String,
) -> Markup {
    let changes = [
        ("replay", "Replay…", "button", Change::Replay(Replay::default())),
        ("hold", "Hold…", "button", Change::Hold),
        ("release", "Release…", "button", Change::Release),
        ("discard", "Discard…", "button danger", Change::Discard),
    ];
    let changes = changes.into_iter().filter(|(.., change)| works(*change));
    html! {
        div.actions role="group" aria-label="With all events of these filters" {
            span.soft { "With all of these:" }
            @for (verb, words, class, _) in changes {
                a class=(class) href=(link("/change", &[("do", verb), ("back", &request.here)])) { (words) }
            }
            a.button href=(link("/export", &[])) download { "Download" }
            span.hint { "The file holds personal data, whole." }
        }
    }
}

fn field(params: &FilterParams, key: &str, label: &str, control: &Markup) -> Markup {
    html! {
        div.field {
            label for={ "filter-" (key) } { (label) }
            (control)
            @if let Some(words) = params.wrong(key) {
                p.wrong id={ "wrong-" (key) } { (words) "." }
            }
        }
    }
}

fn input(params: &FilterParams, key: &str, example: &str, list: Option<&str>) -> Markup {
    let (wrong, described) = wrong(params, key);
    html! {
        input type="text" id={ "filter-" (key) } name=(key) value=(params.text(key)) placeholder=(example) list=[list]
            autocomplete="off" aria-invalid=[wrong] aria-describedby=[described];
    }
}

/// A select field. An unknown value from the address is kept as an option.
fn select(params: &FilterParams, key: &str, known: &[&str]) -> Markup {
    let text = params.text(key);
    let (wrong, described) = wrong(params, key);
    let other = !text.is_empty() && !known.contains(&text);
    html! {
        select id={ "filter-" (key) } name=(key) aria-invalid=[wrong] aria-describedby=[described] {
            option value="" { "any" }
            @for word in known { option value=(word) selected[*word == text] { (word) } }
            @if other { option value=(text) selected { (text) } }
        }
    }
}

fn wrong(params: &FilterParams, key: &str) -> (Option<&'static str>, Option<String>) {
    let wrong = params.wrong(key).is_some();
    (wrong.then_some("true"), wrong.then(|| format!("wrong-{key}")))
}
