//! A request whose body has arrived, with its estimated cost. What is known of the sender before the body is read
//! determines how large the body may be, how long it may take and whose memory it uses. Uses `auth`, `body`,
//! `body_budget` and `cost`.

use axum::extract::Request;

use super::accept::{self, Endpoint};
use super::answer::Rejection;
use super::body_budget::{BodyBudget, Lease};
use super::heavy::run_blocking;
use super::pace::Pace;
use super::{auth, body, cost};
use crate::config::IngestConfig;

/// Larger bodies are decompressed and scanned on a thread of their own, so that other requests need not wait meanwhile.
const LARGE_BODY_BYTES: usize = 64 * 1024;
/// The largest body without a write key in a header or the query, decompressed: as large as a batch that Segment's
/// libraries send. Those of browsers have their key in the body.
const WITHOUT_KEY_BYTES: usize = 512 * 1024;

/// A request whose body has arrived.
pub struct Received {
    /// The request with its decompressed body.
    pub request: accept::IngestRequest,
    /// Judging and storing it is so expensive that it must wait to be admitted.
    pub is_heavy: bool,
    /// It has a source's write key outside of its body.
    pub has_key: bool,
    /// The memory it holds.
    pub(super) lease: Lease,
}

/// Reads a request's body. While its write key is not known, it gets less time and memory, and no large body is
/// accepted.
pub async fn receive(
    endpoint: Endpoint,
    request: Request,
    config: &IngestConfig,
    budget: &BodyBudget,
) -> Result<Received, Rejection> {
    let (parts, body) = request.into_parts();
    let has_key = auth::source(&config.sources, &body::keys_of(&parts.headers, &parts.uri), None).is_ok();
    let (max_bytes, pace) = if has_key {
        (usize::MAX, Pace::KNOWN)
    } else {
        (WITHOUT_KEY_BYTES, Pace::UNKNOWN)
    };
    let limit = config.max_batch_bytes.min(max_bytes);
    let without_key_error = move |rejection| {
        if limit == max_bytes && matches!(rejection, Rejection::BodyTooLarge { .. }) {
            Rejection::BodyTooLargeWithoutKey { limit }
        } else {
            rejection
        }
    };
    let mut lease = budget.lease(has_key);
    let read = body::read(body, limit, pace, &mut lease);
    let body = read.await.map_err(without_key_error)?;
    let large = body.len() > LARGE_BODY_BYTES || parts.headers.contains_key("content-encoding");
    let open = move || {
        let request = body::request(endpoint, &parts, body, limit, &mut lease);
        let request = request.map_err(without_key_error)?;
        Ok(Received {
            is_heavy: cost::of(&request.body) > cost::LIGHT,
            request,
            has_key,
            lease,
        })
    };
    if large { run_blocking(open).await } else { open() }
}
