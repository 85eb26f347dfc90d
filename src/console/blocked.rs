//! The page of blocked queues: the head events that block others, why, and two actions: retry or skip the head.
//!
//! It promises that an action is offered only where it works, and that it states the effect on the events behind the
//! head before it is done. This page changes nothing.

use axum::Extension;
use maud::{Markup, html};

use super::format;
use super::frame::Section;
use super::request::{Answer, PageRequest};
use crate::operator::{Blocked, BlockedHead, Pause};

/// The maximum number of heads that are shown.
const SHOWN: u32 = 100;

/// The page.
pub(super) async fn page(Extension(request): Extension<PageRequest>) -> Answer {
    let heads = request.admin.outbox.blocked_heads(SHOWN).await?;
    let pauses = request.admin.outbox.pauses().await?;
    let main = html! {
        @for pause in &pauses { (paused(&request, pause)) }
        @if heads.worst.is_empty() {
            (nobody())
        } @else {
            (total(&heads))
            @for head in &heads.worst { (one(&request, head)) }
        }
    };
    Ok(request.page("Blocked", Section::Blocked, &main))
}

fn nobody() -> Markup {
    format::empty(
        "Nobody is blocked.",
        &html! {
            "A person's events leave one after the other. When one waits for another attempt, is held, or died and holds \
             its place ([delivery] after_dead), those behind it wait too, and stand here. "
            a href="/events?status=pending" { "See what waits" }
        },
    )
}

fn paused(request: &PageRequest, pause: &Pause) -> Markup {
    let what = match pause.family {
        None => "Nothing is sent to anybody".to_owned(),
        Some(family) => format!("Nothing is sent to the endpoint {}", family.word().replace('_', " ")),
    };
    html! {
        div.note.bad role="status" {
            strong { (what) " since " (format::time(pause.since)) "." }
            p { (request.masked(&pause.reason)) }
            p { "Tried again at " (format::time(pause.probe_at)) ". Releasing an event tries it now." }
        }
    }
}

fn total(heads: &Blocked) -> Markup {
    let shown = i64::try_from(heads.worst.len()).unwrap_or(i64::MAX);
    let holds = match heads.heads {
        1 => "1 event holds others up".to_owned(),
        all => format!("{} events hold others up", format::count(all)),
    };
    html! {
        p.lead {
            strong { (holds) }
            @if heads.heads > shown { "; these are the " (format::count(shown)) " with the most others behind them." }
            @else { ", those with the most others behind them first." }
        }
    }
}

fn one(request: &PageRequest, head: &BlockedHead) -> Markup {
    let heading = format!("event-{}", head.event);
    html! {
        section.card.group aria-labelledby=(heading) {
            h2 id=(heading) {
                a href={ "/events/" (head.event) } { "Event " (head.event) }
                @if let Some(profile) = &head.profile { " of " (request.masked(profile)) }
                " " (format::status(&head.status))
            }
            p.line {
                strong { (format::counted(head.waiting, "event")) " behind it" } " "
                span { "since " (format::time(head.since)) ", " (format::span(request.now.since(head.since))) } " "
                span { (next(request, head)) }
            }
            p.why { (request.masked(head.reason.as_deref().unwrap_or("not sent yet"))) }
            (actions(head))
        }
    }
}

fn next(request: &PageRequest, head: &BlockedHead) -> Markup {
    match head.next_attempt_at {
        _ if head.in_flight => html! { "is being sent" },
        Some(at) if at > request.now => {
            html! { "tried again at " (format::time(at)) ", in " (format::span(at.since(request.now))) }
        }
        Some(_) => html! { "tried as soon as there is room" },
        None => html! { "not tried again by itself" },
    }
}

fn actions(head: &BlockedHead) -> Markup {
    if head.in_flight {
        return html! {
            p.hint { "A request of it is in flight, so nothing can be done with it at this moment. Look again soon." }
        };
    }
    html! { ul.ways { (again(head)) (skip(head)) } }
}

/// The button of a change, and its effect.
fn way(head: &BlockedHead, change: &str, button: &str, class: &str, effect: &str) -> Markup {
    html! {
        li {
            a class={ "button " (class) } href={ "/change?do=" (change) "&id=" (head.event) "&back=/blocked" } { (button) }
            span.hint { (effect) }
        }
    }
}

/// Retries the head.
fn again(head: &BlockedHead) -> Markup {
    let (change, button, effect) = match &*head.status {
        "dead" => ("replay", "Replay it …", "It is sent again in its old place;"),
        "held" => ("release", "Let it go …", "It is sent, and"),
        _ => ("release", "Try it now …", "It is sent at once instead of at its time;"),
    };
    let (behind, follow) = (behind(head), if head.waiting == 1 { "follows" } else { "follow" });
    let effect = format!("{effect} once it is through, {behind} {follow}.");
    way(head, change, button, "go", &effect)
}

/// Continues without the head.
fn skip(head: &BlockedHead) -> Markup {
    let (behind, wait) = (behind(head), if head.waiting == 1 { "waits" } else { "wait" });
    let (becomes, later) = match &*head.status {
        "dead" => ("It stays dead", ""),
        _ => ("It is given up and becomes dead", ", then behind them"),
    };
    let effect = format!("{becomes}, and {behind} no longer {wait} for it. It can still be replayed{later}.");
    way(head, "discard", "Skip it …", "danger", &effect)
}

fn behind(head: &BlockedHead) -> String {
    match head.waiting {
        1 => "the one behind it".to_owned(),
        waiting => format!("the {} behind it", format::count(waiting)),
    }
}
