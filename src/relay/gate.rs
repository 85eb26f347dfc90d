//! The gate's pause, kept in the outbox, where `status` reads it and the next start takes it up.

use crate::model::{Outcome, PauseKind, Timestamp};
use crate::scheduler::{Gate, Pause};

use super::context::{Context, request_id};

/// The gate at the start: closed, if an earlier run left it so.
pub(super) async fn load(context: &Context) -> Gate {
    let max_in_flight = context.settings.policy.max_in_flight;
    match context.relay.outbox.paused().await {
        Ok(Some(pause)) => {
            tracing::warn!(
                since = %pause.since,
                why = %pause.kind,
                "delivery is paused; probing; `klaviyo-relay status` has the reason"
            );
            Gate::closed_before(pause.kind, max_in_flight, context.now())
        }
        Ok(None) => Gate::open(max_in_flight),
        Err(error) => {
            tracing::error!(%error, "failed to read whether delivery is paused; assuming it is not");
            Gate::open(max_in_flight)
        }
    }
}

/// Writes down when an answer opened or closed the gate, or moved the probe.
pub(super) async fn changed(
    context: &Context,
    before: Option<Pause>,
    after: Option<Pause>,
    outcome: &Outcome,
    now: Timestamp,
) {
    if before == after {
        return;
    }
    let outbox = &context.relay.outbox;
    let written = if let Some(Pause { why, probe_at }) = after {
        // Klaviyo's own words stay in the outbox: they may repeat what was sent. The transport's do not.
        let words = outcome.error.as_deref().unwrap_or("no words");
        let loggable = match outcome.http_status {
            Some(_) => "`klaviyo-relay status` has its words",
            None => words,
        };
        let logged = reason(why, outcome.http_status, loggable);
        let reason = reason(why, outcome.http_status, words);
        if before.is_none_or(|pause| pause.why != why) {
            tracing::error!(
                http.status = outcome.http_status,
                klaviyo.request_id = request_id(outcome),
                reason = logged,
                "delivery is PAUSED; nothing is lost, events wait"
            );
        }
        outbox.pause(now, why, reason, probe_at).await
    } else {
        tracing::info!("delivery goes on: Klaviyo answers again");
        outbox.resume().await
    };
    if let Err(error) = written {
        tracing::warn!(%error, "failed to write down the pause; `status` does not show it");
    }
}

/// What happened, and what an operator does about it.
fn reason(why: PauseKind, status: Option<u16>, words: &str) -> String {
    let words = words.trim_end_matches('.');
    if why == PauseKind::Unreachable {
        let status = status
            .map(|status| format!("{status}: "))
            .unwrap_or_default();
        return format!("Klaviyo is not reachable ({status}{words}); it is asked again and again");
    }
    let Some(status) = status else {
        return format!("Klaviyo refused the key, and has not answered a probe since ({words})");
    };
    let remedy = match status {
        401 => "the private key is wrong or was deleted; set `klaviyo.private_key`",
        403 => "the private key lacks a scope; make a key with the scopes the README lists",
        410 => "the revision is retired; set `klaviyo.revision`, or update klaviyo-relay",
        405 | 415 => "the endpoint does not speak Klaviyo's API; check `klaviyo.endpoint`",
        _ => "it refused the key before, and has not taken it since",
    };
    format!("{status}: {words}. {remedy}")
}
