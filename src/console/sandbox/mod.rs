//! The page of the sandbox in this process, if requests go there: the requests it received and the data it holds.
//!
//! It promises that a page copies a bounded amount of that data; that names of people are masked here as in any other
//! list, although data for a sandbox should be made up; and that without the sandbox the page states where requests go.

mod entries;

use axum::Extension;
use axum::extract::Query;
use axum::http::Uri;
use maud::{Markup, html};
use serde::Deserialize;

use super::events::empty::first;
use super::format;
use super::frame::Section;
use super::request::{Answer, PageRequest};
use super::urls::address;
use crate::sandbox::{Counts, Page, Sandbox};

/// Entries on a page.
const SHOWN: usize = 25;

/// The selected tab.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Show {
    #[default]
    Requests,
    Profiles,
    Events,
    Lists,
}

/// The state of the page, as its address holds it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct SandboxParams {
    show: Show,
    /// Only entries before this number, of requests, profiles and events.
    before: Option<u64>,
    /// Only lists after this id.
    after: Option<String>,
    /// Only events of this profile.
    profile: Option<String>,
    /// Only profiles on this list.
    list: Option<String>,
}

/// The page.
pub(super) async fn page(Extension(request): Extension<PageRequest>, uri: Uri) -> Answer {
    let main = match &request.admin.sandbox {
        None => elsewhere(),
        Some(sandbox) => {
            // An incomplete address shows the first page.
            let params = Query::try_from_uri(&uri);
            let params = params.map_or_else(|_| SandboxParams::default(), |Query(params)| params);
            inside(&request, sandbox, &params)
        }
    };
    Ok(request.page("Sandbox", Section::Sandbox, &main))
}

fn elsewhere() -> Markup {
    format::empty(
        "Requests do not go to the sandbox.",
        &html! {
            "They go to Klaviyo, or to the address in " code { "[klaviyo] endpoint" } " of the configuration. With "
            code { "endpoint = \"sandbox\"" } " and a restart they come here instead, and nothing reaches Klaviyo. What a \
             call would become can be seen without either: "
            a href="/try" { "try an event" } "."
        },
    )
}

fn inside(request: &PageRequest, sandbox: &Sandbox, params: &SandboxParams) -> Markup {
    let counts = sandbox.counts();
    html! {
        p.soft {
            "A Klaviyo in this program's memory: it takes and refuses what Klaviyo does, and forgets all of it when the \
             program ends."
        }
        (figures(&counts))
        (tabs(params.show, &counts))
        @match params.show {
            Show::Requests => (requests(request, sandbox, params)),
            Show::Profiles => (profiles(request, sandbox, params)),
            Show::Events => (events(request, sandbox, params)),
            Show::Lists => (lists(sandbox, params)),
        }
    }
}

fn figures(counts: &Counts) -> Markup {
    let outcome = |word| counts.outcomes.get(word).copied().unwrap_or_default();
    let forgotten = counts.requests_dropped + counts.profiles_forgotten + counts.events_forgotten;
    let figures = [
        ("Requests stored", outcome("stored"), true),
        ("Refused", outcome("refused"), true),
        ("Had come before", outcome("duplicate"), false),
        ("Taken, nothing kept", outcome("dropped"), false),
        ("Reads", outcome("read"), false),
        ("Faults played", outcome("fault"), false),
        ("Copies of events", counts.duplicate_events, false),
        ("Forgotten for want of room", forgotten, false),
    ];
    html! {
        dl.figures.beside {
            @for (name, count, always) in figures {
                @if always || count > 0 { div { dt { (name) } dd { (format::count(count)) } } }
            }
        }
    }
}

fn tabs(show: Show, counts: &Counts) -> Markup {
    let tabs = [
        (Show::Requests, "Requests", "requests", format::count(counts.requests)),
        (Show::Profiles, "Profiles", "profiles", format::count(counts.profiles)),
        (Show::Events, "Events", "events", format::count(counts.events)),
        (Show::Lists, "Lists", "lists", format::count(counts.lists)),
    ];
    html! {
        nav.tabs aria-label="What the sandbox holds" {
            @for (of, name, word, count) in tabs {
                a href={ "/sandbox?show=" (word) } aria-current=[(of == show).then_some("page")] {
                    (name) " " span.soft { (count) }
                }
            }
        }
    }
}

