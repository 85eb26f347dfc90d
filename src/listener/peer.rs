//! The client of a request, and which headers about it are trusted.
//!
//! Promises that headers about a client are used only from a trusted proxy, and are read from the right: anybody could
//! have written what is left of the first address that is not a trusted proxy. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::http::HeaderMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The networks of trusted proxies; clones share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted(Arc<[IpNet]>);

impl Trusted {
    /// Proxies with an address of these networks.
    pub fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    /// Whether an address belongs to one of the networks. An IPv4 address in IPv6 form is the same.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

impl Default for Trusted {
    /// This machine.
    fn default() -> Self {
        let v4 = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
        let v6 = Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128);
        Self::new(&[v4.into(), v6.into()])
    }
}

/// The other end of a request's connection, which may be a proxy. An extension of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    trusted: Trusted,
}

impl Peer {
    /// The one at `address`.
    pub fn new(address: SocketAddr, trusted: Trusted) -> Self {
        Self { address, trusted }
    }

    /// Whether it is a trusted proxy, so that its `X-Forwarded-…` headers are used.
    pub fn is_trusted(&self) -> bool {
        self.trusted.contains(self.address.ip())
    }

    /// The client's address: that of the connection, or the one that a trusted proxy names in `X-Forwarded-For`.
    pub fn client(&self, headers: &HeaderMap) -> IpAddr {
        let mut client = self.address.ip();
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let named = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
        for name in named {
            if !self.trusted.contains(client) {
                break;
            }
            let Some(address) = address(name.trim()) else {
                break;
            };
            client = address;
        }
        client
    }
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse().ok();
    address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

/// What counts as one client: for IPv6 the network of an address, since one machine has all of a /64.
pub fn client_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Net::new_assert(address, 64).network().into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, headers: &[&str]) -> String {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        let peer = Peer::new(SocketAddr::new(peer.parse().unwrap(), 1), Trusted::new(&networks));
        let named = headers.iter().map(|value| {
            let name = axum::http::HeaderName::from_static("x-forwarded-for");
            (name, value.parse().unwrap())
        });
        peer.client(&named.collect()).to_string()
    }

    #[test]
    fn only_trusted_proxies_name_the_client() {
        for (peer, headers, expected) in [
            ("192.0.2.1", &[][..], "192.0.2.1"),
            ("192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            // What a client wrote itself is left of its address.
            ("10.0.0.1", &["1.2.3.4, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.2.3.4", "198.51.100.7, 10.9.9.9"], "198.51.100.7"),
            ("10.0.0.1", &["10.7.7.7, 10.9.9.9"], "10.7.7.7"),
            ("10.0.0.1", &["1.2.3.4, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("fd00::1", &["[2001:db8::7]"], "2001:db8::7"),
        ] {
            assert_eq!(client(peer, headers), expected, "{peer} {headers:?}");
        }
    }

    #[test]
    fn this_machine_is_trusted_by_default() {
        let trusted = Trusted::default();
        for address in ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"] {
            assert!(trusted.contains(address.parse().unwrap()), "{address}");
        }
        for address in ["128.0.0.1", "10.0.0.1", "::2"] {
            assert!(!trusted.contains(address.parse().unwrap()), "{address}");
        }
        assert!(!Trusted::new(&[]).contains(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
