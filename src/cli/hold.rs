//! `hold` and `release`: stops events, and lets them go again.

use super::filter::Filter;
use super::{End, attach};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::model::EventStatus;
use crate::outbox::Selection;

/// Stop events that wait; their people's later events wait behind them
///
/// Filters combine: an event must meet all that are given. A held event keeps its place in its people's order until it
/// is released or discarded. An event in the air is left alone. Exit code 1 when an --id was not held.
///
/// Example: klaviyo-relay hold --event "Order Completed" --since 1h --dry-run
#[derive(Debug, clap::Args)]
pub(super) struct Hold {
    #[command(flatten)]
    filter: Filter,
}

/// Let held events go again
///
/// Filters combine: an event must meet all that are given. With --status pending, events that wait for another attempt
/// are tried at once. Exit code 1 when an --id was not released.
///
/// Example: klaviyo-relay release --status held
#[derive(Debug, clap::Args)]
pub(super) struct Release {
    #[command(flatten)]
    filter: Filter,
}

const WAITING: &[EventStatus] = &[EventStatus::Pending];
const RELEASABLE: &[EventStatus] = &[EventStatus::Held, EventStatus::Pending];

pub(super) async fn hold(options: &Hold, config: Config) -> anyhow::Result<End> {
    let outbox = attach(&config).await?;
    let misuse = "say which waiting events: --status pending, --event NAME, --profile ID, --id N or another filter";
    let mut found = options.filter.find(&outbox, WAITING, misuse).await?;
    if !options.filter.dry_run && !found.events.is_empty() {
        outbox.hold(found.events.clone()).await?;
        let not_held = Selection {
            states: vec![
                EventStatus::Pending,
                EventStatus::Delivered,
                EventStatus::Skipped,
                EventStatus::Dead,
            ],
            ..Selection::of(found.events.clone())
        };
        found.leave_out(&outbox.select(&not_held).await?);
    }
    outbox.close().await;
    options.filter.say(&found, "held")
}

pub(super) async fn release(options: &Release, config: Config) -> anyhow::Result<End> {
    let outbox = attach(&config).await?;
    let misuse = "say which events: --status held, or another filter; --status pending tries at once what waits \
                  for another attempt";
    let found = options.filter.find(&outbox, RELEASABLE, misuse).await?;
    if !options.filter.dry_run && !found.events.is_empty() {
        outbox
            .release(SystemClock.now(), found.events.clone())
            .await?;
    }
    outbox.close().await;
    options.filter.say(&found, "released")
}
