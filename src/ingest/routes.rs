//! The paths of Segment's API, and the input and output around the decisions of [`accept`].

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use secrecy::ExposeSecret as _;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use super::accept::{Accepted, Endpoint, Rules, accept};
use super::answer::{self, Refusal};
use super::settings::{self, Host};
use super::{auth, receive};
use crate::clock::Clock;
use crate::config::IngestConfig;
use crate::model::{EventType, GarbageIds};
use crate::outbox::Outbox;

/// How long a body may take to arrive. SDKs give up after 10 to 15 seconds, a phone on a bad line later.
const BODY_TIME: Duration = Duration::from_mins(1);
/// Larger bodies are judged on a thread of their own, so that other requests need not wait meanwhile.
const LARGE_BODY_BYTES: usize = 64 * 1024;
/// Wrong write keys are worth a warning, since an SDK with one loses everything; not one per request.
const KEY_WARNING_EVERY: Duration = Duration::from_mins(1);
/// How long a browser may remember the answer to a preflight. Chrome caps it at two hours.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_hours(24);

/// The last word of each path, and what is taken there (Segment's HTTP API documentation, and what its SDKs send).
const WORDS: [(&str, Endpoint); 17] = [
    ("identify", Endpoint::Call(EventType::Identify)),
    ("track", Endpoint::Call(EventType::Track)),
    ("page", Endpoint::Call(EventType::Page)),
    ("screen", Endpoint::Call(EventType::Screen)),
    ("group", Endpoint::Call(EventType::Group)),
    ("alias", Endpoint::Call(EventType::Alias)),
    ("batch", Endpoint::Batch),
    ("import", Endpoint::Batch),
    ("i", Endpoint::Call(EventType::Identify)),
    ("t", Endpoint::Call(EventType::Track)),
    ("p", Endpoint::Call(EventType::Page)),
    ("s", Endpoint::Call(EventType::Screen)),
    ("g", Endpoint::Call(EventType::Group)),
    ("a", Endpoint::Call(EventType::Alias)),
    ("b", Endpoint::Batch),
    ("m", Endpoint::Metrics),
    ("webhook", Endpoint::Webhook),
];
/// What stands before the last word: Segment's, none (hosts configured without `/v1`), and Jitsu's two.
const PREFIXES: [&str; 4] = ["/v1", "", "/api/s", "/api/s/s2s"];
/// Paths of their own: Jitsu's batch and RudderStack's beacon.
const OTHER_BATCH_PATHS: [&str; 2] = ["/v1/batch/b", "/beacon/v1/batch"];

/// Segment's API in front of an outbox.
#[derive(Clone)]
pub struct Ingest(Arc<Shared>);

struct Shared {
    config: IngestConfig,
    garbage: GarbageIds,
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    /// When a wrong write key was last warned of, in milliseconds since 1970.
    key_warned_at: AtomicI64,
    /// The same of a signature.
    signature_warned_at: AtomicI64,
}

impl Ingest {
    /// Takes calls of the configured sources, and stores them in `outbox`. `garbage` are the ids that identify nobody
    /// (`[mapping]`).
    pub fn new(
        config: IngestConfig,
        garbage: GarbageIds,
        outbox: Outbox,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Shared {
            config,
            garbage,
            outbox,
            clock,
            key_warned_at: AtomicI64::new(i64::MIN),
            signature_warned_at: AtomicI64::new(i64::MIN),
        }))
    }

    /// Reads, judges and stores one request.
    async fn take(&self, endpoint: Endpoint, request: Request) -> Result<Stored, Refusal> {
        let limit = self.0.config.max_batch_bytes;
        let (parts, body) = request.into_parts();
        let body = receive::body(body, limit, BODY_TIME).await?;
        let large = body.len() > LARGE_BODY_BYTES || parts.headers.contains_key("content-encoding");
        let ingest = self.clone();
        let judge = move || {
            let request = receive::request(endpoint, &parts, body, limit)?;
            ingest.judge(&request)
        };
        let accepted = if large {
            on_its_own_thread(judge).await?
        } else {
            judge()?
        };
        let stored = Stored {
            source: accepted.source,
            events: accepted.events.len(),
            refused: accepted
                .events
                .iter()
                .filter(|event| event.refused.is_some())
                .count(),
        };
        match self.0.outbox.append(accepted.events).await {
            Ok(()) => Ok(stored),
            Err(error) => Err(Refusal::from(&error)),
        }
    }

    fn judge(&self, request: &super::accept::Request) -> Result<Accepted, Refusal> {
        let rules = Rules {
            config: &self.0.config,
            garbage: &self.0.garbage,
        };
        let clock = self.0.clock.as_ref();
        accept(request, rules, clock.now(), &mut || message_id(clock))
    }

    /// Tells the operator of wrong write keys, once in a while.
    fn warn_of_key(&self) {
        if self.time_to_warn(&self.0.key_warned_at) {
            tracing::warn!(
                "a request with no write key, or one that no source has, was refused; its sender loses its events"
            );
        }
    }

    /// Tells the operator of what a shared secret kept out, once in a while.
    fn warn_of_signature(&self, code: &'static str) {
        if self.time_to_warn(&self.0.signature_warned_at) {
            tracing::warn!(
                code,
                "a request of a source with a shared_secret was refused, since it was not signed with it at \
                 /v1/webhook; its sender loses its events"
            );
        }
    }

    fn time_to_warn(&self, warned_at: &AtomicI64) -> bool {
        let now = self.0.clock.now().as_millis();
        let last = warned_at.load(Ordering::Relaxed);
        let pause = i64::try_from(KEY_WARNING_EVERY.as_millis()).unwrap_or(i64::MAX);
        let due = now.saturating_sub(last) >= pause;
        if due {
            warned_at.store(now, Ordering::Relaxed);
        }
        due
    }
}

