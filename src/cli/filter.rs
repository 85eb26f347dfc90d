//! Which events a command selects, and how it reports the result.

use anyhow::bail;

use super::screen::Screen;
use super::{ExitStatus, UsageError, attach, print, print_json};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::operator::{self, Change, ChangeError, Matches};
use crate::outbox::Brief;

/// The filters of commands that change events. They combine: an event must meet all that are given.
#[derive(Debug, clap::Args)]
pub(super) struct FilterOptions {
    #[command(flatten)]
    pub(super) filter: operator::Filter,
    /// Change nothing, and show what would be done: the count and the first ten
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl FilterOptions {
    /// Changes the selected events, or only finds them, and prints the result: `verb` completes "3 events will be …".
    /// After wrong usage, `misuse` is the advice.
    pub(super) async fn make(
        &self,
        change: Change,
        config: &Config,
        verb: &str,
        misuse: &'static str,
    ) -> anyhow::Result<ExitStatus> {
        let outbox = attach(config).await?;
        let (ingest, now) = (&config.ingest, SystemClock.now());
        let made = change.make(&self.filter, self.dry_run, ingest, &outbox, now);
        let found = match made.await {
            Err(ChangeError::NoFilter | ChangeError::WrongState { .. }) => {
                return Err(UsageError(misuse).into());
            }
            made => made?,
        };
        outbox.close().await;
        self.report(&found, verb)
    }

    /// Prints what was done, or would be: `verb` completes "3 events will be …".
    pub(super) fn report(&self, found: &Matches, verb: &str) -> anyhow::Result<ExitStatus> {
        let Matches { events, first, missing } = found;
        // Events found by other filters may be in flight by now; only a number of --id that was not changed is an
        // error.
        let end = ExitStatus::of(missing.is_empty() || self.filter.ids.is_empty());
        if self.json {
            print_json(&found.json(self.dry_run))?;
            return Ok(end);
        }
        let will = if self.dry_run { "would be" } else { "will be" };
        let mut screen = Screen::default();
        screen.line(format_args!("{} {will} {verb}", self::events(events.len())));
        list(&mut screen, first, events.len());
        if end == ExitStatus::Done && !missing.is_empty() {
            screen.line(format_args!(
                "  {} left as they are: in flight, or changed meanwhile",
                missing.len()
            ));
        }
        print(&screen)?;
        if end == ExitStatus::Failed {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            bail!(
                "left out, since they do not exist, are in another state or in flight, or were erased: {}",
                missing.join(", ")
            );
        }
        Ok(end)
    }
}

/// `1 event`, `2 events`.
pub(super) fn events(count: usize) -> String {
    format!("{count} event{}", if count == 1 { "" } else { "s" })
}

/// The first of `count` events, one line each.
pub(super) fn list(screen: &mut Screen, first: &[Brief], count: usize) {
    for brief in first {
        screen.line(format_args!("{}", line(brief)));
    }
    if count > first.len() {
        screen.line(format_args!("  … and {} more", count - first.len()));
    }
}

/// One event in one line. Long reasons are cut: a reason starts with its subject.
fn line(brief: &Brief) -> String {
    let what = brief.name.as_deref().or(brief.kind.as_deref());
    let reason = brief.reason.as_deref().unwrap_or_default();
    let short: String = reason.chars().take(80).collect();
    let more = if short.len() < reason.len() { "…" } else { "" };
    let line = format!(
        "{:>8}  {}  {:<9}  {}  {}  {short}{more}",
        brief.id.0,
        brief.received_at,
        brief.status,
        what.unwrap_or("?"),
        brief.profile.as_deref().unwrap_or("nobody"),
    );
    line.trim_end().to_owned()
}
