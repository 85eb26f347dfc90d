//! How many bytes of request bodies may be in memory at once. Without a bound, a thousand connections with a full batch
//! each would exhaust the machine's memory, and stop the delivery too.
//!
//! Bytes are counted as they arrive, so that a client cannot reserve memory by announcing a length. Uses `answer` only.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::answer::Rejection;

/// When to retry. Bodies leave memory within a second of their arrival, as soon as they are on disk.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The additional memory for requests whose write key is unknown or not yet known, and again the same for small bodies,
/// as a fraction of the memory of the others.
const OTHERS_DIVISOR: usize = 8;
/// The size of a small body: large ones, which may wait to be admitted, leave memory for small ones.
const SMALL_BYTES: usize = 64 * 1024;

/// The memory for all bodies.
#[derive(Clone)]
pub struct BodyBudget {
    /// For requests with a write key in a header or in their query.
    known: Arc<Semaphore>,
    /// For all others: requests that anybody can send use nothing of the first.
    others: Arc<Semaphore>,
    /// The part of the first that large bodies leave unused.
    reserved_for_small: usize,
}

impl BodyBudget {
    /// Memory for this many bytes.
    pub fn new(bytes: usize) -> Self {
        let semaphore = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        let small = bytes / OTHERS_DIVISOR;
        Self {
            known: semaphore(bytes + small),
            others: semaphore(small),
            reserved_for_small: small,
        }
    }

    /// The lease of one request, empty at first.
    pub(super) fn lease(&self, has_key: bool) -> Lease {
        let (bytes, keep_free) = if has_key {
            (&self.known, self.reserved_for_small)
        } else {
            (&self.others, 0)
        };
        Lease {
            budget: Arc::clone(bytes),
            bytes: 0,
            keep_free,
        }
    }
}

/// The memory that one request holds. It is released when this is dropped.
pub(super) struct Lease {
    budget: Arc<Semaphore>,
    bytes: usize,
    /// The part that it leaves unused, once it is large.
    keep_free: usize,
}

impl Lease {
    /// Reserves memory for more bytes, all of it or nothing.
    pub(super) fn reserve(&mut self, bytes: usize) -> Result<(), Rejection> {
        let is_large = self.bytes + bytes > SMALL_BYTES;
        if is_large && self.budget.available_permits() < bytes + self.keep_free {
            return Err(exhausted());
        }
        let permit = u32::try_from(bytes)
            .ok()
            .and_then(|bytes| self.budget.try_acquire_many(bytes).ok())
            .ok_or_else(exhausted)?;
        permit.forget();
        self.bytes += bytes;
        Ok(())
    }

    /// Releases all of it: the bytes were discarded.
    pub(super) fn release(&mut self) {
        self.budget.add_permits(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.release();
    }
}

fn exhausted() -> Rejection {
    Rejection::CannotStore {
        reason: "the relay has as many request bodies in memory as `max_bytes_in_progress` allows".to_owned(),
        retry_after: RETRY_AFTER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_reserves_all_or_nothing_and_is_released_when_dropped() {
        let budget = BodyBudget::new(10);
        let (mut one, mut other) = (budget.lease(true), budget.lease(true));
        one.reserve(7).unwrap();
        let rejection = other.reserve(5).unwrap_err();
        assert_eq!(
            (rejection.status().as_u16(), rejection.code()),
            (429, "cannot_store_now")
        );
        other.reserve(4).unwrap();
        other.release();
        other.reserve(4).unwrap();
        drop(one);
        other.reserve(7).unwrap();
        assert!(budget.lease(true).reserve(1).is_err());
        drop(other);
        assert!(budget.lease(true).reserve(10).is_ok());
    }

    #[test]
    fn a_request_without_a_key_uses_nothing_of_the_budget_of_the_others() {
        let budget = BodyBudget::new(80);
        let (mut known, mut stranger) = (budget.lease(true), budget.lease(false));
        stranger.reserve(10).unwrap();
        assert!(budget.lease(false).reserve(1).is_err());
        known.reserve(90).unwrap();
    }

    #[test]
    fn large_bodies_leave_memory_for_small_ones() {
        let budget = BodyBudget::new(8 << 20);
        let (mut large, mut small) = (budget.lease(true), budget.lease(true));
        large.reserve(8 << 20).unwrap();
        assert!(budget.lease(true).reserve(SMALL_BYTES + 1).is_err());
        small.reserve(SMALL_BYTES).unwrap();
    }
}
