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

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::faults::{Act, Misbehaviour};
use super::gate::{self, Passed};
use super::log::{Entry, Outcome, event_of};
use super::operations::{Ask, Done, Work};
use super::state::State;
use super::windows::Verdict;
use super::{Inner, control, wire};

/// Every path there is.
pub(super) fn routes(inner: Arc<Inner>) -> Router {
    Router::new()
        .nest("/sandbox", control::routes())
        .fallback(klaviyo)
        .with_state(inner)
}

async fn klaviyo(Shared(inner): Shared<Arc<Inner>>, request: Request) -> Response<Body> {
    let Some(call) = Call::read(request, inner.clock.now()).await else {
        return wire::broken();
    };
    // Taken before the request shows in the log: whoever sees it hang there can let go of it.
    let release = inner.hanging().clone();
    let (response, delay) = match inner.take(&call) {
        Taken::Hanging => {
            release.cancelled().await;
            return wire::broken();
        }
        Taken::Answered(response, delay) => (response, delay),
    };
    if !delay.is_zero() {
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = release.cancelled() => {}
        }
    }
    response
}

/// What a request comes to.
enum Taken {
    /// Nothing: the client waits.
    Hanging,
    /// An answer, to be sent after a while.
    Answered(Response<Body>, Duration),
}

impl Inner {
    /// Deals with a request, as told by the faults.
    fn take(&self, call: &Call) -> Taken {
        let mut state = self.lock();
        let number = state.log.next();
        let struck = match strike(&mut state, call) {
            Ok(struck) => struck,
            Err(refusal) => {
                let done = refused(number, &[refusal]);
                log(&mut state, call, None, Some(&done));
                return Taken::Answered(wire::whole(done.answer), Duration::ZERO);
            }
        };
        let done = match struck.as_ref().map(|struck| &struck.act) {
            None | Some(Act::Usual | Act::Lost | Act::LostHang | Act::Half(None)) => {
                Some(self.answer(&mut state, number, call))
            }
            Some(Act::Canned(canned) | Act::Half(Some(canned))) => Some(Done {
                answer: canned.answer(number),
                outcome: Outcome::Fault,
                profile: None,
                note: None,
            }),
            Some(Act::Hang | Act::Reset) => None,
        };
        log(&mut state, call, struck.as_ref(), done.as_ref());
        let Misbehaviour { delay, act } = struck.unwrap_or(Misbehaviour {
            delay: Duration::ZERO,
            act: Act::Usual,
        });
        match (act, done) {
            (Act::Usual | Act::Canned(_), Some(done)) => Taken::Answered(wire::whole(done.answer), delay),
            (Act::Half(_), Some(done)) => Taken::Answered(wire::half(done.answer), delay),
            (Act::Hang | Act::LostHang, _) => Taken::Hanging,
            (Act::Reset | Act::Lost | Act::Usual | Act::Canned(_) | Act::Half(_), _) => {
                Taken::Answered(wire::broken(), delay)
            }
        }
    }

    /// The usual answer.
    fn answer(&self, state: &mut State, number: u64, call: &Call) -> Done {
        let passed = match gate::pass(call, &self.options, number) {
            Ok(passed) => passed,
            Err(turned) => {
                return Done {
                    answer: turned.answer,
                    outcome: Outcome::Refused,
                    profile: None,
                    note: Some(turned.why),
                };
            }
        };
        let limits = self.options.rate_limits;
        match state.windows.count(passed.endpoint, limits, call.at) {
            Verdict::Throttled(seconds) => {
                let mut done = refused(number, &[Refusal::throttled(seconds)]);
                done.answer = done.answer.with("retry-after", &seconds);
                done
            }
            Verdict::Pass {
                limit,
                remaining,
                reset,
            } => {
                let mut done = self.operate(state, number, call, &passed);
                done.answer = done
                    .answer
                    .with("ratelimit-limit", &limit)
                    .with("ratelimit-remaining", &remaining)
                    .with("ratelimit-reset", &reset);
                done
            }
        }
    }

    fn operate(&self, state: &mut State, number: u64, call: &Call, passed: &Passed) -> Done {
        if let Err(refusal) = gate::admit(call, passed) {
            return refused(number, &[refusal]);
        }
        let mut work = Work {
            state,
            options: &self.options,
            request: number,
            now: call.at,
            revision: passed.revision,
        };
        let ask = Ask {
            id: &passed.id,
            query: &call.query,
            document: &call.document,
        };
        work.carry_out(passed.endpoint, &ask)
            .unwrap_or_else(|refusals| refused(number, &refusals))
    }
}

/// The fault that hits a request: an ordered one first, else the step of its own script.
fn strike(state: &mut State, call: &Call) -> Result<Option<Misbehaviour>, Refusal> {
    match state.faults.strike(call.method.as_str(), &call.path, &call.body) {
        Some(struck) => Ok(Some(struck)),
        None => state.scripts.step(&call.document),
    }
}

fn refused(number: u64, refusals: &[Refusal]) -> Done {
    Done {
        answer: Answer::refused(number, refusals),
        outcome: Outcome::Refused,
        profile: None,
        note: refusals.first().map(Refusal::why),
    }
}

/// Enters a request into the log. Its status is the one the client gets to see.
fn log(state: &mut State, call: &Call, struck: Option<&Misbehaviour>, done: Option<&Done>) {
    let seen = match struck.map(|struck| &struck.act) {
        None | Some(Act::Usual | Act::Canned(_) | Act::Half(_)) => done,
        Some(Act::Hang | Act::Reset | Act::Lost | Act::LostHang) => None,
    };
    let (metric, unique_id) = event_of(&call.document);
    let revision = call.header("revision");
    let number = state.log.next();
    state.log.enter(Entry {
        number,
        at: call.at,
        method: call.method.to_string(),
        target: call.target.clone(),
        revision: (!revision.is_empty()).then(|| revision.to_owned()),
        status: seen.map(|done| done.answer.status.as_u16()),
        outcome: done.map_or(Outcome::Fault, |done| done.outcome),
        fault: struck.map(Misbehaviour::word),
        metric,
        unique_id,
        profile: done.and_then(|done| done.profile.clone()),
        note: done.and_then(|done| done.note.clone()),
        body: call.body.clone(),
    });
}
