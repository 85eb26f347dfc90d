//! One request, profile, event or list of the sandbox, as a line that expands to its details.

use maud::{Markup, html};
use serde_json::Value;

use super::super::format;
use super::super::request::PageRequest;
use super::path;
use crate::sandbox::{Entry, Event, ListPage, Profile};

/// The maximum length of a body that is shown, in characters.
const MOST_CHARS: usize = 20_000;

/// A request.
pub(super) fn request(request: &PageRequest, entry: &Entry) -> Markup {
    let body = entry.body.get();
    let status = entry
        .status
        .map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    html! {
        li {
            p.entry {
                span.place { (format::count(entry.number)) }
                (badge(entry.outcome.word()))
                span.mono { (entry.method) " " (target(request, &entry.path)) }
                span { (status) }
                @if let Some(metric) = &entry.metric { strong { (request.masked(metric)) } }
                span.when { (format::time(entry.time)) }
            }
            p.detail {
                @if let Some(fault) = &entry.fault { span { "Fault: " (fault) } }
                @if let Some(note) = &entry.note { span { (request.masked(note)) } }
                (keys(request, entry.unique_id.as_deref(), entry.profile.as_deref()))
            }
            @if body != "null" { (unfolded("Body", &json(request, body))) }
        }
    }
}

/// A profile.
pub(super) fn profile(request: &PageRequest, profile: &Profile) -> Markup {
    let shown = serde_json::json!({
        "attributes": profile.attributes, "properties": profile.properties, "consent": profile.consent,
    });
    let known = profile.attributes.len() + profile.properties.len() + profile.consent.len();
    html! {
        li {
            p.entry {
                strong { (names(request, profile)) }
                @for (channel, consent) in &profile.consent {
                    span { (channel) " " (badge(consent.state)) }
                }
                span.when { "changed " (format::time(profile.updated)) }
            }
            p.detail {
                span.mono { (profile.id) } " "
                a href=(path(&[("show", "events"), ("profile", &profile.id.to_string())])) { "Its events" }
            }
            @if known > 0 { (unfolded("Attributes, properties and consent", &json(request, &shown.to_string()))) }
        }
    }
}

/// An event.
pub(super) fn event(request: &PageRequest, event: &Event) -> Markup {
    html! {
        li {
            p.entry {
                span.place { (format::count(event.sequence)) }
                strong { (request.masked(&event.metric)) }
                @if let Some(value) = &event.value {
                    span { (value.get()) " " (event.value_currency.as_deref().unwrap_or_default()) }
                }
                @if event.backfill { span.badge { "backfill" } }
                @if event.sent > 1 { span.soft { "came " (format::count(event.sent)) " times, kept once" } }
                span.when { (format::time(event.time)) }
            }
            p.detail {
                (keys(request, event.unique_id.as_deref(), Some(&event.profile.to_string())))
                @if !event.ignored_properties.is_empty() {
                    span { "ignored, being 0, null or empty: " (request.masked(&event.ignored_properties.join(", "))) }
                }
            }
            @if event.properties.get() != "{}" { (unfolded("Properties", &json(request, event.properties.get()))) }
        }
    }
}

/// A list.
pub(super) fn list(list: &ListPage) -> Markup {
    let all = path(&[("show", "profiles"), ("list", &list.id)]);
    html! {
        li {
            p.entry {
                strong { (list.name) }
                span.mono { (list.id) }
                span { (list.opt_in_process.word().replace('_', " ")) }
                @if list.members == 0 { span.soft { "nobody is on it" } }
                @else { a href=(all) { (format::counted(list.members, "profile")) } }
            }
            @for (profile, state) in &list.newest {
                p.detail {
                    a.mono href=(path(&[("show", "events"), ("profile", &profile.to_string())])) { (profile) }
                    span { (state.word().replace('_', " ")) }
                }
            }
            @if list.members > list.newest.len() {
                p.detail { span { "These are the newest." } a href=(all) { "See all" } }
            }
        }
    }
}

/// The names of a profile, the most informative ones first.
fn names(request: &PageRequest, profile: &Profile) -> String {
    const ORDER: [&str; 5] = ["email", "phone_number", "external_id", "anonymous_id", "_kx"];
    let names = ORDER.iter().filter_map(|name| profile.identifiers.get(name));
    let names: Vec<String> = names.map(|name| request.masked(name)).collect();
    if names.is_empty() {
        "no name".to_owned()
    } else {
        names.join(" · ")
    }
}

/// The key of an event and its profile.
fn keys(request: &PageRequest, unique_id: Option<&str>, profile: Option<&str>) -> Markup {
    html! {
        @if let Some(unique_id) = unique_id {
            span { "unique_id " span.mono { (request.masked(unique_id)) } }
        }
        @if let Some(profile) = profile {
            span { "profile " a.mono href=(path(&[("show", "events"), ("profile", profile)])) { (profile) } }
        }
    }
}

/// Path and query of a request. The query is decoded first, so that every name in it is masked.
fn target(request: &PageRequest, target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else {
        return request.masked(target);
    };
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap_or_default();
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={}", request.masked(value)))
        .collect();
    format!("{}?{}", request.masked(path), pairs.join("&"))
}

fn badge(word: &str) -> Markup {
    let tone = match word {
        "stored" | "subscribed" | "SUBSCRIBED" | "added" => "good",
        "refused" => "bad",
        "dropped" | "fault" | "awaiting_confirmation" | "AWAITING_CONFIRMATION" => "warn",
        _ => "calm",
    };
    html! { span class={ "badge " (tone) } { (word.to_lowercase().replace('_', " ")) } }
}

fn unfolded(name: &str, text: &str) -> Markup {
    let cut = text.char_indices().nth(MOST_CHARS);
    let shown = cut.map_or(text, |(end, _)| &text[..end]);
    html! {
        details {
            summary { (name) }
            pre tabindex="0" { (shown) }
            @if cut.is_some() {
                p.hint { "The first " (format::count(MOST_CHARS)) " of its characters; GET /sandbox/* on the sandbox's port has all." }
            }
        }
    }
}

/// Formats JSON without changing its digits, and masks it; text that is not JSON stays unformatted.
fn json(request: &PageRequest, text: &str) -> String {
    // It is parsed and written again, so that no escape hides an address from the masking.
    let value: Result<Value, _> = crate::json::from_str(text);
    let set_out = value.and_then(|value| serde_json::to_string_pretty(&value));
    request.masked(&set_out.unwrap_or_else(|_| text.to_owned()))
}
