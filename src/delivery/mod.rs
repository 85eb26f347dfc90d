//! Sends one HTTP request and returns one outcome; the only user of reqwest.
//!
//! It promises that a request is sent at most once per call (no redirects, no retries by the client), that it ends
//! within the given time, that a dead connection is replaced soon, that at most 512 KiB of an answer are read, that
//! only Klaviyo's own answers are final, that neither the key nor a body appears in an error or a log line, and that no
//! part of the key is stored if an answer repeats it. May use `klaviyo`, `model` and `json`.

mod classify;
mod connections;
mod limits;
mod masked;
#[cfg(test)]
mod tests;

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::json;
use crate::klaviyo::{Route, headers};
use crate::model::{Outcome, OutcomeKind, Timestamp};

use classify::{Answer, End};
use connections::{Connections, Making, Purpose};

/// How much of an answer is read: `profile-import` answers with the whole profile, which is at most 100 KB. Klaviyo's
/// errors about a large job can be larger; their beginning is enough.
const ANSWER_BYTES: usize = 512 << 10;
/// The header by which a sandbox identifies itself.
const SANDBOX_HEADER: &str = "x-klaviyo-relay-sandbox";

/// Sends requests to one endpoint with one key.
#[derive(Debug, Clone)]
pub struct Sender {
    connections: Connections,
    base: String,
    fingerprint: String,
    key: SecretString,
    timeout: Duration,
}

/// Why no sender could be made.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// The key contains characters that are invalid in an HTTP header.
    #[error("`klaviyo.private_key` holds characters that no HTTP header may; copy it again from Klaviyo")]
    Key,
    /// The revision contains characters that are invalid in an HTTP header.
    #[error("`klaviyo.revision` is not a revision")]
    Revision,
    /// TLS could not be set up.
    #[error("failed to set up the HTTP client; are the system's CA certificates installed?")]
    Client(#[source] reqwest::Error),
}

/// What answers at the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remote {
    /// A sandbox: nothing sent there reaches Klaviyo.
    Sandbox {
        /// Its answer, if it refused the request: the key may be wrong.
        refused: Option<Outcome>,
    },
    /// A Klaviyo account, by its public id.
    Account(String),
    /// Klaviyo accepted the key, but its scopes do not include `accounts:read`.
    Narrow,
    /// There was no clear answer: the outcome.
    Unclear(Outcome),
}

/// The result of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The outcome.
    pub outcome: Outcome,
    /// The server's time, to the second.
    pub clock: Option<Timestamp>,
    /// The body of the answer.
    pub body: Vec<u8>,
}

impl Sender {
    /// A sender to `base` (a URL without a trailing slash). `timeout` applies to [`Sender::identify`] and
    /// [`Sender::probe`], and is the limit for connecting; other requests have their own.
    pub fn new(base: &str, private_key: &SecretString, revision: &str, timeout: Duration) -> Result<Self, SenderError> {
        let connections = Connections::new(Making {
            headers: default_headers(private_key, revision)?,
            timeout,
            proxy: !is_local(base),
        });
        let connections = connections.map_err(SenderError::Client)?;
        let digest = Sha256::digest(private_key.expose_secret().as_bytes());
        let fingerprint = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        let fingerprint = format!("{fingerprint:08x}");
        Ok(Self {
            connections,
            base: base.to_owned(),
            fingerprint,
            key: private_key.clone(),
            timeout,
        })
    }

    /// A short digest of the key, which does not reveal it: the destination's name while the account's id is unknown.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Sends a request and returns its outcome with the answer's body, which is empty if there was no answer. `timeout`
    /// covers everything from connecting to the last byte of the answer.
    pub async fn send(
        &self,
        route: &Route,
        body: Option<String>,
        timeout: Duration,
        now: Timestamp,
    ) -> (Outcome, Vec<u8>) {
        match self.send_request(route, body, timeout, Purpose::Work).await {
            Ok(response) => self.answered(response, route, now).await,
            Err(error) => (lost(&error), Vec::new()),
        }
    }

    /// Reads and classifies an answer; returns the outcome and the body, as far as it was read.
    pub async fn answered(&self, response: Response, route: &Route, now: Timestamp) -> (Outcome, Vec<u8>) {
        let answer = self.read(response).await;
        (classify::outcome(&answer, route.success, now), answer.body)
    }

    /// Finds out what answers at the endpoint (`GET /api/accounts`, 1 call a second and 15 a minute at most).
    pub async fn identify(&self, now: Timestamp) -> Remote {
        let route = Route::read("/api/accounts");
        let answer = match self.exchange(&route).await {
            Ok(answer) => answer,
            Err(error) => return Remote::Unclear(lost(&error)),
        };
        let outcome = classify::outcome(&answer, route.success, now);
        let accepted = outcome.kind == OutcomeKind::Accepted;
        if answer.sandbox {
            let refused = (!accepted).then_some(outcome);
            return Remote::Sandbox { refused };
        }
        match account_id(&answer.body).filter(|_| accepted) {
            Some(account) => Remote::Account(account),
            None if answer.status == 403 && outcome.kind == OutcomeKind::Stopped => Remote::Narrow,
            None => Remote::Unclear(outcome),
        }
    }

