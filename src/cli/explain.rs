//! `explain`: reads an event from stdin and prints the requests it becomes, with the rule that gave each field. The
//! event is parsed and checked as at ingest, and mapped as by the relay, by the same functions.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use clap::builder::TypedValueParser;

use super::screen::Screen;
use super::{DEFAULT_CONFIG, ExitStatus, print, print_json};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ConfigError};
use crate::json;
use crate::model::Side;
use crate::operator::{ExplainError, ExplainSettings, Explanation, RequestView, explain, one_of};

/// Print the Klaviyo requests an event becomes, and which rule gave each field; sends nothing
///
/// Reads one Segment call with its `type` as JSON from stdin. Settings come from the configuration; without a
/// config.toml here and without --config, from its defaults. Exit code 1 when ingest would reject the call.
///
/// Example: echo '{"type":"identify","userId":"u1","traits":{"email":"a@b.co"}}' | klaviyo-relay explain
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Map it as made on this side; otherwise its library decides
    #[arg(long, value_name = "SIDE", value_parser = side())]
    side: Option<Side>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn side() -> impl TypedValueParser<Value = Side> {
    one_of(Side::ALL.iter().map(|side| side.word()), Side::from_word)
}

pub(super) fn run(options: &Options, config: Option<&Path>) -> anyhow::Result<ExitStatus> {
    let file = config.unwrap_or(Path::new(DEFAULT_CONFIG));
    let settings = match Config::load_without_secrets(file) {
        Err(ConfigError::Missing { .. }) if config.is_none() => Config::default(),
        loaded => loaded?,
    };
    let mut call = String::new();
    std::io::stdin()
        .read_to_string(&mut call)
        .context("failed to read the event from stdin")?;
    // A byte-order mark is not part of the text; ingest removes it too.
    let call = call.trim_start_matches('\u{feff}').trim();
    if call.is_empty() {
        bail!("there is no event on stdin; send one Segment call as JSON");
    }
    let settings = ExplainSettings::of(&settings);
    let explanation = match explain(call, options.side, &settings, SystemClock.now()) {
        Err(ExplainError::Json(error)) => {
            return Err(error).context("what is on stdin is not JSON");
        }
        explained => explained?,
    };
    if options.json {
        print_json(&explanation)?;
    } else {
        print(&screen_of(&explanation)?)?;
    }
    Ok(ExitStatus::of(!matches!(explanation, Explanation::Rejected { .. })))
}

fn screen_of(explanation: &Explanation) -> anyhow::Result<Screen> {
    let mut screen = Screen::default();
    match explanation {
        Explanation::Rejected { refused, .. } => {
            screen.line(format_args!("rejected: {refused}"));
            screen.line(format_args!(
                "(alone it is answered 400; in a batch or a webhook it is kept as dead)"
            ));
        }
        Explanation::Skipped {
            kind, side, skipped, ..
        } => {
            screen.line(format_args!("{kind} on the {side} side"));
            screen.line(format_args!("skipped: {skipped}"));
        }
        Explanation::Requests { kind, side, requests } => {
            screen.line(format_args!("{kind} on the {side} side"));
            for (at, request) in requests.iter().enumerate() {
                write_request(&mut screen, at + 1, request)?;
            }
        }
    }
    Ok(screen)
}

fn write_request(screen: &mut Screen, number: usize, request: &RequestView) -> anyhow::Result<()> {
    screen.section(format_args!("{number}. {} {}", request.method, request.path));
    if let Some(refused) = &request.not_sent {
        screen.line(format_args!("   NOT SENT: {refused}"));
    }
    for warning in &request.warnings {
        screen.line(format_args!("   warning: {warning}"));
    }
    match &request.body {
        Some(body) => {
            let body = json::from_str(body)?;
            screen.json("   ", &serde_json::to_string_pretty(&body)?);
        }
        None => screen.line(format_args!(
            "   (names the profile by the id that request 1 is answered with)"
        )),
    }
    let width = request.rules.iter().map(|rule| rule.field.len()).max().unwrap_or(0);
    for rule in &request.rules {
        screen.line(format_args!("   {:<width$}  <- {}", rule.field, rule.rule));
    }
    Ok(())
}
