//! Turns an HTTP request into text to be judged: reads the body within a size, a time and the room there is, has it
//! decompressed, and finds the write keys in its headers and query.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Query;
use axum::http::request::Parts;
use http_body_util::BodyExt as _;
use serde::Deserialize;

use super::accept::{Endpoint, Request};
use super::answer::Refusal;
use super::auth::Keys;
use super::inflate::Coding;
use super::room::Share;

/// A body over the limit, or for which there is no room, is still read up to this many times the limit, and thrown
/// away: a client whose upload is cut off sees a broken connection instead of the answer, and sends it all again.
const DISCARD_FACTOR: usize = 4;
/// The first bytes of gzip.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads a body of at most `limit` bytes that arrives within `time`, and for which there is room.
pub(super) async fn body(
    body: Body,
    limit: usize,
    time: Duration,
    share: &mut Share,
) -> Result<Vec<u8>, Refusal> {
    tokio::time::timeout(time, read(body, limit, share))
        .await
        .unwrap_or(Err(Refusal::Incomplete))
}

async fn read(mut body: Body, limit: usize, share: &mut Share) -> Result<Vec<u8>, Refusal> {
    let mut kept = Ok(Vec::new());
    let mut seen: usize = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::Incomplete)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        seen = seen.saturating_add(data.len());
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
        }
        if seen > limit.saturating_mul(DISCARD_FACTOR) {
            break;
        }
    }
    kept
}

/// The request that `accept` judges. `limit` is for the body after decompression.
pub(super) fn request(
    endpoint: Endpoint,
    parts: &Parts,
    body: Vec<u8>,
    limit: usize,
    share: &mut Share,
) -> Result<Request, Refusal> {
    // Content types are not looked at: SDKs send any, and none.
    let body = match Coding::of(&parts.headers)? {
        Some(coding) if !body.is_empty() => coding.inflate(&body, limit, share)?,
        Some(_) | None => body,
    };
    Ok(Request {
        endpoint,
        keys: keys(parts),
        origin: header(parts, "origin"),
        signature: header(parts, "x-signature"),
        body: utf8(body)?,
    })
}

/// The write keys of a request that are known before its body is.
pub(super) fn keys(parts: &Parts) -> Keys {
    Keys {
        authorization: header(parts, "authorization"),
        x_write_key: header(parts, "x-write-key"),
        query: query_key(parts),
    }
}

fn header(parts: &Parts, name: &str) -> Option<String> {
    let value = parts.headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// A byte-order mark is no part of the text (some .NET clients send one).
fn utf8(body: Vec<u8>) -> Result<String, Refusal> {
    let hint = if body.starts_with(&GZIP_MAGIC) {
        "it looks like gzip: send `Content-Encoding: gzip`"
    } else {
        "send JSON in UTF-8"
    };
    let text = String::from_utf8(body).map_err(|error| Refusal::NotUtf8 {
        offset: error.utf8_error().valid_up_to(),
        hint,
    })?;
    Ok(text
        .strip_prefix('\u{feff}')
        .map(str::to_owned)
        .unwrap_or(text))
}

fn query_key(parts: &Parts) -> Option<String> {
    #[derive(Deserialize)]
    struct WriteKey {
        #[serde(rename = "writeKey")]
        key: Option<String>,
    }
    let Query(found) = Query::<WriteKey>::try_from_uri(&parts.uri).ok()?;
    found.key
}
