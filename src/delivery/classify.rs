//! Classifies an answer. Pure; never uses an error's `detail`, which Klaviyo may reword at any time.
//!
//! It promises that only Klaviyo's own answers are final: a request is accepted only by the documented status and form
//! of body of its endpoint, and refused only by a 4xx with Klaviyo's errors. After any other answer, such as a proxy's
//! login page or a portal's page, the request is tried again.

use crate::klaviyo::{self, ApiError, Form, Success};
use crate::model::{Outcome, OutcomeKind, Timestamp};

use super::limits::{rate, retry_after};

/// The start of the error text for an answer that is not in Klaviyo's form.
const FOREIGN: &str = "answered by something that is not Klaviyo (a proxy, a portal, or Cloudflare in front of it)";

/// An answer as received.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `Content-Type`, empty if there was none.
    pub(super) content_type: String,
    /// Whether a sandbox answered.
    pub(super) sandbox: bool,
    pub(super) retry_after: Option<String>,
    /// `RateLimit-Limit`, `-Remaining` and `-Reset`.
    pub(super) rate: [Option<String>; 3],
    pub(super) request_id: Option<String>,
    /// `Date`: the server's time when it answered.
    pub(super) date: Option<String>,
    /// `X-Klaviyo-Partial-Failure`.
    pub(super) left_out: Option<String>,
    pub(super) body: Vec<u8>,
    pub(super) end: End,
}

/// How the reading of a body ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The body was read completely.
    Whole,
    /// The body exceeds the limit.
    TooLong,
    /// The connection broke or timed out: the transport's error text.
    Broken(String),
}

/// Who sent an answer, as far as its form shows.
enum Giver {
    /// Klaviyo, with an error unless it accepted.
    Klaviyo(Option<ApiError>),
    /// An intermediary.
    Foreign,
    /// Unknown, because too little of the answer was read: the reason.
    Unclear(String),
}

/// The outcome of an answer to a request that is accepted with `success`; `now` is for headers with an absolute time.
pub(super) fn outcome(answer: &Answer, success: Success, now: Timestamp) -> Outcome {
    let form = Form::read(&answer.content_type, &answer.body);
    let (kind, giver) = judge(answer, &form, success);
    let accepted = kind == OutcomeKind::Accepted;
    let foreign = matches!(giver, Giver::Foreign);
    let (words, error) = match giver {
        Giver::Klaviyo(None) => (None, ApiError::default()),
        Giver::Klaviyo(Some(error)) => (Some(error.to_string()), error),
        Giver::Foreign => (
            Some(format!("{FOREIGN}: {}", seen(answer, &form, success))),
            ApiError::default(),
        ),
        Giver::Unclear(words) => (Some(words), ApiError::default()),
    };
    let reason_code = (error != ApiError::default()).then(|| klaviyo::answer_code(answer.status, &error).into());
    Outcome {
        kind,
        http_status: Some(answer.status),
        reason_code,
        error: words,
        pointer: error.pointer,
        foreign,
        retry_after: answer.retry_after.as_deref().and_then(|text| retry_after(text, now)),
        // A proxy's limit is not Klaviyo's.
        rate: rate(&answer.rate, now).filter(|_| !foreign),
        request_id: error.id.or_else(|| answer.request_id.clone()),
        profile_id: form.resource_id().filter(|_| accepted),
        note: answer.left_out.as_deref().filter(|_| accepted).and_then(left_out),
    }
}

/// What Klaviyo left out of a request that it accepted.
fn left_out(header: &str) -> Option<String> {
    let names = klaviyo::headers::left_out(header);
    let names = names.join(", ");
    (!names.is_empty()).then(|| format!("Klaviyo took it without {names} (X-Klaviyo-Partial-Failure)"))
}

fn judge(answer: &Answer, form: &Form, success: Success) -> (OutcomeKind, Giver) {
    match answer.status {
        status if success.statuses.contains(&status) => accepted(answer, form, success),
        status @ 400..=599 => match (error(answer, form), &answer.end) {
            (Some(error), _) => (refusal(status, &error), Giver::Klaviyo(Some(error))),
            (None, End::Broken(words)) => (OutcomeKind::Retry, Giver::Unclear(words.clone())),
            (None, End::Whole | End::TooLong) => (OutcomeKind::Retry, Giver::Foreign),
        },
        // Another 2xx, a redirect, and statuses that no API uses (1xx, 6xx to 9xx).
        _ => (OutcomeKind::Retry, Giver::Foreign),
    }
}

/// Classifies an answer with a success status. If it could not be read completely, it may still be Klaviyo's.
fn accepted(answer: &Answer, form: &Form, success: Success) -> (OutcomeKind, Giver) {
    match &answer.end {
        End::Broken(words) => (OutcomeKind::Unknown, Giver::Unclear(words.clone())),
        End::TooLong if *form != Form::Html => {
            let words = "the answer is longer than any of Klaviyo's".to_owned();
            (OutcomeKind::Unknown, Giver::Unclear(words))
        }
        End::Whole if success.body.fits(form) => (OutcomeKind::Accepted, Giver::Klaviyo(None)),
        End::Whole | End::TooLong => (OutcomeKind::Retry, Giver::Foreign),
    }
}

/// Klaviyo's error in an answer with 4xx or 5xx. Many proxies use the same form as the retired endpoints: it
/// counts only for the status 410, with which those endpoints answer.
fn error(answer: &Answer, form: &Form) -> Option<ApiError> {
    match (&answer.end, form) {
        (End::Broken(_), _) => None,
        (End::TooLong, Form::NotJson) => klaviyo::first_error(&answer.body),
        (_, Form::Errors(error)) => Some(error.clone()),
        (_, Form::Message(error)) if answer.status == 410 => Some(error.clone()),
        (
            End::Whole | End::TooLong,
            Form::Empty | Form::Document(_) | Form::Message(_) | Form::Html | Form::OtherJson | Form::NotJson,
        ) => None,
    }
}

/// What a 4xx or 5xx from Klaviyo means.
fn refusal(status: u16, error: &ApiError) -> OutcomeKind {
    match status {
        401 | 403 | 405 | 410 | 415 => OutcomeKind::Stopped,
        409 if error.code.as_deref() == Some("duplicate_profile") => OutcomeKind::Conflict,
        408 | 425 | 429 => OutcomeKind::Retry,
        400..=499 => OutcomeKind::Refused,
        _ => OutcomeKind::Retry,
    }
}

/// Describes an answer that is not Klaviyo's. The status is stored separately; it is mentioned if it is the problem.
fn seen(answer: &Answer, form: &Form, success: Success) -> String {
    let body = match (&answer.end, form) {
        (End::Broken(_), _) => "a body that broke off".to_owned(),
        (_, Form::Empty) => "an empty body".to_owned(),
        (_, Form::Html) => "an HTML page".to_owned(),
        (End::TooLong, _) => "a body that is longer than any of Klaviyo's".to_owned(),
        (_, Form::NotJson) => "a body that is not JSON".to_owned(),
        (_, Form::OtherJson | Form::Message(_)) => "JSON of another form".to_owned(),
        (_, Form::Document(_)) => "a document without errors".to_owned(),
        (_, Form::Errors(error)) => format!("errors ({error})"),
    };
    match answer.status {
        status if success.statuses.contains(&status) => {
            format!("{body} where {} is due", success.body.due())
        }
        status @ 200..=299 => format!("a {status} where {} is due, with {body}", success.due()),
        300..=399 => format!("a redirect, with {body}"),
        _ => body,
    }
}
