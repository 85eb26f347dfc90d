//! What keeps the outbox's log from being folded into its file, in words for every place that says so.

use super::size::bytes;
use crate::outbox::{LogTrouble, LogTroubleKind};

/// A code that stays.
pub const fn log_code(trouble: &LogTrouble) -> &'static str {
    match trouble.kind {
        LogTroubleKind::CheckpointFailing => "checkpoint_failing",
        LogTroubleKind::WalHeld => "wal_held",
    }
}

/// What is so, in a sentence without its full stop.
pub fn log_words(trouble: &LogTrouble) -> String {
    let (since, size) = (trouble.since, bytes(trouble.wal_bytes));
    let grows = format!("the log has {size} and grows");
    match trouble.kind {
        LogTroubleKind::CheckpointFailing => {
            format!("since {since} the outbox's log cannot be written into its file: {grows}")
        }
        LogTroubleKind::WalHeld => {
            let readers: Vec<String> = trouble.readers.iter().map(ToString::to_string).collect();
            let readers = if readers.is_empty() {
                "nobody who could be found".to_owned()
            } else {
                readers.join(", ")
            };
            format!(
                "since {since} somebody reads an old moment of the outbox: {grows}; besides the relay, the file was \
                 open in {readers}"
            )
        }
    }
}

/// What to do, in a sentence without its full stop.
pub const fn log_advice(trouble: &LogTrouble) -> &'static str {
    match trouble.kind {
        LogTroubleKind::CheckpointFailing => {
            "nothing is lost; look at the disk, and at the relay's log for what it says"
        }
        LogTroubleKind::WalHeld => {
            "nothing is lost; end the transaction that is open there, or that process"
        }
    }
}
