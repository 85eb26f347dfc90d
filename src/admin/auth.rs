//! Who may ask: whoever shows the token; where none is set, whoever asks this machine by a name of its own.
//!
//! A web page that asks this port as its own site ([`browser`]) has no token to show; where none is set, the name that it
//! asks by gives it away. A proxy in front that passes its own name on has to have a token set.

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
use super::guesses::Guesses;
use super::refusal::Refusal;
use super::session;
use crate::clock::Clock;
use crate::config::AdminConfig;
use crate::listener::{Peer, browser};
use crate::model::Timestamp;

/// The cookie of a session.
pub(super) const COOKIE: &str = "klaviyo_relay";

/// Who may ask.
#[derive(Clone)]
pub struct Access {
    token: Option<SecretString>,
    form_key: [u8; 32],
    guesses: Arc<Guesses>,
    sessions: Arc<Mutex<Sessions>>,
}

/// What is known of sessions beside what they say themselves.
#[derive(Default)]
struct Sessions {
    /// The time that the newest was begun with, in milliseconds: no two have the same.
    newest: i64,
    /// Those that were ended before their time, as long as they would still hold.
    ended: BTreeSet<String>,
}

impl Access {
    /// As the configuration says. It demands a token where other machines can reach the port. `form_key`: what nobody
    /// can guess, for as long as the process lives.
    pub fn of(config: &AdminConfig, form_key: [u8; 32]) -> Self {
        Self {
            token: config.token.clone(),
            form_key,
            guesses: Arc::default(),
            sessions: Arc::default(),
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
    pub(super) fn log_in(&self, shown: &str, head: &Parts, clock: &dyn Clock) -> Result<String, Refusal> {
        self.shown(shown, head, clock)?;
        let token = self.token.as_ref().map_or("", |token| token.expose_secret());
        let mut sessions = self.sessions();
        sessions.newest = clock.now().as_millis().max(sessions.newest + 1);
        let begun = Timestamp::from_millis(sessions.newest);
        Ok(session::begin(token, begun))
    }

    /// Ends a session: a copy of its cookie is worth nothing any more. A restart forgets that; a new token ends all.
    pub(super) fn log_out(&self, session: &str, now: Timestamp) {
        let Some(token) = &self.token else { return };
        let holds = |session: &str| session::holds(session, token.expose_secret(), now);
        let ended = &mut self.sessions().ended;
        ended.retain(|session| holds(session));
        if holds(session) {
            ended.insert(session.to_owned());
        }
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the token is shown, or where there is none, this machine is asked for by a name of its own.
    fn check(&self, head: &Parts, clock: &dyn Clock) -> Result<(), Refusal> {
        if self.token.is_none() {
            return if browser::asks_this_machine(head) {
                Ok(())
            } else {
                Err(Refusal::OTHER_HOST)
            };
        }
        let header = head.headers.get(header::AUTHORIZATION);
        let shown = header.and_then(|value| value.to_str().ok()).and_then(bearer);
        let shown = shown.filter(|shown| !shown.is_empty()).ok_or(Refusal::NO_TOKEN)?;
        self.shown(shown, head, clock)
    }

    /// As [`Self::check`], for a page: a session does as well.
    pub(super) fn check_visit(&self, head: &Parts, clock: &dyn Clock) -> Result<(), Refusal> {
        let token = self.token.as_ref().map(ExposeSecret::expose_secret);
        match (token, cookie(&head.headers, COOKIE)) {
            (Some(token), Some(session))
                if session::holds(session, token, clock.now()) && !self.sessions().ended.contains(session) =>
            {
                Ok(())
            }
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
pub(super) async fn check(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
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
