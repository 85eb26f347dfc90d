//! `[admin]`: the operator's port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use secrecy::SecretString;

use super::ingest::this_machine;
use super::secret::{is_header_safe, or_elsewhere};
use super::section::Section;

/// A shorter token could be guessed over the network.
const TOKEN_CHARS: usize = 16;

/// The operator's port.
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// The address to listen on. Default `127.0.0.1:8081`.
    pub listen: SocketAddr,
    /// The token a caller must show; required when `listen` is not loopback.
    pub token: Option<SecretString>,
    /// The proxies whose `X-Forwarded-For` is believed, and that may have more than a share of the connections. Default:
    /// those on this machine.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether the page's lists show e-mail addresses and phone numbers whole. Default no.
    pub show_personal_data: bool,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081),
            token: None,
            trusted_proxies: this_machine(),
            show_personal_data: false,
        }
    }
}

impl AdminConfig {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let read = Self {
            listen: section.address("listen", Self::default().listen),
            token: section.secret("token", TOKEN, check_token),
            trusted_proxies: section.networks("trusted_proxies", Self::default().trusted_proxies),
            show_personal_data: section.yes_or_no("show_personal_data", Self::default().show_personal_data),
        };
        if !read.listen.ip().to_canonical().is_loopback() && !section.has("token") {
            section.wrong(
                "token",
                "is missing, and admin.listen can be reached from other machines",
                format!("allowed: {}", or_elsewhere(TOKEN)),
            );
        }
        read
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
