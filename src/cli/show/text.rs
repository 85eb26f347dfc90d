//! An event for people: its line, what happened to it and when, who waits for whom, and the texts.

use std::fmt::{Result, Write};

use super::Shown;
use crate::cli::colour;
use crate::klaviyo;
use crate::mapper::Planned;
use crate::model::EventId;
use crate::operator::{Rules, awaited, route};
use crate::outbox::{AttemptReport, DeliveryReport, EventReport};
use crate::segment::masked;

pub(super) fn of(shown: &Shown) -> std::result::Result<String, std::fmt::Error> {
    let report = &shown.report;
    let mut text = String::new();
    let has = |name| report.column(name).unwrap_or("?");
    let what = match report.column("name") {
        Some(name) => format!("{} {name}", has("type")),
        None => has("type").to_owned(),
    };
    writeln!(
        text,
        "event {}  {what}  of {}  from {}  {}",
        report.id,
        report.column("profile").unwrap_or("nobody"),
        has("source"),
        colour::status(has("status"))
    )?;
    if let Some(reason) = report.column("reason") {
        writeln!(text, "  {reason}")?;
    }
    writeln!(text)?;
    happened(&mut text, report)?;
    waiting(&mut text, report)?;
    call(&mut text, report)?;
    for (at, delivery) in report.deliveries.iter().enumerate() {
        request(
            &mut text,
            at,
            delivery,
            shown.now.for_stored(report, delivery),
        )?;
    }
    unmapped(&mut text, shown)?;
    Ok(text)
}

/// What happened, in the order in which it did.
fn happened(text: &mut String, report: &EventReport) -> Result {
    let has = |name| report.column(name).unwrap_or("?");
    let about = if report.identifiers.is_empty() {
        "nobody, or somebody erased since".to_owned()
    } else {
        report.identifiers.join(", ")
    };
    let at = has("received_at");
    writeln!(
        text,
        "{at}  received as message {}, about {about}",
        has("message_id")
    )?;
    let mut attempts: Vec<(&str, String)> = Vec::new();
    for (number, delivery) in report.deliveries.iter().enumerate() {
        for attempt in &delivery.attempts {
            let of = |name| column(attempt, name);
            attempts.push((
                of("started_at").unwrap_or("?"),
                attempted(number, delivery, attempt),
            ));
        }
    }
    // Stable: attempts of one moment stay in the order of their requests.
    attempts.sort_by_key(|(at, _)| *at);
    for (at, words) in attempts {
        writeln!(text, "{at}  {words}")?;
    }
    if let Some(at) = report.column("finished_at") {
        let status = report.column("status").unwrap_or("?");
        writeln!(text, "{at}  {}", colour::status(status))?;
    }
    if let Some(at) = report.column("next_attempt_at") {
        writeln!(text, "{at}  may go from then on")?;
    }
    Ok(())
}

/// One attempt: which request, where to, how long it took, and what Klaviyo said.
fn attempted(number: usize, delivery: &DeliveryReport, attempt: &AttemptReport) -> String {
    let of = |name| column(attempt, name);
    let mut words = format!(
        "request {}, attempt {} to {}",
        number + 1,
        of("number").unwrap_or("?"),
        delivery.column("sent_to").unwrap_or("?")
    );
    match (of("outcome"), of("duration_ms")) {
        (Some(outcome), Some(millis)) => {
            let status = of("http_status").map_or(String::new(), |status| format!("{status} "));
            let outcome = colour::status(outcome);
            words = format!("{words}, after {millis} ms: {status}{outcome}");
        }
        (_, _) => words = format!("{words}, {}", awaited(attempt)),
    }
    if let Some(error) = of("error") {
        words = format!("{words}: {error}");
    }
    match of("klaviyo_request_id") {
        Some(id) => format!("{words} (Klaviyo's request {id})"),
        None => words,
    }
}