    /// Sends a request that changes nothing, and returns the outcome with the server's time and the body.
    pub async fn probe(&self, route: &Route, now: Timestamp) -> Probe {
        match self.exchange(route).await {
            Ok(answer) => Probe {
                outcome: classify::outcome(&answer, route.success, now),
                clock: answer.date.as_deref().and_then(limits::http_date),
                body: answer.body,
            },
            Err(error) => Probe {
                outcome: lost(&error),
                clock: None,
                body: Vec::new(),
            },
        }
    }

    async fn exchange(&self, route: &Route) -> Result<Answer, reqwest::Error> {
        let response = self.send_request(route, None, self.timeout, Purpose::Probe).await?;
        Ok(self.read(response).await)
    }

    async fn send_request(
        &self,
        route: &Route,
        body: Option<String>,
        timeout: Duration,
        purpose: Purpose,
    ) -> Result<Response, reqwest::Error> {
        let lease = self.connections.lease(purpose);
        let method = Method::from_bytes(route.method.as_bytes()).unwrap_or(Method::POST);
        let mut request = lease
            .client
            .request(method, format!("{}{}", self.base, route.path))
            .timeout(timeout);
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await;
        let timed_out = answer.as_ref().is_err_and(reqwest::Error::is_timeout);
        self.connections.ended(&lease, timed_out);
        answer
    }

    async fn read(&self, response: Response) -> Answer {
        let mut answer = read(response).await;
        masked::in_answer(&mut answer, self.key.expose_secret());
        answer
    }
}

/// Whether the endpoint is on this machine: a proxy from the environment is used only for other endpoints.
fn is_local(base: &str) -> bool {
    ["http://127.", "http://localhost", "http://[::1]"]
        .iter()
        .any(|start| base.starts_with(start))
}

fn default_headers(private_key: &SecretString, revision: &str) -> Result<HeaderMap, SenderError> {
    let scheme = headers::AUTHORIZATION;
    let mut key =
        HeaderValue::from_str(&format!("{scheme} {}", private_key.expose_secret())).map_err(|_| SenderError::Key)?;
    key.set_sensitive(true);
    let revision = HeaderValue::from_str(revision).map_err(|_| SenderError::Revision)?;
    let media_type = HeaderValue::from_static(headers::MEDIA_TYPE);
    Ok(HeaderMap::from_iter([
        (AUTHORIZATION, key),
        (HeaderName::from_static(headers::REVISION_HEADER), revision),
        (ACCEPT, media_type.clone()),
        (CONTENT_TYPE, media_type),
        (
            HeaderName::from_static(headers::FALL_FORWARD_OPT_OUT),
            HeaderValue::from_static(headers::FALL_FORWARD_OPT_OUT_VALUE),
        ),
    ]))
}

async fn read(mut response: Response) -> Answer {
    let text = |name: &str| {
        let value = response.headers().get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    let mut answer = Answer {
        status: response.status().as_u16(),
        content_type: text("content-type").unwrap_or_default(),
        sandbox: response.headers().contains_key(SANDBOX_HEADER),
        retry_after: text("retry-after"),
        rate: ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"].map(text),
        request_id: text("cf-ray"),
        date: text("date"),
        left_out: text(headers::PARTIAL_FAILURE_HEADER),
        body: Vec::new(),
        end: End::Whole,
    };
    answer.end = read_body(&mut response, &mut answer.body).await;
    answer
}

async fn read_body(response: &mut Response, body: &mut Vec<u8>) -> End {
    loop {
        match response.chunk().await {
            Ok(None) => return End::Whole,
            Ok(Some(chunk)) => {
                let wanted = chunk.len().min(ANSWER_BYTES - body.len());
                body.extend_from_slice(&chunk[..wanted]);
                if wanted < chunk.len() {
                    return End::TooLong;
                }
            }
            Err(error) => return End::Broken(words(&error)),
        }
    }
}

/// The outcome of a request without an answer. If it was never sent (DNS, TLS, a refused connection), it is a retry; if
/// it may have arrived, it is unknown.
fn lost(error: &reqwest::Error) -> Outcome {
    let kind = if never_left(error) {
        OutcomeKind::Retry
    } else {
        OutcomeKind::Unknown
    };
    let mut outcome = Outcome::of(kind);
    outcome.error = Some(words(error));
    outcome
}

fn never_left(error: &reqwest::Error) -> bool {
    error.is_connect() || error.is_builder()
}

fn words(error: &reqwest::Error) -> String {
    let what = match (never_left(error), error.is_timeout()) {
        (true, true) => "connecting took too long",
        (true, false) => "no connection",
        (false, true) => "no answer in time",
        (false, false) => "the connection broke before the answer was complete",
    };
    match root(error) {
        Some(root) if !error.is_timeout() => format!("{what}: {root}"),
        Some(_) | None => what.to_owned(),
    }
}

/// The innermost cause: the system's error text. The outer causes repeat the URL and each other.
fn root(error: &reqwest::Error) -> Option<String> {
    let mut cause = std::error::Error::source(error)?;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Some(cause.to_string())
}

fn account_id(body: &[u8]) -> Option<String> {
    let answer = json::from_slice(body).ok()?;
    let account = answer.pointer("/data/0")?;
    let public = account
        .pointer("/attributes/public_api_key")
        .or_else(|| account.get("id"))?;
    public.as_str().map(str::to_owned)
}
