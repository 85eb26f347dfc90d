//! Signs that the machine's clock is wrong, as last reported by the daemon. The daemon has them only in its memory;
//! they are stored so that a command in another process can show them.

use std::time::Duration;

use crate::outbox::handles::{Control, Reader};
use crate::outbox::{ReadError, WriteError};

/// The key in `kv` for how far the clock jumped ahead, in milliseconds.
const LEAPT: &str = "clock_ahead_ms";

/// Why the machine's clock may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockTrouble {
    /// It is ahead of the trusted time: it jumped, or no daemon ran for that long.
    Leapt {
        /// How far it was ahead when that was detected.
        ahead: Duration,
    },
}

impl Control {
    /// Stores how far the clock is ahead of the trusted time; `None`: it is not ahead.
    pub(in crate::outbox) async fn report_leap(&self, ahead: Option<Duration>) -> Result<(), WriteError> {
        let millis = ahead.map_or(0, |ahead| ahead.as_millis());
        self.store.kv_set(LEAPT.to_owned(), millis.to_string()).await
    }
}

impl Reader {
    /// The signs that the clock is wrong.
    pub async fn clock_troubles(&self) -> Result<Vec<ClockTrouble>, ReadError> {
        let leapt = self.store.kv_get(LEAPT).await?;
        let leapt = leapt.and_then(|millis| millis.parse().ok());
        let leapt = leapt.filter(|millis| *millis > 0).map(|millis| ClockTrouble::Leapt {
            ahead: Duration::from_millis(millis),
        });
        Ok(leapt.into_iter().collect())
    }
}