fn waiting(text: &mut String, report: &EventReport) -> Result {
    if !report.waits_for.is_empty() {
        writeln!(text, "\nit waits for: {}", listed(&report.waits_for))?;
    }
    let (count, first) = &report.waited_for_by;
    if *count > 0 {
        let shown = i64::try_from(first.len()).unwrap_or(i64::MAX);
        let more = if *count > shown { ", …" } else { "" };
        writeln!(text, "\n{count} wait for it: {}{more}", listed(first))?;
    }
    Ok(())
}

fn listed(ids: &[EventId]) -> String {
    let ids: Vec<String> = ids.iter().map(EventId::to_string).collect();
    ids.join(", ")
}

fn call(text: &mut String, report: &EventReport) -> Result {
    match &report.payload {
        Some(payload) => writeln!(text, "\ncall\n  {}", masked(payload)),
        None if report.identifiers.is_empty() => writeln!(
            text,
            "\ncall\n  gone: the person was erased with everything personal, or it was kept long enough"
        ),
        None => writeln!(
            text,
            "\ncall\n  gone: it was kept as long as outbox.retain_bodies says; what became of it stays"
        ),
    }
}

fn request(
    text: &mut String,
    at: usize,
    delivery: &DeliveryReport,
    rules: Option<&Planned>,
) -> Result {
    let has = |name| delivery.column(name);
    let route = route(delivery);
    let route = route.map_or("?".to_owned(), |(method, path)| format!("{method} {path}"));
    let replay = match has("cycle") {
        None | Some("1") => String::new(),
        Some(cycle) => format!("  (sending {cycle} of the event)"),
    };
    writeln!(
        text,
        "\nrequest {}  {route}  {}{replay}",
        at + 1,
        colour::status(has("status").unwrap_or("?"))
    )?;
    for (label, name) in [
        ("because", "reason"),
        ("metric", "metric"),
        ("$event_id", "event_id_key"),
        ("warning", "warnings"),
        ("delivered", "delivered_at"),
    ] {
        for line in has(name).unwrap_or_default().lines() {
            writeln!(text, "  {label:<10} {line}")?;
        }
    }
    match &delivery.request {
        Some(body) => writeln!(text, "  {body}")?,
        None => writeln!(
            text,
            "  its body is made when it is sent, or is gone with the call"
        )?,
    }
    if let Some(planned) = rules {
        let same = planned.request.body().as_deref() == delivery.request.as_deref();
        if !same {
            writeln!(
                text,
                "  the rules have changed since, or the answer to a request went in; by those of now:"
            )?;
        }
        write_rules(text, planned)?;
    }
    Ok(())
}

fn write_rules(text: &mut String, planned: &Planned) -> Result {
    let widths = planned.rules.iter().map(|rule| rule.field.len());
    let width = widths.max().unwrap_or(0);
    for rule in &planned.rules {
        writeln!(text, "  {:<width$}  <- {}", rule.field, rule.rule)?;
    }
    Ok(())
}

/// What an event that was not mapped yet would become.
fn unmapped(text: &mut String, shown: &Shown) -> Result {
    if !shown.report.deliveries.is_empty() {
        return Ok(());
    }
    match &shown.now {
        Rules::Unknown => Ok(()),
        Rules::Nothing(reason) => writeln!(text, "\nit owes no request: {reason}"),
        Rules::Requests(planned) => {
            writeln!(
                text,
                "\nit owes no request yet; by the rules of now it would owe"
            )?;
            for planned in planned {
                let request = &planned.request;
                let route = klaviyo::route(request.kind(), request.list_id());
                writeln!(text, "\n  {} {}", route.method, route.path)?;
                write_rules(text, planned)?;
            }
            Ok(())
        }
    }
}

fn column<'a>(columns: &'a AttemptReport, name: &str) -> Option<&'a str> {
    let found = columns.iter().find(|(column, _)| column == name)?;
    found.1.as_deref()
}
