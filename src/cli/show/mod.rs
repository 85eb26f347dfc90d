//! `show`: one event with its history, in time order.

mod json;
mod text;

use anyhow::bail;
use serde_json::Value;

use super::screen::Screen;
use super::{ExitStatus, attach, print, print_json};
use crate::config::Config;
use crate::operator::{ExplainSettings, Remapped, stored_call};
use crate::outbox::EventReport;

/// Show an event: when it came, what it became by which rules, each attempt, Klaviyo's answer, and which events wait
/// for which
///
/// EVENT is its number, its message id, or a `$event_id`; an order id where it is none of these. Prints personal data:
/// the call and the requests, whole. The rules are those of the present configuration. With --json the event of a
/// number is one object; any other word is a search and gives an array, also of one.
///
/// Example: klaviyo-relay show 42
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The event's number, its message id, a `$event_id`, or an order id
    event: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An event, and what its call would become now.
struct Shown {
    report: EventReport,
    now: Remapped,
}

pub(super) async fn run(options: &Options, config: Config) -> anyhow::Result<ExitStatus> {
    let outbox = attach(&config).await?;
    let ids = outbox.find(&options.event).await?;
    if ids.is_empty() {
        bail!(
            "no event has the number, message id, $event_id or order id {:?}; list some with: sqlite3 -readonly {} \
             'select id, type, name, status from events order by id desc limit 20'",
            options.event,
            outbox.path().display()
        );
    }
    let settings = ExplainSettings::of(&config);
    let mut shown = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(report) = outbox.report(id).await? {
            let stored = stored_call(&outbox, &settings, &report).await?;
            let now = stored.map_or(Remapped::Unknown, |stored| stored.remapped);
            shown.push(Shown { report, now });
        }
    }
    if shown.is_empty() {
        bail!(
            "the event {:?} was accepted, and its row is no longer kept",
            options.event
        );
    }
    if options.json {
        print_json(&as_json(&shown, options.event.trim()))?;
    } else {
        let mut screen = Screen::default();
        for (at, shown) in shown.iter().enumerate() {
            if at > 0 {
                screen.end();
            }
            text::write(&mut screen, shown);
        }
        print(&screen)?;
    }
    outbox.close().await;
    Ok(ExitStatus::Done)
}

/// An object for an event number; an array for any other search word, so that the form does not depend on how many
/// events are found.
fn as_json(shown: &[Shown], word: &str) -> Value {
    let numbered = shown.iter().find(|shown| shown.report.id.to_string() == word);
    numbered.map_or_else(|| shown.iter().map(json::of).collect(), json::of)
}
