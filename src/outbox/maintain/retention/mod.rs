//! Retention: what is deleted, and when. Bodies first, then events with their history and everything stored about them.
//!
//! The writer deletes in small rounds, between other commands. A round takes a few milliseconds, and [`keep`] waits
//! several times as long before the next one. Deleted events are counted, so that the audit remains correct. Free pages
//! are returned to the disk in small steps too. The time must be confirmed by two clocks: see the outbox's trusted
//! time.

mod round;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::OutboxConfig;
use crate::model::Timestamp;
use crate::outbox::WriteError;
use crate::outbox::handles::Control;

pub(in crate::outbox) use round::{Deleted, Round};

/// The pause while there is nothing to delete.
const REST: Duration = Duration::from_secs(5);
/// The pause after an incomplete round, as a multiple of the duration of that round.
const RESPITE: u32 = 4;
/// Ended import jobs are kept at least this long: a list of Klaviyo's jobs may contain them.
const IMPORT_JOBS: Duration = Duration::from_hours(24);
/// How long minutes are kept: a week, plus a day so that the start of the week can be compared.
const MINUTES: Duration = Duration::from_hours(8 * 24);
/// The key in `kv` for the trusted time of the last round, and how often it is written.
const LAST_ROUND: &str = "retention_last_round_ms";
const STORED_EVERY: Duration = Duration::from_mins(1);
/// From this difference on, a clock that is ahead of the trusted time is reported. The difference after a restart is
/// smaller.
const NOTED: Duration = Duration::from_hours(1);

/// Deletes what is older than the present configuration allows, until `stop`.
pub async fn keep(
    outbox: Control,
    config: watch::Receiver<OutboxConfig>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let trusted_time = outbox.trusted_time();
    trusted_time.begin(last_round(&outbox).await, clock.as_ref());
    let (mut kept, mut leapt) = (None, None);
    loop {
        let began = clock.monotonic();
        let now = trusted_time.update(clock.as_ref());
        if kept.is_none_or(|kept| now.since(kept).max(kept.since(now)) >= STORED_EVERY) {
            kept = Some(now);
            let stored = outbox.kv_set(LAST_ROUND.to_owned(), now.as_millis().to_string());
            if let Err(error) = stored.await {
                tracing::debug!(%error, "failed to store the time of this round");
            }
        }
        leapt = note_leap(&outbox, leapt, clock.now().since(now)).await;
        let round = Round::at(&config.borrow(), now);
        let pause = match outbox.run_round(round).await {
            Ok(deleted) => {
                let Deleted { events, bodies, .. } = deleted;
                if events + bodies > 0 {
                    tracing::debug!(events, bodies, "deleted what is older than retention allows");
                }
                if deleted.more {
                    clock.monotonic().saturating_sub(began) * RESPITE
                } else {
                    REST
                }
            }
            Err(WriteError::Closed) => return,
            Err(error) => {
                tracing::warn!(%error, "failed to delete what is older than retention allows; trying again");
                REST
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// The trusted time of the last round of an earlier daemon.
async fn last_round(outbox: &Control) -> Option<Timestamp> {
    let value = outbox.kv_get(LAST_ROUND).await.ok().flatten()?;
    value.parse().ok().map(Timestamp::from_millis)
}

/// Reports once that the clock is far ahead of the trusted time, and once that it no longer is. Returns how far it was
/// ahead when that was reported.
async fn note_leap(outbox: &Control, reported: Option<Duration>, ahead: Duration) -> Option<Duration> {
    let ahead = Some(ahead).filter(|ahead| *ahead >= NOTED);
    if ahead.is_some() == reported.is_some() {
        return reported;
    }
    if let Some(ahead) = ahead {
        tracing::warn!(
            seconds = ahead.as_secs(),
            "the clock is ahead of the time that passed: no event is deleted or dead because of its age until the clock is confirmed"
        );
    }
    match outbox.report_leap(ahead).await {
        Ok(()) => ahead,
        Err(error) => {
            tracing::debug!(%error, "failed to store how far the clock is ahead");
            reported
        }
    }
}

impl Round {
    fn at(config: &OutboxConfig, now: Timestamp) -> Self {
        Self {
            delivered: now.minus(config.retain_delivered),
            dead: now.minus(config.retain_dead),
            bodies: now.minus(config.retain_bodies),
            import_jobs: now.minus(IMPORT_JOBS),
            minutes: now.minus(MINUTES),
        }
    }
}

impl Control {
    pub(in crate::outbox) async fn run_round(&self, round: Round) -> Result<Deleted, WriteError> {
        self.store.execute(round).await
    }
}

#[cfg(test)]
mod tests;
