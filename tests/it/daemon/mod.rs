//! The whole daemon over HTTP, against the sandbox.

mod backpressure;
mod bulk;
mod clock;
mod copies;
mod costly;
mod crash;
mod damaged;
mod delivering;
mod disk;
mod first_start;
mod foreign;
mod forwarding;
mod gone_silent;
mod import_jobs;
mod importing;
mod limits;
mod logging;
mod names;
mod ordering;
mod pausing;
mod policies;
mod rejecting;
mod reloading;
mod replaying;
mod retention;
mod same_message_id;
mod scripted;
mod shared_identifier;
mod supervised;
mod unread_log;
mod wal;

use serde_json::{Value, json};

/// A track call of a user, numbered.
fn track(user: &str, number: u64) -> Value {
    json!({
        "type": "track", "messageId": format!("{user}-{number}"), "userId": user, "event": "Step",
        "properties": { "number": number },
    })
}
