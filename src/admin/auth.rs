//! Who may ask: whoever shows the token; where none is set, whoever asks this machine by a name of its own.
//!
//! A web page can make its own host name point to 127.0.0.1 and then ask this port as its own site, so that the browser
//! lets it read the answers (DNS rebinding). Such a request has that name as its `Host`. With a token the page has
//! none to show; without one the name is what tells it. A proxy in front that passes its own name on has to have a
//! token set.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};

use super::Admin;
use super::guesses::Guesses;
use super::refusal::Refusal;
use super::session;
use crate::clock::Clock;
use crate::config::AdminConfig;
use crate::listener::Peer;

/// The cookie of a session.
pub(super) const COOKIE: &str = "klaviyo_relay";

/// Who may ask.
#[derive(Clone)]
pub struct Access {
    token: Option<SecretString>,
    form_key: [u8; 32],
    guesses: Arc<Guesses>,
}

impl Access {
    /// As the configuration says. It demands a token where other machines can reach the port. `form_key`: what nobody
    /// can guess, for as long as the process lives.
    pub fn of(config: &AdminConfig, form_key: [u8; 32]) -> Self {
        Self {
            token: config.token.clone(),
            form_key,
            guesses: Arc::default(),
        }
    }

    /// Whether somebody has to log in to see a page.
    pub(super) fn asks_for_a_token(&self) -> bool {
        self.token.is_some()
    }

    /// What the forms of a visitor carry.
    pub(super) fn form(&self, session: &str) -> String {
        session::form(&self.form_key, session)
    }

    /// A session for whoever shows the token.
    pub(super) fn log_in(
        &self,
        shown: &str,
        head: &Parts,
        clock: &dyn Clock,
    ) -> Result<String, Refusal> {
        self.shown(shown, head, clock)?;
        let token = self
            .token
            .as_ref()
            .map_or("", |token| token.expose_secret());
        Ok(session::begin(token, clock.now()))
    }

    /// Whether the token is shown, or where there is none, this machine is asked for by a name of its own.
    fn check(&self, head: &Parts, clock: &dyn Clock) -> Result<(), Refusal> {
        if self.token.is_none() {
            let wrong = host(head).is_some_and(|host| !is_of_this_machine(host));
            return if wrong {
                Err(Refusal::OTHER_HOST)
            } else {
                Ok(())
            };
        }
        let header = head.headers.get(header::AUTHORIZATION);
        let shown = header
            .and_then(|value| value.to_str().ok())
            .and_then(bearer);
        let shown = shown
            .filter(|shown| !shown.is_empty())
            .ok_or(Refusal::NO_TOKEN)?;
        self.shown(shown, head, clock)
    }

    /// As [`Self::check`], for a page: a session does as well.
    pub(super) fn check_visit(&self, head: &Parts, clock: &dyn Clock) -> Result<(), Refusal> {
        let token = self.token.as_ref().map(ExposeSecret::expose_secret);
        match (token, cookie(&head.headers, COOKIE)) {
            (Some(token), Some(session)) if session::holds(session, token, clock.now()) => Ok(()),
            _ => self.check(head, clock),
        }
    }

    /// Whether this is the token. The right one is always taken: others could keep its owner out otherwise, who may come
    /// from the same address. Wrong ones are counted, and who shows too many is asked to wait.
    fn shown(&self, shown: &str, head: &Parts, clock: &dyn Clock) -> Result<(), Refusal> {
        let Some(token) = &self.token else {
            return Ok(());
        };
        if session::same(shown, token.expose_secret()) {
            return Ok(());
        }
        let peer = head.extensions.get::<Peer>();
        let from = peer.map_or(UNKNOWN, |peer| peer.client(&head.headers));
        let now = clock.monotonic();
        if let Some(wait) = self.guesses.wait(from, now) {
            return Err(Refusal::guessing(wait));
        }
        self.guesses.wrong(from, now);
        Err(Refusal::NO_TOKEN)
    }
}

/// Whoever has no address: in tests, which ask without a connection.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Lets a request to the API through, or says why not.
pub(super) async fn check(
    State(admin): State<Arc<Admin>>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    match admin.access.check(&head, &*admin.clock) {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// The value of a cookie.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(known, value)| (known == name).then_some(value))
}

/// The token of `Bearer TOKEN`; the scheme is written in any case (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim_start())
}

/// The host that was asked for; `None` where a request names none, which no browser's does.
pub(super) fn host(head: &Parts) -> Option<&str> {
    let header = head.headers.get(header::HOST);
    // What is not ASCII is no name of this machine.
    let header = header.map(|host| host.to_str().unwrap_or("?"));
    header.or_else(|| head.uri.authority().map(Authority::as_str))
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
