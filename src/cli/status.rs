//! `status`: where everything stands.

use std::fmt::Write;

use super::{End, attach, print, print_json};
use crate::config::{Config, Endpoint};
use crate::operator::status_json;
use crate::outbox::Status;

/// Show where everything stands: counts, what waits, what is dead and why, whether delivery is paused
///
/// Subscriptions that were sent and never answered are counted too: Klaviyo may have taken them.
///
/// Example: klaviyo-relay status
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(options: &Options, config: Config) -> anyhow::Result<End> {
    let outbox = attach(&config).await?;
    let status = outbox.status().await?;
    let sandbox = config.klaviyo.endpoint == Endpoint::Sandbox;
    if options.json {
        print_json(&status_json(&status, sandbox))?;
    } else {
        print(&text(&status, sandbox)?)?;
    }
    outbox.close().await;
    Ok(End::Done)
}

fn text(status: &Status, sandbox: bool) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    if sandbox {
        writeln!(
            text,
            "requests go to the sandbox: NOTHING REACHES KLAVIYO\n"
        )?;
    }
    if let Some(pause) = &status.pause {
        writeln!(text, "delivery is PAUSED since {}", pause.since)?;
        writeln!(text, "  {}", pause.reason)?;
        writeln!(
            text,
            "  next probe at {}; nothing is lost, events wait\n",
            pause.probe_at
        )?;
    }
    for (name, count) in &status.audit {
        writeln!(text, "{name:<12}{count:>10}")?;
    }
    if !status.backlog.is_empty() {
        writeln!(text, "\nwaiting")?;
        for row in &status.backlog {
            let kind = row.kind.as_deref().unwrap_or("?");
            let oldest = row.oldest.as_deref().unwrap_or("?");
            writeln!(
                text,
                "  {:<8} {kind:<9} {:>8}  oldest {oldest}",
                row.status, row.count
            )?;
        }
    }
    if status.unknown_subscriptions > 0 {
        writeln!(
            text,
            "\nsubscriptions sent and never answered: {}; Klaviyo may have taken them (the view `deliveries`, \
             status = 'unknown' and kind = 'subscription')",
            status.unknown_subscriptions
        )?;
    }
    if !status.dead.is_empty() {
        writeln!(text, "\ndead, by reason")?;
        for group in &status.dead {
            writeln!(text, "  {:>8}  {}", group.count, group.reason)?;
        }
        writeln!(
            text,
            "\nlook: klaviyo-relay show EVENT   send again: klaviyo-relay replay --status dead"
        )?;
    }
    Ok(text)
}
