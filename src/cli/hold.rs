//! `hold` and `release`: stops events, and requeues them.

use super::ExitStatus;
use super::filter::FilterOptions;
use crate::config::Config;
use crate::operator::Change;

/// Stop events that wait; their people's later events wait behind them
///
/// Filters combine: an event must meet all that are given. A held event keeps its place in its people's order until it
/// is released or discarded. One whose request is in flight is left alone. Exit code 1 when an --id was not held.
///
/// Example: klaviyo-relay hold --event "Order Completed" --since 1h --dry-run
#[derive(Debug, clap::Args)]
pub(super) struct Hold {
    #[command(flatten)]
    filter: FilterOptions,
}

/// Requeue held events
///
/// Filters combine: an event must meet all that are given. With --status pending, events that wait for another attempt
/// are tried at once. Exit code 1 when an --id was not released.
///
/// Example: klaviyo-relay release --status held
#[derive(Debug, clap::Args)]
pub(super) struct Release {
    #[command(flatten)]
    filter: FilterOptions,
}

pub(super) async fn hold(options: &Hold, config: Config) -> anyhow::Result<ExitStatus> {
    let misuse = "say which waiting events: --status pending, --event NAME, --profile ID, --id N or another filter";
    let filter = &options.filter;
    filter.make(Change::Hold, &config, "held", misuse).await
}

pub(super) async fn release(options: &Release, config: Config) -> anyhow::Result<ExitStatus> {
    let misuse = "say which events: --status held, or another filter; --status pending tries at once what waits \
                  for another attempt";
    let filter = &options.filter;
    filter.make(Change::Release, &config, "released", misuse).await
}
