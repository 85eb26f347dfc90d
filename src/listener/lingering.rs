//! A stream that stays open for a moment after its client has left, so that what arrived completely is answered and not
//! dropped.
//!
//! When the HTTP/2 library reads the end of the connection or fails to write, it drops requests that it has not passed
//! on and ends those in progress. So this stream hides both events until every request is answered, for a bounded time.
//! For HTTP/1.1 it hides nothing: there the end of an incomplete body must be seen at once, and `half_close` lets the
//! rest be answered.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::traffic::Traffic;

/// How long the end is hidden. What a client sent before it left is read in much less time, and is judged and stored
/// however the connection ends.
const LONGEST: Duration = Duration::from_secs(5);
/// How many rounds without progress are required: once for the requests to be passed on, once for answers to be
/// written.
const ROUNDS: u8 = 3;

pub(super) struct Lingering<S> {
    stream: S,
    traffic: Arc<Traffic>,
    /// What was read at the end.
    end: Option<io::Result<()>>,
    /// The client reads nothing more: what is written is discarded.
    is_deaf: bool,
    /// An answer waits for the client to read.
    is_writing: bool,
    /// Since one of the above.
    longest: Option<Pin<Box<Sleep>>>,
    /// Rounds in which nothing was in progress, and the number of requests at that time.
    quiet: (u8, u64),
}

impl<S> Lingering<S> {
    pub(super) fn new(stream: S, traffic: Arc<Traffic>) -> Self {
        Self {
            stream,
            traffic,
            end: None,
            is_deaf: false,
            is_writing: false,
            longest: None,
            quiet: (0, 0),
        }
    }

    /// Before the first request the protocol is not known.
    fn may_linger(&self) -> bool {
        let state = self.traffic.state();
        state.requests == 0 || state.is_http_2
    }

    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let longest = self
            .longest
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LONGEST)));
        longest.as_mut().poll(context).is_ready()
    }

    /// Waits until the end that was read may be reported.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.may_linger() || self.is_over(context) {
            return Poll::Ready(());
        }
        self.traffic.wake_at_end(context.waker());
        let state = self.traffic.state();
        let (rounds, requests) = self.quiet;
        if state.in_progress > 0 || self.is_writing {
            self.quiet = (0, state.requests);
            return Poll::Pending;
        }
        if requests != state.requests {
            self.quiet = (0, state.requests);
        } else if rounds == ROUNDS {
            return Poll::Ready(());
        } else {
            self.quiet.0 += 1;
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn stop_reading(&mut self, context: &Context<'_>) {
        self.is_deaf = true;
        // The next read starts the timer.
        context.waker().wake_by_ref();
    }

    /// What is reported as written, of this many bytes.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        bytes: usize,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.is_writing = result.is_pending();
        match result {
            Poll::Ready(Err(_)) if self.may_linger() => {
                self.stop_reading(context);
                Poll::Ready(Ok(bytes))
            }
            result @ (Poll::Ready(_) | Poll::Pending) => result,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.end.is_none() {
            let before = buffer.remaining();
            match Pin::new(&mut this.stream).poll_read(context, buffer) {
                Poll::Pending if this.is_deaf && this.is_over(context) => {
                    return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
                }
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if before == 0 || buffer.remaining() < before => {
                    this.traffic.read();
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(end) => this.end = Some(end),
            }
        }
        ready!(this.poll_end(context));
        Poll::Ready(match &this.end {
            Some(Err(error)) => Err(error.kind().into()),
            Some(Ok(())) | None => Ok(()),
        })
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_deaf {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, bytes.len(), result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_deaf {
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.stream).poll_flush(context) {
            Poll::Ready(Err(_)) if self.may_linger() => {
                self.stop_reading(context);
                Poll::Ready(Ok(()))
            }
            result @ (Poll::Ready(_) | Poll::Pending) => result,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = parts.iter().map(|part| part.len()).sum();
        if self.is_deaf {
            return Poll::Ready(Ok(bytes));
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.written(context, bytes, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
