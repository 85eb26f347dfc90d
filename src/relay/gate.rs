//! The pause, shared by all turns and kept in the outbox, where `status` reads it.

use std::sync::{Mutex, PoisonError};

use crate::model::{Outcome, OutcomeKind, PauseKind, Timestamp};
use crate::outbox::Outbox;
use crate::scheduler::{Gate, Passage, Pause};

/// A [`Gate`] that turns and the loop share.
pub(super) struct SharedGate(Mutex<Gate>);

impl SharedGate {
    /// Takes up the pause that an earlier run left.
    pub(super) async fn load(outbox: &Outbox, max_in_flight: usize, now: Timestamp) -> Self {
        let gate = match outbox.paused().await {
            Ok(Some(pause)) => {
                tracing::warn!(since = %pause.since, reason = %pause.reason, "delivery is paused; probing");
                // The outbox keeps the words of a pause and not its kind. Taken for the more careful one: a key
                // that was not refused is found to work by the first probe.
                Gate::closed_before(PauseKind::Refused, max_in_flight, now)
            }
            Ok(None) => Gate::open(max_in_flight),
            Err(error) => {
                tracing::error!(%error, "failed to read whether delivery is paused; assuming it is not");
                Gate::open(max_in_flight)
            }
        };
        Self(Mutex::new(gate))
    }

    /// What may pass now.
    pub(super) fn passage(&self, now: Timestamp, in_flight: usize) -> Passage {
        self.lock().passage(now, in_flight)
    }

    /// Whether an event in the air may go on to its next request.
    pub(super) fn is_open(&self) -> bool {
        self.lock().pause().is_none()
    }

    /// Whether a failed attempt counts.
    pub(super) fn counts(&self) -> bool {
        self.lock().counts()
    }

    /// Takes an answer into account, and writes down when that opens or closes the gate, or moves the probe.
    pub(super) async fn after(&self, outbox: &Outbox, outcome: &Outcome, now: Timestamp) {
        let (before, after) = {
            let mut gate = self.lock();
            let before = gate.clone();
            *gate = before.after(outcome.kind, outcome.http_status, now);
            (before, gate.clone())
        };
        if before.pause() == after.pause() {
            return;
        }
        let written = if let Some(Pause { why, probe_at }) = after.pause() {
            let reason = reason(why, outcome);
            if before.pause().is_none_or(|pause| pause.why != why) {
                tracing::error!(
                    http.status = outcome.http_status,
                    reason,
                    "delivery is PAUSED; nothing is lost, events wait"
                );
            }
            outbox.pause(now, reason, probe_at).await
        } else {
            tracing::info!("delivery goes on: Klaviyo answers again");
            outbox.resume().await
        };
        if let Err(error) = written {
            tracing::warn!(%error, "failed to write down the pause; `status` does not show it");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Gate> {
        // A gate is replaced whole: a panic elsewhere cannot have left it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Klaviyo's words, and what an operator does about them.
fn reason(why: PauseKind, outcome: &Outcome) -> String {
    let words = outcome.error.as_deref().unwrap_or("no words");
    if why == PauseKind::Unreachable {
        let status = outcome.http_status.map(|status| format!("{status}: "));
        let status = status.unwrap_or_default();
        return format!("Klaviyo is not reachable ({status}{words})");
    }
    if outcome.kind != OutcomeKind::Stopped {
        return format!("still no answer to a probe ({words})");
    }
    let status = outcome.http_status.unwrap_or_default();
    let remedy = match status {
        401 => "the private key is wrong or was deleted; set `klaviyo.private_key`",
        403 => "the private key lacks a scope; make a key with the scopes the README lists",
        410 => "the revision is retired; set `klaviyo.revision`, or update klaviyo-relay",
        _ => "the endpoint does not speak Klaviyo's API; check `klaviyo.endpoint`",
    };
    format!("{status}: {}. {remedy}", words.trim_end_matches('.'))
}
