//! Takes the private key out of an answer that repeats it, as a proxy's page for developers does with the headers it got:
//! words of answers are kept in the outbox and shown.
//!
//! Pure. A body is masked as it came, so that nothing that is cut later holds a part of the key; and the words that were
//! read from it once more, since JSON can write a key in escapes.

use super::classify::Answer;
use crate::model::Outcome;

/// What stands in its place.
const MASK: &str = "[private key]";

/// Masks the key in what may be kept of an answer.
pub(super) fn in_answer(answer: &mut Answer, key: &str) {
    for text in [
        &mut answer.retry_after,
        &mut answer.request_id,
        &mut answer.left_out,
    ] {
        in_text(text, key);
    }
    if let Some(masked) = in_bytes(&answer.body, key.as_bytes()) {
        answer.body = masked;
    }
}

/// Masks the key in the words of an outcome.
pub(super) fn in_outcome(outcome: &mut Outcome, key: &str) {
    for text in [
        &mut outcome.error,
        &mut outcome.request_id,
        &mut outcome.profile_id,
        &mut outcome.note,
    ] {
        in_text(text, key);
    }
}

fn in_text(text: &mut Option<String>, key: &str) {
    if let Some(text) = text.as_mut().filter(|text| text.contains(key)) {
        *text = text.replace(key, MASK);
    }
}

/// The bytes without the key; `None` when they have none of it.
fn in_bytes(bytes: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let find = |from: &[u8]| from.windows(key.len()).position(|part| part == key);
    let mut found = find(bytes)?;
    let (mut masked, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    loop {
        masked.extend_from_slice(&rest[..found]);
        masked.extend_from_slice(MASK.as_bytes());
        rest = &rest[found + key.len()..];
        let Some(next) = find(rest) else { break };
        found = next;
    }
    masked.extend_from_slice(rest);
    Some(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_in_a_body_is_masked_and_nothing_else_changes() {
        let masked = in_bytes(b"a pk_1 b Klaviyo-API-Key pk_1pk_1", b"pk_1").unwrap();
        let expected = b"a [private key] b Klaviyo-API-Key [private key][private key]";
        assert_eq!(masked, expected);
        assert_eq!(in_bytes(b"pk_", b"pk_1"), None);
        assert_eq!(in_bytes(b"", b"pk_1"), None);
    }
}
