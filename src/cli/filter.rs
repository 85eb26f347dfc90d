//! Which events a command means, and how it says what it did with them.

use anyhow::bail;
use serde_json::json;

use super::{End, Misuse, print, print_json};
use crate::model::{EventId, EventStatus};
use crate::outbox::{Outbox, Selection};

/// The filters of commands that change events. They combine: an event must meet all that are given.
#[derive(Debug, clap::Args)]
pub(super) struct Filter {
    /// Events with these numbers
    #[arg(long, num_args = 1.., value_name = "N")]
    id: Vec<i64>,
    /// Events in this state
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<EventStatus>,
    /// Only say what would be done: the count and the first ten
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
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
    /// Numbers that were asked for and are not among them.
    missing: Vec<i64>,
}

impl Found {
    /// Takes these out of what is done, and says so.
    pub(super) fn leave_out(&mut self, events: &[EventId]) {
        self.events.retain(|event| !events.contains(event));
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
        if (self.id.is_empty() && self.status.is_none()) || wrong_state {
            return Err(Misuse(misuse).into());
        }
        let selection = Selection {
            ids: self.id.iter().copied().map(EventId).collect(),
            states: self
                .status
                .map_or_else(|| states.to_vec(), |status| vec![status]),
            kept: true,
        };
        let events = outbox.select(&selection).await?;
        let missing = self.id.iter().filter(|id| !events.contains(&EventId(**id)));
        let missing = missing.copied().collect();
        Ok(Found { events, missing })
    }

    /// Says what was done, or would be: `verb` completes "3 events will be …".
    pub(super) fn say(&self, found: &Found, verb: &str) -> anyhow::Result<End> {
        let Found { events, missing } = found;
        let first: Vec<i64> = events.iter().take(10).map(|id| id.0).collect();
        let end = if missing.is_empty() {
            End::Done
        } else {
            End::Failed
        };
        if self.json {
            print_json(&json!({
                "dry_run": self.dry_run, "count": events.len(), "first": first, "left_out": missing,
            }))?;
            return Ok(end);
        }
        let will = if self.dry_run { "would be" } else { "will be" };
        let list: Vec<String> = first.iter().map(ToString::to_string).collect();
        let list = match (list.len(), events.len()) {
            (0, _) => String::new(),
            (shown, all) if shown < all => format!(": {}, …", list.join(", ")),
            (_, _) => format!(": {}", list.join(", ")),
        };
        let plural = if events.len() == 1 { "" } else { "s" };
        print(&format!(
            "{} event{plural} {will} {verb}{list}",
            events.len()
        ))?;
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
