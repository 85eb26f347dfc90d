//! The way of one request to Klaviyo's paths: into the log, past the faults, through the gate, to its operation, and
//! out as an answer.
//!
//! Promises that a request is dealt with, and in the log, before its answer is delayed. Only the outermost function
//! waits; everything below it is immediate.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State as Shared};
use axum::http::Response;
use axum::http::header::RETRY_AFTER;
use axum::middleware;
use serde_json::value::RawValue;

use super::answer::Refusal;
use super::call::Call;
use super::faults::{Effect, Fault};
use super::gate::{self, Admitted};
use super::log::{self, Entry, Outcome, event_of};
use super::operations::{self, Operation};
use super::rate_limit::Verdict;
use super::state::State;
use super::{Inner, control, wire};

/// Every path there is.
pub(super) fn routes(inner: Arc<Inner>) -> Router {
    Router::new()
        .nest("/sandbox", control::routes())
        .fallback(klaviyo)
        .layer(middleware::map_response(wire::marked))
        .with_state(inner)
}

async fn klaviyo(Shared(inner): Shared<Arc<Inner>>, request: Request) -> Response<Body> {
    let Some(call) = Call::read(request, inner.clock.now()).await else {
        return wire::broken();
    };
    // Taken before the request shows in the log: a request that is seen to hang there can be released.
    let release = inner.hanging().clone();
    let Some((response, delay)) = inner.take(&call) else {
        release.cancelled().await;
        return wire::broken();
    };
    if !delay.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = release.cancelled() => {}
        }
    }
    response
}

impl Inner {
    /// Handles a request, as the faults ask for. Returns an answer to be sent after a while; `None`: the client waits.
    fn take(&self, call: &Call) -> Option<(Response<Body>, Duration)> {
        // Before the lock: a body may have megabytes.
        let body = log::body(&call.body);
        let mut state = self.lock();
        let number = state.log.next();
        let fault = match fault_of(&mut state, call) {
            Ok(fault) => fault,
            Err(refusal) => {
                let response = operations::Response::refused(number, &[refusal]);
                log(&mut state, call, body, None, Some(&response));
                return Some((response.answer.map(Body::from), Duration::ZERO));
            }
        };
        let response = match fault.as_ref().map(|fault| &fault.effect) {
            None | Some(Effect::Usual | Effect::Lost | Effect::LostHang | Effect::Half(None)) => {
                Some(self.answer(&mut state, number, call))
            }
            Some(Effect::Scripted(scripted) | Effect::Half(Some(scripted))) => {
                Some(operations::Response::new(scripted.answer(number), Outcome::Fault))
            }
            Some(Effect::Hang | Effect::Reset) => None,
        };
        log(&mut state, call, body, fault.as_ref(), response.as_ref());
        let Fault { delay, effect } = fault.unwrap_or(Fault {
            delay: Duration::ZERO,
            effect: Effect::Usual,
        });
        let answer = match (effect, response) {
            (Effect::Usual | Effect::Scripted(_), Some(response)) => response.answer.map(Body::from),
            (Effect::Half(_), Some(response)) => wire::half(response.answer),
            (Effect::Hang | Effect::LostHang, _) => return None,
            (Effect::Reset | Effect::Lost | Effect::Usual | Effect::Scripted(_) | Effect::Half(_), _) => wire::broken(),
        };
        Some((answer, delay))
    }

    /// The usual answer.
    fn answer(&self, state: &mut State, number: u64, call: &Call) -> operations::Response {
        let admitted = match gate::admit(call, &self.options, number) {
            Ok(admitted) => admitted,
            Err(response) => return *response,
        };
        match state
            .windows
            .count(admitted.endpoint, self.options.rate_limits, call.at)
        {
            Verdict::Throttled(seconds) => {
                let mut response = operations::Response::refused(number, &[Refusal::throttled(seconds)]);
                response.answer.headers_mut().insert(RETRY_AFTER, seconds.into());
                response
            }
            Verdict::Pass {
                limit,
                remaining,
                reset,
            } => {
                let mut response = self.operate(state, number, call, &admitted);
                let headers = response.answer.headers_mut();
                headers.insert("ratelimit-limit", limit.into());
                headers.insert("ratelimit-remaining", remaining.into());
                headers.insert("ratelimit-reset", reset.into());
                response
            }
        }
    }

    fn operate(&self, state: &mut State, number: u64, call: &Call, admitted: &Admitted) -> operations::Response {
        if let Err(refusal) = gate::check_body(call, admitted) {
            return operations::Response::refused(number, &[refusal]);
        }
        let mut operation = Operation {
            state,
            options: &self.options,
            request: number,
            now: call.at,
            revision: admitted.revision,
        };
        operation
            .run(admitted.endpoint, &admitted.id, &call.query, &call.document)
            .unwrap_or_else(|refusals| operations::Response::refused(number, &refusals))
    }
}

/// The fault that hits a request: an ordered one first, else the step of its own script.
fn fault_of(state: &mut State, call: &Call) -> Result<Option<Fault>, Refusal> {
    match state.faults.apply(call.method.as_str(), &call.path, &call.body) {
        Some(fault) => Ok(Some(fault)),
        None => state.scripts.step(&call.document),
    }
}

/// Enters a request into the log. Its status is the one the client gets to see.
fn log(
    state: &mut State,
    call: &Call,
    body: Box<RawValue>,
    fault: Option<&Fault>,
    response: Option<&operations::Response>,
) {
    let seen = match fault.map(|fault| &fault.effect) {
        None | Some(Effect::Usual | Effect::Scripted(_) | Effect::Half(_)) => response,
        Some(Effect::Hang | Effect::Reset | Effect::Lost | Effect::LostHang) => None,
    };
    let (metric, unique_id) = event_of(&call.document);
    let revision = call.header("revision");
    let number = state.log.next();
    state.log.enter(Entry {
        number,
        time: call.at,
        method: call.method.to_string(),
        path: call.target.clone(),
        revision: (!revision.is_empty()).then(|| revision.to_owned()),
        status: seen.map(|response| response.answer.status().as_u16()),
        outcome: response.map_or(Outcome::Fault, |response| response.outcome),
        fault: fault.map(Fault::word),
        metric,
        unique_id,
        profile: response.and_then(|response| response.profile.clone()),
        note: response.and_then(|response| response.note.clone()),
        body,
    });
}
