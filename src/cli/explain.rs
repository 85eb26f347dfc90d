//! `explain`: an event on stdin, the requests it becomes on stdout, and which rule gave each field.

use std::fmt::Write;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use super::{End, print, print_json};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ConfigError, MappingConfig, process_environment};
use crate::klaviyo;
use crate::mapper::{Mapped, Planned};
use crate::model::Side;
use crate::relay::{Explained, explain};

/// Print the Klaviyo requests an event becomes, and which rule gave each field; sends nothing
///
/// Reads one Segment call with its `type`, as JSON, from stdin. Settings come from [mapping] of the configuration,
/// which must be right; without a configuration file, from its defaults. Ingest's own checks are not made.
///
/// Example: echo '{"type":"identify","userId":"u1","traits":{"email":"a@b.co"}}' | klaviyo-relay explain
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Map it as made on this side: server or client; otherwise its library tells
    #[arg(long, value_name = "SIDE", value_parser = side)]
    side: Option<Side>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn side(word: &str) -> Result<Side, String> {
    Side::from_word(word).ok_or_else(|| "a side is `server` or `client`".to_owned())
}

pub(super) fn run(options: &Options, config: &Path) -> anyhow::Result<End> {
    let mapping = match Config::load(config, &process_environment) {
        Ok(config) => config.mapping,
        Err(ConfigError::Missing { .. }) => MappingConfig::default(),
        Err(error) => return Err(error.into()),
    };
    let mut event = String::new();
    std::io::stdin()
        .read_to_string(&mut event)
        .context("failed to read the event from stdin")?;
    let explained = explain(&event, options.side, SystemClock.now(), &mapping)?;
    if options.json {
        print_json(&json_of(&explained))?;
    } else {
        print(&text_of(&explained)?)?;
    }
    Ok(End::Done)
}

fn text_of(explained: &Explained) -> anyhow::Result<String> {
    let mut text = String::new();
    writeln!(text, "{} on the {} side", explained.kind, explained.side)?;
    match &explained.mapped {
        Mapped::Skipped(reason) => writeln!(text, "skipped: {reason}")?,
        Mapped::Requests(planned) => {
            for (at, planned) in planned.iter().enumerate() {
                write_request(&mut text, at + 1, planned)?;
            }
        }
    }
    Ok(text)
}

fn write_request(text: &mut String, number: usize, planned: &Planned) -> anyhow::Result<()> {
    let request = &planned.request;
    let route = klaviyo::route(request.kind(), request.list_id());
    writeln!(text, "\n{number}. {} {}", route.method, route.path)?;
    if let Some(refused) = &planned.refused {
        writeln!(text, "   NOT SENT: {refused}")?;
    }
    for warning in &planned.warnings {
        writeln!(text, "   warning: {warning}")?;
    }
    match request.body() {
        Some(body) => {
            let body: Value = serde_json::from_str(&body)?;
            for line in serde_json::to_string_pretty(&body)?.lines() {
                writeln!(text, "   {line}")?;
            }
        }
        None => writeln!(
            text,
            "   (names the profile by the id that request 1 is answered with)"
        )?,
    }
    let width = planned
        .rules
        .iter()
        .map(|rule| rule.field.len())
        .max()
        .unwrap_or(0);
    for rule in &planned.rules {
        writeln!(text, "   {:<width$}  <- {}", rule.field, rule.rule)?;
    }
    Ok(())
}

fn json_of(explained: &Explained) -> Value {
    let head = json!({"type": explained.kind.word(), "side": explained.side.word()});
    let (key, value) = match &explained.mapped {
        Mapped::Skipped(reason) => ("skipped", json!(reason.to_string())),
        Mapped::Requests(planned) => ("requests", planned.iter().map(request_json).collect()),
    };
    let mut explained = head;
    explained[key] = value;
    explained
}

fn request_json(planned: &Planned) -> Value {
    let request = &planned.request;
    let route = klaviyo::route(request.kind(), request.list_id());
    let body = request
        .body()
        .and_then(|body| serde_json::from_str::<Value>(&body).ok());
    let rules: Vec<Value> = planned
        .rules
        .iter()
        .map(|rule| json!({"field": rule.field, "rule": rule.rule}))
        .collect();
    json!({
        "kind": request.kind().word(), "method": route.method, "path": route.path, "body": body,
        "not_sent": planned.refused.as_ref().map(ToString::to_string),
        "warnings": planned.warnings, "rules": rules,
    })
}
