//! Who is blocked: the events that hold others up, why, and the two ways on: to try the head again, or to skip it.
//!
//! It promises that a way on is offered only where it works, and that it says what becomes of those behind before it is
//! taken. Nothing changes here.

use axum::Extension;
use maud::{Markup, html};

use super::frame::Section;
use super::say;
use super::visit::{Answer, Visit};
use crate::model::{EventId, Timestamp};
use crate::outbox::{Outbox, PauseReport, ReadError, Selection};

/// Heads that are shown.
const SHOWN: u32 = 100;

/// The page.
pub(super) async fn page(Extension(visit): Extension<Visit>) -> Answer {
    let heads = heads(&visit.admin.outbox, SHOWN).await?;
    let pause = visit.admin.outbox.paused().await?;
    let main = html! {
        @if let Some(pause) = &pause { (paused(&visit, pause)) }
        @if heads.worst.is_empty() {
            (nobody())
        } @else {
            (total(&heads))
            @for head in &heads.worst { (one(&visit, head)) }
        }
    };
    Ok(visit.page("Blocked", Section::Blocked, &main))
}

/// The events that others wait for.
struct Heads {
    /// How many there are; `None` when only so much is known as is shown.
    all: Option<i64>,
    worst: Vec<Head>,
}

/// An event that others wait for.
struct Head {
    event: EventId,
    profile: Option<String>,
    since: Timestamp,
    status: String,
    /// Why it stands there, or the latest error; `None` when nothing was tried yet.
    reason: Option<String>,
    waiting: i64,
    in_air: bool,
    next_attempt_at: Option<Timestamp>,
}

/// The heads, as the outbox tells them.
async fn heads(outbox: &Outbox, most: u32) -> Result<Heads, ReadError> {
    let rows = outbox.blocked_profiles(most).await?;
    let ids = rows.iter().map(|row| EventId(row.head_event)).collect();
    let briefs = outbox.briefs(&Selection::of(ids), most).await?;
    let full = u32::try_from(rows.len()).is_ok_and(|count| count == most);
    let all = (!full).then(|| i64::try_from(rows.len()).unwrap_or(i64::MAX));
    let worst = rows.into_iter().filter_map(|row| {
        let brief = briefs.iter().find(|brief| brief.id.0 == row.head_event)?;
        Some(Head {
            event: brief.id,
            profile: row.profile,
            since: brief.received_at,
            status: brief.status.clone(),
            in_air: brief.status == "pending" && row.next_attempt_at.is_none(),
            next_attempt_at: row.next_attempt_at.and_then(|at| Timestamp::parse(&at)),
            reason: Some(row.reason),
            waiting: row.waiting,
        })
    });
    Ok(Heads {
        all,
        worst: worst.collect(),
    })
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

fn paused(visit: &Visit, pause: &PauseReport) -> Markup {
    html! {
        div.note.bad role="status" {
            strong { "Nothing is sent to anybody since " (say::time(pause.since)) "." }
            p { (visit.masked(&pause.reason)) }
            p { "Tried again at " (say::time(pause.probe_at)) ". Until then nothing here moves, whatever you release." }
        }
    }
}

fn total(heads: &Heads) -> Markup {
    let shown = i64::try_from(heads.worst.len()).unwrap_or(i64::MAX);
    let waiting: i64 = heads.worst.iter().map(|head| head.waiting).sum();
    let holds = match heads.all.unwrap_or(shown) {
        1 => "1 event holds others up".to_owned(),
        all => format!("{} events hold others up", say::count(all)),
    };
    let wait = if waiting == 1 { "waits" } else { "wait" };
    html! {
        p.lead {
            @if heads.all.is_none() { "At least " }
            strong { (holds) } "; " (say::counted(waiting, "event")) " " (wait) " behind "
            @if heads.all == Some(shown) { (if shown == 1 { "it" } else { "them" }) "." }
            @else { "the " (say::count(shown)) " that are shown." }
        }
    }
}

fn one(visit: &Visit, head: &Head) -> Markup {
    let heading = format!("event-{}", head.event);
    html! {
        section.card.group aria-labelledby=(heading) {
            h2 id=(heading) {
                a href={ "/events/" (head.event) } { "Event " (head.event) }
                @if let Some(profile) = &head.profile { " of " (visit.masked(profile)) }
                " " (say::status(&head.status))
            }
            p.line {
                strong { (say::counted(head.waiting, "event")) " behind it" }
                span { "since " (say::time(head.since)) ", " (say::span(visit.now.since(head.since))) }
                span { (next(visit, head)) }
            }
            @if let Some(reason) = &head.reason { p.why { (visit.masked(reason)) } }
            (ways(head))
        }
    }
}

fn next(visit: &Visit, head: &Head) -> Markup {
    match head.next_attempt_at {
        _ if head.in_air => html! { "is being sent" },
        Some(at) if at > visit.now => {
            html! { "tried again at " (say::time(at)) ", in " (say::span(at.since(visit.now))) }
        }
        Some(_) => html! { "tried as soon as there is room" },
        None => html! { "not tried again by itself" },
    }
}

/// A way on: what is done, its button, and what it comes to.
struct Way {
    change: &'static str,
    button: &'static str,
    class: &'static str,
    comes_to: String,
}

fn ways(head: &Head) -> Markup {
    if head.in_air {
        return html! {
            p.hint { "A request of it is in the air, so nothing can be done with it at this moment. Look again soon." }
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

/// Retrying the head.
fn again(head: &Head) -> Way {
    let behind = behind(head);
    let follow = if head.waiting == 1 {
        "follows"
    } else {
        "follow"
    };
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
            format!(
                "It is sent at once instead of at its time; once it is through, {behind} {follow}."
            ),
        ),
    };
    Way {
        change,
        button,
        class: "go",
        comes_to,
    }
}

/// Going on without the head.
fn skip(head: &Head) -> Way {
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
        comes_to: format!(
            "{becomes}, and {behind} no longer {wait} for it. It can still be replayed{later}."
        ),
    }
}

fn behind(head: &Head) -> String {
    match head.waiting {
        1 => "the one behind it".to_owned(),
        waiting => format!("the {} behind it", say::count(waiting)),
    }
}
