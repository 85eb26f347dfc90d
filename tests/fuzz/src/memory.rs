//! How much memory a piece of work has at once, where the program counts it: a harness does, by its allocator, and the
//! replay in `cargo test` does not.

use std::sync::OnceLock;

/// The bytes that this thread has, and, from the last reset on, the most that it had.
#[derive(Clone, Copy)]
pub struct Counter {
    /// The most bytes since the last reset, beyond those of that moment.
    pub peak: fn() -> usize,
    /// Begins to count.
    pub reset: fn(),
}

static COUNTER: OnceLock<Counter> = OnceLock::new();

/// Has memory counted from now on.
pub fn count_by(counter: Counter) {
    COUNTER.get_or_init(|| counter);
}

/// Does some work; with it, the most bytes that it had at once, 0 where nobody counts.
pub(crate) fn peak<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let counter = COUNTER.get();
    if let Some(counter) = counter {
        (counter.reset)();
    }
    let done = work();
    (done, counter.map_or(0, |counter| (counter.peak)()))
}
