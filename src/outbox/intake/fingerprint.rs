//! Computes a number that identifies a call, and a new id for an event whose message id another call uses. Pure.

use sha2::{Digest, Sha256};

use crate::model::{EventType, Identifier, IdentifierKind, NewEvent};

/// The fingerprint: two events have the same number if they are the same call, by type, name, and user or anonymous id.
/// If a call has neither id, its other identifiers are used.
pub fn fingerprint(event: &NewEvent) -> i64 {
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update(text.len().to_be_bytes());
        digest.update(text);
    };
    add(event.kind.map_or("", EventType::word));
    add(event.name.as_deref().unwrap_or_default());
    let is_id = |id: &&Identifier| matches!(id.kind(), IdentifierKind::UserId | IdentifierKind::AnonymousId);
    let has_id = event.identifiers.iter().any(|id| is_id(&id));
    let people = event.identifiers.iter();
    let mut people: Vec<String> = people
        .filter(|id| !has_id || is_id(id))
        .map(ToString::to_string)
        .collect();
    people.sort_unstable();
    for person in &people {
        add(person);
    }
    let digest = digest.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

/// The new id of an event whose message id, as stored, is used by another call. A copy of the event gets the same id.
pub(in crate::outbox) fn other_id(message_id: &str, fingerprint: i64) -> String {
    format!("{message_id}#{fingerprint:016x}")
}
