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

use super::accept::{Endpoint, Request};
use super::answer::Refusal;
use super::auth::Keys;
use super::inflate::Coding;
use super::pace::Pace;
use super::room::Share;

/// A body over the limit, or without memory for it, is still read up to this many times the limit, and discarded: a
/// client whose upload is cut off sees a broken connection instead of the answer, and sends everything again.
const DISCARD_FACTOR: usize = 4;
/// How long it is read, whatever its pace.
const DISCARD_FOR: Duration = Duration::from_mins(1);
/// The first bytes of gzip.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads a body of at most `limit` bytes, at this pace, if there is memory for it.
pub(super) async fn body(mut body: Body, limit: usize, pace: Pace, share: &mut Share) -> Result<Vec<u8>, Refusal> {
    let begin = Instant::now();
    let mut due = pace.due(0, begin.elapsed());
    let mut kept = Ok(Vec::new());
    let mut seen: usize = 0;
    let mut discarded_until = None;
    loop {
        let frame = tokio::time::timeout_at(begin + due, body.frame()).await;
        let Some(frame) = frame.map_err(|_| Refusal::Incomplete)? else {
            break;
        };
        let frame = frame.map_err(|error| broken(&error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        seen = seen.saturating_add(data.len());
        due = pace.due(seen, begin.elapsed());
        if seen > limit {
            kept = Err(Refusal::BodyTooLarge { limit });
        }
        if let Ok(bytes) = &mut kept {
            match share.take(data.len()) {
                Ok(()) => bytes.extend_from_slice(&data),
                Err(refusal) => kept = Err(refusal),
            }
        }
        if kept.is_err() {
            share.give_back();
            due = due.min(*discarded_until.get_or_insert(begin.elapsed() + DISCARD_FOR));
        }
        if seen > limit.saturating_mul(DISCARD_FACTOR) {
            break;
        }
    }
    kept
}

/// Why a body did not arrive: its framing is not HTTP, which a retry would not change, or it was cut off.
fn broken(error: &(dyn Error + 'static)) -> Refusal {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref().map(io::Error::kind);
        if let Some(ErrorKind::InvalidInput | ErrorKind::InvalidData) = kind {
            return Refusal::Malformed;
        }
        cause = error.source();
    }
    Refusal::Incomplete
}

/// The request that `accept` judges. `limit` is for the body after decompression.
pub(super) fn request(
    endpoint: Endpoint,
    parts: &Parts,
    body: Vec<u8>,
    limit: usize,
    share: &mut Share,
) -> Result<Request, Refusal> {
    // Content types are ignored: SDKs send any, and none.
    let body = match Coding::of(&parts.headers)? {
        Some(coding) if !body.is_empty() => coding.inflate(&body, limit, share)?,
        Some(_) | None => body,
    };
    // A header that is not ASCII is neither a listed origin nor an absent one.
    let origin = parts.headers.get("origin");
    let origin = origin.map(|origin| origin.to_str().unwrap_or_default().to_owned());
    Ok(Request {
        endpoint,
        keys: keys(parts),
        origin,
        signature: header(&parts.headers, "x-signature"),
        body: utf8(body, limit, share)?,
    })
}

/// The write keys of a request that are known before its body.
pub(super) fn keys(parts: &Parts) -> Keys {
    keys_of(&parts.headers, &parts.uri)
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
fn utf8(body: Vec<u8>, limit: usize, share: &mut Share) -> Result<String, Refusal> {
    let text = match String::from_utf8(body) {
        Ok(text) => text,
        Err(error) => replaced(&error, limit, share)?,
    };
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// The text of a body that is JSON except for bytes that are not UTF-8, each replaced by U+FFFD: a character that was
/// cut, or one of Latin-1, does not make a batch unreadable.
fn replaced(error: &FromUtf8Error, limit: usize, share: &mut Share) -> Result<String, Refusal> {
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
        return Err(Refusal::NotUtf8 { offset, hint });
    }
    if text.len() > limit {
        return Err(Refusal::BodyTooLarge { limit });
    }
    share.take(text.len().saturating_sub(body.len()))?;
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
