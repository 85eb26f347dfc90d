//! `discard`: gives events up for good.

use super::filter::Filter;
use super::{End, attach};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::model::EventStatus;
use crate::outbox::Selection;

/// Give events up for good, so that those behind them go on
///
/// A pending or held event becomes dead; a dead one that held up those behind it (`delivery.after_dead`) lets them
/// go. It can still be replayed, then behind them. An event in the air is left alone. Exit code 1 when an --id does
/// not exist or is finished and not dead.
///
/// Example: klaviyo-relay discard --id 42
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    filter: Filter,
}

const GIVEN_UP: &[EventStatus] = &[EventStatus::Pending, EventStatus::Held, EventStatus::Dead];

pub(super) async fn run(options: &Options, config: Config) -> anyhow::Result<End> {
    let outbox = attach(&config).await?;
    let misuse = "say which events: --status pending, held or dead, or --id N; all of them at once is \
                  never meant";
    let mut found = options.filter.find(&outbox, GIVEN_UP, misuse).await?;
    if !options.filter.dry_run && !found.events.is_empty() {
        outbox
            .discard(SystemClock.now(), found.events.clone())
            .await?;
        // What was in the air, or was taken meanwhile, is as it was.
        let unfinished = Selection {
            ids: found.events.clone(),
            states: vec![EventStatus::Pending, EventStatus::Held],
            ..Selection::default()
        };
        found.leave_out(&outbox.select(&unfinished).await?);
    }
    outbox.close().await;
    options.filter.say(&found, "discarded")
}
