//! The output of the demonstration.

use serde_json::Value;

use crate::cli::screen::Screen;
use crate::klaviyo;
use crate::model::EventType;
use crate::outbox::{DeliveryReport, EventReport};

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
pub(super) fn sandbox(screen: &mut Screen, profiles: &Value, events: &Value, lists: &Value) {
    let profiles = items(profiles, "profiles").iter();
    let profiles = profiles.map(|profile| {
        let parts = ["identifiers", "attributes", "properties"];
        let parts = parts.map(|part| profile[part].to_string());
        let shown = parts.iter().filter(|part| *part != "{}");
        let shown: Vec<&str> = shown.map(String::as_str).collect();
        format!("  profile  {}", shown.join(" "))
    });
    let events = items(events, "events").iter().map(|event| {
        let (metric, key) = (word(&event["metric"]), word(&event["unique_id"]));
        format!("  event    {metric}  value {}  unique_id {key}", event["value"])
    });
    let lists = items(lists, "lists").iter().map(|list| format!("  list     {list}"));
    screen.line(format_args!("The sandbox Klaviyo now holds"));
    for held in profiles.chain(events).chain(lists) {
        screen.line(format_args!("{held}"));
    }
}

/// The rows of one of the sandbox's answers.
pub(super) fn items<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
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
