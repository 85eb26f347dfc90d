//! Finds, before an erasure, all identifiers and all events of the person.

use serde_json::json;
use sqlx::FromRow;

use super::{ALL, person};
use crate::model::{EventId, Identifier};
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;

/// A person, as known from the events in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// All identifiers that are known to be of this person. An erasure also removes the events that connect them, so a
    /// later request must name all of them.
    pub identifiers: Vec<Identifier>,
    /// The events of the person, in order of arrival.
    pub events: Vec<PersonsEvent>,
}

/// The state of an event of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct PersonsEvent {
    /// Its id.
    pub id: EventId,
    /// Whether it is finished, and blocks no other event.
    pub done: bool,
    /// Whether it has a request in flight.
    pub in_flight: bool,
}

impl Reader {
    /// The person that these identifiers name, by the same rules as [`crate::outbox::Control::erase`].
    pub async fn person(&self, identifiers: &[Identifier]) -> Result<Person, ReadError> {
        let failed = || ReadError::of("the person's events");
        let requested: Vec<String> = identifiers.iter().map(ToString::to_string).collect();
        let mut reader = self.store.readers.acquire().await.map_err(failed())?;
        let names = person(&mut reader, &json!(requested).to_string(), ALL)
            .await
            .map_err(failed())?;
        let events = sqlx::query_as(include_str!("../sql/persons_events.sql")).bind(&names);
        let events = events.fetch_all(&mut *reader).await.map_err(failed())?;
        Ok(Person {
            identifiers: identifiers_of(&names),
            events,
        })
    }
}

/// Parses a JSON array of identifiers.
fn identifiers_of(names: &str) -> Vec<Identifier> {
    let names: Vec<String> = serde_json::from_str(names).unwrap_or_default();
    names.iter().filter_map(|name| Identifier::parse(name)).collect()
}
