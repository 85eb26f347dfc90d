//! Time and randomness, passed in as a parameter: nothing else in the program reads the wall clock or draws a random
//! number.
//!
//! A clock may be wrong. Actions that cannot be undone and depend on an age also use a [`TrustedTime`].

mod trusted;

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::model::Timestamp;

pub use trusted::TrustedTime;

/// The first of November 2026: this version was written later, so a clock that shows an earlier time is wrong.
const VERSION_WRITTEN: Timestamp = Timestamp::from_millis(1_793_491_200_000);

/// Whether a clock that shows this time may be right. One that was never set shows 1970, or the time of the last
/// shutdown.
pub fn is_set(now: Timestamp) -> bool {
    now >= VERSION_WRITTEN
}

/// The source of time and randomness.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;
    /// The time since some moment in the process. It never goes back, whatever happens to the wall clock.
    fn monotonic(&self) -> Duration {
        let millis = u64::try_from(self.now().as_millis()).unwrap_or(0);
        Duration::from_millis(millis)
    }
    /// A number from 0 (included) to 1 (excluded), for jitter.
    fn chance(&self) -> f64;
}

/// Random bytes that cannot be guessed, for a key that lives as long as the process.
#[expect(
    clippy::disallowed_methods,
    reason = "with `SystemClock::chance` the one place that draws at random"
)]
pub fn secret() -> [u8; 32] {
    rand::random()
}

/// The machine's clock and its random generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the wall clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the monotonic clock"
    )]
    fn monotonic(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that draws at random")]
    fn chance(&self) -> f64 {
        rand::random()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A clock for tests: the wall-clock time and the monotonic time, both as given.
    pub(crate) struct FixedClock(pub(crate) Timestamp, pub(crate) Duration);

    impl Clock for FixedClock {
        fn now(&self) -> Timestamp {
            self.0
        }

        fn monotonic(&self) -> Duration {
            self.1
        }

        fn chance(&self) -> f64 {
            0.5
        }
    }
}
