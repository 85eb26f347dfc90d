//! A request whose body has arrived, with its estimated cost. What is known of the sender before the body is read
//! determines how large the body may be, how long it may take and whose memory it uses. Uses `auth`, `receive`, `room`
//! and `cost`.

use axum::extract::Request;

use super::accept::{self, Endpoint};
use super::answer::Refusal;
use super::lane::on_its_own_thread;
use super::pace::Pace;
use super::room::{Room, Share};
use super::{auth, cost, receive};
use crate::config::IngestConfig;

/// Larger bodies are decompressed and scanned on a thread of their own, so that other requests need not wait meanwhile.
const LARGE_BODY_BYTES: usize = 64 * 1024;
/// The largest body without a write key in a header or the query, decompressed: as large as a batch that Segment's
/// libraries send. Those of browsers have their key in the body.
const WITHOUT_KEY_BYTES: usize = 512 * 1024;

/// A request whose body has arrived.
pub struct Received {
    /// The request with its decompressed body.
    pub request: accept::Request,
    /// Judging and storing it is so expensive that it must wait to be admitted.
    pub is_heavy: bool,
    /// It has a source's write key outside of its body.
    pub has_key: bool,
    /// The memory it holds.
    pub(super) share: Share,
}

/// Reads a request's body. While its write key is not known, it gets less time and memory, and no large body is
/// accepted.
pub async fn received(
    endpoint: Endpoint,
    request: Request,
    config: &IngestConfig,
    room: &Room,
) -> Result<Received, Refusal> {
    let (parts, body) = request.into_parts();
    let has_key = auth::source(&config.sources, &receive::keys(&parts), None).is_ok();
    let (most, pace) = if has_key {
        (usize::MAX, Pace::KNOWN)
    } else {
        (WITHOUT_KEY_BYTES, Pace::UNKNOWN)
    };
    let limit = config.max_batch_bytes.min(most);
    let own_words = move |refusal| {
        if limit == most && matches!(refusal, Refusal::BodyTooLarge { .. }) {
            Refusal::BodyTooLargeWithoutKey { limit }
        } else {
            refusal
        }
    };
    let mut share = room.share(has_key);
    let body = receive::body(body, limit, pace, &mut share);
    let body = body.await.map_err(own_words)?;
    let large = body.len() > LARGE_BODY_BYTES || parts.headers.contains_key("content-encoding");
    let open = move || {
        let request = receive::request(endpoint, &parts, body, limit, &mut share);
        let request = request.map_err(own_words)?;
        Ok(Received {
            is_heavy: cost::of(&request.body) > cost::LIGHT,
            request,
            has_key,
            share,
        })
    };
    if large { on_its_own_thread(open).await } else { open() }
}
