//! How many bytes of request bodies may be in memory at once: without a bound, a thousand connections with a full
//! batch each would take the machine down, and with it what is being delivered.
//!
//! Bytes are counted as they arrive, so that nobody takes room by announcing a length. Uses `answer` alone.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::answer::Refusal;

/// When to come back. Bodies leave memory within a second of their arrival, as soon as they are on disk.
const COME_BACK: Duration = Duration::from_secs(5);

/// The room for all bodies.
#[derive(Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    /// Room for this many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// The share of one request, empty yet.
    pub(super) fn share(&self) -> Share {
        Share {
            room: Arc::clone(&self.0),
            bytes: 0,
        }
    }
}

/// What one request holds of the room. It is free again when this is dropped.
pub(super) struct Share {
    room: Arc<Semaphore>,
    bytes: usize,
}

impl Share {
    /// Takes room for more bytes, or none of it.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        let permit = u32::try_from(bytes)
            .ok()
            .and_then(|bytes| self.room.try_acquire_many(bytes).ok())
            .ok_or_else(no_room)?;
        permit.forget();
        self.bytes += bytes;
        Ok(())
    }

    /// Gives all of it back: the bytes were thrown away.
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
        reason: "the relay has as many request bodies in memory as `max_bytes_in_progress` allows"
            .to_owned(),
        retry_after: COME_BACK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_taken_whole_or_not_at_all_and_is_free_when_dropped() {
        let room = Room::of(10);
        let (mut one, mut other) = (room.share(), room.share());
        one.take(6).unwrap();
        let refusal = other.take(5).unwrap_err();
        assert_eq!(
            (refusal.status().as_u16(), refusal.code()),
            (429, "cannot_store_now")
        );
        other.take(4).unwrap();
        other.give_back();
        other.take(4).unwrap();
        drop(one);
        other.take(6).unwrap();
        assert!(room.share().take(1).is_err());
        drop(other);
        assert!(room.share().take(10).is_ok());
    }
}
