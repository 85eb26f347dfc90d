//! The groups of dead events, as the outbox tells them.

use crate::model::{EventId, EventStatus, Timestamp};
use crate::outbox::{Brief, Outbox, ReadError, Selection};

/// Dead events that are looked at.
const LOOKED_AT: u32 = 100_000;

/// Dead events by what they died of.
pub(super) struct Groups {
    /// The largest first.
    pub(super) groups: Vec<Group>,
    /// Whether there are more than were looked at.
    pub(super) older: bool,
}

/// Dead events whose reasons say the same, about different ids.
pub(super) struct Group {
    /// What they say, `…` where they differ or may.
    pub(super) words: String,
    /// How many.
    pub(super) count: i64,
    /// When the first of them arrived.
    pub(super) first: Timestamp,
    /// When the last of them arrived.
    pub(super) last: Timestamp,
    /// How many people they are about.
    pub(super) people: i64,
    /// One of them: the newest.
    pub(super) sample: EventId,
}

/// The groups, `most` at most.
pub(super) async fn groups(outbox: &Outbox, most: u32) -> Result<Groups, ReadError> {
    let status = outbox.status().await?;
    let dead = Selection {
        states: vec![EventStatus::Dead],
        ..Selection::default()
    };
    let dead = outbox.briefs(&dead, LOOKED_AT).await?;
    let older = dead.len() >= LOOKED_AT as usize;
    let groups = status.dead.into_iter().take(most as usize);
    let groups = groups.filter_map(|group| of(group.reason, group.count, &dead));
    Ok(Groups {
        groups: groups.collect(),
        older,
    })
}

fn of(words: String, count: i64, dead: &[Brief]) -> Option<Group> {
    let says = |event: &&Brief| says(event.reason.as_deref().unwrap_or_default(), &words);
    let members: Vec<&Brief> = dead.iter().filter(says).collect();
    let arrived = || members.iter().map(|event| event.received_at);
    let mut people: Vec<&str> = members
        .iter()
        .filter_map(|e| e.profile.as_deref())
        .collect();
    people.sort_unstable();
    people.dedup();
    Some(Group {
        count,
        first: arrived().min()?,
        last: arrived().max()?,
        people: i64::try_from(people.len()).unwrap_or(i64::MAX),
        sample: members.last()?.id,
        words,
    })
}

/// Whether a reason says these words, with whatever in the place of each gap.
fn says(reason: &str, words: &str) -> bool {
    let Some((start, rest)) = words.split_once('…') else {
        return reason == words;
    };
    let Some(mut left) = reason.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('…').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = left.split_once(part) else {
            return false;
        };
        left = after;
    }
    left.ends_with(end)
}
