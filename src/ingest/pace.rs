//! How slowly a body may arrive. The relay waits for a phone on a bad line as long as it sends, but not for a body that
//! has stopped or only trickles, since it holds memory that others need.
//!
//! Pure. The times are measured from the beginning of the body.

use std::time::Duration;

/// The slowest accepted arrival of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// The longest time without any byte.
    pub(super) stall: Duration,
    /// How long it may be behind the minimum rate.
    pub(super) grace: Duration,
    /// The minimum rate, in bytes a second.
    pub(super) rate: u32,
}

impl Pace {
    /// For a request whose headers or query name a source: 1 KiB/s.
    pub(super) const KNOWN: Self = Self {
        stall: Duration::from_secs(10),
        grace: Duration::from_secs(10),
        rate: 1 << 10,
    };
    /// For any other: its key may be in the body, or nowhere. 2 KiB/s, half of what a phone sends.
    pub(super) const UNKNOWN: Self = Self {
        stall: Duration::from_secs(5),
        grace: Duration::from_secs(5),
        rate: 2 << 10,
    };

    /// When the next byte must arrive, after `seen` bytes, the last of them at `last`.
    pub(super) fn deadline(self, seen: usize, last: Duration) -> Duration {
        let seen = Duration::from_secs(u64::try_from(seen).unwrap_or(u64::MAX));
        (self.grace + seen / self.rate).min(last + self.stall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long the relay waits for a body of `whole` bytes that sends `bytes` every interval, and how many have
    /// arrived then.
    fn waited(pace: Pace, whole: usize, bytes: usize, every: Duration) -> (Duration, usize) {
        let (mut seen, mut now) = (0, Duration::ZERO);
        while seen < whole {
            let deadline = pace.deadline(seen, now);
            if now + every > deadline {
                return (deadline, seen);
            }
            now += every;
            seen += bytes;
        }
        (now, seen)
    }

    #[test]
    fn a_slow_phone_can_send_its_whole_body() {
        for pace in [Pace::KNOWN, Pace::UNKNOWN] {
            // 4 KB/s, in packets and in bursts: 400 KB take 100 s.
            for (bytes, millis) in [(1_400, 350), (4_000, 1_000), (16_000, 4_000)] {
                let (waited, seen) = waited(pace, 400_000, bytes, Duration::from_millis(millis));
                assert!(seen >= 400_000, "{pace:?}: {seen} bytes in {waited:?}");
            }
        }
    }

    #[test]
    fn a_body_that_stalls_or_trickles_is_not_waited_for() {
        for (pace, most) in [(Pace::KNOWN, 11), (Pace::UNKNOWN, 6)] {
            let most = Duration::from_secs(most);
            assert!(pace.deadline(0, Duration::ZERO) < most);
            let (time, _) = waited(pace, 400_000, 1, Duration::from_millis(200));
            assert!(time < most, "{time:?}");
            // Half of the minimum rate, however steadily.
            let half = usize::try_from(pace.rate).unwrap() / 2;
            let (_, seen) = waited(pace, 400_000, half, Duration::from_secs(1));
            assert!(seen < 20_000, "{seen}");
            // However much came before.
            let last = Duration::from_secs(2);
            assert!(pace.deadline(1 << 20, last) <= last + pace.stall);
        }
    }
}
