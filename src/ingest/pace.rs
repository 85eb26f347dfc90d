//! How slowly a body may arrive: a phone on a bad line is waited for, a body that stands still is not, since it holds
//! room that others need.
//!
//! Pure. The times are from the beginning of the body.

use std::time::Duration;

/// How long a body may take, whatever its pace. SDKs give up after 10 to 15 seconds, a phone on a bad line later.
const MOST: Duration = Duration::from_mins(1);

/// The least pace of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// How long nothing at all may come.
    pub(super) stall: Duration,
    /// How long it may be behind the least rate.
    pub(super) grace: Duration,
    /// The least rate, in bytes a second.
    pub(super) rate: u32,
}

impl Pace {
    /// For a request whose headers or query name a source: 1 KiB/s.
    pub(super) const KNOWN: Self = Self {
        stall: Duration::from_secs(10),
        grace: Duration::from_secs(10),
        rate: 1 << 10,
    };
    /// For any other: its key may stand in the body, or nowhere. 2 KiB/s, half of what a phone sends.
    pub(super) const UNKNOWN: Self = Self {
        stall: Duration::from_secs(5),
        grace: Duration::from_secs(5),
        rate: 2 << 10,
    };

    /// When the next byte has to be here, of a body of which `seen` bytes were, the last of them at `last`.
    pub(super) fn due(self, seen: usize, last: Duration) -> Duration {
        let seen = Duration::from_secs(u64::try_from(seen).unwrap_or(u64::MAX));
        (self.grace + seen / self.rate)
            .min(last + self.stall)
            .min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long a body is waited for that sends so many bytes in each interval, and how many it has sent then.
    fn waited(pace: Pace, bytes: usize, every: Duration) -> (Duration, usize) {
        let (mut seen, mut now) = (0, Duration::ZERO);
        loop {
            let due = pace.due(seen, now);
            if now + every > due {
                return (due, seen);
            }
            now += every;
            seen += bytes;
        }
    }

    #[test]
    fn a_phone_is_waited_for() {
        for pace in [Pace::KNOWN, Pace::UNKNOWN] {
            // 4 KB/s, in packets and in bursts.
            for (bytes, millis) in [(1_400, 350), (4_000, 1_000), (16_000, 4_000)] {
                let (waited, seen) = waited(pace, bytes, Duration::from_millis(millis));
                assert_eq!(waited, MOST, "{pace:?}: {bytes} bytes every {millis} ms");
                assert!(seen >= 220_000);
            }
        }
    }

    #[test]
    fn a_body_that_stands_still_or_trickles_is_not() {
        for (pace, most) in [(Pace::KNOWN, 11), (Pace::UNKNOWN, 6)] {
            let most = Duration::from_secs(most);
            assert!(pace.due(0, Duration::ZERO) < most);
            let (waited, _) = waited(pace, 1, Duration::from_millis(200));
            assert!(waited < most, "{waited:?}");
            // However much came before.
            let last = Duration::from_secs(2);
            assert!(pace.due(1 << 20, last) <= last + pace.stall);
        }
    }
}
