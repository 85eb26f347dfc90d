//! Heavy requests are judged and stored one after the other: whatever many of them would cost at once in memory and time,
//! is never spent at once, and light ones pass them by. What has begun is done to its end, whatever its client does. Uses
//! `answer` alone.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinError;

use super::answer::Refusal;

/// How long a request waits for its turn; SDKs give up after ten seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The one lane of heavy requests.
#[derive(Debug)]
pub(super) struct Lane(Semaphore);

impl Lane {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(1))
    }

    /// Waits for the turn of a heavy request; it has it until the permit is dropped.
    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        match tokio::time::timeout(LONGEST_WAIT, self.0.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(Refusal::CannotStore {
                reason: "the relay works on other large requests".to_owned(),
                retry_after: LONGEST_WAIT,
            }),
        }
    }
}

/// Does what takes long off the threads that serve everybody; its panic is the caller's.
pub(super) async fn on_its_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    joined(tokio::task::spawn_blocking(work).await)?
}

/// Does it to its end, even when nobody waits for it any more; its panic is the caller's.
pub(super) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Refusal> {
    joined(tokio::spawn(work).await)
}

fn joined<T>(ended: Result<T, JoinError>) -> Result<T, Refusal> {
    ended.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Refusal::CannotStore {
            reason: "the relay is stopping".to_owned(),
            retry_after: Duration::from_secs(1),
        },
    })
}
