//! Limits for incoming requests: how many at the same time, and how long a body may take. The limits keep capacity free
//! for the health checks of a supervisor, whatever other clients do on this port.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tokio::sync::Semaphore;

use super::refusal::Refusal;
use crate::listener::with_guard;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// Admits a request unless too many are in progress. A request counts from its head to the end of its answer.
pub(super) async fn admit(State(permits): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(permit) = permits.try_acquire_owned() else {
        return Refusal::busy().into_response();
    };
    next.run(request).await.map(|body| with_guard(body, permit))
}

/// Reads a body of at most `most` bytes.
pub(crate) async fn collected(body: Body, most: usize) -> Result<Bytes, Refusal> {
    let arrived = tokio::time::timeout(BODY_TIME, Limited::new(body, most).collect()).await;
    match arrived {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TOO_LARGE),
        Ok(Err(_)) | Err(_) => Err(Refusal::INCOMPLETE),
    }
}
