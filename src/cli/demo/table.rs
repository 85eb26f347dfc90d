//! The output of the demonstration.

use serde_json::json;

use crate::cli::screen::Screen;
use crate::klaviyo;
use crate::model::EventType;
use crate::outbox::{DeliveryReport, EventReport};
use crate::sandbox::Snapshot;

/// One line for each Klaviyo request: its event, its content, its result.
pub(super) fn events(screen: &mut Screen, reports: &[EventReport]) {
    let head = ["event", "Klaviyo request", "$event_id", "status", "attempts"];
    let mut rows = vec![head.map(str::to_owned)];
    for report in reports {
        let mut event = event_words(report);
        for delivery in &report.deliveries {
            rows.push([
                std::mem::take(&mut event),
                request_words(delivery),
                delivery.event_id_key.clone().unwrap_or_default(),
                delivery.status.to_string(),
                delivery.attempts.len().to_string(),
            ]);
        }
        if report.deliveries.is_empty() {
            let status = report.status.to_string();
            rows.push([event, "(none)".to_owned(), String::new(), status, String::new()]);
        }
    }
    write_aligned(screen, &rows);
}

fn event_words(report: &EventReport) -> String {
    let kind = report.kind.map_or("?", EventType::word);
    match &report.name {
        Some(name) => format!("{} {kind} {name}", report.id),
        None => format!("{} {kind} {}", report.id, report.profile.as_deref().unwrap_or_default()),
    }
}

fn request_words(delivery: &DeliveryReport) -> String {
    let path = klaviyo::route(delivery.kind, None).path;
    match &delivery.metric {
        Some(metric) => format!("{path}  {metric}"),
        None => path,
    }
}

/// The data in the sandbox.
pub(super) fn sandbox(screen: &mut Screen, held: &Snapshot) {
    let profiles = held.profiles.iter().map(|profile| {
        let parts = [
            json!(profile.identifiers),
            json!(profile.attributes),
            json!(profile.properties),
        ];
        let shown = parts.iter().map(ToString::to_string).filter(|part| part != "{}");
        format!("  profile  {}", shown.collect::<Vec<_>>().join(" "))
    });
    let events = held.events.iter().map(|event| {
        let value = event.value.as_ref().map_or("null", |value| value.get());
        let key = event.unique_id.as_deref().unwrap_or("-");
        format!("  event    {}  value {value}  unique_id {key}", event.metric)
    });
    let lists = held.lists.iter().map(|list| format!("  list     {}", json!(list)));
    screen.line(format_args!("The sandbox Klaviyo now holds"));
    for held in profiles.chain(events).chain(lists) {
        screen.line(format_args!("{held}"));
    }
}

fn write_aligned<const N: usize>(screen: &mut Screen, rows: &[[String; N]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        screen.line(format_args!("{}", line.trim_end()));
    }
}
