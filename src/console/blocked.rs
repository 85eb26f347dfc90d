//! The page of blocked queues: the head events that block others, why, and two actions: retry or skip the head.
//!
//! It promises that an action is offered only where it works, and that it states the effect on the events behind the
//! head before it is done. This page changes nothing.

use axum::Extension;
use maud::{Markup, html};

use super::frame::Section;
use super::say;
use super::visit::{Answer, Visit};
use crate::operator::{Blocked, BlockedHead, Pause};

/// The maximum number of heads that are shown.
const SHOWN: u32 = 100;

/// The page.
pub(super) async fn page(Extension(visit): Extension<Visit>) -> Answer {
    let heads = visit.admin.outbox.blocked_heads(SHOWN).await?;
    let pauses = visit.admin.outbox.pauses().await?;
    let main = html! {
        @for pause in &pauses { (paused(&visit, pause)) }
        @if heads.worst.is_empty() {
            (nobody())
        } @else {
            (total(&heads))
            @for head in &heads.worst { (one(&visit, head)) }
        }
    };
    Ok(visit.page("Blocked", Section::Blocked, &main))
}

fn nobody() -> Markup {
    say::empty(
        "Nobody is blocked.",
        &html! {
            "A person's events leave one after the other. When one waits for another attempt, is held, or died and holds \
             its place ([delivery] after_dead), those behind it wait too, and stand here. "
            a href="/events?status=pending" { "See what waits" }
        },
    )
}

fn paused(visit: &Visit, pause: &Pause) -> Markup {
    let what = match pause.family {
        None => "Nothing is sent to anybody".to_owned(),
        Some(family) => format!("Nothing is sent to the endpoint {}", family.word().replace('_', " ")),
    };
    html! {
        div.note.bad role="status" {
            strong { (what) " since " (say::time(pause.since)) "." }
            p { (visit.masked(&pause.reason)) }
            p { "Tried again at " (say::time(pause.probe_at)) ". Releasing an event tries it now." }
        }
    }
}

fn total(heads: &Blocked) -> Markup {
    let shown = i64::try_from(heads.worst.len()).unwrap_or(i64::MAX);
    let holds = match heads.heads {
        1 => "1 event holds others up".to_owned(),
        all => format!("{} events hold others up", say::count(all)),
    };
    html! {
        p.lead {
            strong { (holds) }
            @if heads.heads > shown { "; these are the " (say::count(shown)) " that most wait for." }
            @else { ", those that most wait for first." }
        }
    }
}

fn one(visit: &Visit, head: &BlockedHead) -> Markup {
    let heading = format!("event-{}", head.event);
    html! {
        section.card.group aria-labelledby=(heading) {
            h2 id=(heading) {
                a href={ "/events/" (head.event) } { "Event " (head.event) }
                @if let Some(profile) = &head.profile { " of " (visit.masked(profile)) }
                " " (say::status(&head.status))
            }
            p.line {
                strong { (say::counted(head.waiting, "event")) " behind it" } " "
                span { "since " (say::time(head.since)) ", " (say::span(visit.now.since(head.since))) } " "
                span { (next(visit, head)) }
            }
            p.why { (visit.masked(head.reason.as_deref().unwrap_or("not sent yet"))) }
            (ways(head))
        }
    }
}

fn next(visit: &Visit, head: &BlockedHead) -> Markup {
    match head.next_attempt_at {
        _ if head.in_flight => html! { "is being sent" },
        Some(at) if at > visit.now => {
            html! { "tried again at " (say::time(at)) ", in " (say::span(at.since(visit.now))) }
        }
        Some(_) => html! { "tried as soon as there is room" },
        None => html! { "not tried again by itself" },
    }
}

/// An action: what it does, its button, and its effect.
struct Way {
    change: &'static str,
    button: &'static str,
    class: &'static str,
    comes_to: String,
}

fn ways(head: &BlockedHead) -> Markup {
    if head.in_flight {
        return html! {
            p.hint { "A request of it is in flight, so nothing can be done with it at this moment. Look again soon." }
        };
    }
    html! {
        ul.ways {
            @for way in [again(head), skip(head)] {
                li {
                    a class={ "button " (way.class) }
                        href={ "/change?do=" (way.change) "&id=" (head.event) "&back=/blocked" } { (way.button) }
                    span.hint { (way.comes_to) }
                }
            }
        }
    }
}

/// Retries the head.
fn again(head: &BlockedHead) -> Way {
    let behind = behind(head);
    let follow = if head.waiting == 1 { "follows" } else { "follow" };
    let (change, button, comes_to) = match &*head.status {
        "dead" => (
            "replay",
            "Replay it …",
            format!("It is sent again in its old place; once it is through, {behind} {follow}."),
        ),
        "held" => (
            "release",
            "Let it go …",
            format!("It is sent, and once it is through, {behind} {follow}."),
        ),
        _ => (
            "release",
            "Try it now …",
            format!("It is sent at once instead of at its time; once it is through, {behind} {follow}."),
        ),
    };
    Way {
        change,
        button,
        class: "go",
        comes_to,
    }
}

/// Continues without the head.
fn skip(head: &BlockedHead) -> Way {
    let behind = behind(head);
    let wait = if head.waiting == 1 { "waits" } else { "wait" };
    let (becomes, later) = match &*head.status {
        "dead" => ("It stays dead", ""),
        _ => ("It is given up and becomes dead", ", then behind them"),
    };
    Way {
        change: "discard",
        button: "Skip it …",
        class: "danger",
        comes_to: format!("{becomes}, and {behind} no longer {wait} for it. It can still be replayed{later}."),
    }
}

fn behind(head: &BlockedHead) -> String {
    match head.waiting {
        1 => "the one behind it".to_owned(),
        waiting => format!("the {} behind it", say::count(waiting)),
    }
}
