//! The first page: the problems at the top, then the traffic.
//!
//! It consists of parts. While the page is open, each part is sent again when it has changed.

mod alerts;
mod charts;
mod data;
mod live;
mod tables;

use std::sync::Arc;

use axum::Extension;
use axum::extract::Query;
use axum::http::Uri;
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;

use super::format;
use super::frame::Section;
use super::request::{Answer, PageRequest};
use crate::operator::Severity;
use charts::TimeRange;
pub(super) use data::OverviewCache;
use data::OverviewData;
pub(super) use live::live;

/// The query of the page and of its parts.
#[derive(Debug, Default, Deserialize)]
struct OverviewParams {
    /// `hour` or `day`.
    over: Option<String>,
    /// The hashes of the parts that the page has: see [`live()`].
    seen: Option<String>,
}

impl OverviewParams {
    fn of(uri: &Uri) -> Self {
        Query::try_from_uri(uri).map_or_else(|_| Self::default(), |Query(params)| params)
    }

    fn over(&self) -> TimeRange {
        TimeRange::of(self.over.as_deref())
    }
}

/// A part of the page: its name and its function.
type Part = (&'static str, fn(&OverviewData, TimeRange) -> Markup);

/// The parts, in their order; the last three are in one row.
const PARTS: [Part; 7] = [
    ("wrong", |data, _| alert_list(data)),
    ("figures", |data, _| tables::figures(data)),
    ("plots", |data, over| charts::of(data, over)),
    ("rejected", |data, _| tables::rejected(data)),
    ("sources", |data, _| {
        format::card("sources", "Sources", &tables::sources(data))
    }),
    ("limits", |data, _| {
        format::card("limits", "Klaviyo's limits", &tables::limits(data))
    }),
    ("file", |data, _| format::card("file", "Outbox", &tables::file(data))),
];

/// A rendered part: its name and its markup.
type RenderedPart = (&'static str, String);

fn rendered(data: &OverviewData, over: TimeRange) -> [RenderedPart; 7] {
    PARTS.map(|(name, of)| (name, of(data, over).into_string()))
}

/// The page.
pub(super) async fn page(
    Extension(request): Extension<PageRequest>,
    Extension(newest): Extension<Arc<OverviewCache>>,
    uri: Uri,
) -> Answer {
    let over = OverviewParams::of(&uri).over();
    let data = newest.get(&request.admin).await?;
    let parts = rendered(&data, over);
    let part = |(name, rendered): &RenderedPart| html! { div data-part=(name) { (PreEscaped(rendered)) } };
    let [wrong, figures, (charts, of_time), rejected, last @ ..] = &parts;
    let main = html! {
        div data-live={ "/live?over=" (over.word()) "&seen=" (live::seen(&parts)) } {
            (part(wrong))
            (part(figures))
            nav.actions aria-label="Time shown" {
                @for (of, name) in [(TimeRange::Hour, "Last hour"), (TimeRange::Day, "Last day")] {
                    a.button href={ "/?over=" (of.word()) } aria-current=[(of == over).then_some("true")] { (name) }
                }
            }
            div.plots data-part=(charts) { (PreEscaped(of_time)) }
            (part(rejected))
            div.cards { @for of in last { (part(of)) } }
        }
    };
    Ok(request.page("Overview", Section::Overview, &main))
}

fn alert_list(data: &OverviewData) -> Markup {
    let alerts = alerts::of(data);
    let calm = alerts.iter().all(|alert| alert.severity == Severity::Calm);
    html! {
        ul.notes {
            @if calm { li class="note good" { strong { "All is well. " } (well(data)) } }
            @for alert in &alerts {
                @let (class, word) = alerts::shown(alert.severity);
                li class={ "note " (class) } {
                    span.quiet { (word) ": " }
                    strong { (alert.words) }
                    p { (alert.advice) }
                }
            }
        }
    }
}

/// The text that is shown when there is no problem.
fn well(data: &OverviewData) -> Markup {
    if data.overview.counts.accepted == 0 {
        return html! { "No event has come yet. " a href="/try" { "Try one" } ", or point a Segment SDK here." };
    }
    let came = data.hour(|minute| minute.came);
    html! { (format::counted(came, "event")) " came in the last hour, and everything that may go goes." }
}
