//! How far the machine's clock is ahead, as last reported by the daemon. The daemon has it only in its memory; it is
//! stored so that a command in another process can show it.

use std::time::Duration;

use sqlx::SqliteExecutor;

use crate::outbox::handles::{Control, Reader};
use crate::outbox::kv;
use crate::outbox::{ReadError, WriteError};

/// The key in `kv` for how far the clock jumped ahead, in milliseconds.
const LEAPT: &str = "clock_ahead_ms";

impl Control {
    /// Stores how far the clock is ahead of the trusted time; `None`: it is not ahead.
    pub(in crate::outbox) async fn report_leap(&self, ahead: Option<Duration>) -> Result<(), WriteError> {
        let millis = ahead.map_or(0, |ahead| ahead.as_millis());
        self.store.kv_set(LEAPT.to_owned(), millis.to_string()).await
    }
}

impl Reader {
    /// How far the clock was ahead of the trusted time when that was detected: it jumped, or no daemon ran for that
    /// long. `None`: it is not ahead.
    pub async fn clock_ahead(&self) -> Result<Option<Duration>, ReadError> {
        let ahead = clock_ahead(&self.store.readers).await;
        ahead.map_err(ReadError::of("a stored value"))
    }
}

pub(in crate::outbox) async fn clock_ahead(
    connection: impl SqliteExecutor<'_>,
) -> Result<Option<Duration>, sqlx::Error> {
    let ahead = kv::get_json(connection, LEAPT).await?;
    Ok(ahead.filter(|millis| *millis > 0).map(Duration::from_millis))
}
