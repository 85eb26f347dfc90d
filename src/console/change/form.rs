//! The page that states what a change will do, and the form that confirms it.

use axum::response::Response;
use maud::{Markup, html};

use super::super::events::list;
use super::super::frame::Section;
use super::super::request::PageRequest;
use super::{ChangePreview, Plan, Unchanged, texts};
use crate::operator::{Change, Replay};

/// The page.
pub(super) fn page(
    request: &PageRequest,
    plan: &Plan,
    preview: &ChangePreview,
    unchanged: Option<&Unchanged>,
) -> Response {
    let count = preview.found.events.len();
    let main = html! {
        @if let Some(unchanged) = unchanged { (nothing_changed(unchanged, count)) }
        p.soft { "Meant: " (plan.params.title(request)) ". This works on events that are " (texts::works_on(plan.change)) "; \
                  others stay as they are." }
        (left_out(plan, preview))
        @if count == 0 {
            div.empty {
                p { strong { "No event is meant, so there is nothing to do." } }
                p { a.button href=(plan.back) { "Back" } }
            }
        } @else {
            div.card {
                h2 { "What will happen" }
                ul.means {
                    (texts::means(plan.change))
                    li { "Events that arrive from now on are not touched." }
                }
                (confirm(request, plan, preview))
            }
            (sample(request, plan, preview))
        }
    };
    let title = match count {
        0 => "Nothing to do".to_owned(),
        count => texts::title(plan.change, count),
    };
    request.page(&title, Section::Events, &main)
}

fn nothing_changed(unchanged: &Unchanged, count: usize) -> Markup {
    html! {
        div.note.warn role="alert" {
            strong { "Nothing was changed." }
            @match unchanged {
                Unchanged::Counted(shown) => p {
                    (texts::counted(*shown)) " " (if *shown == 1 { "was" } else { "were" })
                    " meant when you looked, and it is " (texts::counted(count)) " now. Look again, then confirm."
                },
                Unchanged::Contradiction => p {
                    "Two options exclude each other: requests that are sent as they were cannot be marked to start no \
                     flows. Choose one of them."
                },
            }
        }
    }
}

fn left_out(plan: &Plan, preview: &ChangePreview) -> Markup {
    let missing = preview.found.missing.len();
    html! {
        @if missing > 0 {
            div.note.warn {
                strong { "Left out: " (texts::counted(missing)) " of those requested by number." }
                ul {
                    @for (id, brief) in &preview.left_out { li { (id) ": " (texts::why(plan.change, brief.as_ref())) "." } }
                    @if missing > preview.left_out.len() { li { "… and " (missing - preview.left_out.len()) " more." } }
                }
            }
        }
    }
}

fn confirm(request: &PageRequest, plan: &Plan, preview: &ChangePreview) -> Markup {
    let events = &preview.found.events;
    let highest = events.iter().map(|id| id.0).max().unwrap_or_default();
    let class = match plan.change {
        Change::Discard => "danger",
        Change::Replay(_) | Change::Hold | Change::Release => "primary",
    };
    html! {
        form method="post" action="/change" {
            (request.csrf_field())
            input type="hidden" name="do" value=(plan.verb());
            input type="hidden" name="back" value=(plan.back);
            input type="hidden" name="count" value=(events.len());
            input type="hidden" name="highest" value=(highest);
            @for (key, text) in plan.params.fixed() { input type="hidden" name=(key) value=(text); }
            @match plan.change {
                Change::Replay(how) => (replay_options(how)),
                Change::Hold | Change::Release | Change::Discard => (option(
                    "fewer", plan.fewer, "Go on if some of them have been sent by then",
                    "Otherwise nothing is changed when their number is no longer the same. More than these it is never.",
                )),
            }
            div.actions {
                button class=(class) { (texts::order(plan.change, events.len())) }
                a.button href=(plan.back) { "Cancel" }
            }
        }
    }
}

fn replay_options(how: Replay) -> Markup {
    html! {
        fieldset {
            legend { "Only if you need it" }
            (option("consent", how.consent, "Send subscriptions of any age too",
                "Subscribing lifts an unsubscribe that came later: only for people who want it."))
            (option("backfill", how.backfill, "Have Klaviyo record the events without starting flows",
                "Nobody gets an e-mail today for what happened last week."))
            (option("as_sent", how.as_sent, "Send the requests as they were, instead of mapping again",
                "When the mapping has changed since and the old one is right. Not together with the one above."))
            (option("again", how.again, "Send what was delivered before too",
                "Traits of then go over newer ones. For a person who was deleted at Klaviyo since."))
        }
    }
}

fn option(key: &str, chosen: bool, label: &str, hint: &str) -> Markup {
    html! {
        div.option {
            input type="checkbox" id=(key) name=(key) value="1" checked[chosen] aria-describedby={ (key) "-hint" };
            label for=(key) { (label) }
            p.hint id={ (key) "-hint" } { (hint) }
        }
    }
}

fn sample(request: &PageRequest, plan: &Plan, preview: &ChangePreview) -> Markup {
    let (first, count) = (&preview.found.first, preview.found.events.len());
    let heading = if first.len() < count {
        format!("The first {} of {}", first.len(), texts::counted(count))
    } else {
        "All of them".to_owned()
    };
    html! {
        h2 { (heading) }
        (list::table(request, &heading, &first.iter().collect::<Vec<_>>(), None))
        @if first.len() < count {
            p { a href=(plan.params.address("/events", &[])) { "Look at all that meet the filters" } }
        }
    }
}
