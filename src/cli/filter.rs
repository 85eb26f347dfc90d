//! Which events a command means, and how it says what it did with them.

use anyhow::bail;
use serde_json::{Value, json};

use super::when::time;
use super::{End, Misuse, print, print_json};
use crate::model::{EventId, EventStatus, Timestamp};
use crate::outbox::{Brief, Outbox, Selection};

/// Events that are shown of those that are meant.
pub(super) const SHOWN: u32 = 10;

/// The filters of commands that change events. They combine: an event must meet all that are given.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Events with these numbers
    #[arg(long, num_args = 1.., value_name = "N")]
    id: Vec<i64>,
    /// Events in this state: pending, delivered, skipped, dead or held
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<EventStatus>,
    /// Tracks (pages, screens) of this name, or calls of this type: "Order Completed", identify
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Events about this person: a user id, anonymous id, e-mail or phone; user:ID is exact
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// Events of this source
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Events received at this time or later: 2h (ago), yesterday, 2026-11-23, 2026-11-23T09:30
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Events received before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Events that were sent there: sandbox, or klaviyo:ACCOUNT
    #[arg(long, value_name = "DESTINATION")]
    sent_to: Option<String>,
    /// Events whose reason has this text in it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only say what would be done: the count and the first ten
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn status(word: &str) -> Result<EventStatus, String> {
    EventStatus::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = EventStatus::ALL
            .iter()
            .map(|status| status.word())
            .collect();
        format!("a status is one of {}", words.join(", "))
    })
}

/// The events a filter means.
pub(super) struct Found {
    pub(super) events: Vec<EventId>,
    /// The first of them, as they were found.
    first: Vec<Brief>,
    /// Numbers that were asked for and are not among them.
    missing: Vec<i64>,
}

impl Found {
    /// Takes these out of what is done, and says so.
    pub(super) fn leave_out(&mut self, events: &[EventId]) {
        self.events.retain(|event| !events.contains(event));
        self.first.retain(|brief| !events.contains(&brief.id));
        self.missing.extend(events.iter().map(|event| event.0));
    }
}

impl Filter {
    /// The events in one of `states` that the filter means, in their order of arrival. No filter at all, or a state
    /// the command cannot work on, is misuse.
    pub(super) async fn find(
        &self,
        outbox: &Outbox,
        states: &'static [EventStatus],
        misuse: &'static str,
    ) -> anyhow::Result<Found> {
        let wrong_state = self.status.is_some_and(|status| !states.contains(&status));
        if !self.is_given() || wrong_state {
            return Err(Misuse(misuse).into());
        }
        self.find_any(outbox, states).await
    }

    /// As [`Self::find`]; no filter at all means all of them.
    pub(super) async fn find_any(
        &self,
        outbox: &Outbox,
        states: &[EventStatus],
    ) -> anyhow::Result<Found> {
        let selection = self.selection(states);
        let events = outbox.select(&selection).await?;
        let first = events.iter().take(usize::try_from(SHOWN)?).copied();
        let first = match first.collect::<Vec<_>>() {
            none if none.is_empty() => Vec::new(),
            some => outbox.briefs(&Selection::of(some), SHOWN).await?,
        };
        let missing = self.id.iter().filter(|id| !events.contains(&EventId(**id)));
        Ok(Found {
            missing: missing.copied().collect(),
            events,
            first,
        })
    }

    fn is_given(&self) -> bool {
        let texts = [
            &self.event,
            &self.profile,
            &self.source,
            &self.sent_to,
            &self.reason,
        ];
        !self.id.is_empty()
            || self.status.is_some()
            || self.since.or(self.until).is_some()
            || texts.iter().any(|text| text.is_some())
    }

    /// The events in one of `workable` that the filter means; all of them when it says nothing.
    pub(super) fn selection(&self, workable: &[EventStatus]) -> Selection {
        let profile = self.profile.as_deref();
        Selection {
            ids: self.id.iter().copied().map(EventId).collect(),
            states: match self.status {
                Some(status) => vec![status],
                None => workable.to_vec(),
            },
            event: self.event.clone(),
            profile: profile.map(Selection::people).unwrap_or_default(),
            source: self.source.clone(),
            since: self.since,
            until: self.until,
            sent_to: self.sent_to.clone(),
            reason: self.reason.clone(),
            kept: true,
        }
    }

    /// Says what was done, or would be: `verb` completes "3 events will be …".
    pub(super) fn say(&self, found: &Found, verb: &str) -> anyhow::Result<End> {
        let Found {
            events,
            first,
            missing,
        } = found;
        let end = if missing.is_empty() {
            End::Done
        } else {
            End::Failed
        };
        if self.json {
            let first: Vec<Value> = first.iter().map(brief_json).collect();
            print_json(&json!({
                "dry_run": self.dry_run, "count": events.len(), "first": first, "left_out": missing,
            }))?;
            return Ok(end);
        }
        let will = if self.dry_run { "would be" } else { "will be" };
        let plural = if events.len() == 1 { "" } else { "s" };
        let mut lines = vec![format!("{} event{plural} {will} {verb}", events.len())];
        lines.extend(first.iter().map(line));
        if events.len() > first.len() {
            lines.push(format!("  … and {} more", events.len() - first.len()));
        }
        print(&lines.join("\n"))?;
        if end == End::Failed {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            bail!(
                "left out, since they do not exist, are in another state or in the air, or were erased: {}",
                missing.join(", ")
            );
        }
        Ok(end)
    }
}

/// One event in one line. Reasons can be long: what they begin with says what it is about.
pub(super) fn line(brief: &Brief) -> String {
    let what = brief.name.as_deref().or(brief.kind.as_deref());
    let reason = brief.reason.as_deref().unwrap_or_default();
    let short: String = reason.chars().take(80).collect();
    let more = if short.len() < reason.len() {
        "…"
    } else {
        ""
    };
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

/// One event for scripts.
pub(super) fn brief_json(brief: &Brief) -> Value {
    json!({
        "id": brief.id.0, "received_at": brief.received_at.to_string(), "type": brief.kind, "name": brief.name,
        "profile": brief.profile, "status": brief.status, "reason": brief.reason,
    })
}
