//! `replay`: sends finished events again.

use super::ExitStatus;
use super::filter::FilterOptions;
use crate::config::Config;
use crate::operator::Change;
use crate::outbox::Replay;

/// Send finished events again, mapped again, in their order, behind what their people wait for
///
/// Filters combine: an event must meet all that are given. What was delivered to the same place
/// is not sent there twice, unless --again is given. Subscriptions older than
/// `delivery.replay_consent_within` are left out unless --consent is given: subscribing cancels an
/// unsubscribe that came later. Live events come first: replays take at most `delivery.replay_share` of
/// `delivery.window`. An event that held up those behind it (`delivery.after_dead`) keeps its place before them.
/// Exit code 1 when an --id was not replayed.
///
/// Example: klaviyo-relay replay --status dead --dry-run
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command")]
pub(super) struct Options {
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

pub(super) async fn run(options: &Options, config: Config) -> anyhow::Result<ExitStatus> {
    let misuse = "say which finished events: --status dead, skipped or delivered, --id N or another filter; all of \
                  them at once is never meant";
    let how = Replay {
        consent: options.consent,
        backfill: options.backfill,
        as_sent: options.as_sent,
        again: options.again,
    };
    let filter = &options.filter;
    filter.make(Change::Replay(how), &config, "sent again", misuse).await
}
