//! How an answer leaves: whole, in half, or not at all with the connection broken.
//!
//! The HTTP server closes a connection whose answer's body fails. It writes the head only with the body's first
//! bytes, or when the body makes it wait: a body that fails at once breaks the connection before anything was sent,
//! and one that fails after its first bytes and a pause breaks it in the middle.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use hyper::body::Frame;

use super::answer::Answer;

/// Marks every answer, so that the sandbox is never mistaken for Klaviyo.
pub(crate) const MARK: &str = "x-klaviyo-relay-sandbox";

/// The answer as it is.
pub(crate) fn whole(answer: Answer) -> Response<Body> {
    let (mut response, body) = head(answer);
    *response.body_mut() = Body::from(body);
    response
}

/// The head and the first half of the body, then a broken connection. An empty body is announced as two bytes, one
/// of which comes. A 204 cannot have a body: its connection breaks before the answer.
pub(crate) fn half(answer: Answer) -> Response<Body> {
    if answer.status == StatusCode::NO_CONTENT {
        return broken();
    }
    let (mut response, mut body) = head(answer);
    if body.len() < 2 {
        body = b"{}".to_vec();
    }
    let announced = body.len();
    body.truncate(announced / 2);
    response
        .headers_mut()
        .insert("content-length", HeaderValue::from(announced));
    *response.body_mut() = Body::new(Breaking {
        first: Some(Bytes::from(body)),
        paused: false,
    });
    response
}

/// A connection broken before the answer.
pub(crate) fn broken() -> Response<Body> {
    Response::new(Body::new(Breaking {
        first: None,
        paused: true,
    }))
}

fn head(answer: Answer) -> (Response<Body>, Vec<u8>) {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status;
    let content_type = answer.content_type.map(|value| ("content-type".to_owned(), value));
    let mark = (MARK.to_owned(), "1".to_owned());
    for (name, value) in content_type.into_iter().chain(answer.headers).chain([mark]) {
        // Ordered headers were read as such before; the sandbox's own are plain.
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    (response, answer.body)
}

/// A body that fails on purpose.
struct Breaking {
    first: Option<Bytes>,
    /// Whether the pause was made in which the server sends what it has.
    paused: bool,
}

/// Why a body failed on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox was told to break this connection")]
struct OnPurpose;

impl HttpBody for Breaking {
    type Data = Bytes;
    type Error = OnPurpose;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, OnPurpose>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if !self.paused {
            self.paused = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(OnPurpose)))
    }
}
