//! The page of dead letters: the dead events by the code of their reason, and the actions for each group.
//!
//! It promises that each link selects exactly its group: the group's code is the filter. This page changes nothing; the
//! page behind a link first shows what it will do.

mod trend;

use std::collections::{BTreeMap, HashMap};

use axum::Extension;
use maud::{Markup, html};

use super::format;
use super::frame::Section;
use super::request::{Answer, PageRequest};
use super::urls::address;
use crate::model::EventId;
use crate::operator::{DISCARDED, DeadGroup, DeadGroups, advice};

/// The maximum number of groups that are read, so that all of them can be counted.
const READ: u32 = 10_000;
/// The maximum number of groups that are shown.
const SHOWN: usize = 100;

/// The page.
pub(super) async fn page(Extension(request): Extension<PageRequest>) -> Answer {
    let mut groups = request.admin.outbox.dead_groups(READ).await?;
    // The newest failures come first, because the operator looks for those; discarded events come last.
    let place = |group: &DeadGroup| (group.code == DISCARDED, std::cmp::Reverse(group.last));
    groups.groups.sort_by_key(place);
    let shown = groups.groups.iter().take(SHOWN);
    let newest: Vec<EventId> = shown.flat_map(|group| &group.newest).copied().collect();
    let libraries = request.admin.outbox.libraries(&newest).await?;
    let main = if groups.groups.is_empty() {
        nothing()
    } else {
        html! {
            (total(&groups))
            @for (at, group) in groups.groups.iter().take(SHOWN).enumerate() { (one(&request, at, group, &libraries)) }
            (left_out(&groups))
        }
    };
    Ok(request.page("Dead letters", Section::Dead, &main))
}

fn nothing() -> Markup {
    format::empty(
        "Nothing is dead.",
        &html! {
            "Every event was delivered, skipped by a rule, or still waits for its turn. An event dies when it can never be \
             delivered: Klaviyo refused it for good, or it was no call that can be sent. It is kept, and stands here by its \
             reason. "
            a href="/events" { "See the events" }
        },
    )
}

fn total(groups: &DeadGroups) -> Markup {
    let dead: i64 = groups.groups.iter().map(|group| group.count).sum();
    let (are, kept) = match dead {
        1 => ("is", "It is kept, and not sent again unless you replay it."),
        _ => ("are", "They are kept, and not sent again unless you replay them."),
    };
    let reasons = groups.groups.len();
    html! {
        p.lead {
            @if groups.older { "More than " }
            strong { (format::counted(dead, "event")) }
            " " (are) " dead, for " (format::counted(reasons, "reason")) ". "
            span.soft { (kept) }
        }
        @if groups.older {
            p.hint {
                "Counted here are those that ended last. Older ones are in the "
                a href="/events?status=dead" { "list of dead events" }
                ", and in what you replay, discard or export here."
            }
        }
    }
}

fn left_out(groups: &DeadGroups) -> Markup {
    let all = groups.groups.len();
    html! {
        @if all > SHOWN {
            p.hint {
                "These are the " (SHOWN) " newest of " (format::count(all))
                " groups. What is in the others is in the "
                a href="/events?status=dead" { "list of dead events" } "."
            }
        }
    }
}

fn one(request: &PageRequest, at: usize, group: &DeadGroup, libraries: &HashMap<EventId, String>) -> Markup {
    let dead = [("status", "dead"), ("code", &*group.code)];
    let change = |change| {
        let keys = [&[("do", change)], &dead[..], &[("back", "/dead")]];
        address("/change", &keys.concat())
    };
    let advice = advice(&group.code);
    let events = format::counted(group.count, "event");
    let heading = format!("group-{at}");
    html! {
        section.card.group aria-labelledby=(heading) {
            h2 id=(heading) { code { (group.code) } }
            p.why { (request.masked(&group.example)) }
            (facts(request, group, libraries))
            (trend::drawing(&group.hours, request.now))
            @if let Some(advice) = advice {
                p.todo { strong { "What to do: " } (advice.todo) }
            }
            div.actions {
                a.button.go href=(change("replay")) { "Replay " (events) " …" }
                // They cannot be discarded again.
                @if group.code != DISCARDED { a.button.danger href=(change("discard")) { "Discard …" } }
                @if advice.is_some_and(|advice| advice.call) {
                    a.button href={ "/try?event=" (group.sample) } { "Edit a copy of event " (group.sample) }
                }
                a.button href=(address("/events", &dead)) { "See " (if group.count == 1 { "it" } else { "them" }) }
                a.button href=(address("/export", &dead)) download { "Export with personal data" }
            }
        }
    }
}

/// A group's numbers of events and people, its times of arrival, event names, sources and library.
fn facts(request: &PageRequest, group: &DeadGroup, libraries: &HashMap<EventId, String>) -> Markup {
    let people = match group.people {
        0 => "of nobody who is named".to_owned(),
        1 => "of 1 person".to_owned(),
        people => format!("of {} people", format::count(people)),
    };
    html! {
        p.line {
            // The blanks are for screen readers, and for copies of the line.
            strong { (format::counted(group.count, "event")) } " "
            span { (people) } " "
            @if group.first == group.last {
                span { "arrived " (format::time(group.first)) } " "
            } @else {
                span { "first arrived " (format::time(group.first)) } " "
                span { "last " (format::time(group.last)) } " "
            }
            @if !group.names.is_empty() { span { (few(&group.names)) } " " }
            span { "from " (few(&group.sources)) } " "
            @if let Some(library) = library(group, libraries) { span { "newest from " (request.masked(&library)) } " " }
            span { "for example " a href={ "/events/" (group.sample) } { "event " (group.sample) } }
        }
    }
}

/// The library that sent most of a group's newest events, and how many other libraries sent some of them.
fn library(group: &DeadGroup, libraries: &HashMap<EventId, String>) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for library in group.newest.iter().filter_map(|event| libraries.get(event)) {
        *counts.entry(library).or_default() += 1;
    }
    let (most, _) = counts.iter().max_by_key(|(_, count)| **count)?;
    Some(match counts.len() - 1 {
        0 => (*most).to_owned(),
        1 => format!("{most} and 1 other"),
        others => format!("{most} and {others} others"),
    })
}

/// The first of these, and how many more there are.
fn few(all: &[String]) -> String {
    const NAMED: usize = 3;
    let named = all.iter().take(NAMED).cloned();
    let named = named.collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
