//! The requests to the double, and its answers: the effect of a request and the bytes of its answer are chosen apart.

use std::time::Duration;

use serde_json::{Value, json};

/// One of Klaviyo's endpoints, as far as the relay knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    Event,
    EventBulk,
    Profile,
    ProfileBulk,
    /// `GET` of one import job.
    ImportJob,
    ImportErrors,
    /// `GET` of the list of import jobs.
    ImportJobs,
    Subscription,
    List,
    Deletion,
    Accounts,
    Other,
}

impl Endpoint {
    pub(super) fn of(method: &str, path: &str) -> Self {
        const JOBS: &str = "/api/profile-bulk-import-jobs";
        match (method, path) {
            ("POST", "/api/events") => Self::Event,
            ("POST", "/api/event-bulk-create-jobs") => Self::EventBulk,
            ("POST", "/api/profile-import") => Self::Profile,
            ("POST", JOBS) => Self::ProfileBulk,
            ("GET", JOBS) => Self::ImportJobs,
            ("GET", _) if path.starts_with(JOBS) && path.ends_with("/import-errors") => Self::ImportErrors,
            ("GET", _) if path.starts_with(JOBS) => Self::ImportJob,
            ("POST", "/api/profile-subscription-bulk-create-jobs") => Self::Subscription,
            ("POST" | "DELETE", _) if path.starts_with("/api/lists/") => Self::List,
            ("POST", "/api/data-privacy-deletion-jobs") => Self::Deletion,
            ("GET", "/api/accounts") => Self::Accounts,
            _ => Self::Other,
        }
    }

    /// Whether a request may change something at Klaviyo.
    pub(crate) fn writes(self) -> bool {
        !matches!(
            self,
            Self::ImportJob | Self::ImportErrors | Self::ImportJobs | Self::Accounts | Self::Other
        )
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) endpoint: Endpoint,
    /// Without its query.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: String,
}

impl Request {
    /// Whether its body has this text anywhere.
    pub(crate) fn names(&self, text: &str) -> bool {
        self.body.contains(text)
    }
}

/// How an import job ends.
#[derive(Debug, Clone)]
pub(crate) struct Fate {
    /// How long after its acceptance it is executed.
    pub(crate) after: Duration,
    pub(crate) end: End,
}

/// What becomes of an import job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Every profile is written, but those whose text has one of these words: they are import errors, which are listed
    /// or not.
    Complete { failing: Vec<String>, listed: bool },
    /// Nothing is written, and its status is `cancelled`.
    Cancelled,
    /// Nothing is written, and it is `processing` for ever.
    Endless,
    /// Nothing is written, and no job is known by its id.
    Unknown,
}

impl Fate {
    pub(crate) fn done(after: Duration) -> Self {
        let end = End::Complete {
            failing: Vec::new(),
            listed: true,
        };
        Self { after, end }
    }

    pub(crate) fn ending(after: Duration, end: End) -> Self {
        Self { after, end }
    }
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Whether Klaviyo does what is requested. It does so when the request has come, before any `after`.
    pub(super) effect: bool,
    pub(super) after: Duration,
    pub(super) way: Way,
}

/// How the answer leaves.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// As Klaviyo documents it, with more headers; the connection stays.
    Documented(Vec<(String, String)>),
    /// A status, headers and a body, well formed; the connection stays.
    Status(u16, Vec<(String, String)>, Vec<u8>),
    /// These bytes, so many at a time, with this pause between; then the end of the connection.
    Raw(Vec<u8>, usize, Duration),
    /// None, until the other side gives up or all are released.
    Hang,
    /// The connection is reset.
    Reset,
}

impl Answer {
    fn of(effect: bool, way: Way) -> Self {
        Self {
            effect,
            after: Duration::ZERO,
            way,
        }
    }

    /// Done, and answered as documented.
    pub(crate) fn normal() -> Self {
        Self::of(true, Way::Documented(Vec::new()))
    }

    /// Not done; a status with an empty body.
    pub(crate) fn status(status: u16) -> Self {
        Self::of(false, Way::Status(status, Vec::new(), Vec::new()))
    }

    /// Not done; a status with a body of this type.
    pub(crate) fn text(status: u16, media_type: &str, body: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), media_type.to_owned())];
        Self::of(false, Way::Status(status, headers, body.as_bytes().to_vec()))
    }

    /// Not done; a page, as a proxy or a firewall answers.
    pub(crate) fn html(status: u16) -> Self {
        let page = format!("<!DOCTYPE html><html><head><title>{status}</title></head><body>{status}</body></html>");
        Self::text(status, "text/html; charset=utf-8", &page)
    }

    /// Not done; Klaviyo's own error.
    pub(crate) fn error(status: u16, code: &str) -> Self {
        let error = json!({"errors": [{"id": "e", "status": status, "code": code, "title": "t", "detail": "d",
            "source": {"pointer": "/data"}}]});
        Self::text(status, "application/vnd.api+json", &error.to_string())
    }

    /// Not done; these bytes, then the end of the connection.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(false, Way::Raw(bytes.into(), usize::MAX, Duration::ZERO))
    }

    /// As [`Self::raw`], so many bytes at a time.
    pub(crate) fn trickled(bytes: impl Into<Vec<u8>>, part: usize, pause: Duration) -> Self {
        Self::of(false, Way::Raw(bytes.into(), part, pause))
    }

    /// Not done; no answer.
    pub(crate) fn hang() -> Self {
        Self::of(false, Way::Hang)
    }

    /// Not done; the connection is reset.
    pub(crate) fn reset() -> Self {
        Self::of(false, Way::Reset)
    }

    /// Done; its answer is lost.
    pub(crate) fn lost() -> Self {
        Self::reset().but_done()
    }

    /// The same answer, and Klaviyo did what was requested.
    pub(crate) fn but_done(self) -> Self {
        Self { effect: true, ..self }
    }

    /// The same answer so much later.
    pub(crate) fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    /// The same answer with one more header, where it has any.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        match &mut self.way {
            Way::Documented(headers) | Way::Status(_, headers, _) => {
                headers.push((name.to_owned(), value.to_owned()));
            }
            Way::Raw(..) | Way::Hang | Way::Reset => {}
        }
        self
    }
}

/// A documented answer: status and body.
pub(super) type Document = (u16, Option<Value>);
