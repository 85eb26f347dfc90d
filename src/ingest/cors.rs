//! Which web pages may send requests and read the answers: CORS by the sources' `allowed_origins`.
//!
//! A preflight has no key, so it succeeds for an origin that at least one source allows. The answer itself can be read
//! only where the source of the key allows the origin. An origin that no source allows gets no CORS header at all, and
//! its requests are rejected in the ordinary way. `Retry-After` is exposed, because browsers retry at once without it
//! (seen with `analytics.js` 1.84). Credentials are allowed, since `analytics.js` can be configured to send them.
//!
//! May use `auth` and `answer`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};
use tower::ServiceExt as _;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use super::answer::NoCors;
use super::auth;
use crate::config::SourceConfig;

/// How long a browser may cache the answer to a preflight. Chrome caps it at two hours.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_hours(24);
/// What an answer depends on, apart from the path: the value that the layer sets, for answers that do not pass it.
const VARY: HeaderValue =
    HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers");
const CORS_HEADERS: [HeaderName; 7] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
    HeaderName::from_static("access-control-allow-private-network"),
];

/// Adds CORS to an API whose keys are those of `sources`.
pub(super) fn with_cors(api: Router, sources: Vec<SourceConfig>) -> Router {
    let routers = CorsRouters {
        open: api.clone().layer(layer()),
        plain: api,
        sources: sources.into(),
    };
    Router::new().fallback(pass).with_state(routers)
}

/// The same API twice: for pages that may read it, and for all others.
#[derive(Clone)]
struct CorsRouters {
    open: Router,
    plain: Router,
    sources: Arc<[SourceConfig]>,
}

async fn pass(State(routers): State<CorsRouters>, request: Request) -> Response {
    let open =
        routers.allow(request.headers()) && (request.method() != Method::OPTIONS || is_preflight(request.headers()));
    let router = if open { routers.open } else { routers.plain };
    let mut response = router.oneshot(request).await.into_response();
    if !open {
        response.headers_mut().append(header::VARY, VARY);
    }
    if response.extensions().get::<NoCors>().is_some() {
        for name in CORS_HEADERS {
            response.headers_mut().remove(name);
        }
    }
    complete_allow(response.headers_mut());
    response
}

impl CorsRouters {
    /// Whether the request comes from no page, or from one that some source allows.
    fn allow(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return true;
        };
        let allows = |origin| self.sources.iter().any(|source| auth::allows(source, origin));
        origin.to_str().is_ok_and(allows)
    }
}

/// Whether this is a CORS preflight. Other OPTIONS requests get the allowed methods.
fn is_preflight(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ORIGIN) && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Adds OPTIONS to `Allow`, because it is answered on every path.
fn complete_allow(headers: &mut HeaderMap) {
    let allowed = headers
        .get(header::ALLOW)
        .and_then(|allow| allow.to_str().ok())
        .map(|allow| format!("{allow},OPTIONS"));
    if let Some(Ok(allowed)) = allowed.map(HeaderValue::try_from) {
        headers.insert(header::ALLOW, allowed);
    }
}

fn layer() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true)
        .allow_private_network(true)
        .expose_headers([header::RETRY_AFTER])
        .max_age(PREFLIGHT_MAX_AGE)
}
