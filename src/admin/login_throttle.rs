//! Counts wrong tokens by client address and makes an address wait after too many. This slows down attackers and
//! programs with a wrong token; the token's length is what makes guessing hopeless.
//!
//! It promises bounded memory, and that an address never waits because of another address. Behind a proxy that is not
//! trusted, all clients have the proxy's address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::listener::client_network;

/// Wrong tokens that an address may present in one window.
const MOST: u32 = 20;
/// The length of a window.
const WINDOW: Duration = Duration::from_mins(1);
/// The number of addresses that are tracked; further addresses share one window.
const ADDRESSES: usize = 1024;

/// Wrong tokens within the last minute.
#[derive(Debug, Default)]
pub(super) struct LoginThrottle(Mutex<HashMap<IpAddr, Window>>);

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Duration,
    wrong: u32,
}

impl LoginThrottle {
    /// How long an address must wait at `now` before it may present a token again.
    pub(super) fn wait(&self, from: IpAddr, now: Duration) -> Option<Duration> {
        let windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.get(&place(from, &windows))?;
        let left = (window.began + WINDOW).saturating_sub(now);
        (window.wrong >= MOST && !left.is_zero()).then_some(left)
    }

    /// Records a wrong token.
    pub(super) fn wrong(&self, from: IpAddr, now: Duration) {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= ADDRESSES {
            windows.retain(|_, window| window.began + WINDOW > now);
        }
        let place = place(from, &windows);
        let window = windows.entry(place).or_insert(Window { began: now, wrong: 0 });
        if window.began + WINDOW <= now {
            *window = Window { began: now, wrong: 0 };
        }
        window.wrong = window.wrong.saturating_add(1);
    }
}

/// The key of an address's window: the address itself, its IPv6 network, or the shared window.
fn place(from: IpAddr, windows: &HashMap<IpAddr, Window>) -> IpAddr {
    let own = client_network(from);
    if windows.contains_key(&own) || windows.len() < ADDRESSES {
        own
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + number))
    }

    #[test]
    fn who_guesses_waits_and_nobody_else() {
        let login_throttle = LoginThrottle::default();
        let now = Duration::from_hours(1);
        for _ in 0..MOST {
            assert_eq!(login_throttle.wait(address(1), now), None);
            login_throttle.wrong(address(1), now);
        }
        let later = now + Duration::from_secs(20);
        assert_eq!(login_throttle.wait(address(1), later), Some(Duration::from_secs(40)));
        assert_eq!(login_throttle.wait(address(2), later), None);
        assert_eq!(login_throttle.wait(address(1), now + WINDOW), None);
        login_throttle.wrong(address(1), now + WINDOW);
        assert_eq!(login_throttle.wait(address(1), now + WINDOW), None);
    }

    #[test]
    fn one_network_is_one_guesser() {
        let login_throttle = LoginThrottle::default();
        let now = Duration::from_hours(1);
        for host in 0..MOST {
            let host = Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) + u128::from(host));
            login_throttle.wrong(IpAddr::V6(host), now);
        }
        let other = Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) + 0xffff);
        assert!(login_throttle.wait(IpAddr::V6(other), now).is_some());
    }

    #[test]
    fn many_addresses_cost_a_bounded_memory() {
        let login_throttle = LoginThrottle::default();
        let now = Duration::from_hours(1);
        for number in 0..10_000 {
            login_throttle.wrong(address(number), now);
        }
        assert!(login_throttle.0.lock().unwrap().len() <= ADDRESSES + 1);
        assert!(login_throttle.wait(address(99_999), now).is_some(), "they share");
        assert_eq!(login_throttle.wait(address(1), now), None);
    }
}
