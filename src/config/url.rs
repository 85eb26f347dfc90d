//! Addresses of http and https.
//!
//! Pure. Uses no other module.

use std::net::IpAddr;

use hyper::Uri;
use hyper::http::uri::Authority;

/// An address of http or https, of which a host is known.
pub(super) struct Url {
    /// `https`, not `http`.
    pub https: bool,
    /// Host and port, as written.
    pub authority: Authority,
    /// The path, with a slash at its start.
    pub path: String,
}

impl Url {
    /// `None` for any other text. A query and a fragment are dropped.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?.clone();
        let path = uri.path().to_owned();
        let usable = has_plain_port(&authority) && !authority.host().is_empty();
        usable.then_some(Self { https, authority, path })
    }

    pub(super) const fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// The host in lower case, with the port if it is not the scheme's own.
    pub(super) fn host_and_port(&self) -> String {
        let own_port = if self.https { 443 } else { 80 };
        let host = self.authority.host().to_ascii_lowercase();
        match self.authority.port_u16() {
            Some(port) if port != own_port => format!("{host}:{port}"),
            Some(_) | None => host,
        }
    }
}

/// Host and port, or the host alone: no user name, no colon without a port, no port over 65535.
pub(crate) fn has_plain_port(authority: &Authority) -> bool {
    authority.port_u16().is_some() || authority.as_str() == authority.host()
}

/// Whether a host, an IPv6 address in brackets, is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}
