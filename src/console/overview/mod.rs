//! The first page: the problems at the top, then the traffic.
//!
//! It consists of parts. While the page is open, each part is sent again when it has changed.

mod concerns;
mod facts;
mod live;
mod plots;
mod tables;

use std::sync::Arc;

use axum::Extension;
use axum::extract::Query;
use axum::http::Uri;
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;

use super::frame::Section;
use super::say;
use super::visit::{Answer, Visit};
use facts::Facts;
pub(super) use facts::Live;
pub(super) use live::live;
use plots::Over;

/// The query of the page and of its parts.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    /// `hour` or `day`.
    over: Option<String>,
    /// The hashes of the parts that the page has: see [`live()`].
    seen: Option<String>,
}

impl Asked {
    fn of(uri: &Uri) -> Self {
        Query::try_from_uri(uri).map_or_else(|_| Self::default(), |Query(asked)| asked)
    }

    fn over(&self) -> Over {
        Over::of(self.over.as_deref())
    }
}

/// A part of the page: its name and its function.
type Part = (&'static str, fn(&Facts, Over) -> Markup);

/// The parts, in their order; the last three are in one row.
const PARTS: [Part; 7] = [
    ("wrong", |facts, _| wrong(facts)),
    ("figures", |facts, _| tables::figures(facts)),
    ("plots", |facts, over| plots::of(facts, over)),
    ("refused", |facts, _| tables::refused(facts)),
    ("sources", |facts, _| tables::sources(facts)),
    ("limits", |facts, _| tables::limits(facts)),
    ("file", |facts, _| tables::file(facts)),
];

/// A rendered part: its name and its markup.
type Drawn = (&'static str, String);

fn drawn(facts: &Facts, over: Over) -> [Drawn; 7] {
    PARTS.map(|(name, of)| (name, of(facts, over).into_string()))
}

/// The page.
pub(super) async fn page(
    Extension(visit): Extension<Visit>,
    Extension(newest): Extension<Arc<Live>>,
    uri: Uri,
) -> Answer {
    let over = Asked::of(&uri).over();
    let facts = newest.look(&visit.admin).await?;
    let parts = drawn(&facts, over);
    let part = |(name, drawn): &Drawn| html! { div data-part=(name) { (PreEscaped(drawn)) } };
    let [wrong, figures, (plots, of_time), refused, last @ ..] = &parts;
    let main = html! {
        div data-live={ "/live?over=" (over.word()) "&seen=" (live::seen(&parts)) } {
            (part(wrong))
            (part(figures))
            nav.actions aria-label="Time shown" {
                @for (of, name) in [(Over::Hour, "Last hour"), (Over::Day, "Last day")] {
                    a.button href={ "/?over=" (of.word()) } aria-current=[(of == over).then_some("true")] { (name) }
                }
            }
            div.plots data-part=(plots) { (PreEscaped(of_time)) }
            (part(refused))
            div.cards { @for of in last { (part(of)) } }
        }
    };
    Ok(visit.page("Overview", Section::Overview, &main))
}

fn wrong(facts: &Facts) -> Markup {
    let concerns = concerns::of(facts);
    let calm = concerns.iter().all(|concern| concern.weight == concerns::Weight::Calm);
    html! {
        ul.notes {
            @if calm { li class="note good" { strong { "All is well. " } (well(facts)) } }
            @for concern in &concerns {
                li class={ "note " (concern.weight.class()) } {
                    span.quiet { (concern.weight.word()) ": " }
                    strong { (concern.words) }
                    p { (concern.advice) }
                }
            }
        }
    }
}

/// The text that is shown when there is no problem.
fn well(facts: &Facts) -> Markup {
    if facts.standing.accepted == 0 {
        return html! { "No event has come yet. " a href="/try" { "Try one" } ", or point a Segment SDK here." };
    }
    let came = facts.hour(|minute| minute.came);
    html! { (say::counted(came, "event")) " came in the last hour, and everything that may go goes." }
}
