//! Segment's API as routes: the input and output around the decisions of [`mod@accept`].

use std::any::Any;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use secrecy::ExposeSecret as _;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument as _, Span, field};

use super::accept::{self, Accepted, Endpoint, IngestRequest, Rules, accept, authenticate};
use super::answer::{self, Rejection};
use super::body_budget::BodyBudget;
use super::heavy::{HeavySlot, run_blocking, run_to_completion};
use super::pace::Pace;
use super::receive::{Received, receive};
use super::rejections::{Rejections, Sender, redact_key};
use super::retry_after::RetryAfter;
use super::settings::{self, Host};
use super::{auth, body, cors, counters, paths, script};
use crate::clock::Clock;
use crate::config::{AnalyticsJs, IngestConfig, SourceConfig};
use crate::listener::Peer;
use crate::metrics::Metrics;
use crate::model::GarbageIds;
use crate::outbox::reasons::REUSED;
use crate::outbox::{AppendError, Arrival, Intake};
use crate::telemetry;

/// How much is read of the metrics that `analytics.js` sends about itself.
const METRICS_BYTES: usize = 64 * 1024;
/// Segment's API in front of an outbox.
#[derive(Clone)]
pub struct Ingest {
    config: IngestConfig,
    garbage: GarbageIds,
    script: Option<AnalyticsJs>,
    outbox: Intake,
    clock: Arc<dyn Clock>,
    metrics: Option<Metrics>,
    budget: BodyBudget,
    state: Arc<SharedState>,
}

/// What stays when the configuration changes.
struct SharedState {
    rejections: Rejections,
    retry_after: RetryAfter,
    heavy: HeavySlot,
}

impl Ingest {
    /// Accepts calls of the configured sources, and stores them in `outbox`. `garbage` are the ids that identify nobody
    /// (`[mapping]`).
    pub fn new(config: IngestConfig, garbage: GarbageIds, outbox: Intake, clock: Arc<dyn Clock>) -> Self {
        Self {
            budget: BodyBudget::new(config.max_bytes_in_progress),
            config,
            garbage,
            script: None,
            outbox,
            clock,
            metrics: None,
            state: Arc::new(SharedState {
                rejections: Rejections::default(),
                retry_after: RetryAfter::new(),
                heavy: HeavySlot::new(),
            }),
        }
    }

