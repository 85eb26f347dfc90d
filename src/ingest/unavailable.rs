//! The API while there is no outbox: every call is rejected in a way that makes senders keep it.

use axum::Router;
use axum::response::IntoResponse as _;

use super::answer::Rejection;
use super::cors;
use crate::config::SourceConfig;
use crate::outbox::{AppendError, WriteError};

/// Answers every request 429, with a time to retry and, for pages of `sources`, with CORS.
pub fn unavailable(sources: Vec<SourceConfig>, why: WriteError) -> Router {
    let AppendError { retry_after, source } = AppendError::of(why);
    let reason = source.to_string();
    let reject = move || {
        let reason = reason.clone();
        let rejection = Rejection::CannotStore { reason, retry_after };
        async move { rejection.into_response() }
    };
    cors::with_cors(Router::new().fallback(reject), sources)
}
