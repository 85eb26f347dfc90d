//! `replay`, `hold`, `release` and `discard`: the commands that change the selected events.

use clap::Subcommand;

use super::ExitStatus;
use super::filter::FilterOptions;
use crate::config::Config;
use crate::operator::{Change, Replay};

#[derive(Debug, Subcommand)]
pub(super) enum ChangeCommand {
    /// Send finished events again, mapped again, in their order, behind what their people wait for
    ///
    /// Filters combine: an event must meet all that are given. What was delivered to the same place is not sent there
    /// twice, unless --again is given. Subscriptions older than `delivery.replay_consent_within` are left out unless
    /// --consent is given: subscribing cancels an unsubscribe that came later. Live events come first: replays take at
    /// most `delivery.replay_share` of `delivery.window`. An event that held up those behind it (`delivery.after_dead`)
    /// keeps its place before them. Exit code 1 when an --id was not replayed.
    ///
    /// Example: klaviyo-relay replay --status dead --dry-run
    Replay(ReplayOptions),
    /// Stop events that wait; their people's later events wait behind them
    ///
    /// Filters combine: an event must meet all that are given. A held event keeps its place in its people's order until
    /// it is released or discarded. One whose request is in flight is left alone. Exit code 1 when an --id was not
    /// held.
    ///
    /// Example: klaviyo-relay hold --event "Order Completed" --since 1h --dry-run
    Hold(FilterOptions),
    /// Requeue held events
    ///
    /// Filters combine: an event must meet all that are given. With --status pending, events that wait for another
    /// attempt are tried at once. Exit code 1 when an --id was not released.
    ///
    /// Example: klaviyo-relay release --status held
    Release(FilterOptions),
    /// Give events up for good, so that those behind them go on
    ///
    /// A pending or held event becomes dead. A dead one that held up those behind it (`delivery.after_dead`) no longer
    /// does. It can still be replayed, then behind them. One whose request is in flight is left alone. Exit code 1 when
    /// an --id does not exist or is finished and not dead.
    ///
    /// Example: klaviyo-relay discard --id 42
    Discard(FilterOptions),
}

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command")]
pub(super) struct ReplayOptions {
    #[command(flatten)]
    filter: FilterOptions,
    /// Send subscriptions of any age too
    #[arg(long)]
    consent: bool,
    /// Have Klaviyo record events without starting flows
    #[arg(long, conflicts_with = "as_sent")]
    backfill: bool,
    /// Send the requests of the generation before, instead of mapping again
    #[arg(long)]
    as_sent: bool,
    /// Send what was delivered before too: its old traits overwrite newer ones
    #[arg(long)]
    again: bool,
}

impl ReplayOptions {
    const fn how(&self) -> Replay {
        Replay {
            consent: self.consent,
            backfill: self.backfill,
            as_sent: self.as_sent,
            again: self.again,
        }
    }
}

pub(super) async fn run(command: &ChangeCommand, config: Config) -> anyhow::Result<ExitStatus> {
    let (filter, change, verb, misuse) = match command {
        ChangeCommand::Replay(options) => (
            &options.filter,
            Change::Replay(options.how()),
            "sent again",
            "name the finished events: --status dead, skipped or delivered, --id N or another filter; all of them at \
             once is never meant",
        ),
        ChangeCommand::Hold(filter) => (
            filter,
            Change::Hold,
            "held",
            "name the waiting events: --status pending, --event NAME, --profile ID, --id N or another filter",
        ),
        ChangeCommand::Release(filter) => (
            filter,
            Change::Release,
            "released",
            "name the events: --status held, or another filter; --status pending tries at once what waits for another \
             attempt",
        ),
        ChangeCommand::Discard(filter) => (
            filter,
            Change::Discard,
            "discarded",
            "name the events: --status pending, held or dead, --id N or another filter; all of them at once is never \
             meant",
        ),
    };
    filter.make(change, &config, verb, misuse).await
}
