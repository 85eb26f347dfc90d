//! What one word can match: the number of an event, a message id, a `$event_id`, an order, a person.
//!
//! It promises that the cost does not depend on how many events there are: each match is a bounded look-up in an index.

use std::collections::{HashMap, HashSet};

use super::select::{Brief, Selection};
use crate::model::EventId;
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;
use crate::outbox::rows::storable;

/// How many events [`Reader::find`] returns at most.
const FOUND: u32 = 100;

/// The events of a message id. The key begins with the source, so each source is looked up: one step of the recursion
/// goes from a source to the next. ?1: the message id; ?2: how many.
pub(in crate::outbox) const BY_MESSAGE: &str = "
    WITH RECURSIVE source (name) AS (
        SELECT min(source) FROM message
        UNION ALL
        SELECT (SELECT min(m.source) FROM message AS m WHERE m.source > s.name) FROM source AS s
        WHERE s.name IS NOT NULL)
    SELECT m.event_id FROM source AS s CROSS JOIN message AS m ON m.source = s.name AND m.message_id = ?1
    ORDER BY m.event_id DESC LIMIT ?2";
pub(in crate::outbox) const BY_NUMBER: &str = "SELECT id FROM event WHERE id = CAST(?1 AS INTEGER) LIMIT ?2";
pub(in crate::outbox) const BY_EVENT_ID: &str = "
    SELECT DISTINCT event_id FROM delivery WHERE event_key = ?1 ORDER BY event_id DESC LIMIT ?2";
pub(in crate::outbox) const BY_ORDER: &str = "SELECT id FROM event WHERE order_id = ?1 ORDER BY id DESC LIMIT ?2";
/// The newest events of one identifier.
pub(in crate::outbox) const BY_IDENTIFIER: &str = "
    SELECT event_id FROM event_identifier WHERE identifier = ?1 ORDER BY event_id DESC LIMIT ?2";

/// An event that a word matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The event.
    pub brief: Brief,
    /// Which property of the event the word matches.
    pub by: FoundBy,
}

/// The property of an event that a word matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FoundBy {
    /// Its number.
    Number,
    /// Its message id.
    MessageId,
    /// The `$event_id` of one of its requests.
    EventId,
    /// The order of the event.
    OrderId,
    /// An identifier of a person it may be about.
    Person,
}

impl Selection {
    /// The spellings of an order: shops write order 1001 also as `#1001`.
    pub fn orders(word: &str) -> Vec<String> {
        let word = word.trim();
        let bare = word.strip_prefix('#').unwrap_or(word).trim_start();
        if bare.is_empty() {
            return Vec::new();
        }
        vec![storable(bare).into_owned(), storable(&format!("#{bare}")).into_owned()]
    }
}

impl Reader {
    /// The events that a word matches, at most `most`: by number first, then by message id, `$event_id`, order and
    /// person, newest first within each. An event that matches in several ways is returned once.
    pub async fn search(&self, word: &str, most: u32) -> Result<Vec<Hit>, ReadError> {
        let word = storable(word.trim()).into_owned();
        let number = self.by_number(&word).await?.into_iter();
        let mut found: Vec<(EventId, FoundBy)> = number.map(|id| (id, FoundBy::Number)).collect();
        for (sql, by) in [(BY_MESSAGE, FoundBy::MessageId), (BY_EVENT_ID, FoundBy::EventId)] {
            let ids = self.look_up(sql, word.clone(), most).await?;
            found.extend(ids.into_iter().map(|id| (id, by)));
        }
        let people = Selection::people(&word);
        let people = people.iter().map(ToString::to_string).collect();
        for (sql, words, by) in [
            (BY_ORDER, Selection::orders(&word), FoundBy::OrderId),
            (BY_IDENTIFIER, people, FoundBy::Person),
        ] {
            let ids = self.look_up_all(sql, words, most).await?;
            found.extend(ids.into_iter().map(|id| (id, by)));
        }
        let mut seen = HashSet::new();
        found.retain(|(id, _)| seen.insert(*id));
        self.hits(found, most).await
    }

    /// The events that a word matches by number, message id or `$event_id`; by order where none of these match.
    pub async fn find(&self, word: &str) -> Result<Vec<EventId>, ReadError> {
        let word = storable(word.trim()).into_owned();
        let mut ids: Vec<EventId> = self.by_number(&word).await?;
        for sql in [BY_MESSAGE, BY_EVENT_ID] {
            ids.extend(self.look_up(sql, word.clone(), FOUND).await?);
        }
        if ids.is_empty() {
            let orders = Selection::orders(&word);
            ids = self.look_up_all(BY_ORDER, orders, FOUND).await?;
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    async fn by_number(&self, word: &str) -> Result<Vec<EventId>, ReadError> {
        // `007` is not the number of an event, but it may be an order.
        match word.parse::<i64>() {
            Ok(number) if number.to_string() == word => self.look_up(BY_NUMBER, word.to_owned(), 1).await,
            Ok(_) | Err(_) => Ok(Vec::new()),
        }
    }

    /// The events of any of these words, newest first.
    async fn look_up_all(&self, sql: &'static str, words: Vec<String>, most: u32) -> Result<Vec<EventId>, ReadError> {
        let mut ids = Vec::new();
        for word in words {
            ids.extend(self.look_up(sql, word, most).await?);
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    async fn look_up(&self, sql: &'static str, word: String, most: u32) -> Result<Vec<EventId>, ReadError> {
        let ids = sqlx::query_scalar(sql).bind(word).bind(most);
        self.store.values("the requested event", ids).await
    }

    /// The events that were found, in this order, with their columns for a list. A known message can be of an event
    /// that was deleted.
    async fn hits(&self, found: Vec<(EventId, FoundBy)>, most: u32) -> Result<Vec<Hit>, ReadError> {
        let ids: Vec<EventId> = found.iter().map(|(id, _)| *id).collect();
        let briefs = self.briefs_of(&ids).await?;
        let mut briefs: HashMap<EventId, Brief> = briefs.into_iter().map(|brief| (brief.id, brief)).collect();
        let hits = found.into_iter().filter_map(|(id, by)| {
            let brief = briefs.remove(&id)?;
            Some(Hit { brief, by })
        });
        Ok(hits.take(most as usize).collect())
    }
}
