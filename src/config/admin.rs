//! `[admin]`: the operator's port.

use std::net::{Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use secrecy::SecretString;

use super::declare::{Settings, settings};
use super::secret::{allowed_or_reference, is_header_safe, secret};
use super::section::Section;
use super::values::{address, boolean, networks, this_machine};

/// A shorter token could be guessed over the network.
const TOKEN_CHARS: usize = 16;

settings! {
    /// The operator's port.
    pub struct AdminConfig, checked by Self::require_token {
        /// The IP address and port to listen on: by default this machine alone. Port 0 lets the system choose.
        listen: SocketAddr = (Ipv4Addr::LOCALHOST, 8081).into(), address().restart();

        /// What a caller must show, as `Authorization: Bearer TOKEN`, or type into the page. Required when other
        /// machines can reach `listen`; without one, requests must name an address or localhost as their host, so
        /// set one when a proxy in front uses another name. `/healthz` requires none.
        token: Option<SecretString> = None, secret(TOKEN, check_token).optional().restart()
            .examples(&["\"env:KLAVIYO_RELAY_TOKEN\""]);

        /// The proxies in front of this port, as in `[ingest]`: by default this machine. Wrong tokens are counted by
        /// the client's address, which `X-Forwarded-For` names when it comes from one of these.
        trusted_proxies: Vec<IpNet> = this_machine(), networks().restart();

        /// Whether the page's lists show e-mail addresses and phone numbers whole. false: masked, and whole on the page
        /// of one event alone.
        show_personal_data: bool = false, boolean().restart();
    }
}

impl AdminConfig {
    fn require_token(self, section: &Section<'_>) -> Self {
        if !self.listen.ip().to_canonical().is_loopback() && !section.has("token") {
            section.error(
                "token",
                "is missing, and admin.listen can be reached from other machines",
                format!("allowed: {}", allowed_or_reference(TOKEN)),
            );
        }
        self
    }
}

const TOKEN: &str = "at least 16 visible ASCII characters in quotes, best random";

fn check_token(token: &str) -> Result<(), String> {
    let what = if token.chars().count() < TOKEN_CHARS {
        "is shorter than 16 characters"
    } else if !is_header_safe(token) {
        "holds a space or a character that is not visible ASCII"
    } else {
        return Ok(());
    };
    Err(what.to_owned())
}
