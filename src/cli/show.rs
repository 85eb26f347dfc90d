//! `show`: one event, with everything that happened to it.

use std::fmt::Write;

use anyhow::bail;
use serde_json::Value;

use super::{End, attach, print, print_json};
use crate::config::Config;
use crate::operator::event_json;
use crate::outbox::EventReport;
use crate::segment::masked;

/// Show an event: what it is, what it became, each attempt and Klaviyo's words
///
/// EVENT is its number, its message id, or a `$event_id`. Prints personal data: the call and the requests, whole.
///
/// Example: klaviyo-relay show 42
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The event's number, its message id, or a `$event_id`
    event: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(options: &Options, config: Config) -> anyhow::Result<End> {
    let outbox = attach(&config).await?;
    let ids = outbox.find(&options.event).await?;
    if ids.is_empty() {
        bail!(
            "no event has the number, message id or $event_id {:?}; list some with: sqlite3 -readonly {} \
             'select id, type, name, status from events order by id desc limit 20'",
            options.event,
            outbox.path().display()
        );
    }
    let mut reports = Vec::with_capacity(ids.len());
    for id in ids {
        reports.extend(outbox.report(id).await?);
    }
    if reports.is_empty() {
        bail!(
            "the event {:?} was accepted, and its row is no longer kept",
            options.event
        );
    }
    if options.json {
        print_json(&Value::Array(reports.iter().map(event_json).collect()))?;
    } else {
        let texts: Result<Vec<String>, _> = reports.iter().map(text_of).collect();
        print(&texts?.join("\n"))?;
    }
    outbox.close().await;
    Ok(End::Done)
}

fn text_of(report: &EventReport) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "event {}", report.id)?;
    lines(&mut text, "  ", report.columns.iter().skip(1))?;
    if report.payload.is_some() {
        writeln!(
            text,
            "  {:<16} {}",
            "identifiers",
            report.identifiers.join(", ")
        )?;
    }
    if !report.waits_for.is_empty() {
        let ids: Vec<String> = report.waits_for.iter().map(ToString::to_string).collect();
        writeln!(text, "  {:<16} events {}", "waits for", ids.join(", "))?;
    }
    match &report.payload {
        Some(payload) => writeln!(text, "  payload          {}", masked(payload))?,
        None => writeln!(text, "  payload          erased, with everything personal")?,
    }
    for delivery in &report.deliveries {
        writeln!(
            text,
            "\n  delivery {}",
            delivery.columns[0].1.as_deref().unwrap_or("?")
        )?;
        lines(&mut text, "    ", delivery.columns.iter().skip(2))?;
        if let Some(request) = &delivery.request {
            writeln!(text, "    request          {request}")?;
        }
        for attempt in &delivery.attempts {
            let cells = attempt
                .iter()
                .skip(1)
                .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={value}")));
            writeln!(
                text,
                "    attempt          {}",
                cells.collect::<Vec<_>>().join("  ")
            )?;
        }
    }
    Ok(text)
}

fn lines<'a>(
    text: &mut String,
    indent: &str,
    columns: impl Iterator<Item = &'a (String, Option<String>)>,
) -> std::fmt::Result {
    for (name, value) in columns {
        if let Some(value) = value {
            writeln!(text, "{indent}{name:<16} {value}")?;
        }
    }
    Ok(())
}
