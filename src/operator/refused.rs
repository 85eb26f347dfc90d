//! What was refused at the door, in words and as JSON, for every place that says so.

use serde_json::{Value, json};

use crate::model::Timestamp;
use crate::outbox::RefusedAtDoor;

/// Who sent it, as far as that is known.
pub fn refused_sender(refused: &RefusedAtDoor) -> String {
    match (&refused.source, &refused.key) {
        (Some(source), _) => format!("source {source}"),
        (None, Some(key)) => format!("the unknown key {key}"),
        (None, None) => "nobody who is known".to_owned(),
    }
}

/// When the last of them came.
pub const fn refused_last(refused: &RefusedAtDoor) -> Timestamp {
    Timestamp::from_millis(refused.last_ms)
}

/// As JSON.
pub fn refused_json(refused: &[RefusedAtDoor]) -> Value {
    let one = |refused: &RefusedAtDoor| {
        json!({
            "status": refused.status, "code": refused.code, "source": refused.source, "client": refused.client,
            "key": refused.key, "requests": refused.requests, "last": refused_last(refused).to_string(),
        })
    };
    refused.iter().map(one).collect()
}
