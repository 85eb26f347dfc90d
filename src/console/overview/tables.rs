//! The overview's numbers: events by state, the sources, the account's limits, the outbox file.

use std::time::Duration;

use maud::{Markup, html};

use super::super::format;
use super::super::urls::address;
use super::alerts::kept;
use super::data::OverviewData;
use crate::metrics::LimitUse;
use crate::model::{EventStatus, Family};
use crate::operator::{bytes, refused_last, refused_sender};

/// The events by state.
pub(super) fn figures(data: &OverviewData) -> Markup {
    let hour = |of: fn(&crate::operator::Minute) -> i64| format::count(data.hour(of));
    let age = data.standing.oldest_pending.map(|oldest| data.now.since(oldest));
    let figures = [
        (
            "Waiting",
            format::count(kept(data, EventStatus::Pending)),
            age.map_or_else(
                || "nothing waits".to_owned(),
                |age| format!("the oldest for {}", format::span(age)),
            ),
        ),
        ("Came", hour(|minute| minute.came), "in the last hour".to_owned()),
        ("Done", hour(|minute| minute.done), "in the last hour".to_owned()),
        (
            "Died",
            format::count(data.died),
            format!(
                "in the last hour; {} kept",
                format::count(kept(data, EventStatus::Dead))
            ),
        ),
        ("Time to delivery", median(data), "median, newest minute".to_owned()),
        (
            "Accepted",
            format::count(data.standing.accepted),
            "since the first event".to_owned(),
        ),
    ];
    html! {
        dl.figures {
            @for (name, number, hint) in &figures {
                div { dt { (name) } dd { (number) span.hint { (hint) } } }
            }
        }
    }
}

/// Refused requests by sender; empty if there are none.
pub(super) fn refused(data: &OverviewData) -> Markup {
    if data.refused.is_empty() {
        return html! {};
    }
    html! {
        section.card aria-labelledby="refused" {
            h2 #refused { "Refused at the door, last hour" }
            table {
                thead { tr { th scope="col" { "Sender" } th scope="col" { "Answer" } th.number scope="col" { "Requests" } th scope="col" { "Last" } } }
                tbody {
                    @for refused in &data.refused {
                        tr {
                            th scope="row" {
                                (refused_sender(refused))
                                @if let Some(client) = &refused.client { span.hint { " " (client) } }
                            }
                            td { (refused.status) " " code { (refused.code) } }
                            td.number { (format::count(i64::try_from(refused.requests).unwrap_or(i64::MAX))) }
                            td { (format::time(refused_last(refused))) }
                        }
                    }
                }
            }
        }
    }
}

/// The p50 of the newest minute with a delivery.
fn median(data: &OverviewData) -> String {
    let newest = data
        .last(Duration::from_hours(1))
        .iter()
        .rev()
        .find_map(|minute| minute.half);
    newest.map_or_else(|| "–".to_owned(), format::span)
}

/// The sources.
pub(super) fn sources(data: &OverviewData) -> Markup {
    html! {
        section.card aria-labelledby="sources" {
            h2 #sources { "Sources" }
            table {
                thead { tr { th scope="col" { "Source" } th.number scope="col" { "Last hour" } th.number scope="col" { "Last day" } } }
                tbody {
                    @for source in &data.sources {
                        tr {
                            th scope="row" { a href=(address("/events", &[("source", &source.name)])) { (source.name) } }
                            td.number { (format::count(source.hour)) }
                            td.number { @if source.day == 0 { span.soft { "silent" } } @else { (format::count(source.day)) } }
                        }
                    }
                }
            }
        }
    }
}

/// The use of the account's rate limits.
pub(super) fn limits(data: &OverviewData) -> Markup {
    html! {
        section.card aria-labelledby="limits" {
            h2 #limits { "Klaviyo's limits" }
            @if data.limits.is_empty() {
                p.soft { "No request was sent in the last minute." }
            } @else {
                table {
                    thead { tr { th scope="col" { "Requests" } th.number scope="col" { "Second" } th.number scope="col" { "Minute" } } }
                    tbody { @for (family, limit) in &data.limits { (limit_row(*family, limit)) } }
                }
                p.hint { "As the relay last counted, at most half a minute ago." }
            }
        }
    }
}

fn limit_row(family: Family, limit: &LimitUse) -> Markup {
    let name = family.word().replace('_', " ");
    let window = |span: &str, [used, allowed]: [u32; 2]| {
        let most = allowed.max(1);
        html! {
            td.number {
                (format::count(used.into())) " of " (format::count(allowed.into()))
                meter min="0" max=(most) value=(used.min(most)) aria-label={ (name) ", requests in the last " (span) } {}
            }
        }
    };
    html! {
        tr {
            th scope="row" { (name) @if limit.closed { " " span.badge.warn { "429" } } }
            (window("second", limit.second))
            (window("minute", limit.minute))
        }
    }
}

/// The outbox file and its disk.
pub(super) fn file(data: &OverviewData) -> Markup {
    let standing = &data.standing;
    html! {
        section.card aria-labelledby="file" {
            h2 #file { "Outbox" }
            dl.facts {
                dt { "File" } dd { (bytes(standing.database_bytes)) ", log " (bytes(standing.wal_bytes)) }
                dt { "Disk free" } dd { (standing.free_bytes.map_or_else(|| "unknown".to_owned(), bytes)) }
                @for (state, count) in &standing.counts {
                    dt { (state.word()) } dd { a href={ "/events?status=" (state.word()) } { (format::count(*count)) " kept" } }
                }
                dt { "removed" } dd { (format::count(standing.removed)) " after their time was over" }
            }
        }
    }
}
