//! Turns an HTTP request into text to be judged: reads the body within a size and a time, decompresses it, and
//! finds the write keys in its headers and query.

use std::io::Read as _;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Query;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt as _;
use serde::Deserialize;

use super::accept::{Endpoint, Request};
use super::answer::Refusal;
use super::auth::Keys;

/// A body over the limit is still read up to this many times the limit, and thrown away: a client whose upload is
/// cut off sees a broken connection instead of the 413, and sends it all again.
const DISCARD_FACTOR: usize = 4;
/// The first bytes of gzip.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads a body of at most `limit` bytes that arrives within `time`.
pub(super) async fn body(body: Body, limit: usize, time: Duration) -> Result<Vec<u8>, Refusal> {
    tokio::time::timeout(time, read(body, limit))
        .await
        .unwrap_or(Err(Refusal::Incomplete))
}

async fn read(mut body: Body, limit: usize) -> Result<Vec<u8>, Refusal> {
    let mut kept = Vec::new();
    let mut seen: usize = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::Incomplete)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        seen = seen.saturating_add(data.len());
        if seen <= limit {
            kept.extend_from_slice(&data);
        } else {
            kept = Vec::new();
        }
        if seen > limit.saturating_mul(DISCARD_FACTOR) {
            break;
        }
    }
    if seen > limit {
        return Err(Refusal::BodyTooLarge { limit });
    }
    Ok(kept)
}

/// The request that `accept` judges. `limit` is for the body after decompression.
pub(super) fn request(
    endpoint: Endpoint,
    parts: &Parts,
    body: Vec<u8>,
    limit: usize,
) -> Result<Request, Refusal> {
    let body = if is_gzip(&parts.headers)? && !body.is_empty() {
        inflate(&body, limit)?
    } else {
        body
    };
    let header = |name: &str| -> Option<String> {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    Ok(Request {
        endpoint,
        keys: Keys {
            authorization: header("authorization"),
            x_write_key: header("x-write-key"),
            query: query_key(parts),
        },
        origin: header("origin"),
        signature: header("x-signature"),
        body: utf8(body)?,
    })
}

/// Whether the body is gzip; an error when it is anything else that is not plain. Content types are not looked at:
/// SDKs send any, and none.
fn is_gzip(headers: &HeaderMap) -> Result<bool, Refusal> {
    let mut gzip = false;
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let value = value.to_str().map_err(|_| Refusal::Encoding)?;
        for coding in value.split(',').map(str::trim) {
            match coding.to_ascii_lowercase().as_str() {
                "" | "identity" => {}
                "gzip" | "x-gzip" if !gzip => gzip = true,
                _ => return Err(Refusal::Encoding),
            }
        }
    }
    Ok(gzip)
}

/// Decompresses no further than the limit, so that a bomb costs no more than an honest body.
fn inflate(compressed: &[u8], limit: usize) -> Result<Vec<u8>, Refusal> {
    let just_over = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut inflated = Vec::new();
    MultiGzDecoder::new(compressed)
        .take(just_over)
        .read_to_end(&mut inflated)
        .map_err(|_| Refusal::BrokenGzip)?;
    if inflated.len() > limit {
        return Err(Refusal::BodyTooLarge { limit });
    }
    Ok(inflated)
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
