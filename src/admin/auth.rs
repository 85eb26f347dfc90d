//! Access control: a client must present the token. Without a configured token, a client must reach this machine by one
//! of its own names.
//!
//! A web page that uses this port as its own site ([`browser`], DNS rebinding) has no token; without a configured
//! token, the foreign host name in its requests gives it away. Behind a proxy that forwards its own host name, a token
//! must be configured.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};

use super::Admin;
use super::login_throttle::LoginThrottle;
use super::refusal::Refusal;
use super::session;
use crate::clock::Clock;
use crate::config::AdminConfig;
use crate::listener::{Peer, browser};
use crate::model::Timestamp;

/// The session cookie.
pub(crate) const COOKIE: &str = "klaviyo_relay";

/// Checks tokens and sessions.
#[derive(Clone)]
pub struct Auth {
    token: Option<SecretString>,
    csrf_key: [u8; 32],
    login_throttle: Arc<LoginThrottle>,
    sessions: Arc<Mutex<Sessions>>,
}

/// The state of sessions that the session values themselves do not contain.
#[derive(Default)]
struct Sessions {
    /// The start time of the newest session, in milliseconds. Start times are unique.
    newest: i64,
    /// Sessions that were ended early. Each is remembered until it would have expired.
    ended: BTreeSet<String>,
}

impl Auth {
    /// Access control as configured. The configuration requires a token where other machines can reach the port.
    /// `csrf_key` is an unguessable key that is valid for the lifetime of the process.
    pub fn of(config: &AdminConfig, csrf_key: [u8; 32]) -> Self {
        Self {
            token: config.token.clone(),
            csrf_key,
            login_throttle: Arc::default(),
            sessions: Arc::default(),
        }
    }

    /// Whether a page requires a login.
    pub(crate) fn requires_token(&self) -> bool {
        self.token.is_some()
    }

    /// The CSRF token for the forms of a session.
    pub(crate) fn csrf_token(&self, session: &str) -> String {
        session::csrf_token(&self.csrf_key, session)
    }

    /// Starts a session if the token is correct.
    pub(crate) fn log_in(&self, shown: &str, head: &Parts, clock: &dyn Clock) -> Result<String, Refusal> {
        self.check_token(shown, head, clock)?;
        let token = self.token.as_ref().map_or("", |token| token.expose_secret());
        let mut sessions = self.sessions();
        sessions.newest = clock.now().as_millis().max(sessions.newest + 1);
        let begun = Timestamp::from_millis(sessions.newest);
        Ok(session::issue(token, begun))
    }

    /// Ends a session, so that a copied cookie is worthless. The list of ended sessions does not survive a restart; a
    /// new token ends all sessions.
    pub(crate) fn log_out(&self, session: &str, now: Timestamp) {
        let Some(token) = &self.token else { return };
        let is_valid = |session: &str| session::verify(session, token.expose_secret(), now);
        let ended = &mut self.sessions().ended;
        ended.retain(|session| is_valid(session));
        if is_valid(session) {
            ended.insert(session.to_owned());
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks the token; without a configured token, checks that the request uses one of this machine's own names.
    fn check(&self, head: &Parts, clock: &dyn Clock) -> Result<(), Refusal> {
        if self.token.is_none() {
            return if browser::is_for_this_machine(head) {
                Ok(())
            } else {
                Err(Refusal::OTHER_HOST)
            };
        }
        let header = head.headers.get(header::AUTHORIZATION);
        let shown = header.and_then(|value| value.to_str().ok()).and_then(bearer);
        let shown = shown.filter(|shown| !shown.is_empty()).ok_or(Refusal::NO_TOKEN)?;
        self.check_token(shown, head, clock)
    }

    /// Like [`Self::check`], for a page: a valid session is accepted too.
    pub(crate) fn check_page(&self, head: &Parts, clock: &dyn Clock) -> Result<(), Refusal> {
        let token = self.token.as_ref().map(ExposeSecret::expose_secret);
        match (token, cookie(&head.headers, COOKIE)) {
            (Some(token), Some(session))
                if session::verify(session, token, clock.now()) && !self.sessions().ended.contains(session) =>
            {
                Ok(())
            }
            _ => self.check(head, clock),
        }
    }

    /// Compares a presented token. The correct token is always accepted: otherwise an attacker behind the same address
    /// could lock the operator out. Wrong tokens are counted, and an address with too many of them has to wait.
    fn check_token(&self, shown: &str, head: &Parts, clock: &dyn Clock) -> Result<(), Refusal> {
        let Some(token) = &self.token else {
            return Ok(());
        };
        if session::constant_time_eq(shown, token.expose_secret()) {
            return Ok(());
        }
        let peer = head.extensions.get::<Peer>();
        let from = peer.map_or(UNKNOWN, |peer| peer.client(&head.headers));
        let now = clock.monotonic();
        if let Some(wait) = self.login_throttle.wait(from, now) {
            return Err(Refusal::too_many_tokens(wait));
        }
        self.login_throttle.wrong(from, now);
        Err(Refusal::NO_TOKEN)
    }
}

/// The address of a client without one: tests call the router without a connection.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Admits an authorized API request, or answers why it is rejected.
pub(super) async fn check(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match admin.auth.check(&head, &*admin.clock) {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// The value of a cookie.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(known, value)| (known == name).then_some(value))
}

/// The token of `Bearer TOKEN`; the scheme is case-insensitive (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_as_bearer() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc"), Some("abc"));
        for wrong in ["abc", "Basic abc", "Bearer", ""] {
            assert_eq!(bearer(wrong), None, "{wrong}");
        }
    }
}
