//! Problems in the same words for every place that reports them: the commands, the readiness check and the page.
//!
//! Each has a stable code for machines, what happened, and its effect with what to do. Pure.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::size::bytes;
use crate::model::{PauseKind, Timestamp};
use crate::outbox::{Damage, FailingAlone, Pause, SharedIdentifier, WalTrouble, WalTroubleKind};

/// The severity of a problem; the most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Requests are rejected or events are not delivered.
    Bad,
    /// An operator should look at it today.
    Warn,
    /// Information only.
    Calm,
}

/// A problem. Its texts start in lower case and have no full stop at their end; an advice may
/// quote a reason of several sentences.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Its stable code.
    pub code: &'static str,
    /// How severe it is.
    pub severity: Severity,
    /// What happened.
    pub message: String,
    /// Its effect, and what to do.
    pub advice: String,
    /// What it is about, as members beside the code for machines: the event, the scope of a pause.
    pub about: Map<String, Value>,
}

impl Problem {
    fn new(code: &'static str, severity: Severity, message: String, advice: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message,
            advice: advice.into(),
            about: Map::new(),
        }
    }

    fn about(mut self, member: &str, value: Value) -> Self {
        self.about.insert(member.to_owned(), value);
        self
    }

    /// The problem as an object: its code, its texts as one message, and what it is about.
    pub fn json(self) -> Value {
        let mut note = self.about;
        note.insert("code".to_owned(), json!(self.code));
        note.insert(
            "message".to_owned(),
            json!(format!("{}; {}", self.message, self.advice)),
        );
        Value::Object(note)
    }

    /// No request reaches Klaviyo.
    pub fn sandbox() -> Self {
        let message = "requests go to the sandbox: NOTHING REACHES KLAVIYO".to_owned();
        Self::new("sandbox", Severity::Warn, message, "[klaviyo] endpoint changes that")
    }

    /// Requests are rejected because of the disk; `None` if there is enough free space, or if it is unknown.
    pub fn disk(free: Option<u64>, min_free: u64) -> Option<Self> {
        let free = free.filter(|free| *free < min_free)?;
        let message = format!(
            "new requests are rejected: {} free on the outbox's disk, outbox.min_free_disk is {}",
            bytes(free),
            bytes(min_free)
        );
        let advice = "make room on it; it goes on by itself when more is free";
        Some(Self::new("disk_full", Severity::Bad, message, advice))
    }

    /// The configuration file and the running process differ, since this time if it is known.
    pub fn config_rejected(since: Option<Timestamp>) -> Self {
        let since = since.map_or_else(|| "when it was read again".to_owned(), |since| format!("at {since}"));
        let message =
            format!("the configuration has mistakes and was rejected {since}: the previous one stays in effect");
        let advice =
            "the log has every mistake, and so has `klaviyo-relay check`; correct them, and reload with SIGHUP";
        Self::new("config_rejected", Severity::Warn, message, advice)
    }

    /// What is paused, why and until when.
    pub fn pause(pause: &Pause) -> Self {
        let (code, why) = match (pause.kind, pause.family) {
            (PauseKind::Refused, None) => ("paused_refused", "Klaviyo refuses what is sent"),
            (PauseKind::Refused, Some(_)) => ("paused_refused", "Klaviyo refuses every request there"),
            (PauseKind::Unreachable, None) => ("paused_unreachable", "Klaviyo cannot be reached"),
            (PauseKind::Unreachable, Some(_)) => ("paused_unreachable", "it fails, and the others go on"),
            (PauseKind::RateLimited, _) => ("paused_rate_limited", "Klaviyo rate limits it for long"),
        };
        let what = match pause.family {
            None => "delivery".to_owned(),
            Some(family) => format!("delivery to the endpoint `{family}`"),
        };
        let message = format!("{what} is paused since {}: {why}", pause.since);
        let advice = format!(
            "{}; the next probe is at {}; nothing is lost, events wait",
            pause.reason.trim_end_matches('.'),
            pause.probe_at
        );
        Self::new(code, Severity::Bad, message, advice)
            .about("scope", json!(pause.scope()))
            .about("next_probe_at", json!(pause.probe_at))
    }

    /// An event that fails although its endpoint works for other events.
    pub fn failing(failing: &FailingAlone) -> Self {
        let message = format!(
            "the {} of event {} has failed {} times for its own sake",
            failing.kind, failing.event, failing.failures
        );
        let advice = format!(
            "the last: {}; the next attempt is at {}; its person's later events wait behind it, nobody else's",
            failing.reason.as_deref().unwrap_or("no answer").trim_end_matches('.'),
            failing.next_attempt_at
        );
        Self::new("event_failing", Severity::Warn, message, advice).about("event", json!(failing.event))
    }

    /// An identifier in whose queue many people wait; `name` is the identifier in the form that the place shows.
    pub fn shared(shared: &SharedIdentifier, name: &str) -> Self {
        let SharedIdentifier { waiting, people, .. } = shared;
        let message = format!(
            "{waiting} events wait in one queue, that of {name}, which the calls of at least {people} people name: each \
             waits for all before"
        );
        let advice = format!(
            "if {name} is nobody's own, add it to `mapping.garbage_ids` and reload with SIGHUP: what waits goes on, each \
             person's events in their order; and have the sender leave it out"
        );
        Self::new("shared_identifier", Severity::Warn, message, advice).about("identifier", json!(name))
    }

    /// A WAL that cannot be checkpointed.
    pub fn wal(trouble: &WalTrouble) -> Self {
        let (since, size) = (trouble.since, bytes(trouble.wal_bytes));
        let grows = format!("the WAL has {size} and grows");
        let (code, message, advice) = match trouble.kind {
            WalTroubleKind::CheckpointFailing => (
                "checkpoint_failing",
                format!("since {since} the outbox's WAL cannot be written into its file: {grows}"),
                "nothing is lost; look at the disk, and at the relay's log",
            ),
            WalTroubleKind::WalHeld => {
                let readers: Vec<String> = trouble.readers.iter().map(ToString::to_string).collect();
                let readers = if readers.is_empty() {
                    "no process that could be found".to_owned()
                } else {
                    readers.join(", ")
                };
                (
                    "wal_held",
                    format!(
                        "since {since} a process reads an old state of the outbox: {grows}; besides the relay, the file \
                         was open in {readers}"
                    ),
                    "nothing is lost; end the transaction that is open there, or that process",
                )
            }
        };
        Self::new(code, Severity::Warn, message, advice)
    }

    /// A clock that is probably wrong.
    pub fn clock(ahead: Duration) -> Self {
        let message = format!(
            "the machine's clock is {} ahead of the time that passed: it leapt, or no daemon ran for so long",
            span(ahead)
        );
        let advice =
            "no event is deleted or dead because of its age until the clock is confirmed; set it, if it is wrong";
        Self::new("clock_leapt", Severity::Warn, message, advice)
    }

    /// A clock that shows a time before this version was written.
    pub fn clock_unset() -> Self {
        let message = "the machine's clock shows a time before this version was written, so it is wrong".to_owned();
        let advice = "calls keep the times that they state, and nothing is removed for its age; set the clock";
        Self::new("clock_unset", Severity::Warn, message, advice)
    }

    /// A damaged file.
    pub fn damage(damage: Damage) -> Self {
        let Damage { since, events } = damage;
        let message = format!(
            "since {since} the outbox's file is known to be damaged: {events} events could not be read and are dead; the \
             others go on"
        );
        let advice = "look at the disk and the memory of the machine, and replace the file: stop the daemon and restore a \
                      backup";
        Self::new("file_damaged", Severity::Bad, message, advice)
    }
}

/// In days from two days on, otherwise in hours.
fn span(span: Duration) -> String {
    let hours = span.as_secs() / 3600;
    if hours >= 48 {
        format!("{} days", hours / 24)
    } else {
        format!("{hours} h")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_too_full_below_its_bound() {
        let gib = 1 << 30;
        assert_eq!(Problem::disk(Some(200 * gib), 200 * gib), None);
        assert_eq!(Problem::disk(None, gib), None);
        let words = "new requests are rejected: 69 GiB free on the outbox's disk, outbox.min_free_disk is 200 GiB";
        assert_eq!(Problem::disk(Some(69 * gib), 200 * gib).unwrap().message, words);
    }
}
