//! An event as text: its summary, its history, the queues it is in, and its call and requests.

use super::Shown;
use crate::cli::screen::Screen;
use crate::klaviyo;
use crate::mapper::Planned;
use crate::model::EventId;
use crate::operator::{Remapped, awaited, route};
use crate::outbox::{AttemptReport, DeliveryReport, EventReport};
use crate::segment::redact_write_key;

pub(super) fn write(screen: &mut Screen, shown: &Shown) {
    let report = &shown.report;
    let has = |name| report.column(name).unwrap_or("?");
    let what = match report.column("name") {
        Some(name) => format!("{} {name}", has("type")),
        None => has("type").to_owned(),
    };
    screen.put(format_args!(
        "event {}  {what}  of {}  from {}  ",
        report.id,
        report.column("profile").unwrap_or("nobody"),
        has("source")
    ));
    screen.status(has("status"));
    screen.end();
    if let Some(reason) = report.column("reason") {
        screen.line(format_args!("  {reason}"));
    }
    screen.end();
    happened(screen, report);
    waiting(screen, report);
    call(screen, report);
    for (at, delivery) in report.deliveries.iter().enumerate() {
        request(screen, at, delivery, shown.now.for_stored(report, delivery));
    }
    unmapped(screen, shown);
}

/// The history, in time order.
fn happened(screen: &mut Screen, report: &EventReport) {
    let has = |name| report.column(name).unwrap_or("?");
    let about = if report.identifiers.is_empty() {
        "nobody, or somebody erased since".to_owned()
    } else {
        report.identifiers.join(", ")
    };
    let at = has("received_at");
    screen.line(format_args!(
        "{at}  received as message {}, about {about}",
        has("message_id")
    ));
    let mut attempts: Vec<(&str, usize, &DeliveryReport, &AttemptReport)> = Vec::new();
    for (number, delivery) in report.deliveries.iter().enumerate() {
        for attempt in &delivery.attempts {
            let at = column(attempt, "started_at").unwrap_or("?");
            attempts.push((at, number, delivery, attempt));
        }
    }
    // A stable sort: attempts of the same moment stay in the order of their requests.
    attempts.sort_by_key(|(at, ..)| *at);
    for (at, number, delivery, attempt) in attempts {
        screen.put(format_args!("{at}  "));
        attempted(screen, number, delivery, attempt);
    }
    if let Some(at) = report.column("finished_at") {
        let status = report.column("status").unwrap_or("?");
        screen.put(format_args!("{at}  "));
        screen.status(status);
        screen.end();
    }
    if let Some(at) = report.column("next_attempt_at") {
        screen.line(format_args!("{at}  may go from then on"));
    }
}

/// One attempt: the request, the destination, the duration, and Klaviyo's answer.
fn attempted(screen: &mut Screen, number: usize, delivery: &DeliveryReport, attempt: &AttemptReport) {
    let of = |name| column(attempt, name);
    screen.put(format_args!(
        "request {}, attempt {} to {}",
        number + 1,
        of("number").unwrap_or("?"),
        delivery.column("sent_to").unwrap_or("?")
    ));
    match (of("outcome"), of("duration_ms")) {
        (Some(outcome), Some(millis)) => {
            screen.put(format_args!(", after {millis} ms: "));
            if let Some(status) = of("http_status") {
                screen.put(format_args!("{status} "));
            }
            screen.status(outcome);
        }
        (_, _) => screen.put(format_args!(", {}", awaited(attempt))),
    }
    if let Some(error) = of("error") {
        screen.put(format_args!(": {error}"));
    }
    if let Some(id) = of("klaviyo_request_id") {
        screen.put(format_args!(" (Klaviyo's request {id})"));
    }
    screen.end();
}

fn waiting(screen: &mut Screen, report: &EventReport) {
    if !report.waits_for.is_empty() {
        screen.end();
        screen.line(format_args!("it waits for: {}", listed(&report.waits_for)));
    }
    let (count, first) = &report.waited_for_by;
    if *count > 0 {
        let shown = i64::try_from(first.len()).unwrap_or(i64::MAX);
        let more = if *count > shown { ", …" } else { "" };
        screen.end();
        screen.line(format_args!("{count} wait for it: {}{more}", listed(first)));
    }
}

fn listed(ids: &[EventId]) -> String {
    let ids: Vec<String> = ids.iter().map(EventId::to_string).collect();
    ids.join(", ")
}

fn call(screen: &mut Screen, report: &EventReport) {
    screen.end();
    screen.line(format_args!("call"));
    match &report.payload {
        Some(payload) => screen.json("  ", &redact_write_key(payload)),
        None if report.identifiers.is_empty() => screen.line(format_args!(
            "  gone: the person was erased with everything personal, or it was kept long enough"
        )),
        None => screen.line(format_args!(
            "  gone: it was kept as long as outbox.retain_bodies says; what became of it stays"
        )),
    }
}

fn request(screen: &mut Screen, at: usize, delivery: &DeliveryReport, rules: Option<&Planned>) {
    let has = |name| delivery.column(name);
    let route = route(delivery);
    let route = route.map_or("?".to_owned(), |(method, path)| format!("{method} {path}"));
    let replay = match has("generation") {
        None | Some("1") => String::new(),
        Some(generation) => format!("  (sending {generation} of the event)"),
    };
    screen.end();
    screen.put(format_args!("request {}  {route}  ", at + 1));
    screen.status(has("status").unwrap_or("?"));
    screen.line(format_args!("{replay}"));
    for (label, name) in [
        ("because", "reason"),
        ("metric", "metric"),
        ("$event_id", "event_id_key"),
        ("warning", "warnings"),
        ("delivered", "delivered_at"),
    ] {
        for line in has(name).unwrap_or_default().lines() {
            screen.line(format_args!("  {label:<10} {line}"));
        }
    }
    match &delivery.request {
        Some(body) => screen.json("  ", body),
        None => screen.line(format_args!(
            "  its body is made when it is sent, or is gone with the call"
        )),
    }
    if let Some(planned) = rules {
        let same = planned.body == delivery.request;
        if !same {
            screen.line(format_args!(
                "  the rules have changed since, or the answer to a request went in; by those of now:"
            ));
        }
        write_rules(screen, planned);
    }
}

fn write_rules(screen: &mut Screen, planned: &Planned) {
    let widths = planned.rules.iter().map(|rule| rule.field.len());
    let width = widths.max().unwrap_or(0);
    for rule in &planned.rules {
        screen.line(format_args!("  {:<width$}  <- {}", rule.field, rule));
    }
}

/// What an event that is not mapped yet would become.
fn unmapped(screen: &mut Screen, shown: &Shown) {
    if !shown.report.deliveries.is_empty() {
        return;
    }
    match &shown.now {
        Remapped::Unknown => {}
        Remapped::Nothing(reason) => {
            screen.end();
            screen.line(format_args!("it owes no request: {reason}"));
        }
        Remapped::Requests(planned) => {
            screen.end();
            screen.line(format_args!("it owes no request yet; by the rules of now it would owe"));
            for planned in planned {
                let request = &planned.request;
                let route = klaviyo::route(request.kind(), request.list_id());
                screen.end();
                screen.line(format_args!("  {} {}", route.method, route.path));
                write_rules(screen, planned);
            }
        }
    }
}

fn column<'a>(columns: &'a AttemptReport, name: &str) -> Option<&'a str> {
    let found = columns.iter().find(|(column, _)| column == name)?;
    found.1.as_deref()
}
