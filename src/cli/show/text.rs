//! An event as text: its summary, its history, the queues it is in, and its call and requests.

use super::Shown;
use crate::cli::screen::Screen;
use crate::klaviyo;
use crate::mapper::Planned;
use crate::model::{EventId, EventType};
use crate::operator::{Remapped, awaited, route};
use crate::outbox::{AttemptReport, DeliveryReport, EventReport, WaitingEvents};
use crate::segment::redact_write_key;

pub(super) fn write(screen: &mut Screen, shown: &Shown) {
    let report = &shown.report;
    let kind = report.kind.map_or("?", EventType::word);
    let what = match &report.name {
        Some(name) => format!("{kind} {name}"),
        None => kind.to_owned(),
    };
    screen.put(format_args!(
        "event {}  {what}  of {}  from {}  ",
        report.id,
        report.profile.as_deref().unwrap_or("nobody"),
        report.source
    ));
    screen.status(report.status.word());
    screen.end();
    if let Some(reason) = &report.reason {
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
    let about = if report.identifiers.is_empty() {
        "nobody, or somebody erased since".to_owned()
    } else {
        report.identifiers.join(", ")
    };
    screen.line(format_args!(
        "{}  received as message {}, about {about}",
        report.received_at, report.message_id
    ));
    let mut attempts: Vec<(usize, &DeliveryReport, &AttemptReport)> = Vec::new();
    for (number, delivery) in report.deliveries.iter().enumerate() {
        attempts.extend(delivery.attempts.iter().map(|attempt| (number, delivery, attempt)));
    }
    // A stable sort: attempts of the same moment stay in the order of their requests.
    attempts.sort_by_key(|(.., attempt)| attempt.started_at);
    for (number, delivery, attempt) in attempts {
        screen.put(format_args!("{}  ", attempt.started_at));
        attempted(screen, number, delivery, attempt);
    }
    if let Some(at) = report.finished_at {
        screen.put(format_args!("{at}  "));
        screen.status(report.status.word());
        screen.end();
    }
    if let Some(at) = report.next_attempt_at {
        screen.line(format_args!("{at}  may go from then on"));
    }
}

/// One attempt: the request, the destination, the duration, and Klaviyo's answer.
fn attempted(screen: &mut Screen, number: usize, delivery: &DeliveryReport, attempt: &AttemptReport) {
    screen.put(format_args!(
        "request {}, attempt {} to {}",
        number + 1,
        attempt.number,
        delivery.sent_to.as_deref().unwrap_or("?")
    ));
    match (attempt.outcome, attempt.duration_ms) {
        (Some(outcome), Some(millis)) => {
            screen.put(format_args!(", after {millis} ms: "));
            if let Some(status) = attempt.http_status {
                screen.put(format_args!("{status} "));
            }
            screen.status(outcome.word());
        }
        (_, _) => screen.put(format_args!(", {}", awaited(attempt))),
    }
    if let Some(error) = &attempt.error {
        screen.put(format_args!(": {error}"));
    }
    if let Some(id) = &attempt.klaviyo_request_id {
        screen.put(format_args!(" (Klaviyo's request {id})"));
    }
    screen.end();
}

fn waiting(screen: &mut Screen, report: &EventReport) {
    if !report.waits_for.is_empty() {
        screen.section(format_args!("it waits for: {}", listed(&report.waits_for)));
    }
    let WaitingEvents { count, first } = &report.waited_for_by;
    if *count > 0 {
        let shown = i64::try_from(first.len()).unwrap_or(i64::MAX);
        let more = if *count > shown { ", …" } else { "" };
        screen.section(format_args!("{count} wait for it: {}{more}", listed(first)));
    }
}

fn listed(ids: &[EventId]) -> String {
    let ids: Vec<String> = ids.iter().map(EventId::to_string).collect();
    ids.join(", ")
}

fn call(screen: &mut Screen, report: &EventReport) {
    screen.section(format_args!("call"));
    match &report.payload {
        Some(payload) => screen.json("  ", &redact_write_key(payload)),
        None if report.identifiers.is_empty() => {
            screen.line(format_args!("  gone: the person was erased, or retention deleted it"));
        }
        None => screen.line(format_args!(
            "  gone: deleted after outbox.retain_bodies; the results stay"
        )),
    }
}

fn request(screen: &mut Screen, at: usize, delivery: &DeliveryReport, rules: Option<&Planned>) {
    let (method, path) = route(delivery);
    let replay = match delivery.generation {
        1 => String::new(),
        generation => format!("  (sending {generation} of the event)"),
    };
    screen.end();
    screen.put(format_args!("request {}  {method} {path}  ", at + 1));
    screen.status(delivery.status.word());
    screen.line(format_args!("{replay}"));
    let delivered_at = delivery.delivered_at.map(|at| at.to_string());
    for (label, text) in [
        ("because", &delivery.reason),
        ("metric", &delivery.metric),
        ("$event_id", &delivery.event_id_key),
        ("warning", &delivery.warnings),
        ("delivered", &delivered_at),
    ] {
        for line in text.as_deref().unwrap_or_default().lines() {
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
        screen.line(format_args!("  {:<width$}  <- {}", rule.field, rule.origin));
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
            screen.section(format_args!("it owes no request: {reason}"));
        }
        Remapped::Requests(planned) => {
            screen.section(format_args!("it owes no request yet; by the rules of now it would owe"));
            for planned in planned {
                let request = &planned.request;
                let route = klaviyo::route(request.kind(), request.list_id());
                screen.section(format_args!("  {} {}", route.method, route.path));
                write_rules(screen, planned);
            }
        }
    }
}
