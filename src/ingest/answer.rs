//! The answers to a client: one success, and every way a request is rejected, with status, code and sentence.
//!
//! After a 400 SDKs drop the request (all but Go's, which repeats every status). After a 429 all of them retry, most
//! after the wait in the answer; both were read from their sources. No text here repeats anything that a client sent.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::check::Flaw;
use super::retry_after::BOUNDS_S;

/// Marks an answer that the requesting page must not read: its origin may not use the write key.
#[derive(Clone, Copy)]
pub(super) struct NoCors;

/// Why a request was rejected as a whole. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// No write key anywhere.
    #[error(
        "the request carries no write key; send it as the Basic user name (with an empty password), as `writeKey` \
         in the body, as `?writeKey=` or as `X-Write-Key`"
    )]
    NoKey,
    /// A write key that no source has.
    #[error(
        "no source has this write key; compare the key in the SDK with `write_key` under [[ingest.sources]] in the \
         relay's config.toml"
    )]
    UnknownKey,
    /// A request for a settings document with a write key that no source has.
    #[error(
        "no source has the write key in this path; compare it with `write_key` under [[ingest.sources]] in the \
         relay's config.toml"
    )]
    NoSuchProject,
    /// The source requires a signature.
    #[error(
        "the request carries no `X-Signature`, which this source requires; set the shared secret of the webhook at \
         Segment to the source's `shared_secret`, or leave that out of the relay's config.toml"
    )]
    SignatureMissing,
    /// The signature belongs to another secret or text.
    #[error(
        "`X-Signature` is not the HMAC-SHA1, in hexadecimal, of this body (of an array, its first call) with the \
         source's `shared_secret`; compare that with the shared secret of the webhook at Segment, and let nothing \
         between change the body"
    )]
    SignatureWrong,
    /// A source with signed calls, at a path without signatures.
    #[error(
        "this source has a `shared_secret`, so its calls are accepted at /v1/webhook alone; give an SDK a source of its \
         own in the relay's config.toml"
    )]
    WebhookOnly,
    /// The key is for other web sites.
    #[error(
        "the page's origin may not use this write key; add it to the source's `allowed_origins` in the relay's \
         config.toml"
    )]
    OriginNotAllowed,
    /// Neither plain nor gzip nor deflate, or several at once.
    #[error("the `Content-Encoding` is not supported; send gzip or deflate, or no `Content-Encoding` at all")]
    Encoding,
    /// Declared as compressed, but it is not, or not completely.
    #[error(
        "`Content-Encoding` says {coding}, but the body is not whole and valid {coding}; compress it once, or leave \
         the header out"
    )]
    BrokenCompression {
        /// The declared coding.
        coding: &'static str,
    },
    /// Not text. Gzip without its header is the usual cause.
    #[error("the body is not UTF-8: the byte at offset {offset} is not; {hint}")]
    NotUtf8 {
        /// The position of the first wrong byte, after decompression.
        offset: usize,
        /// What to do.
        hint: &'static str,
    },
    /// Empty or only white space.
    #[error("the body is empty; send one call, or a `batch` of calls, as JSON")]
    Empty,
    /// Not JSON. The parser's own error is not kept, because some of its texts repeat what was sent.
    #[error("{place} is not readable JSON: {detail}")]
    Json {
        /// The body, or which item of the batch.
        place: String,
        /// The error, with line and column.
        detail: String,
    },
    /// A JSON text that is no object, where one call is expected.
    #[error("the body is JSON but no object; send one call as an object, or several to /v1/batch")]
    NotAnObject,
    /// An object without `batch` that is no single call either.
    #[error("the body has no `batch`; send {{\"batch\": [call, …]}}, each call with its `type`")]
    NoBatch,
    /// `batch` is an object, a string, …
    #[error("`batch` is not an array; send {{\"batch\": [call, …]}}")]
    BatchNotArray,
    /// `batch` is `[]`.
    #[error("the batch holds no calls; do not send empty batches")]
    EmptyBatch,
    /// More calls than Segment accepts at once.
    #[error("the batch holds more than {limit} calls; send several batches")]
    TooManyItems {
        /// The largest number allowed.
        limit: usize,
    },
    /// The batch's shared part is too large; it would be stored once per call.
    #[error(
        "the batch's own `context` and `integrations` have {bytes} bytes and may have {limit}; put what differs \
         into the calls"
    )]
    EnvelopeTooLarge {
        /// Its size.
        bytes: usize,
        /// The largest size allowed.
        limit: usize,
    },
    /// The whole body is too large, after decompression.
    #[error(
        "the body has more than {limit} bytes after decompression; send smaller batches, or raise \
         `max_batch_bytes` under [ingest] in the relay's config.toml"
    )]
    BodyTooLarge {
        /// The largest size allowed.
        limit: usize,
    },
    /// A large body whose key is not known before it is read.
    #[error(
        "the request has no source's write key in a header or its query, and more than {limit} bytes in its body; send \
         the key as the Basic user name (with an empty password), or smaller batches"
    )]
    BodyTooLargeWithoutKey {
        /// The largest size allowed.
        limit: usize,
    },
    /// The body stopped arriving.
    #[error("the body did not arrive whole and in time; send the request again")]
    Incomplete,
    /// The body's own framing is wrong; a retry would fail in the same way.
    #[error("the chunks of the body are malformed (RFC 9112, 7.1); send it with `Content-Length`")]
    Malformed,
    /// The only call of the request can never be delivered.
    #[error(transparent)]
    Flawed(Flaw),
    /// The outbox cannot store it now, or there is no memory to read it.
    #[error("{reason}; nothing was stored, send the request again after the seconds in `Retry-After`")]
    CannotStore {
        /// Why, in the words of the part that failed.
        reason: String,
        /// When to retry.
        retry_after: Duration,
    },
    /// A path that does not belong to the API.
    #[error(
        "there is nothing at this path; POST calls to /v1/identify, /v1/track, /v1/page, /v1/screen, /v1/group, \
         /v1/alias, /v1/batch, /v1/import or /v1/webhook, and GET settings from /v1/projects/WRITE_KEY/settings"
    )]
    NotFound,
    /// A path of the API with a method that it does not have.
    #[error("this path does not take this method; `Allow` says which it takes (calls are sent with POST)")]
    MethodNotAllowed,
    /// A mistake in the relay.
    #[error("the relay failed on this request; send it again later, and tell its operator to look at the log")]
    Internal,
}