    /// Counts incoming events in these metrics.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self {
            metrics: Some(metrics),
            ..self
        }
    }

    /// The same ingest with another configuration. Bodies in progress count against the memory they were reserved in.
    pub(super) fn with_config(&self, config: IngestConfig, garbage: GarbageIds, script: Option<AnalyticsJs>) -> Self {
        let budget = if config.max_bytes_in_progress == self.config.max_bytes_in_progress {
            self.budget.clone()
        } else {
            BodyBudget::new(config.max_bytes_in_progress)
        };
        Self {
            config,
            garbage,
            script,
            budget,
            ..self.clone()
        }
    }

    /// The counts of rejected requests.
    pub(super) fn rejections(&self) -> Rejections {
        self.state.rejections.clone()
    }

    /// Also serves the script of Segment's snippet.
    #[must_use]
    pub fn with_analytics_js(self, script: AnalyticsJs) -> Self {
        Self {
            script: Some(script),
            ..self
        }
    }

    /// Checks and stores one request; what its body reveals of its sender is put into `sender`.
    async fn store(self: &Arc<Self>, received: Received, sender: &mut Sender) -> Result<Stored, Rejection> {
        // The memory and the admission are held until the events are on disk.
        let Received {
            request,
            is_heavy,
            has_key,
            lease: _lease,
        } = received;
        if is_heavy && !has_key {
            authenticate(&request, &self.config)?;
        }
        if !has_key && !is_heavy {
            self.identify_by_body(sender, &request);
        }
        let _permit = if is_heavy {
            Some(self.state.heavy.acquire().await?)
        } else {
            None
        };
        let ingest = Arc::clone(self);
        let accept = move || ingest.accept(&request);
        let mut accepted = if is_heavy {
            run_blocking(accept).await?
        } else {
            accept()?
        };
        let traceparent = telemetry::traceparent(&Span::current());
        for event in &mut accepted.events {
            event.traceparent.clone_from(&traceparent);
        }
        let labels = counters::labels(&accepted.events);
        let dead = counters::dead_by_code(&accepted.events);
        let mut stored = Stored {
            copies: 0,
            other_calls: 0,
            source: accepted.source,
            events: accepted.events.len(),
            dead: accepted.events.iter().filter(|event| event.dead.is_some()).count(),
        };
        let appended = self.outbox.append(accepted.events).await;
        if let Some(metrics) = &self.metrics {
            let arrivals = appended.as_deref().ok();
            counters::count_events(metrics, &stored.source, &labels, arrivals);
        }
        match appended {
            Ok(arrivals) => {
                stored.count_arrivals(&arrivals);
                self.state.retry_after.reset();
                let others = (REUSED.to_owned(), stored.other_calls);
                for (code, calls) in dead.into_iter().chain([others]).filter(|(_, calls)| *calls > 0) {
                    let rejections = &self.state.rejections;
                    rejections.count_dead(&stored.source, &code, calls);
                }
                Ok(stored)
            }
            Err(error) => Err(self.retry_later(&error)),
        }
    }

    /// The sender of a request, by its headers and query.
    fn sender(&self, request: &Request) -> Sender {
        let mut sender = Sender::of(request.headers());
        let keys = body::keys_of(request.headers(), request.uri());
        match auth::source(&self.config.sources, &keys, None) {
            Ok(source) => sender.source = Some(source.name.clone()),
            Err(_) => sender.key = auth::presented(&keys).as_deref().map(redact_key),
        }
        sender
    }

    /// The sender, by the body of the request.
    fn identify_by_body(&self, sender: &mut Sender, request: &IngestRequest) {
        let (source, key) = accept::identify_sender(request, &self.config);
        if let Some(source) = source {
            sender.source = Some(source.name.clone());
            sender.key = None;
        } else if sender.key.is_none() {
            sender.key = key.as_deref().map(redact_key);
        }
    }

    /// Counts a rejected request, by its cause and sender.
    fn count_rejection(&self, rejection: &Rejection, sender: Sender) {
        let (status, code) = (rejection.status().as_u16(), rejection.code());
        let now = self.clock.now();
        self.state.rejections.count_rejected(status, code, sender, now);
    }

    fn retry_later(&self, error: &AppendError) -> Rejection {
        let (clock, retry_after) = (&self.clock, &self.state.retry_after);
        Rejection::CannotStore {
            reason: error.source.to_string(),
            retry_after: retry_after.next_wait(clock.now(), error.retry_after, clock.chance()),
        }
    }

    fn accept(&self, request: &IngestRequest) -> Result<Accepted, Rejection> {
        let rules = Rules {
            config: &self.config,
            garbage: &self.garbage,
        };
        let clock = self.clock.as_ref();
        accept(request, rules, clock.now(), &mut || new_message_id(clock))
    }

    /// The source whose key is in a path; a key that no source has is counted.
    fn source(&self, key: Result<Path<String>, PathRejection>, headers: &HeaderMap) -> Option<&SourceConfig> {
        let key = key.ok().map(|Path(key)| key);
        let source = key.as_deref().and_then(|key| auth::by_key(&self.config.sources, key));
        if source.is_none() {
            let sender = Sender {
                key: key.as_deref().map(redact_key),
                ..Sender::of(headers)
            };
            self.count_rejection(&Rejection::NoSuchProject, sender);
        }
        source
    }

    /// Counts and logs the result of a request, and makes the answer.
    fn answer(&self, result: Result<Stored, Rejection>, sender: Sender) -> Response {
        match result {
            Ok(stored) => {
                tracing::debug!(
                    source = %stored.source,
                    events = stored.events,
                    dead = stored.dead,
                    status = 200,
                    copies = stored.copies,
                    "calls stored"
                );
                self.count_answer(200, "ok");
                answer::success()
            }
            Err(rejection) => {
                let (status, code) = (rejection.status().as_u16(), rejection.code());
                tracing::debug!(status, code, "request rejected");
                self.count_answer(status, code);
                self.count_rejection(&rejection, sender);
                rejection.into_response()
            }
        }
    }

    fn count_answer(&self, status: u16, code: &'static str) {
        if let Some(metrics) = &self.metrics {
            metrics.request_in(status, code);
        }
    }
}

/// What a request stored in the outbox.
struct Stored {
    source: String,
    events: usize,
    copies: usize,
    /// Stored as dead, since another call has their `messageId`.
    other_calls: u64,
    /// Stored as dead.
    dead: usize,
}

impl Stored {
    /// Counts the outbox's results for the events.
    fn count_arrivals(&mut self, arrivals: &[Arrival]) {
        let count = |which| arrivals.iter().filter(|arrival| **arrival == which).count();
        self.copies = count(Arrival::Copy);
        self.dead += count(Arrival::Other);
        self.other_calls = u64::try_from(count(Arrival::Other)).unwrap_or(u64::MAX);
    }
}

