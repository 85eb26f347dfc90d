//! Who may ask: whoever shows the token; where none is set, whoever asks this machine by a name of its own.
//!
//! A web page can make its own host name point to 127.0.0.1 and then ask this port as its own site, so that the browser
//! lets it read the answers (DNS rebinding). Such a request has that name as its `Host`. With a token the page has
//! none to show; without one the name is what tells it. A proxy in front that passes its own name on has to have a
//! token set.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::Admin;
use super::refusal::Refusal;
use crate::config::AdminConfig;

/// Who may ask.
#[derive(Debug, Clone)]
pub struct Access {
    token: Option<SecretString>,
}

impl Access {
    /// As the configuration says. It demands a token where other machines can reach the port.
    pub fn of(config: &AdminConfig) -> Self {
        Self {
            token: config.token.clone(),
        }
    }

    fn refusal(&self, request: &Request) -> Option<Refusal> {
        let Some(token) = &self.token else {
            return (!is_of_this_machine(host(request)?)).then_some(Refusal::OTHER_HOST);
        };
        let shown = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(bearer)
            .unwrap_or_default();
        let same = shown.as_bytes().ct_eq(token.expose_secret().as_bytes());
        (!bool::from(same)).then_some(Refusal::NO_TOKEN)
    }
}

/// Lets a request through, or says why not.
pub(super) async fn check(
    State(admin): State<Arc<Admin>>,
    request: Request,
    next: Next,
) -> Response {
    match admin.access.refusal(&request) {
        None => next.run(request).await,
        Some(refusal) => {
            let is_token = refusal == Refusal::NO_TOKEN;
            let mut response = refusal.into_response();
            if is_token {
                let scheme = HeaderValue::from_static("Bearer");
                response
                    .headers_mut()
                    .insert(header::WWW_AUTHENTICATE, scheme);
            }
            response
        }
    }
}

/// The token of `Bearer TOKEN`; the scheme is written in any case (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim_start())
}

/// The host that was asked for; `None` where a request names none, which no browser's does.
fn host(request: &Request) -> Option<&str> {
    let header = request.headers().get(header::HOST);
    // What is not ASCII is no name of this machine.
    let header = header.map(|host| host.to_str().unwrap_or("?"));
    header.or_else(|| request.uri().authority().map(Authority::as_str))
}

/// An address needs no name server, so no page can be behind it that is not this machine's; of the names, those that
/// always mean this machine (RFC 6761, 6.3).
fn is_of_this_machine(host: &str) -> bool {
    if host.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|digit| digit.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    if bare.is_some_and(|bare| bare.parse::<IpAddr>().is_ok()) {
        return true;
    }
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_of_this_machine() {
        for host in [
            "127.0.0.1:8081",
            "127.0.0.1",
            "localhost",
            "LOCALHOST:8081",
            "localhost.:8081",
            "relay.localhost",
            "[::1]:8081",
            "[::1]",
            "10.0.0.7:80",
        ] {
            assert!(is_of_this_machine(host), "{host}");
        }
        for host in [
            "",
            "?",
            "evil.example",
            "evil.example:8081",
            "localhost.evil.example",
            "notlocalhost",
            "127.0.0.1.evil.example:8081",
            "[evil]:80",
            "localhost:x",
        ] {
            assert!(!is_of_this_machine(host), "{host}");
        }
    }

    #[test]
    fn a_token_is_shown_as_bearer() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc"), Some("abc"));
        for wrong in ["abc", "Basic abc", "Bearer", ""] {
            assert_eq!(bearer(wrong), None, "{wrong}");
        }
    }
}
