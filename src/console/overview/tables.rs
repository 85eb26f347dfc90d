//! The overview's numbers: events by state, the sources, the account's limits, the outbox file.

use std::time::Duration;

use maud::{Markup, html};

use super::super::format;
use super::super::urls::address;
use super::data::OverviewData;
use crate::model::EventStatus;
use crate::operator::{LimitInUse, bytes, rejected_last, rejected_sender};

/// The events by state.
pub(super) fn figures(data: &OverviewData) -> Markup {
    let hour = |of: fn(&crate::operator::Minute) -> i64| format::count(data.hour(of));
    let age = data.overview.oldest_pending.map(|oldest| data.now.since(oldest));
    let figures = [
        (
            "Waiting",
            format::count(data.overview.counts.stored(EventStatus::Pending)),
            age.map_or_else(
                || "nothing waits".to_owned(),
                |age| format!("the oldest for {}", format::span(age)),
            ),
        ),
        ("Came", hour(|minute| minute.came), "in the last hour".to_owned()),
        ("Done", hour(|minute| minute.done), "in the last hour".to_owned()),
        (
            "Died",
            format::count(data.overview.died),
            format!(
                "in the last hour; {} kept",
                format::count(data.overview.counts.stored(EventStatus::Dead))
            ),
        ),
        ("Time to delivery", newest_p50(data), "p50, newest minute".to_owned()),
        (
            "Accepted",
            format::count(data.overview.counts.accepted),
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

/// Rejected requests by sender; empty if there are none.
pub(super) fn rejected(data: &OverviewData) -> Markup {
    if data.overview.rejected.is_empty() {
        return html! {};
    }
    let table = html! {
        table {
            thead { tr { th scope="col" { "Sender" } th scope="col" { "Answer" } th.number scope="col" { "Requests" } th scope="col" { "Last" } } }
            tbody {
                @for rejected in &data.overview.rejected {
                    tr {
                        th scope="row" {
                            (rejected_sender(rejected))
                            @if let Some(client) = &rejected.client { span.hint { " " (client) } }
                        }
                        td { (rejected.status) " " code { (rejected.code) } }
                        td.number { (format::count(rejected.requests)) }
                        td { (format::time(rejected_last(rejected))) }
                    }
                }
            }
        }
    };
    format::card("rejected", "Rejected by ingest, last hour", &table)
}

/// The p50 of the newest minute with a delivery.
fn newest_p50(data: &OverviewData) -> String {
    let newest = data
        .last(Duration::from_hours(1))
        .iter()
        .rev()
        .find_map(|minute| minute.p50);
    newest.map_or_else(|| "–".to_owned(), format::span)
}

/// The sources.
pub(super) fn sources(data: &OverviewData) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "Source" } th.number scope="col" { "Last hour" } th.number scope="col" { "Last day" } } }
            tbody {
                @for source in &data.sources {
                    tr {
                        th scope="row" { a href=(address("/events", &[("source", &source.source)])) { (source.source) } }
                        td.number { (format::count(source.hour)) }
                        td.number { @if source.day == 0 { span.soft { "silent" } } @else { (format::count(source.day)) } }
                    }
                }
            }
        }
    }
}

/// The use of the account's rate limits.
pub(super) fn limits(data: &OverviewData) -> Markup {
    let limits = data.overview.recent_limits(data.now);
    html! {
        @if limits.is_empty() {
            p.soft { "No request was sent in the last minute." }
        } @else {
            table {
                thead { tr { th scope="col" { "Requests" } th.number scope="col" { "Second" } th.number scope="col" { "Minute" } } }
                tbody { @for limit in limits { (limit_row(limit)) } }
            }
            p.hint { "As the relay last counted, at most half a minute ago." }
        }
    }
}

fn limit_row(limit: &LimitInUse) -> Markup {
    let name = limit.family.replace('_', " ");
    let window = |span: &str, [used, allowed]: [u64; 2]| {
        let most = allowed.max(1);
        html! {
            td.number {
                (format::count(used)) " of " (format::count(allowed))
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
    let (disk, counts) = (&data.overview.disk, &data.overview.counts);
    html! {
        dl.facts {
            dt { "File" } dd { (bytes(disk.database_bytes)) ", WAL " (bytes(disk.wal_bytes)) }
            dt { "Disk free" } dd { (disk.free_bytes.map_or_else(|| "unknown".to_owned(), bytes)) }
            @for (state, count) in &counts.stored {
                dt { (state.word()) } dd { a href={ "/events?status=" (state.word()) } { (format::count(*count)) " kept" } }
            }
            dt { "removed" } dd { (format::count(counts.removed)) " after their time was over" }
        }
    }
}
