//! Every refusal of this port: a status, a stable code, and a sentence that says what to do.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::operator::{ChangeError, ExplainError, FilterError, ForgetError, SourceError};
use crate::outbox::{ReadError, WriteError};

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct Refusal {
    #[serde(skip)]
    status: StatusCode,
    /// Stays the same in every version.
    #[schemars(regex(pattern = "^[a-z_]+$"))]
    code: &'static str,
    /// A sentence for people; may change.
    error: Cow<'static, str>,
    /// After how many seconds the request may be repeated.
    #[serde(skip)]
    retry_after: Option<u64>,
}

/// Declares refusals: a name, the status, the stable code, and the sentence.
macro_rules! refusals {
    ($($(#[$doc:meta])* $visible:vis $name:ident = $status:ident, $code:literal, $error:literal;)+) => {
        impl Refusal {
            $($(#[$doc])* $visible const $name: Self = Self::of(StatusCode::$status, $code, Cow::Borrowed($error));)+
        }
    };
}

refusals! {
    pub(crate) NOT_FOUND = NOT_FOUND, "not_found",
        "there is nothing at this path; /api/v1/openapi.json lists what there is";
    /// [`Self::NOT_FOUND`] for a browser.
    pub(crate) NO_PAGE = NOT_FOUND, "not_found",
        "there is no page at this address; the menu has those that there are, and the search finds an event";
    pub(super) WRONG_METHOD = METHOD_NOT_ALLOWED, "method_not_allowed",
        "this path does not take this method; `Allow` lists those that it takes";
    pub(crate) NO_TOKEN = UNAUTHORIZED, "token_needed",
        "show the token: `Authorization: Bearer TOKEN` ([admin] token)";
    pub(super) OTHER_HOST = MISDIRECTED_REQUEST, "other_host",
        "the `Host` is no name of this machine; use 127.0.0.1 or localhost, or set [admin] token";
    pub(crate) OTHER_SITE = FORBIDDEN, "other_site",
        "this was not sent by a page of this port; go back, load the page again, and try again. A proxy in front has \
         to pass `Host` on";
    pub(crate) OLD_FORM = FORBIDDEN, "old_form",
        "the page was loaded before the relay was started or you logged in; nothing was changed: load it again, and \
         try again";
    pub(super) NOT_JSON_TYPE = UNSUPPORTED_MEDIA_TYPE, "json_needed",
        "send JSON with `Content-Type: application/json`";
    pub(super) TOO_LARGE = PAYLOAD_TOO_LARGE, "too_large",
        "the body is larger than this path takes; name fewer events at once";
    pub(super) INCOMPLETE = REQUEST_TIMEOUT, "incomplete",
        "the body did not arrive whole and in time; send it again";
    pub(super) INTERNAL = INTERNAL_SERVER_ERROR, "internal_error",
        "the relay failed on this request, which is a mistake in it; its log may have more";
    pub(crate) NO_SUCH_EVENT = NOT_FOUND, "no_such_event",
        "no event has this number, or it is no longer kept; /api/v1/events lists them, and with find= finds them by \
         message id, $event_id or order id";
    pub(crate) NO_SANDBOX = FORBIDDEN, "no_sandbox",
        "the page sends calls to the sandbox alone, but for edited copies of stored ones, and requests go to Klaviyo; \
         nothing was stored. Set [klaviyo] endpoint to \"sandbox\" where calls are to be tried";
    pub(crate) CALL_GONE = GONE, "call_gone",
        "the call of this event was erased or is no longer kept, so there is nothing to copy";
}

impl Refusal {
    const fn of(status: StatusCode, code: &'static str, error: Cow<'static, str>) -> Self {
        Self {
            status,
            code,
            error,
            retry_after: None,
        }
    }

    /// 400: the request is invalid.
    pub(crate) fn bad_request(code: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self::of(StatusCode::BAD_REQUEST, code, error.into())
    }

    /// The value of a filter is invalid. `unreadable` is the code where no more specific one applies.
    pub(crate) fn filter(key: &str, error: FilterError, unreadable: &'static str) -> Self {
        let (status, code) = match error {
            FilterError::Nobody => (StatusCode::NOT_FOUND, "nobody"),
            FilterError::NoOrder => (StatusCode::NOT_FOUND, "no_order"),
            FilterError::Empty => (StatusCode::BAD_REQUEST, "empty_filter"),
            FilterError::Status => (StatusCode::BAD_REQUEST, "bad_status"),
            FilterError::Type => (StatusCode::BAD_REQUEST, "bad_type"),
            FilterError::Time(_) => (StatusCode::BAD_REQUEST, "bad_time"),
            FilterError::Number | FilterError::Twice | FilterError::Unknown => (StatusCode::BAD_REQUEST, unreadable),
        };
        Self::of(status, code, format!("`{key}` {error}").into())
    }

    /// 503: too many concurrent requests.
    pub(super) fn busy() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "busy",
            error: "as many requests are in progress on this port as it answers at once; ask again".into(),
            retry_after: Some(1),
        }
    }

    /// 429: too many wrong tokens.
    pub(super) fn too_many_tokens(wait: Duration) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            code: "too_many_tokens",
            error: "too many wrong tokens came from this address; wait a minute, and compare the token with [admin] \
                    token"
                .into(),
            retry_after: Some(wait.as_secs().max(1)),
        }
    }

    /// Its status.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// Its sentence.
    pub(crate) fn sentence(&self) -> &str {
        &self.error
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        let line = chain(&error);
        tracing::error!(error = line, "failed to answer on the admin port");
        let error = format!("{line}; ask again, and look at the log");
        Self::of(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", error.into())
    }
}

impl From<ChangeError> for Refusal {
    fn from(error: ChangeError) -> Self {
        let line = chain(&error);
        match error {
            ChangeError::NoFilter => Self::bad_request("filter_needed", line),
            ChangeError::WrongState { .. } => Self::bad_request("wrong_status", line),
            ChangeError::Source(error) => error.into(),
            ChangeError::Read(error) => error.into(),
            ChangeError::Write(ref error) => unwritten(error, line),
        }
    }
}

impl From<SourceError> for Refusal {
    fn from(error: SourceError) -> Self {
        match error {
            // The request is valid, but the source does not exist.
            SourceError::Unknown { .. } => Self::of(StatusCode::NOT_FOUND, "no_such_source", error.to_string().into()),
            SourceError::Read(error) => error.into(),
        }
    }
}

impl From<ForgetError> for Refusal {
    fn from(error: ForgetError) -> Self {
        let line = chain(&error);
        match error {
            ForgetError::Several { .. } => Self::bad_request("several_people", line),
            ForgetError::Read(error) => error.into(),
            ForgetError::Write(ref error) => unwritten(error, line),
        }
    }
}

/// A change that was not written.
fn unwritten(error: &WriteError, line: String) -> Refusal {
    tracing::error!(error = line, "failed to change events for the admin port");
    Refusal::of(StatusCode::SERVICE_UNAVAILABLE, code(error), line.into())
}

impl From<ExplainError> for Refusal {
    fn from(error: ExplainError) -> Self {
        let code = match error {
            ExplainError::Json(_) => "bad_json",
            ExplainError::Call(_) => "unreadable_call",
        };
        Self::bad_request(code, chain(&error))
    }
}

/// The stable code of the reason why nothing can be written.
pub(super) const fn code(error: &WriteError) -> &'static str {
    match error {
        WriteError::Overloaded => "overloaded",
        WriteError::DiskFull => "disk_full",
        WriteError::Backlog { .. } => "backlog_full",
        WriteError::FileGone => "file_gone",
        WriteError::Locked => "locked",
        WriteError::Closed => "closed",
        WriteError::Sqlite(_) => "write_failed",
    }
}

/// An error and its causes, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes: Vec<String> = anyhow::Chain::new(error).map(ToString::to_string).collect();
    causes.join(": ")
}
