//! Writes the minutes of the history: once per minute, and once more at the end.
//!
//! It keeps no state in memory: its position is stored in the file, in the same transaction as the minutes. So the next
//! write completes a write that failed, and the next start completes what a killed daemon did not write.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection as _;
use tokio_util::sync::CancellationToken;

use super::batch::RollupBatch;
use super::{MINUTE, Unrolled, span, start_of};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::Timestamp;
use crate::outbox::handles::Control;
use crate::outbox::{ReadError, WriteError};

/// Why minutes were not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Writes every minute, until `stop`.
pub async fn rollup(outbox: Control, metrics: Metrics, clock: Arc<dyn Clock>, stop: CancellationToken) {
    loop {
        let last = stop.is_cancelled();
        match outbox.roll_up(clock.now(), metrics.rate_limited()).await {
            Ok(()) => {}
            Err(Failed::Write(WriteError::Closed)) => return,
            Err(error) => tracing::warn!(
                %error,
                "failed to write the last minute; the next write includes it"
            ),
        }
        if last {
            return;
        }
        let pause = tokio::time::sleep(until_next_minute(clock.now()));
        stop.run_until_cancelled(pause).await;
    }
}

/// How long the current minute still lasts.
fn until_next_minute(now: Timestamp) -> Duration {
    span(start_of(now) + MINUTE - now.as_millis())
}

impl Control {
    /// Writes what happened since the last write.
    pub(super) async fn roll_up(&self, now: Timestamp, throttled: u64) -> Result<(), Failed> {
        let failed = || ReadError::of("the last minutes");
        let mut reader = self.store.readers.acquire().await.map_err(failed())?;
        let mut snapshot = reader.begin().await.map_err(failed())?;
        let unrolled = Unrolled::read(&mut snapshot, now).await.map_err(failed())?;
        snapshot.rollback().await.map_err(failed())?;
        drop(reader);
        self.store.execute(RollupBatch { unrolled, throttled }).await?;
        Ok(())
    }
}
