//! `replay`: sends finished events again.

use anyhow::bail;
use serde_json::json;

use super::{End, Misuse, attach, print, print_json};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::model::{EventId, EventStatus};
use crate::outbox::Selection;

/// Send finished events again, mapped anew, in their order, behind what their people wait for
///
/// Filters combine: an event must meet all that are given. What was delivered under its `$event_id` is not sent to the
/// same place twice; the traits of an identify are, over newer ones. Subscriptions older than
/// `delivery.replay_consent_within` are left out unless --consent is given: subscribing lifts an unsubscribe that
/// came later. Exit code 1 when an --id was not replayed.
///
/// Example: klaviyo-relay replay --status dead --dry-run
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Events with these numbers
    #[arg(long, num_args = 1.., value_name = "N")]
    id: Vec<i64>,
    /// Events in this state: dead, skipped or delivered
    #[arg(long, value_name = "STATUS", value_parser = finished)]
    status: Option<EventStatus>,
    /// Send subscriptions of any age too
    #[arg(long)]
    consent: bool,
    /// Only say what would be sent: the count and the first ten
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn finished(word: &str) -> Result<EventStatus, String> {
    match EventStatus::from_word(word) {
        Some(status @ (EventStatus::Dead | EventStatus::Skipped | EventStatus::Delivered)) => {
            Ok(status)
        }
        Some(EventStatus::Pending | EventStatus::Held) | None => {
            Err("only finished events can be replayed: dead, skipped or delivered".to_owned())
        }
    }
}

pub(super) async fn run(options: &Options, config: Config) -> anyhow::Result<End> {
    if options.id.is_empty() && options.status.is_none() {
        return Err(Misuse(
            "say which events: --status dead, or --id N; all of them at once is never meant",
        )
        .into());
    }
    let outbox = attach(&config).await?;
    let selection = Selection {
        ids: options.id.iter().copied().map(EventId).collect(),
        status: options.status,
        finished: true,
    };
    let events = outbox.select(&selection).await?;
    let missing = options
        .id
        .iter()
        .filter(|id| !events.contains(&EventId(**id)));
    let missing: Vec<i64> = missing.copied().collect();
    if !options.dry_run && !events.is_empty() {
        outbox
            .replay(SystemClock.now(), events.clone(), options.consent)
            .await?;
    }
    outbox.close().await;
    say(options, &events, &missing)?;
    if missing.is_empty() {
        return Ok(End::Done);
    }
    if !options.json {
        let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
        bail!(
            "not replayed, since they do not exist, are not finished, or are in another state: {}",
            missing.join(", ")
        );
    }
    Ok(End::Failed)
}

fn say(options: &Options, events: &[EventId], missing: &[i64]) -> anyhow::Result<()> {
    let first: Vec<i64> = events.iter().take(10).map(|id| id.0).collect();
    if options.json {
        return print_json(&json!({
            "dry_run": options.dry_run, "count": events.len(), "first": first, "not_replayed": missing,
        }));
    }
    let verb = if options.dry_run {
        "would be"
    } else {
        "will be"
    };
    let list: Vec<String> = first.iter().map(ToString::to_string).collect();
    let list = match (list.len(), events.len()) {
        (0, _) => String::new(),
        (shown, all) if shown < all => format!(": {}, …", list.join(", ")),
        (_, _) => format!(": {}", list.join(", ")),
    };
    let count = events.len();
    let plural = if count == 1 { "" } else { "s" };
    print(&format!("{count} event{plural} {verb} sent again{list}"))
}
