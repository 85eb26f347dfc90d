//! The activity on one connection: how many requests are in progress, and since when there are none. No I/O.

use std::sync::Arc;
use std::task::Waker;

use futures_util::task::AtomicWaker;
use tokio::sync::watch;

/// The activity of one connection. Its requests, its stream and its timer share it.
pub(super) struct Traffic {
    state: watch::Sender<State>,
    waiting: AtomicWaker,
}

/// A request in progress, from its head to the end of its answer.
pub(super) struct InProgress(Arc<Traffic>);

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first request's head.
    First,
    /// The client or this program, for a request in progress.
    Busy,
    /// The first byte of another request.
    Idle,
    /// The rest of another request's head; only with HTTP/1.1.
    Head,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Requests so far.
    pub(super) requests: u64,
    /// Of them, those that are not answered yet.
    pub(super) in_progress: usize,
    /// Whether the last request was HTTP/2.
    pub(super) is_http_2: bool,
    has_head_begun: bool,
}

impl State {
    pub(super) const fn phase(self) -> Phase {
        match self {
            Self { requests: 0, .. } => Phase::First,
            Self { in_progress: 1.., .. } => Phase::Busy,
            Self { has_head_begun, .. } if has_head_begun => Phase::Head,
            Self { .. } => Phase::Idle,
        }
    }
}

impl Traffic {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: watch::Sender::new(State::default()),
            waiting: AtomicWaker::new(),
        })
    }

    pub(super) fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Receives each change of the state.
    pub(super) fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// A request begins: its head is complete.
    pub(super) fn begin(self: &Arc<Self>, is_http_2: bool) -> InProgress {
        self.state.send_modify(|state| {
            state.requests += 1;
            state.in_progress += 1;
            state.is_http_2 = is_http_2;
            state.has_head_begun = false;
        });
        InProgress(Arc::clone(self))
    }

    /// Bytes were read. With HTTP/1.1 they begin the next request, when none is in progress; with HTTP/2 they can be
    /// anything.
    pub(super) fn read(&self) {
        self.state.send_if_modified(|state| {
            let begins = state.phase() == Phase::Idle && !state.is_http_2;
            state.has_head_begun |= begins;
            begins
        });
    }

    /// Wakes `waker` when a request ends.
    pub(super) fn wake_at_end(&self, waker: &Waker) {
        self.waiting.register(waker);
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.in_progress -= 1);
        self.0.waiting.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_idle_between_an_answer_and_the_next_byte() {
        let traffic = Traffic::new();
        let phase = || traffic.state().phase();
        traffic.read();
        assert_eq!(phase(), Phase::First);
        let first = traffic.begin(false);
        traffic.read();
        assert_eq!(phase(), Phase::Busy);
        drop(first);
        assert_eq!(phase(), Phase::Idle);
        traffic.read();
        assert_eq!(phase(), Phase::Head);
        drop(traffic.begin(false));
        assert_eq!(phase(), Phase::Idle);
    }

    #[test]
    fn http_2_frames_between_requests_begin_none() {
        let traffic = Traffic::new();
        let both = [traffic.begin(true), traffic.begin(true)];
        let [one, other] = both;
        drop(one);
        assert_eq!(traffic.state().phase(), Phase::Busy);
        drop(other);
        traffic.read();
        assert_eq!(traffic.state().phase(), Phase::Idle);
    }
}
