//! A Klaviyo in the program: for tests, for `demo`, for a first try without an account, and stand-alone as
//! `klaviyo-relay sandbox`.
//!
//! It promises to take what Klaviyo takes and to refuse what Klaviyo refuses, judged on the raw request by its own
//! reading of Klaviyo's pages; to keep what it took, each event once; to log every request; to apply the
//! faults that it is given; to mark every answer with `X-Klaviyo-Relay-Sandbox: 1`; and to stay within its bounds of
//! memory.
//! It uses `model`, `clock`, `json` and `listener`, and on purpose nothing of what the relay itself knows of Klaviyo.
//!
//! Besides Klaviyo's paths it has its own:
//!
//! - `GET /sandbox`: counts. `DELETE /sandbox`: forget everything, faults included.
//! - `GET /sandbox/requests`, `/profiles`, `/events`, `/lists`, with `?after=N&limit=N`: what came and what is held.
//! - `POST /sandbox/faults`: an object or an array of them, applied in order. Keys: what to do
//!   (`status` with `body` and `headers`, `delay_ms`, `hang`, `reset`, `half`, `lost`), to which requests (`method`,
//!   `path`, `match` for a part of the body), and to how many (`next`; without it until cleared). `GET` lists them,
//!   `DELETE` clears them and releases what hangs.
//!
//! An event can carry its own faults in the property `sandbox_script`, such as `[500, "lost", 202]`: one step
//! for each time it is sent.

mod answer;
mod call;
mod control;
mod endpoint;
mod faults;
mod gate;
mod log;
mod operations;
mod options;
mod page;
mod rate_limit;
mod revision;
mod schema;
mod script;
mod serve;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use state::State;

pub use log::{Entry, Outcome};
pub use options::{AccountLists, Keep, ListOption, OptIn, Options, RateLimits};
pub use page::{ListPage, Page};
pub use snapshot::{Counts, Snapshot};
pub use state::events::Event;
pub use state::lists::{List, Membership};
pub use state::profiles::{Consent, Profile, ProfileNumber};

/// A Klaviyo that holds everything in memory. Clones share it.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Cancelled to release what hangs, and replaced then; `stopped`, its parent, releases all of it for good.
    hanging: Mutex<CancellationToken>,
    stopped: CancellationToken,
}

impl Sandbox {
    /// An empty account.
    pub fn new(options: Options, clock: Arc<dyn Clock>) -> Self {
        let state = State::new(&options, clock.now());
        let stopped = CancellationToken::new();
        Self {
            inner: Arc::new(Inner {
                options,
                clock,
                state: Mutex::new(state),
                hanging: Mutex::new(stopped.child_token()),
                stopped,
            }),
        }
    }

    /// Klaviyo's paths and the sandbox's own, to be served on a port.
    pub fn routes(&self) -> Router {
        serve::routes(Arc::clone(&self.inner))
    }

    /// What it holds at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let mut state = self.inner.lock();
        state.run_imports(self.inner.clock.now());
        Snapshot::of(&state)
    }

    /// Releases every request that hangs or is delayed, now and from now on, so that its port can close.
    pub fn stop(&self) {
        self.inner.stopped.cancel();
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere must not take the whole sandbox with it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hanging(&self) -> MutexGuard<'_, CancellationToken> {
        self.hanging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases what hangs at this moment.
    fn release(&self) {
        let mut hanging = self.hanging();
        hanging.cancel();
        *hanging = self.stopped.child_token();
    }

    /// Deletes everything.
    fn reset(&self) {
        *self.lock() = State::new(&self.options, self.clock.now());
        self.release();
    }
}
