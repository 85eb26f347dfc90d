//! Which events a command selects, and how it reports the result.

use anyhow::bail;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::screen::Screen;
use super::{ExitStatus, UsageError, attach, print, print_json};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::model::{EventStatus, EventType, Timestamp};
use crate::operator::{self, Change, ChangeError, Matches};
use crate::outbox::{Brief, Selection};

/// The filters of commands that change events. They combine: an event must meet all that are given.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Events with these numbers
    #[arg(long, num_args = 1.., value_name = "N")]
    id: Vec<i64>,
    /// Events in this state
    #[arg(long, value_name = "STATUS", value_parser = status())]
    status: Option<EventStatus>,
    /// Calls of this type
    #[arg(long = "type", value_name = "TYPE", value_parser = kind())]
    kind: Option<EventType>,
    /// Tracks (pages, screens) of this name, or calls of this type: "Order Completed", identify
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Events about this person: a user id, anonymous id, e-mail or phone; user:ID is exact
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// Events that name this order; #1001 is 1001
    #[arg(long, value_name = "ID", value_parser = order)]
    order_id: Option<String>,
    /// Events of this source
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Events received at this time or later: 2h (ago), yesterday, 2026-11-23, 2026-11-23T09:30
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Events received before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Events that were sent there, or tried to: sandbox, or klaviyo:ACCOUNT
    #[arg(long, value_name = "DESTINATION")]
    sent_to: Option<String>,
    /// Events whose reason has this text in it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Events whose reason has this code, as `status` shows it
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Only say what would be done: the count and the first ten
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn time(text: &str) -> Result<Timestamp, String> {
    operator::parse_time(text, SystemClock.now()).ok_or_else(|| operator::TIME_FORMS.to_owned())
}

fn order(word: &str) -> Result<String, String> {
    let names_none = Selection::orders(word).is_empty();
    let wrong = || "it names no order; give the id of one".to_owned();
    (!names_none).then(|| word.to_owned()).ok_or_else(wrong)
}

fn kind() -> impl TypedValueParser<Value = EventType> {
    one_of(EventType::ALL.iter().map(|kind| kind.word()), EventType::from_word)
}

fn status() -> impl TypedValueParser<Value = EventStatus> {
    one_of(
        EventStatus::ALL.iter().map(|status| status.word()),
        EventStatus::from_word,
    )
}

/// A parser that accepts only these words; help and completions list them.
pub(super) fn one_of<T: Clone + Send + Sync + 'static>(
    words: impl Iterator<Item = &'static str>,
    read: fn(&str) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    let words = PossibleValuesParser::new(words.collect::<Vec<_>>());
    words.try_map(move |word| read(&word).ok_or("is none of these words"))
}

impl Filter {
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
        let filter = self.to_filter();
        let (ingest, now) = (&config.ingest, SystemClock.now());
        let made = change.make(&filter, self.dry_run, ingest, &outbox, now);
        let found = match made.await {
            Err(ChangeError::NoFilter | ChangeError::WrongState { .. }) => {
                return Err(UsageError(misuse).into());
            }
            made => made?,
        };
        outbox.close().await;
        self.report(&found, verb)
    }

    /// The filter in the form of the operator module.
    pub(super) fn to_filter(&self) -> operator::Filter {
        operator::Filter {
            ids: self.id.clone(),
            status: self.status,
            kind: self.kind,
            event: self.event.clone(),
            profile: self.profile.clone(),
            order_id: self.order_id.clone(),
            source: self.source.clone(),
            since: self.since,
            until: self.until,
            sent_to: self.sent_to.clone(),
            reason: self.reason.clone(),
            code: self.code.clone(),
        }
    }

    /// Prints what was done, or would be: `verb` completes "3 events will be …".
    pub(super) fn report(&self, found: &Matches, verb: &str) -> anyhow::Result<ExitStatus> {
        let Matches { events, first, missing } = found;
        // Events found by other filters may be in flight by now; only a number of --id that was not changed is an
        // error.
        let end = if missing.is_empty() || self.id.is_empty() {
            ExitStatus::Done
        } else {
            ExitStatus::Failed
        };
        if self.json {
            print_json(&found.json(self.dry_run))?;
            return Ok(end);
        }
        let will = if self.dry_run { "would be" } else { "will be" };
        let plural = if events.len() == 1 { "" } else { "s" };
        let mut screen = Screen::default();
        screen.line(format_args!("{} event{plural} {will} {verb}", events.len()));
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