fn requests(request: &PageRequest, sandbox: &Sandbox, params: &SandboxParams) -> Markup {
    let part = sandbox.requests(params.before, SHOWN);
    let empty = html! { @if params.before.is_none() { (format::empty("No request has come yet.", &first(request))) } @else { (at_the_end()) } };
    html! {
        h2.quiet { "Requests" }
        (listed(&part, &empty, |entry| entries::request(request, entry)))
        (older(&part, &[("show", "requests")]))
    }
}

fn profiles(request: &PageRequest, sandbox: &Sandbox, params: &SandboxParams) -> Markup {
    let list = params.list.as_deref();
    let part = match list {
        Some(list) => sandbox.members(list, params.before, SHOWN),
        None => sandbox.profiles(params.before, SHOWN),
    };
    let empty = format::empty(
        "No profile is here.",
        &html! { "Klaviyo makes one of each person that an event or an identify names." },
    );
    let mut query = vec![("show", "profiles")];
    query.extend(list.map(|list| ("list", list)));
    html! {
        @if let Some(list) = list {
            h2 { "On the list " code { (list) } }
            p { a href="/sandbox?show=profiles" { "All profiles" } }
        } @else {
            h2.quiet { "Profiles" }
        }
        (listed(&part, &empty, |profile| entries::profile(request, profile)))
        (older(&part, &query))
    }
}

fn events(request: &PageRequest, sandbox: &Sandbox, params: &SandboxParams) -> Markup {
    let of = params.profile.as_deref();
    let part = sandbox.events(of, params.before, SHOWN);
    let empty = format::empty(
        "No event is here.",
        &html! { "What Klaviyo takes from track calls stands here, each event once." },
    );
    let mut query = vec![("show", "events")];
    query.extend(of.map(|profile| ("profile", profile)));
    html! {
        @if let Some(of) = of {
            h2 { "Events of one profile" }
            @match sandbox.profile(of) {
                Some(profile) => ul.entries { (entries::profile(request, &profile)) },
                None => p.hint { "The profile itself, " code { (of) } ", is not here, or not any more." },
            }
            p { a href="/sandbox?show=events" { "Events of all profiles" } }
        } @else {
            h2.quiet { "Events" }
        }
        (listed(&part, &empty, |event| entries::event(request, event)))
        (older(&part, &query))
    }
}

fn lists(sandbox: &Sandbox, params: &SandboxParams) -> Markup {
    let part = sandbox.lists(params.after.as_deref(), SHOWN);
    let empty = format::empty(
        "No list is here.",
        &html! {
            "A list is made when it is first used: by " code { "mapping.list_id" } ", by an audience, or by the "
            code { "listId" } " of a call."
        },
    );
    html! {
        h2.quiet { "Lists" }
        (listed(&part, &empty, entries::list))
        @if let Some(next) = &part.next {
            p.actions { a.button href=(path(&[("show", "lists"), ("after", next)])) { "More lists" } }
        }
    }
}

fn at_the_end() -> Markup {
    html! { p.hint { "That is the end: what is older is not kept." } }
}

fn listed<T, C>(part: &Page<T, C>, empty: &Markup, one: impl Fn(&T) -> Markup) -> Markup {
    html! {
        @if !part.entries.is_empty() {
            ul.entries { @for entry in &part.entries { (one(entry)) } }
        } @else if part.next.is_some() {
            p.hint { "None among the newest; there may be some among the older ones." }
        } @else {
            (empty)
        }
    }
}

fn older<T>(part: &Page<T>, query: &[(&str, &str)]) -> Markup {
    html! {
        @if let Some(next) = part.next {
            @let next = next.to_string();
            @let query: Vec<(&str, &str)> = query.iter().copied().chain([("before", &*next)]).collect();
            p.actions { a.button rel="next" href=(path(&query)) { "Older" } }
        }
    }
}

fn path(query: &[(&str, &str)]) -> String {
    address("/sandbox", query)
}
