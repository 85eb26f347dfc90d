//! Erases a person, for the command line and the admin port.
//!
//! It promises that no data of the person is left, or that nothing was erased and the result names the obstacle.
//! Waiting events are discarded first. Requests in flight are waited for: their events are erased whether the request
//! reaches Klaviyo or not.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::filter::ProfileFilter;
use crate::clock::Clock;
use crate::model::{EventId, Identifier};
use crate::outbox::{Control, Person, ReadError, WriteError};

/// How often it checks whether the requests in flight were answered.
const LOOK: Duration = Duration::from_millis(100);

/// The result.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct ErasureReport {
    /// The number of erased events.
    pub erased: usize,
    /// Those of them that were still waiting.
    pub discarded: usize,
    /// Events that stayed in flight; because of them nothing was erased.
    pub left: Vec<EventId>,
}

/// Why nobody was erased.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The search word matches more than one person.
    #[error("{word:?} may be several people; name one of them: {first} or {other}")]
    Several {
        /// The search word.
        word: String,
        /// One of them, exactly.
        first: Identifier,
        /// Another one.
        other: Identifier,
    },
    /// The person could not be looked up.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The erasure could not be written; nothing is erased.
    #[error("the erasure was not written")]
    Write(#[source] WriteError),
}

/// The one person that a search word names; a person without events when there is none.
pub async fn find_person(outbox: &Control, profile: &ProfileFilter) -> Result<Person, ForgetError> {
    let mut found: Option<(&Identifier, Person)> = None;
    for name in profile.identifiers() {
        let person = outbox.person(std::slice::from_ref(name)).await?;
        if person.events.is_empty() {
            continue;
        }
        match &found {
            None => found = Some((name, person)),
            Some((_, known)) if known.identifiers.contains(name) => {}
            Some((first, _)) => {
                return Err(ForgetError::Several {
                    word: profile.to_string(),
                    first: (*first).clone(),
                    other: name.clone(),
                });
            }
        }
    }
    let nobody = || Person {
        identifiers: Vec::new(),
        events: Vec::new(),
    };
    Ok(found.map_or_else(nobody, |(_, person)| person))
}

/// Erases everything at once when no event of the person is unfinished any more, and nothing if that does not happen in
/// time: a partial erasure would remove the names that link the other events to the person.
pub async fn forget(
    outbox: &Control,
    clock: &dyn Clock,
    person: Person,
    wait: Duration,
) -> Result<ErasureReport, ForgetError> {
    let mut report = ErasureReport::default();
    let mut person = person;
    if person.events.is_empty() {
        return Ok(report);
    }
    let began = clock.now();
    loop {
        let waiting: Vec<EventId> = person
            .events
            .iter()
            .filter(|event| !event.done && !event.in_flight)
            .map(|event| event.id)
            .collect();
        if !waiting.is_empty() {
            outbox.discard(clock.now(), waiting).await.map_err(ForgetError::Write)?;
        }
        let before: Vec<EventId> = open_events(&person);
        // Uses all names of the person: erased events no longer lead to the others.
        person = outbox.person(&person.identifiers).await?;
        let left = open_events(&person);
        report.discarded += before.iter().filter(|id| !left.contains(id)).count();
        if left.is_empty() {
            let erased = outbox
                .erase(clock.now(), person.identifiers.clone())
                .await
                .map_err(ForgetError::Write)?;
            report.erased += erased.events;
            if erased.left == 0 {
                return Ok(report);
            }
        } else if clock.now().since(began) >= wait {
            report.left = left;
            return Ok(report);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The unfinished events of a person.
pub fn open_events(person: &Person) -> Vec<EventId> {
    let unfinished = person.events.iter().filter(|event| !event.done);
    unfinished.map(|event| event.id).collect()
}
