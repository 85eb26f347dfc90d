//! Heavy requests are judged and stored one after the other, so that the memory and time of many of them are never
//! needed at once; light requests do not wait for them. Work that has begun is completed, whatever its client does.
//! Uses `answer` only.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinError;

use super::answer::Refusal;

/// How long a request waits to be admitted; SDKs time out after ten seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The single lane of heavy requests.
#[derive(Debug)]
pub(super) struct Lane(Semaphore);

impl Lane {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(1))
    }

    /// Waits until a heavy request is admitted; it is admitted until the permit is dropped.
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

/// Runs slow work on another thread than those that serve all requests. A panic is passed to the caller.
pub(super) async fn on_its_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    joined(tokio::task::spawn_blocking(work).await)?
}

/// Completes the work, even when its caller has stopped waiting for it. A panic is passed to the caller.
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
