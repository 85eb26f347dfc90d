//! Decompresses bodies: `Content-Encoding` gzip, as PHP, Python, Kotlin, C# and RudderStack send it, and deflate.
//!
//! It stops at the limit, and reserves memory for its output, so that a decompression bomb costs no more than an honest
//! body. Uses `answer` and `body_budget`.

use std::io::Read;

use axum::http::{HeaderMap, header};
use flate2::bufread::GzDecoder;
use flate2::read::{DeflateDecoder, ZlibDecoder};

use super::answer::Rejection;
use super::body_budget::Lease;

/// How much is decompressed between two checks of the limit.
const STEP_BYTES: usize = 64 * 1024;
/// Gzip members that a body may contain, one behind the other. No client is known to send two. Each one costs time, and
/// an empty one makes no output that the limit would count.
const MAX_MEMBERS: usize = 64;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    /// The coding that the headers name, if any. Only one is accepted: a header with several was copied from
    /// `Accept-Encoding`, and it is unknown which of them applies.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Rejection> {
        let mut found = None;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            let value = value.to_str().map_err(|_| Rejection::Encoding)?;
            for word in value.split(',').map(str::trim) {
                let coding = match word.to_ascii_lowercase().as_str() {
                    "" | "identity" => continue,
                    "gzip" | "x-gzip" => Self::Gzip,
                    "deflate" => Self::Deflate,
                    _ => return Err(Rejection::Encoding),
                };
                if found.replace(coding).is_some() {
                    return Err(Rejection::Encoding);
                }
            }
        }
        Ok(found)
    }

    /// The decompressed body, of at most `limit` bytes.
    pub(super) fn inflate(self, body: &[u8], limit: usize, lease: &mut Lease) -> Result<Vec<u8>, Rejection> {
        match self {
            Self::Gzip => gzip(body, limit, lease),
            Self::Deflate => {
                let mut inflated = Vec::new();
                if is_zlib(body) {
                    add(&mut inflated, ZlibDecoder::new(body), self, limit, lease)?;
                } else {
                    add(&mut inflated, DeflateDecoder::new(body), self, limit, lease)?;
                }
                Ok(inflated)
            }
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }
}

/// All members of a gzip text, one behind the other.
fn gzip(body: &[u8], limit: usize, lease: &mut Lease) -> Result<Vec<u8>, Rejection> {
    let (mut inflated, mut rest) = (Vec::new(), body);
    for _member in 0..MAX_MEMBERS {
        let mut member = GzDecoder::new(rest);
        add(&mut inflated, &mut member, Coding::Gzip, limit, lease)?;
        rest = member.into_inner();
        if rest.is_empty() {
            return Ok(inflated);
        }
    }
    Err(broken(Coding::Gzip))
}

fn broken(coding: Coding) -> Rejection {
    Rejection::BrokenCompression { coding: coding.word() }
}

/// Adds the output of a decoder.
fn add(
    inflated: &mut Vec<u8>,
    mut decoder: impl Read,
    coding: Coding,
    limit: usize,
    lease: &mut Lease,
) -> Result<(), Rejection> {
    let mut step = vec![0; STEP_BYTES];
    loop {
        let read = decoder.read(&mut step).map_err(|_| broken(coding))?;
        if read == 0 {
            return Ok(());
        }
        if inflated.len() + read > limit {
            return Err(Rejection::BodyTooLarge { limit });
        }
        lease.reserve(read)?;
        inflated.extend_from_slice(&step[..read]);
    }
}

/// Deflate is zlib's format by HTTP's standard (RFC 9110, 8.4.1.2), but some clients send bare deflate. The first two
/// bytes of zlib (RFC 1950) never begin bare deflate: there they would begin a stored block with a padding that is not
/// zero.
fn is_zlib(body: &[u8]) -> bool {
    let [first, second, ..] = body else {
        return false;
    };
    first & 0x8f == 0x08 && u16::from_be_bytes([*first, *second]).is_multiple_of(31)
}
