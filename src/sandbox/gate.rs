//! What a request must pass before its document is looked at: path, method, key, revision, and, once its rate is
//! counted, media type and size.
//!
//! Pure. The order is the one a client can observe: a wrong key is reported before a wrong
//! document. Uses the sandbox's own options.

use axum::http::{Method, StatusCode};
use jiff::civil::{Date, date};
use serde_json::json;

use super::answer::{Answer, JSON_API, Place, Refusal, proxy_page, typed};
use super::call::Call;
use super::endpoint::{Endpoint, Route, find};
use super::log::Outcome;
use super::operations::Response;
use super::options::Options;
use super::revision::{Standing, standing};

/// With this header set to `1` a retired revision is answered 410.
const OPT_OUT: &str = "x-klaviyo-revision-fall-forward-opt-out";
const SCHEME: &str = "Klaviyo-API-Key ";
/// Before this revision documents could be plain JSON.
const JSON_API_SINCE: Date = date(2024, 10, 15);

/// A request whose document may be looked at.
pub(crate) struct Admitted {
    pub(crate) endpoint: Endpoint,
    pub(crate) id: String,
    pub(crate) revision: Date,
}

/// Admits a request, or answers it.
pub(crate) fn admit(call: &Call, options: &Options, request: u64) -> Result<Admitted, Box<Response>> {
    let refused = |refusal: Refusal| Box::new(Response::refused(request, &[refusal]));
    let (endpoint, id) = match find(&call.method, &call.path) {
        Route::Operation(endpoint, id) => (endpoint, id),
        Route::Legacy => return Err(gone()),
        Route::WrongMethod => return Err(refused(wrong_method(call))),
        Route::Unknown => {
            let detail = format!("The sandbox has no {}.", call.path);
            return Err(refused(Refusal::not_found(Place::Whole, detail)));
        }
    };
    let key = call.header("authorization");
    if !key.is_empty() && !key.starts_with(SCHEME) {
        return Err(malformed_key());
    }
    authorize(call, options).map_err(refused)?;
    let revision = revision(call).map_err(refused)?;
    Ok(Admitted { endpoint, id, revision })
}

/// Checks the headers about the body, and the body's size. Apart from [`admit`], because the rate is counted first.
pub(crate) fn check_body(call: &Call, admitted: &Admitted) -> Result<(), Refusal> {
    // Only reads take no document.
    if call.method == Method::GET {
        return Ok(());
    }
    let media = call.header("content-type");
    let media = media.split(';').next().unwrap_or_default().trim();
    let plain_json = admitted.revision < JSON_API_SINCE && media.eq_ignore_ascii_case("application/json");
    let encoding = call.header("content-encoding");
    if !(plain_json || media.eq_ignore_ascii_case(JSON_API)) {
        return Err(unsupported(format!("Send the document as {JSON_API}, not '{media}'.")));
    }
    if !(encoding.is_empty() || encoding.eq_ignore_ascii_case("identity")) {
        return Err(unsupported(format!(
            "The content encoding '{encoding}' is not supported."
        )));
    }
    if call.too_large {
        return Err(Refusal::whole(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            "Payload too large.",
            "A request has at most 5 MB.",
        ));
    }
    match &call.no_json {
        Some(error) => Err(Refusal::invalid("/data", format!("The body is no JSON: {error}."))),
        None => Ok(()),
    }
}

fn wrong_method(call: &Call) -> Refusal {
    let detail = format!("{} does not take {}.", call.path, call.method);
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Refusal::whole(status, "method_not_allowed", "Method not allowed.", detail)
}

/// The API before 2024: not in the form of the other errors.
fn gone() -> Box<Response> {
    let body = json!({ "message": "This API is retired; see the migration guide for its successor." });
    let answer = typed(StatusCode::GONE, "application/json", body.to_string());
    rejected(answer, "the API before 2024 is retired")
}

/// A scheme that is not Klaviyo's stops at the proxy before it.
fn malformed_key() -> Box<Response> {
    let why = "the Authorization header does not begin with Klaviyo-API-Key";
    rejected(proxy_page(StatusCode::BAD_REQUEST), why)
}

fn rejected(answer: Answer, why: &str) -> Box<Response> {
    Box::new(Response {
        note: Some(why.to_owned()),
        ..Response::new(answer, Outcome::Refused)
    })
}

fn authorize(call: &Call, options: &Options) -> Result<(), Refusal> {
    let detail = match call.header("authorization").strip_prefix(SCHEME) {
        Some(key) if key == options.private_key => return Ok(()),
        Some(_) => "The private key is not the sandbox's.",
        None => "No private key was sent in the Authorization header.",
    };
    let title = "Incorrect authentication credentials.";
    Err(Refusal::whole(
        StatusCode::UNAUTHORIZED,
        "authentication_failed",
        title,
        detail,
    ))
}

fn revision(call: &Call) -> Result<Date, Refusal> {
    let text = call.header("revision");
    match standing(text, call.at) {
        Standing::Live(revision) => Ok(revision),
        Standing::Retired(_) if call.header(OPT_OUT) == "1" => Err(Refusal::whole(
            StatusCode::GONE,
            "gone",
            "Gone.",
            format!("The revision {text} is retired."),
        )),
        Standing::Retired(forward) => Ok(forward),
        Standing::Unknown if text.is_empty() => Err(Refusal::parameter("revision", "The revision header is required.")),
        Standing::Unknown => {
            let detail = format!("'{text}' is not a revision of this API.");
            Err(Refusal::parameter("revision", detail))
        }
    }
}

fn unsupported(detail: String) -> Refusal {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Refusal::whole(status, "unsupported_media_type", "Unsupported media type.", detail)
}
