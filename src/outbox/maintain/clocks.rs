//! What speaks against the machine's clock, as the daemon last reported it: it is known in its memory alone, and a command
//! beside it wants to see it.

use std::time::Duration;

use crate::outbox::{Outbox, ReadError, WriteError};

/// The fact that keeps what the clock has leapt, in milliseconds.
const LEAPT: &str = "the clock is ahead of what is believed by";

/// Why the machine's clock may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockTrouble {
    /// It is ahead of the time that passed since it was believed: it leapt, or no daemon ran for so long.
    Leapt {
        /// What it was ahead by when that was noticed.
        ahead: Duration,
    },
}

impl Outbox {
    /// Keeps what the clock is ahead of what is believed; `None`: it is not.
    pub(in crate::outbox) async fn report_leap(&self, ahead: Option<Duration>) -> Result<(), WriteError> {
        let millis = ahead.map_or(0, |ahead| ahead.as_millis());
        self.remember(LEAPT.to_owned(), millis.to_string()).await
    }

    /// What speaks against the clock.
    pub async fn clock_troubles(&self) -> Result<Vec<ClockTrouble>, ReadError> {
        let leapt = self.recall(LEAPT).await?;
        let leapt = leapt.and_then(|millis| millis.parse().ok());
        let leapt = leapt.filter(|millis| *millis > 0).map(|millis| ClockTrouble::Leapt {
            ahead: Duration::from_millis(millis),
        });
        Ok(leapt.into_iter().collect())
    }
}
