//! Answers in Klaviyo's words: JSON:API documents, its error envelope, and the HTML of the proxy before it.
//!
//! Promises that every refusal has an id, a code, a title and a detail, and names its place where it has one.
//! Pure; uses no other module.

use axum::http::header::{CONTENT_TYPE, SERVER};
use axum::http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// The media type of Klaviyo's documents.
pub(crate) const JSON_API: &str = "application/vnd.api+json";
/// The media type of a page.
pub(crate) const HTML: &str = "text/html; charset=UTF-8";

/// One answer, not sent yet.
pub(crate) type Answer = Response<Vec<u8>>;

/// One entry of `errors[]`, and the status of its answer.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    pub(crate) place: Place,
    /// The profile that has the identifier, of a 409.
    pub(crate) duplicate_of: Option<String>,
}

/// What of the request an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A JSON pointer into the body.
    Pointer(String),
    /// A query parameter or header.
    Parameter(&'static str),
    /// The request as a whole.
    Whole,
}

impl Refusal {
    /// 400 `invalid` at a pointer: the most common refusal.
    pub(crate) fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "invalid",
            title: "Invalid input.",
            detail: detail.into(),
            place: Place::Pointer(pointer.into()),
            duplicate_of: None,
        }
    }

    /// 400 `invalid` of a query parameter or header.
    pub(crate) fn parameter(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            place: Place::Parameter(name),
            ..Self::invalid("", detail)
        }
    }

    /// 404 `not_found`.
    pub(crate) fn not_found(place: Place, detail: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            code: "not_found",
            title: "Not found.",
            place,
            ..Self::invalid("", detail)
        }
    }

    /// 409 `duplicate_profile`: an identifier of the request belongs to `other`.
    pub(crate) fn duplicate_profile(pointer: impl Into<String>, other: &str) -> Self {
        Self {
            status: StatusCode::CONFLICT,
            code: "duplicate_profile",
            title: "Conflict.",
            duplicate_of: Some(other.to_owned()),
            ..Self::invalid(pointer, "A profile already exists with one of these identifiers.")
        }
    }

    /// A refusal that is about no part of the body.
    pub(crate) fn whole(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            title,
            place: Place::Whole,
            ..Self::invalid("", detail)
        }
    }

    /// 429 `throttled`, in the form that was seen on the wire.
    pub(crate) fn throttled(seconds: u64) -> Self {
        let unit = if seconds == 1 { "second" } else { "seconds" };
        Self {
            place: Place::Pointer("/data".to_owned()),
            ..Self::whole(
                StatusCode::TOO_MANY_REQUESTS,
                "throttled",
                "Request was throttled.",
                format!("Request was throttled. Expected available in {seconds} {unit}."),
            )
        }
    }

    /// Where and why, in one line for the log.
    pub(crate) fn why(&self) -> String {
        match &self.place {
            Place::Pointer(pointer) => format!("{pointer}: {}", self.detail),
            Place::Parameter(name) => format!("{name}: {}", self.detail),
            Place::Whole => self.detail.clone(),
        }
    }

    fn entry(&self, id: &str) -> Value {
        let mut entry = json!({
            "id": id,
            "status": self.status.as_u16(),
            "code": self.code,
            "title": self.title,
            "detail": self.detail,
        });
        match &self.place {
            Place::Pointer(pointer) => entry["source"] = json!({ "pointer": pointer }),
            Place::Parameter(name) => entry["source"] = json!({ "parameter": name }),
            Place::Whole => {}
        }
        if self.code == "throttled" {
            let page = "https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling";
            entry["links"] = json!({ "type": format!("{page}#rate-limits") });
        }
        entry["meta"] = match &self.duplicate_of {
            Some(other) => json!({ "duplicate_profile_id": other }),
            None => json!({}),
        };
        entry
    }
}

/// An answer with nothing but a status.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Answer::default();
    *answer.status_mut() = status;
    answer
}

/// An answer with a body of this media type.
pub(crate) fn typed(status: StatusCode, media_type: &'static str, body: String) -> Answer {
    let mut answer = empty(status);
    let media_type = HeaderValue::from_static(media_type);
    answer.headers_mut().insert(CONTENT_TYPE, media_type);
    *answer.body_mut() = body.into_bytes();
    answer
}

/// A JSON:API document.
pub(crate) fn document(status: StatusCode, document: &Value) -> Answer {
    typed(status, JSON_API, document.to_string())
}

/// The error envelope. The status is the first refusal's. Error ids come from the request's number, so that one is
/// found again in the request log.
pub(crate) fn refused(request: u64, refusals: &[Refusal]) -> Answer {
    let entries: Vec<Value> = refusals
        .iter()
        .enumerate()
        .map(|(at, refusal)| refusal.entry(&error_id(request, at)))
        .collect();
    let status = refusals
        .first()
        .map_or(StatusCode::INTERNAL_SERVER_ERROR, |first| first.status);
    document(status, &json!({ "errors": entries }))
}

/// A page of the proxy before Klaviyo: what a client gets that never reached the API.
pub(crate) fn proxy_page(status: StatusCode) -> Answer {
    let reason = status.canonical_reason().unwrap_or("Error");
    let title = format!("{} {reason}", status.as_u16());
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
    );
    let mut answer = typed(status, HTML, page);
    answer
        .headers_mut()
        .insert(SERVER, HeaderValue::from_static("cloudflare"));
    answer
}

/// A resource object: `type`, `id`, `attributes`, and a link to itself.
pub(crate) fn resource(kind: &str, id: &str, attributes: impl Into<Value>) -> Value {
    json!({
        "type": kind,
        "id": id,
        "attributes": attributes.into(),
        "links": { "self": format!("/api/{kind}s/{id}") },
    })
}

fn error_id(request: u64, at: usize) -> String {
    let at = u128::try_from(at).unwrap_or(u128::MAX);
    uuid::Uuid::from_u128((u128::from(request) << 64) | at).to_string()
}
