//! How an answer leaves: whole, in half, or not at all with the connection broken.
//!
//! The HTTP server closes a connection whose answer's body fails. It writes the head only with the body's first
//! bytes, or when the body makes it wait: a body that fails at once breaks the connection before anything was sent,
//! and one that fails after its first bytes and a pause breaks it in the middle.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode};
use futures_util::stream::{self, StreamExt as _};

use super::answer::Answer;

/// Marks every answer, so that the sandbox is never mistaken for Klaviyo.
const MARK: &str = "x-klaviyo-relay-sandbox";

/// The answer with the sandbox's mark.
pub(crate) async fn marked(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(MARK, HeaderValue::from_static("1"));
    response
}

/// The head and the first half of the body, then a broken connection. An empty body is announced as two bytes, one
/// of which comes. A 204 cannot have a body: its connection breaks before the answer.
pub(crate) fn half(mut answer: Answer) -> Response<Body> {
    if answer.status() == StatusCode::NO_CONTENT {
        return broken();
    }
    if answer.body().len() < 2 {
        *answer.body_mut() = b"{}".to_vec();
    }
    let announced = answer.body().len();
    answer.body_mut().truncate(announced / 2);
    answer.headers_mut().insert("content-length", announced.into());
    answer.map(breaking)
}

/// A connection broken before the answer.
pub(crate) fn broken() -> Response<Body> {
    Response::new(breaking(Vec::new()))
}

/// A body that fails on purpose: after these bytes and a pause in which the server sends them, without any at once.
fn breaking(first: Vec<u8>) -> Body {
    let pauses = !first.is_empty();
    let failure = async move {
        if pauses {
            tokio::task::yield_now().await;
        }
        Err("a fault breaks this connection")
    };
    let first = pauses.then(|| Ok(Bytes::from(first)));
    Body::from_stream(stream::iter(first).chain(stream::once(failure)))
}
