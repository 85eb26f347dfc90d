//! Decompresses bodies: `Content-Encoding` gzip, as PHP, Python, Kotlin, C# and RudderStack send it, and deflate.
//!
//! It goes no further than the limit, and takes room for what it makes, so that a bomb costs no more than an honest
//! body. Uses `answer` and `room`.

use std::io::Read;

use axum::http::{HeaderMap, header};
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::answer::Refusal;
use super::room::Share;

/// How much is decompressed between two looks at the limit.
const STEP_BYTES: usize = 64 * 1024;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
}

impl Coding {
    /// The coding that the headers name, if any. One at most: what names several is a header copied from
    /// `Accept-Encoding`, and which of them it means cannot be known.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let mut found = None;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            let value = value.to_str().map_err(|_| Refusal::Encoding)?;
            for word in value.split(',').map(str::trim) {
                let coding = match word.to_ascii_lowercase().as_str() {
                    "" | "identity" => continue,
                    "gzip" | "x-gzip" => Self::Gzip,
                    "deflate" => Self::Deflate,
                    _ => return Err(Refusal::Encoding),
                };
                if found.replace(coding).is_some() {
                    return Err(Refusal::Encoding);
                }
            }
        }
        Ok(found)
    }

    /// The body as it was before it was compressed, of at most `limit` bytes.
    pub(super) fn inflate(
        self,
        body: &[u8],
        limit: usize,
        share: &mut Share,
    ) -> Result<Vec<u8>, Refusal> {
        match self {
            Self::Gzip => whole(MultiGzDecoder::new(body), "gzip", limit, share),
            Self::Deflate if is_zlib(body) => {
                whole(ZlibDecoder::new(body), "deflate", limit, share)
            }
            Self::Deflate => whole(DeflateDecoder::new(body), "deflate", limit, share),
        }
    }
}

fn whole(
    mut decoder: impl Read,
    coding: &'static str,
    limit: usize,
    share: &mut Share,
) -> Result<Vec<u8>, Refusal> {
    let mut inflated = Vec::new();
    let mut step = vec![0; STEP_BYTES];
    loop {
        let read = decoder
            .read(&mut step)
            .map_err(|_| Refusal::BrokenCompression { coding })?;
        if read == 0 {
            return Ok(inflated);
        }
        if inflated.len() + read > limit {
            return Err(Refusal::BodyTooLarge { limit });
        }
        share.take(read)?;
        inflated.extend_from_slice(&step[..read]);
    }
}

/// Deflate is zlib's format by HTTP's standard (RFC 9110, 8.4.1.2), and bare deflate with clients that read the name
/// alone. Zlib's two first bytes (RFC 1950) are never those of bare deflate: they would begin a stored block with a
/// padding that is not zero.
fn is_zlib(body: &[u8]) -> bool {
    let [first, second, ..] = body else {
        return false;
    };
    first & 0x8f == 0x08 && u16::from_be_bytes([*first, *second]).is_multiple_of(31)
}
