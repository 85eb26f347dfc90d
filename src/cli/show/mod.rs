//! `show`: one event, with everything that happened to it, in the order in which it happened.

mod json;
mod text;

use anyhow::bail;
use serde_json::Value;

use super::{End, attach, print, print_json};
use crate::config::Config;
use crate::mapper::{Mapped, Planned};
use crate::model::NewEvent;
use crate::outbox::{EventReport, Outbox};
use crate::relay::explain;

/// Show an event: when it came, what it became and by which rules, each attempt, Klaviyo's words, and who waits for whom
///
/// EVENT is its number, its message id, or a `$event_id`; an order id where it is none of these. Prints personal data: the call and the requests, whole. The
/// rules are those of the configuration as it is now.
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
    now: Rules,
}

/// What the stored call becomes by the rules as they are now.
enum Rules {
    /// These requests.
    Requests(Vec<Planned>),
    /// Nothing, for this reason.
    Nothing(String),
    /// The call is not there any more, or cannot be read.
    Unknown,
}

pub(super) async fn run(options: &Options, config: Config) -> anyhow::Result<End> {
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
    let mut shown = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(report) = outbox.report(id).await? {
            let now = rules(&outbox, &config, &report).await?;
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
        print_json(&Value::Array(shown.iter().map(json::of).collect()))?;
    } else {
        let texts: Result<Vec<String>, _> = shown.iter().map(text::of).collect();
        print(&texts?.join("\n"))?;
    }
    outbox.close().await;
    Ok(End::Done)
}

/// Maps the stored call as the relay would now.
async fn rules(outbox: &Outbox, config: &Config, report: &EventReport) -> anyhow::Result<Rules> {
    let Some(event) = outbox.claimed(&[report.id]).await?.pop() else {
        return Ok(Rules::Unknown);
    };
    let source = &event.source;
    let source = config.ingest.sources.iter().find(|of| of.name == *source);
    let side = source.and_then(|source| source.side);
    let event = NewEvent {
        source: event.source,
        message_id: event.message_id,
        kind: event.kind,
        name: event.name,
        at: event.at,
        received_at: event.received_at,
        order_id: None,
        identifiers: Vec::new(),
        payload: event.payload,
        envelope: event.envelope,
        refused: None,
    };
    Ok(match explain(&event, side, &config.mapping) {
        Ok(explained) => match explained.mapped {
            Mapped::Requests(planned) => Rules::Requests(planned),
            Mapped::Skipped(reason) => Rules::Nothing(reason.to_string()),
        },
        Err(_) => Rules::Unknown,
    })
}
