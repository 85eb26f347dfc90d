//! `discard`: makes events dead.

use super::ExitStatus;
use super::filter::FilterOptions;
use crate::config::Config;
use crate::operator::Change;

/// Give events up for good, so that those behind them go on
///
/// A pending or held event becomes dead. A dead one that held up those behind it (`delivery.after_dead`) no longer
/// does. It can still be replayed, then behind them. One whose request is in flight is left alone. Exit code 1 when an
/// --id does not exist or is finished and not dead.
///
/// Example: klaviyo-relay discard --id 42
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    filter: FilterOptions,
}

pub(super) async fn run(options: &Options, config: Config) -> anyhow::Result<ExitStatus> {
    let misuse = "say which events: --status pending, held or dead, --id N or another filter; all of them at once \
                  is never meant";
    let filter = &options.filter;
    filter.make(Change::Discard, &config, "discarded", misuse).await
}