/// The routes of Segment's API, with CORS. Whatever happens inside, a client gets an answer.
pub fn routes(ingest: Ingest) -> Router {
    let mut router = Router::new();
    for (path, endpoint) in paths::call_paths() {
        let handler = move |State(ingest): State<Arc<Ingest>>, request: Request| handle(ingest, endpoint, request);
        let methods = match endpoint {
            // A forwarding service may choose the method.
            Endpoint::Webhook => post(handler).put(handler).patch(handler),
            Endpoint::Call(_) | Endpoint::Batch | Endpoint::Metrics => post(handler),
        };
        router = router.route(&path, methods);
    }
    for path in paths::settings_paths() {
        router = router.route(&path, get(settings));
    }
    if ingest.script.is_some() {
        router = router
            .route(paths::SCRIPT, get(analytics_js))
            .route(paths::BUNDLE, get(bundle));
    }
    let config = ingest.config.clone();
    let own = router
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(Arc::new(ingest));
    let not_found = || async { Rejection::NotFound.into_response() };
    // Proxies that remove the prefix send requests to the first routes, others to the second ones.
    let all = match &config.path_prefix {
        Some(prefix) => {
            let under_prefix = Router::new().nest(prefix, own.clone()).fallback(not_found);
            own.fallback_service(under_prefix)
        }
        None => own.fallback(not_found),
    };
    cors::with_cors(all.layer(CatchPanicLayer::custom(panicked)), config.sources)
}

/// Answers a request with another method. The router adds the allowed methods in `Allow`, also for OPTIONS.
async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Rejection::MethodNotAllowed.into_response()
}

async fn handle(ingest: Arc<Ingest>, endpoint: Endpoint, request: Request) -> Response {
    let span = tracing::info_span!("ingest", http.status = field::Empty);
    let traceparent = request.headers().get("traceparent");
    telemetry::resumed(&span, traceparent.and_then(|value| value.to_str().ok()));
    handle_in_span(ingest, endpoint, request).instrument(span).await
}

async fn handle_in_span(ingest: Arc<Ingest>, endpoint: Endpoint, request: Request) -> Response {
    if endpoint == Endpoint::Metrics {
        let body = request.into_body();
        let mut lease = ingest.budget.lease(false);
        // Metrics that nobody needs: they are accepted and discarded.
        drop(body::read(body, METRICS_BYTES, Pace::UNKNOWN, &mut lease).await);
        return record_status(answer::success());
    }
    let mut sender = ingest.sender(&request);
    let (config, budget) = (&ingest.config, &ingest.budget);
    let received = receive(endpoint, request, config, budget).await;
    let finish = async move {
        let result = match received {
            Ok(received) => ingest.store(received, &mut sender).await,
            Err(rejection) => Err(rejection),
        };
        record_status(ingest.answer(result, sender))
    };
    // What has arrived is stored and counted, even if its client has left.
    let finished = run_to_completion(finish.in_current_span()).await;
    finished.unwrap_or_else(Rejection::into_response)
}

fn record_status(response: Response) -> Response {
    Span::current().record("http.status", i64::from(response.status().as_u16()));
    response
}

async fn settings(
    State(ingest): State<Arc<Ingest>>,
    key: Result<Path<String>, PathRejection>,
    peer: Option<Extension<Peer>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let Some(source) = ingest.source(key, &headers) else {
        return Rejection::NoSuchProject.into_response();
    };
    let origin = headers.get(header::ORIGIN);
    let origin = origin.map(|origin| origin.to_str().unwrap_or_default());
    if let Err(rejection) = auth::check_origin(source, origin) {
        let sender = Sender {
            source: Some(source.name.clone()),
            ..Sender::of(&headers)
        };
        ingest.count_rejection(&rejection, sender);
        return rejection.into_response();
    }
    tracing::debug!(source = source.name, "settings requested");
    let behind_proxy = peer.is_some_and(|Extension(peer)| peer.is_trusted());
    let host = Host::of(&ingest.config, &headers, behind_proxy, &uri);
    let document = settings::document(source.write_key.expose_secret(), host.as_ref());
    let mut response = answer::json(StatusCode::OK, document);
    // Not for shared caches: the document names the host that this client used.
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=300"));
    if ingest.config.public_url.is_none() {
        response.headers_mut().append(header::VARY, settings::VARY);
    }
    response
}

async fn analytics_js(
    State(ingest): State<Arc<Ingest>>,
    key: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    if ingest.source(key, &headers).is_none() {
        return Rejection::NoSuchProject.into_response();
    }
    let script = ingest.script.as_ref().map(script::script);
    script.unwrap_or_else(|| Rejection::NotFound.into_response())
}

async fn bundle(State(ingest): State<Arc<Ingest>>, name: Result<Path<String>, PathRejection>) -> Response {
    let files = ingest.script.as_ref();
    let part = name.ok().and_then(|Path(name)| script::part(files?, &name));
    part.unwrap_or_else(|| Rejection::NotFound.into_response())
}

/// A UUID version 7 from the given clock, so that made ids sort by time.
pub(super) fn new_message_id(clock: &dyn Clock) -> String {
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

/// Answers 500, which SDKs retry. The panic's text is not repeated, because it may contain what was sent.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request made ingest panic; this is a mistake in the relay, please report it");
    Rejection::Internal.into_response()
}