impl Rejection {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status_and_code().0
    }

    /// Segment's code where it has one (its page of discarded events), otherwise one of ours in the same style.
    pub fn code(&self) -> &'static str {
        self.status_and_code().1
    }

    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoKey | Self::UnknownKey => (StatusCode::UNAUTHORIZED, "unknown_source"),
            Self::NoSuchProject => (StatusCode::NOT_FOUND, "unknown_source"),
            Self::SignatureMissing => (StatusCode::UNAUTHORIZED, "signature_missing"),
            Self::SignatureWrong => (StatusCode::UNAUTHORIZED, "signature_wrong"),
            Self::WebhookOnly => (StatusCode::UNAUTHORIZED, "webhook_only"),
            Self::OriginNotAllowed => (StatusCode::BAD_REQUEST, "origin_not_allowed"),
            Self::Encoding
            | Self::BrokenCompression { .. }
            | Self::NotUtf8 { .. }
            | Self::Malformed
            | Self::Empty
            | Self::Json { .. }
            | Self::NotAnObject
            | Self::NoBatch
            | Self::BatchNotArray => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::EmptyBatch => (StatusCode::BAD_REQUEST, "empty_batch"),
            Self::TooManyItems { .. } => (StatusCode::BAD_REQUEST, "too_many_events"),
            Self::EnvelopeTooLarge { .. } | Self::BodyTooLarge { .. } | Self::BodyTooLargeWithoutKey { .. } => {
                (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large")
            }
            // Not 408, after which PHP's and Ruby's SDKs drop what they could send again.
            Self::Incomplete => (StatusCode::SERVICE_UNAVAILABLE, "request_incomplete"),
            Self::Flawed(flaw @ Flaw::TooLarge { .. }) => (StatusCode::PAYLOAD_TOO_LARGE, flaw.code()),
            Self::Flawed(flaw) => (StatusCode::BAD_REQUEST, flaw.code()),
            Self::CannotStore { .. } => (StatusCode::TOO_MANY_REQUESTS, "cannot_store_now"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        }
    }
}

impl IntoResponse for Rejection {
    /// Python's SDK reads `code` and `message`, Ruby's reads `error`. A 401 names no scheme (`WWW-Authenticate`),
    /// because browsers would then show the visitor of the shop a password dialog.
    fn into_response(self) -> Response {
        let message = self.to_string();
        let body = serde_json::json!({
            "success": false,
            "code": self.code(),
            "message": message,
            "error": message,
        });
        let mut response = json(self.status(), body.to_string());
        if matches!(self, Self::OriginNotAllowed) {
            response.extensions_mut().insert(NoCors);
        }
        if let Self::CannotStore { retry_after, .. } = self {
            let seconds = retry_after.as_millis().div_ceil(1000);
            let seconds = u64::try_from(seconds)
                .unwrap_or(u64::MAX)
                .clamp(*BOUNDS_S.start(), *BOUNDS_S.end());
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The answer after everything was stored, in the exact form that every SDK reads: PHP's loops for ever on a 202,
/// Ruby's sends again when the body is empty or no JSON, Java's needs `success`.
pub(super) fn success() -> Response {
    json(StatusCode::OK, r#"{"success":true}"#.to_owned())
}

/// A response with this JSON text.
pub(super) fn json(status: StatusCode, body: String) -> Response {
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (status, [content_type], body).into_response()
}
