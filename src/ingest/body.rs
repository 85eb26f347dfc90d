//! Turns an HTTP request into text to be judged: reads the body within the limits of size, time and memory,
//! decompresses it, and finds the write keys in its headers and query.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::string::FromUtf8Error;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Query;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::Instant;

use super::accept::{Endpoint, IngestRequest};
use super::answer::Rejection;
use super::auth::Keys;
use super::body_budget::Lease;
use super::inflate::Coding;
use super::pace::Pace;

/// A body over the limit, or without memory for it, is still read up to this many times the limit, and discarded: a
/// client whose upload is cut off sees a broken connection instead of the answer, and sends everything again.
const DISCARD_FACTOR: usize = 4;
/// How long it is read, whatever its pace.
const DISCARD_FOR: Duration = Duration::from_mins(1);
/// The first bytes of gzip.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads a body of at most `limit` bytes, at this pace, if there is memory for it.
pub(super) async fn read(mut body: Body, limit: usize, pace: Pace, lease: &mut Lease) -> Result<Vec<u8>, Rejection> {
    let start = Instant::now();
    let mut deadline = pace.deadline(0, start.elapsed());
    let mut result = Ok(Vec::new());
    let mut received: usize = 0;
    let mut discarded_until = None;
    loop {
        let frame = tokio::time::timeout_at(start + deadline, body.frame()).await;
        let Some(frame) = frame.map_err(|_| Rejection::Incomplete)? else {
            break;
        };
        let frame = frame.map_err(|error| body_error(&error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        received = received.saturating_add(data.len());
        deadline = pace.deadline(received, start.elapsed());
        if received > limit {
            result = Err(Rejection::BodyTooLarge { limit });
        }
        if let Ok(bytes) = &mut result {
            match lease.reserve(data.len()) {
                Ok(()) => bytes.extend_from_slice(&data),
                Err(rejection) => result = Err(rejection),
            }
        }
        if result.is_err() {
            lease.release();
            deadline = deadline.min(*discarded_until.get_or_insert(start.elapsed() + DISCARD_FOR));
        }
        if received > limit.saturating_mul(DISCARD_FACTOR) {
            break;
        }
    }
    result
}

/// Why a body did not arrive: its framing is not HTTP, which a retry would not change, or it was cut off.
fn body_error(error: &(dyn Error + 'static)) -> Rejection {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref().map(io::Error::kind);
        if let Some(ErrorKind::InvalidInput | ErrorKind::InvalidData) = kind {
            return Rejection::Malformed;
        }
        cause = error.source();
    }
    Rejection::Incomplete
}

/// The request that `accept` judges. `limit` is for the body after decompression.
pub(super) fn request(
    endpoint: Endpoint,
    parts: &Parts,
    body: Vec<u8>,
    limit: usize,
    lease: &mut Lease,
) -> Result<IngestRequest, Rejection> {
    // Content types are ignored: SDKs send any, and none.
    let body = match Coding::of(&parts.headers)? {
        Some(coding) if !body.is_empty() => coding.inflate(&body, limit, lease)?,
        Some(_) | None => body,
    };
    // A header that is not ASCII is neither a listed origin nor an absent one.
    let origin = parts.headers.get("origin");
    let origin = origin.map(|origin| origin.to_str().unwrap_or_default().to_owned());
    Ok(IngestRequest {
        endpoint,
        keys: keys_of(&parts.headers, &parts.uri),
        origin,
        signature: header(&parts.headers, "x-signature"),
        body: utf8(body, limit, lease)?,
    })
}

/// The write keys of these headers and this query.
pub(super) fn keys_of(headers: &HeaderMap, uri: &Uri) -> Keys {
    Keys {
        authorization: header(headers, "authorization"),
        x_write_key: header(headers, "x-write-key"),
        query: query_key(uri),
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// Decodes the text. A byte-order mark is removed (some .NET clients send one).
fn utf8(body: Vec<u8>, limit: usize, lease: &mut Lease) -> Result<String, Rejection> {
    let text = match String::from_utf8(body) {
        Ok(text) => text,
        Err(error) => utf8_lossy(&error, limit, lease)?,
    };
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The text of a body that is JSON except for bytes that are not UTF-8, each replaced by U+FFFD: a character that was
/// cut, or one of Latin-1, does not make a batch unreadable.
fn utf8_lossy(error: &FromUtf8Error, limit: usize, lease: &mut Lease) -> Result<String, Rejection> {
    let body = error.as_bytes();
    let text = String::from_utf8_lossy(body).into_owned();
    let bare = text.strip_prefix('\u{feff}').unwrap_or(&text);
    if serde_json::from_str::<IgnoredAny>(bare).is_err() {
        let hint = if body.starts_with(&GZIP_MAGIC) {
            "it looks like gzip: send `Content-Encoding: gzip`"
        } else {
            "send JSON in UTF-8"
        };
        let offset = error.utf8_error().valid_up_to();
        return Err(Rejection::NotUtf8 { offset, hint });
    }
    if text.len() > limit {
        return Err(Rejection::BodyTooLarge { limit });
    }
    lease.reserve(text.len().saturating_sub(body.len()))?;
    Ok(text)
}

fn query_key(uri: &Uri) -> Option<String> {
    #[derive(Deserialize)]
    struct WriteKey {
        #[serde(rename = "writeKey")]
        key: Option<String>,
    }
    let Query(found) = Query::<WriteKey>::try_from_uri(uri).ok()?;
    found.key
}
