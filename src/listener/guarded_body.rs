//! An answer's body that holds a value until the body is sent or dropped. No I/O of its own.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

/// The same body; `kept` is dropped with it.
pub fn with_guard(body: Body, kept: impl Unpin + Send + 'static) -> Body {
    Body::new(GuardedBody { body, _kept: kept })
}

struct GuardedBody<K> {
    body: Body,
    _kept: K,
}

impl<K: Unpin> HttpBody for GuardedBody<K> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
