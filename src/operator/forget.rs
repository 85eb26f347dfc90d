//! Erasing a person, the same from the command line and from the admin port.
//!
//! It promises that nothing of the person stays, or that nothing was erased and it says what is in the way. What still
//! waits is given up first; what is in flight is waited for: it reaches Klaviyo or it does not, and is erased either
//! way.

use std::time::Duration;

use crate::clock::Clock;
use crate::model::{EventId, Identifier};
use crate::outbox::{Outbox, Person, ReadError, Selection, WriteError};

/// How often it looks whether what is in flight has been answered.
const LOOK: Duration = Duration::from_millis(100);

/// What it came to.
#[derive(Debug, Default)]
pub struct Forgotten {
    /// Events emptied.
    pub erased: usize,
    /// Events among them that still waited.
    pub discarded: usize,
    /// Events that stayed in flight, for which nothing was erased.
    pub left: Vec<EventId>,
}

/// Why nobody was erased.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The word may name more than one person.
    #[error("{word:?} may be several people; say which one: {first} or {other}")]
    Several {
        /// What was asked for.
        word: String,
        /// One of them, exactly.
        first: Identifier,
        /// Another.
        other: Identifier,
    },
    /// The person could not be looked up.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The erasure could not be written; nothing is erased.
    #[error("the erasure was not written")]
    Write(#[source] WriteError),
}

/// The one person that a word names; nobody when there is none.
pub async fn whom(outbox: &Outbox, word: &str) -> Result<Person, ForgetError> {
    let mut found: Option<(Identifier, Person)> = None;
    for name in Selection::people(word) {
        let person = outbox.person(std::slice::from_ref(&name)).await?;
        if person.events.is_empty() {
            continue;
        }
        match &found {
            None => found = Some((name, person)),
            Some((_, known)) if known.identifiers.contains(&name) => {}
            Some((first, _)) => {
                return Err(ForgetError::Several {
                    word: word.to_owned(),
                    first: first.clone(),
                    other: name,
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

/// Erases everything at once when nothing of the person is unfinished any more; nothing when that does not come to be:
/// what was erased first would no longer tell who the rest is about.
pub async fn forget(
    outbox: &Outbox,
    clock: &dyn Clock,
    person: Person,
    wait: Duration,
) -> Result<Forgotten, ForgetError> {
    let mut forgotten = Forgotten::default();
    let mut person = person;
    if person.events.is_empty() {
        return Ok(forgotten);
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
        let before: Vec<EventId> = unfinished(&person);
        // With all names: what is erased does not lead to the others any more.
        person = outbox.person(&person.identifiers).await?;
        let left = unfinished(&person);
        forgotten.discarded += before.iter().filter(|id| !left.contains(id)).count();
        if left.is_empty() {
            let erased = outbox
                .erase(clock.now(), person.identifiers.clone())
                .await
                .map_err(ForgetError::Write)?;
            forgotten.erased += erased.events;
            if erased.left == 0 {
                return Ok(forgotten);
            }
        } else if clock.now().since(began) >= wait {
            forgotten.left = left;
            return Ok(forgotten);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The events of a person that are not finished.
pub fn unfinished(person: &Person) -> Vec<EventId> {
    let unfinished = person.events.iter().filter(|event| !event.done);
    unfinished.map(|event| event.id).collect()
}
