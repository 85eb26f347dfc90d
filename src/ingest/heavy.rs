//! Heavy requests are judged and stored one after the other, so that the memory and time of many of them are never
//! needed at once; light requests do not wait for them. Work that has begun is completed, whatever its client does.
//! Uses `answer` only.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinError;

use super::answer::Rejection;

/// How long a request waits to be admitted; SDKs time out after ten seconds.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// The one place for a heavy request.
#[derive(Debug)]
pub(super) struct HeavySlot(Semaphore);

impl HeavySlot {
    pub(super) fn new() -> Self {
        Self(Semaphore::new(1))
    }

    /// Waits until a heavy request is admitted; it is admitted until the permit is dropped.
    pub(super) async fn acquire(&self) -> Result<SemaphorePermit<'_>, Rejection> {
        match tokio::time::timeout(MAX_WAIT, self.0.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Rejection::CannotStore {
                reason: "the relay works on other large requests".to_owned(),
                retry_after: MAX_WAIT,
            }),
        }
    }
}

/// Runs slow work on another thread than those that serve all requests. A panic is passed to the caller.
pub(super) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Rejection> + Send + 'static,
) -> Result<T, Rejection> {
    join_result(tokio::task::spawn_blocking(work).await)?
}

/// Completes the work, even when its caller has stopped waiting for it. A panic is passed to the caller.
pub(super) async fn run_to_completion<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Rejection> {
    join_result(tokio::spawn(work).await)
}

fn join_result<T>(result: Result<T, JoinError>) -> Result<T, Rejection> {
    result.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Rejection::CannotStore {
            reason: "the relay is stopping".to_owned(),
            retry_after: Duration::from_secs(1),
        },
    })
}