/// What a request left in the outbox.
struct Stored {
    source: String,
    events: usize,
    refused: usize,
}

/// The routes of Segment's API, with CORS. Whatever happens inside, a client gets an answer.
pub fn routes(ingest: Ingest) -> Router {
    let mut router = Router::new();
    for (path, endpoint) in post_paths() {
        let handler =
            move |State(ingest): State<Ingest>, request: Request| answer(ingest, endpoint, request);
        let methods = match endpoint {
            // Who forwards can choose the method.
            Endpoint::Webhook => post(handler).put(handler).patch(handler),
            Endpoint::Call(_) | Endpoint::Batch | Endpoint::Metrics => post(handler),
        };
        router = router.route(&path, methods);
    }
    for path in ["/v1/projects/{key}/settings", "/projects/{key}/settings"] {
        router = router
            .route(path, get(settings))
            .route(&format!("{path}/"), get(settings));
    }
    router
        .fallback(|| async { Refusal::NotFound.into_response() })
        .method_not_allowed_fallback(|| async { Refusal::MethodNotAllowed.into_response() })
        .with_state(ingest)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(cors())
}

/// Every path that takes calls, with and without a trailing slash (Java's SDK sends one).
pub(super) fn post_paths() -> Vec<(String, Endpoint)> {
    let mut paths = Vec::new();
    for prefix in PREFIXES {
        paths.extend(WORDS.map(|(word, endpoint)| (format!("{prefix}/{word}"), endpoint)));
    }
    paths.extend(OTHER_BATCH_PATHS.map(|path| (path.to_owned(), Endpoint::Batch)));
    let slashed: Vec<_> = paths
        .iter()
        .map(|(path, endpoint)| (format!("{path}/"), *endpoint))
        .collect();
    paths.extend(slashed);
    paths
}

async fn answer(ingest: Ingest, endpoint: Endpoint, request: Request) -> Response {
    if endpoint == Endpoint::Metrics {
        let body = request.into_body();
        // Nobody's metrics: whatever they are, they are taken and forgotten.
        drop(receive::body(body, LARGE_BODY_BYTES, BODY_TIME).await);
        return answer::success();
    }
    match ingest.take(endpoint, request).await {
        Ok(stored) => {
            let Stored {
                source,
                events,
                refused,
            } = stored;
            tracing::debug!(%source, events, refused, status = 200, "calls stored");
            answer::success()
        }
        Err(refusal) => {
            let (status, code) = (refusal.status().as_u16(), refusal.code());
            tracing::debug!(status, code, "request refused");
            if matches!(
                refusal,
                Refusal::SignatureMissing | Refusal::SignatureWrong | Refusal::WebhookOnly
            ) {
                ingest.warn_of_signature(code);
            } else if status == StatusCode::UNAUTHORIZED {
                ingest.warn_of_key();
            }
            refusal.into_response()
        }
    }
}

async fn settings(
    State(ingest): State<Ingest>,
    key: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let source = key
        .ok()
        .and_then(|Path(key)| auth::by_key(&ingest.0.config.sources, &key));
    let Some(source) = source else {
        ingest.warn_of_key();
        return Refusal::NoSuchProject.into_response();
    };
    let host = Host::of(&headers, &uri);
    let document = settings::document(source.write_key.expose_secret(), host.as_ref());
    let mut response = answer::json(StatusCode::OK, document);
    // Not for shared caches: the document names the host that this client asked.
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, max-age=300"),
    );
    response
}

/// A UUID version 7 from the clock that was handed in, so that made ids sort by time.
pub(super) fn message_id(clock: &dyn Clock) -> String {
    let millis = u64::try_from(clock.now().as_millis()).unwrap_or(0);
    let mut random = [0; 10];
    for half in random.chunks_mut(5) {
        half.copy_from_slice(&random_bytes(clock));
    }
    uuid::Builder::from_unix_timestamp_millis(millis, &random)
        .into_uuid()
        .to_string()
}

/// Random bytes. A number from 1 to 2 has 52 random bits in its fraction, which are its lowest.
fn random_bytes(clock: &dyn Clock) -> [u8; 5] {
    let [first, second, third, fourth, fifth, ..] = (1.0 + clock.chance()).to_le_bytes();
    [first, second, third, fourth, fifth]
}

async fn on_its_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Refusal::CannotStore {
                reason: "the relay is stopping".to_owned(),
                retry_after: Duration::from_secs(1),
            }),
        },
    }
}

/// Says 500, which SDKs retry. The panic's text is not repeated: it may hold what was sent.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!(
        "a request made ingest panic; this is a mistake in the relay, please report it"
    );
    Refusal::Internal.into_response()
}

/// Any page may ask: which ones may use a key is the source's `allowed_origins`. `Retry-After` must be exposed, or
/// browsers retry at once (seen with `analytics.js` 1.84); credentials are allowed since it can be told to send them.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true)
        .expose_headers([header::RETRY_AFTER])
        .max_age(PREFLIGHT_MAX_AGE)
}
