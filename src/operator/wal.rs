//! Problems of the outbox file, in the same words for every place that reports them: a WAL that cannot be checkpointed,
//! and a damaged file.

use super::size::bytes;
use crate::outbox::{Damage, LogTrouble, LogTroubleKind};

/// The stable code.
pub const fn wal_code(trouble: &LogTrouble) -> &'static str {
    match trouble.kind {
        LogTroubleKind::CheckpointFailing => "checkpoint_failing",
        LogTroubleKind::WalHeld => "wal_held",
    }
}

/// The problem, in a sentence without its full stop.
pub fn wal_message(trouble: &LogTrouble) -> String {
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
pub const fn wal_advice(trouble: &LogTrouble) -> &'static str {
    match trouble.kind {
        LogTroubleKind::CheckpointFailing => {
            "nothing is lost; look at the disk, and at the relay's log for what it says"
        }
        LogTroubleKind::WalHeld => "nothing is lost; end the transaction that is open there, or that process",
    }
}

/// The damage and what to do, in a sentence without its full stop.
pub fn damage_message(damage: Damage) -> String {
    let Damage { since, events } = damage;
    format!(
        "since {since} the outbox's file is known to be damaged: {events} events could not be read and are dead; the others \
         go on. Look at the disk and the memory of the machine, and replace the file: stop the daemon and restore a backup"
    )
}
