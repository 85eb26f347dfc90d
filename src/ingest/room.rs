//! How many bytes of request bodies may be in memory at once. Without a bound, a thousand connections with a full batch
//! each would exhaust the machine's memory, and stop the delivery too.
//!
//! Bytes are counted as they arrive, so that a client cannot reserve memory by announcing a length. Uses `answer` only.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::answer::Refusal;

/// When to retry. Bodies leave memory within a second of their arrival, as soon as they are on disk.
const COME_BACK: Duration = Duration::from_secs(5);

/// The additional memory for requests whose write key is unknown or not yet known, and again the same for small bodies,
/// as a fraction of the memory of the others.
const PART: usize = 8;
/// The size of a small body: large ones, which may wait to be admitted, leave memory for small ones.
const SMALL_BYTES: usize = 64 * 1024;

/// The memory for all bodies.
#[derive(Clone)]
pub struct Room {
    /// For requests with a write key in a header or in their query.
    known: Arc<Semaphore>,
    /// For all others: requests that anybody can send use nothing of the first.
    others: Arc<Semaphore>,
    /// The part of the first that large bodies leave unused.
    for_small: usize,
}

impl Room {
    /// Memory for this many bytes.
    pub fn of(bytes: usize) -> Self {
        let room = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        let part = bytes / PART;
        Self {
            known: room(bytes + part),
            others: room(part),
            for_small: part,
        }
    }

    /// The share of one request, empty at first.
    pub(super) fn share(&self, has_key: bool) -> Share {
        let (room, left) = if has_key {
            (&self.known, self.for_small)
        } else {
            (&self.others, 0)
        };
        Share {
            room: Arc::clone(room),
            bytes: 0,
            left,
        }
    }
}

/// The memory that one request holds. It is released when this is dropped.
pub(super) struct Share {
    room: Arc<Semaphore>,
    bytes: usize,
    /// The part that it leaves unused, once it is large.
    left: usize,
}

impl Share {
    /// Reserves memory for more bytes, all of it or nothing.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        let is_large = self.bytes + bytes > SMALL_BYTES;
        if is_large && self.room.available_permits() < bytes + self.left {
            return Err(no_room());
        }
        let permit = u32::try_from(bytes)
            .ok()
            .and_then(|bytes| self.room.try_acquire_many(bytes).ok())
            .ok_or_else(no_room)?;
        permit.forget();
        self.bytes += bytes;
        Ok(())
    }

    /// Releases all of it: the bytes were discarded.
    pub(super) fn give_back(&mut self) {
        self.room.add_permits(std::mem::take(&mut self.bytes));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn no_room() -> Refusal {
    Refusal::CannotStore {
        reason: "the relay has as many request bodies in memory as `max_bytes_in_progress` allows".to_owned(),
        retry_after: COME_BACK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_taken_whole_or_not_at_all_and_is_free_when_dropped() {
        let room = Room::of(10);
        let (mut one, mut other) = (room.share(true), room.share(true));
        one.take(7).unwrap();
        let refusal = other.take(5).unwrap_err();
        assert_eq!((refusal.status().as_u16(), refusal.code()), (429, "cannot_store_now"));
        other.take(4).unwrap();
        other.give_back();
        other.take(4).unwrap();
        drop(one);
        other.take(7).unwrap();
        assert!(room.share(true).take(1).is_err());
        drop(other);
        assert!(room.share(true).take(10).is_ok());
    }

    #[test]
    fn a_request_without_a_key_takes_nothing_from_the_others() {
        let room = Room::of(80);
        let (mut known, mut stranger) = (room.share(true), room.share(false));
        stranger.take(10).unwrap();
        assert!(room.share(false).take(1).is_err());
        known.take(90).unwrap();
    }

    #[test]
    fn large_bodies_leave_room_for_small_ones() {
        let room = Room::of(8 << 20);
        let (mut large, mut small) = (room.share(true), room.share(true));
        large.take(8 << 20).unwrap();
        assert!(room.share(true).take(SMALL_BYTES + 1).is_err());
        small.take(SMALL_BYTES).unwrap();
    }
}
