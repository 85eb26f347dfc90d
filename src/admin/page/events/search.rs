//! The search: what one word may mean, and what the order of a filter is.

use crate::model::EventId;
use crate::operator;
use crate::outbox::{Brief, Outbox, ReadError, Selection};

use super::super::filter::Asked;

/// Events that a search shows at most.
pub(super) const MOST: u32 = 100;

/// An event that a word may mean.
pub(super) struct Hit {
    pub(super) brief: Brief,
    pub(super) by: FoundBy,
}

/// What of an event a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FoundBy {
    Number,
    Id,
    Person,
}

impl FoundBy {
    /// In words that complete "found by its …".
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Id => "message id or $event_id",
            Self::Person => "person",
        }
    }
}

/// The events that a word may mean, [`MOST`] at most: those it names first, then those of a person, the newest first.
pub(super) async fn look(outbox: &Outbox, word: &str) -> Result<Vec<Hit>, ReadError> {
    let named = outbox.find(word).await?;
    let mut hits = Vec::new();
    if !named.is_empty() {
        let briefs = outbox.briefs(&Selection::of(named.clone()), MOST).await?;
        hits.extend(briefs.into_iter().rev().map(|brief| Hit {
            by: if brief.id.to_string() == word {
                FoundBy::Number
            } else {
                FoundBy::Id
            },
            brief,
        }));
        hits.sort_by_key(|hit| hit.by != FoundBy::Number);
    }
    let people = Selection::people(word);
    if !people.is_empty() {
        let of_people = Selection {
            profile: people,
            ..Selection::default()
        };
        let page = outbox.page(&of_people, None, MOST).await?;
        let others = page.events.into_iter();
        let others = others.filter(|brief| !named.contains(&brief.id));
        hits.extend(others.map(|brief| Hit {
            brief,
            by: FoundBy::Person,
        }));
    }
    hits.truncate(MOST as usize);
    Ok(hits)
}

/// What the filters mean, the order looked up; `None` when no event can be meant.
pub(in super::super) async fn meant(
    asked: &Asked,
    outbox: &Outbox,
) -> Result<Option<operator::Filter>, ReadError> {
    let mut filter = asked.filter().clone();
    let order = asked.text("order");
    if order.is_empty() {
        return Ok(Some(filter));
    }
    let named: Vec<i64> = outbox
        .find(order)
        .await?
        .iter()
        .map(|EventId(id)| *id)
        .collect();
    if filter.ids.is_empty() {
        filter.ids = named;
    } else {
        filter.ids.retain(|id| named.contains(id));
    }
    Ok(Some(filter).filter(|filter| !filter.ids.is_empty()))
}
