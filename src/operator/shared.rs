//! Identifiers that many people share, in the same words for every place that reports them.

use crate::outbox::SharedIdentifier;

/// The stable code of the note.
pub const SHARED_CODE: &str = "shared_identifier";

/// The problem, in a sentence without its full stop; `name` is the identifier in the form that the place shows.
pub fn shared_message(shared: &SharedIdentifier, name: &str) -> String {
    let SharedIdentifier { waiting, people, .. } = shared;
    format!(
        "{waiting} events wait in one queue, that of {name}, which the calls of at least {people} people name: each waits for \
         all before"
    )
}

/// What to do, in a sentence without its full stop.
pub fn shared_advice(name: &str) -> String {
    format!(
        "if {name} is nobody's own, add it to `mapping.garbage_ids` and reload with SIGHUP: what waits goes on, each person's \
         events in their order; and have the sender leave it out"
    )
}
