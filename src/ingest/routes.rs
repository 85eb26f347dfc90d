//! Segment's API as routes: the input and output around the decisions of [`accept`].

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use secrecy::ExposeSecret as _;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument as _, Span, field};

use super::accept::{Accepted, Endpoint, Rules, accept, authenticate};
use super::answer::{self, Refusal};
use super::lane::{Lane, on_its_own_thread, to_its_end};
use super::pace::Pace;
use super::pressure::Pressure;
use super::received::{Received, received};
use super::room::Room;
use super::settings::{self, Host};
use super::{auth, cors, counted, paths, receive, script};
use crate::clock::Clock;
use crate::config::{AnalyticsJs, IngestConfig, SourceConfig};
use crate::listener::Peer;
use crate::metrics::Metrics;
use crate::model::GarbageIds;
use crate::outbox::{AppendError, Arrival, Outbox};
use crate::telemetry;

/// What is read of what `analytics.js` measures about itself.
const METRICS_BYTES: usize = 64 * 1024;
/// Wrong write keys are worth a warning, since an SDK with one loses everything; not one per request.
const KEY_WARNING_EVERY: Duration = Duration::from_mins(1);
/// Segment's API in front of an outbox.
#[derive(Clone)]
pub struct Ingest {
    shared: Arc<Shared>,
    script: Option<AnalyticsJs>,
    metrics: Option<Metrics>,
}

struct Shared {
    config: IngestConfig,
    garbage: GarbageIds,
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    room: Room,
    lasting: Arc<Lasting>,
}

/// What outlives a change of the configuration.
struct Lasting {
    /// When a wrong write key was last warned of, in milliseconds since 1970.
    key_warned_at: AtomicI64,
    /// The same of a signature.
    signature_warned_at: AtomicI64,
    pressure: Pressure,
    heavy: Lane,
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
        let shared = Shared {
            room: Room::of(config.max_bytes_in_progress),
            config,
            garbage,
            outbox,
            clock,
            lasting: Arc::new(Lasting {
                key_warned_at: AtomicI64::new(i64::MIN),
                signature_warned_at: AtomicI64::new(i64::MIN),
                pressure: Pressure::none(),
                heavy: Lane::new(),
            }),
        };
        Self {
            shared: Arc::new(shared),
            script: None,
            metrics: None,
        }
    }

    /// Counts what comes in.
    #[must_use]
    pub fn measured_by(self, metrics: Metrics) -> Self {
        Self {
            metrics: Some(metrics),
            ..self
        }
    }

    /// The same ingest, configured anew. Bodies in progress count against the room they are in.
    pub(super) fn configured(
        &self,
        config: IngestConfig,
        garbage: GarbageIds,
        script: Option<AnalyticsJs>,
    ) -> Self {
        let former = &self.shared;
        let room = if config.max_bytes_in_progress == former.config.max_bytes_in_progress {
            former.room.clone()
        } else {
            Room::of(config.max_bytes_in_progress)
        };
        let shared = Shared {
            config,
            garbage,
            outbox: former.outbox.clone(),
            clock: Arc::clone(&former.clock),
            room,
            lasting: Arc::clone(&former.lasting),
        };
        Self {
            shared: Arc::new(shared),
            script,
            metrics: self.metrics.clone(),
        }
    }

    /// Serves Segment's snippet its script too.
    #[must_use]
    pub fn with_analytics_js(self, script: AnalyticsJs) -> Self {
        Self {
            script: Some(script),
            ..self
        }
    }

    /// Judges and stores one request.
    async fn take(&self, received: Received) -> Result<Stored, Refusal> {
        // The room and the turn stay taken until the events are on disk.
        let Received {
            request,
            is_heavy,
            has_key,
            share: _share,
        } = received;
        if is_heavy && !has_key {
            authenticate(&request, &self.shared.config)?;
        }
        let _turn = if is_heavy {
            Some(self.shared.lasting.heavy.turn().await?)
        } else {
            None
        };
        let ingest = self.clone();
        let judge = move || ingest.judge(&request);
        let accepted = if is_heavy {
            on_its_own_thread(judge).await?
        } else {
            judge()?
        };
        let kinds = counted::kinds(&accepted.events);
        let mut stored = Stored {
            copies: 0,
            source: accepted.source,
            events: accepted.events.len(),
            refused: accepted
                .events
                .iter()
                .filter(|event| event.refused.is_some())
                .count(),
        };
        // Before they are stored: they may be sent at once.
        telemetry::stored(&Span::current(), &accepted.events);
        let appended = self.shared.outbox.append(accepted.events).await;
        if let Some(metrics) = &self.metrics {
            let arrivals = appended.as_deref().ok();
            counted::events(metrics, &stored.source, &kinds, arrivals);
        }
        match appended {
            Ok(arrivals) => {
                stored.differ(&arrivals);
                self.shared.lasting.pressure.relieve();
                Ok(stored)
            }
            Err(error) => Err(self.come_back(&error)),
        }
    }

    fn come_back(&self, error: &AppendError) -> Refusal {
        let (clock, pressure) = (&self.shared.clock, &self.shared.lasting.pressure);
        Refusal::CannotStore {
            reason: error.source.to_string(),
            retry_after: pressure.refused(clock.now(), error.retry_after, clock.chance()),
        }
    }

    fn judge(&self, request: &super::accept::Request) -> Result<Accepted, Refusal> {
        let rules = Rules {
            config: &self.shared.config,
            garbage: &self.shared.garbage,
        };
        let clock = self.shared.clock.as_ref();
        accept(request, rules, clock.now(), &mut || message_id(clock))
    }

    /// The source whose key stands in a path; the operator is told of one that none has.
    fn source(&self, key: Result<Path<String>, PathRejection>) -> Option<&SourceConfig> {
        let source = key
            .ok()
            .and_then(|Path(key)| auth::by_key(&self.shared.config.sources, &key));
        if source.is_none() {
            self.warn_of_key();
        }
        source
    }

    /// Counts and logs what became of a request, and answers it.
    fn answer(&self, taken: Result<Stored, Refusal>) -> Response {
        match taken {
            Ok(stored) => {
                let Stored {
                    source,
                    events,
                    copies,
                    refused,
                } = stored;
                tracing::debug!(%source, events, refused, status = 200, copies, "calls stored");
                self.count_answer(200, "ok");
                answer::success()
            }
            Err(refusal) => {
                let (status, code) = (refusal.status().as_u16(), refusal.code());
                tracing::debug!(status, code, "request refused");
                self.count_answer(status, code);
                if matches!(
                    refusal,
                    Refusal::SignatureMissing | Refusal::SignatureWrong | Refusal::WebhookOnly
                ) {
                    self.warn_of_signature(code);
                } else if status == StatusCode::UNAUTHORIZED {
                    self.warn_of_key();
                }
                refusal.into_response()
            }
        }
    }

    fn count_answer(&self, status: u16, code: &'static str) {
        if let Some(metrics) = &self.metrics {
            metrics.answered(status, code);
        }
    }

    /// Tells the operator of wrong write keys, once in a while.
    fn warn_of_key(&self) {
        if self.time_to_warn(&self.shared.lasting.key_warned_at) {
            tracing::warn!(
                "a request with no write key, or one that no source has, was refused; its sender loses its events"
            );
        }
    }

    /// Tells the operator of what a shared secret kept out, once in a while.
    fn warn_of_signature(&self, code: &'static str) {
        if self.time_to_warn(&self.shared.lasting.signature_warned_at) {
            tracing::warn!(
                code,
                "a request of a source with a shared_secret was refused, since it was not signed with it at \
                 /v1/webhook; its sender loses its events"
            );
        }
    }

    fn time_to_warn(&self, warned_at: &AtomicI64) -> bool {
        let now = self.shared.clock.now().as_millis();
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
    copies: usize,
    refused: usize,
}

impl Stored {
    /// Takes in what the outbox made of the events.
    fn differ(&mut self, arrivals: &[Arrival]) {
        let count = |which| arrivals.iter().filter(|arrival| **arrival == which).count();
        self.copies = count(Arrival::Copy);
        self.refused += count(Arrival::Other);
        if count(Arrival::Other) > 0 {
            tracing::debug!(
                source = self.source,
                "a call has the messageId of another; kept as dead"
            );
        }
    }
}

/// The routes of Segment's API, with CORS. Whatever happens inside, a client gets an answer.
pub fn routes(ingest: Ingest) -> Router {
    let mut router = Router::new();
    for (path, endpoint) in paths::of_calls() {
        let handler =
            move |State(ingest): State<Ingest>, request: Request| answer(ingest, endpoint, request);
        let methods = match endpoint {
            // Who forwards can choose the method.
            Endpoint::Webhook => post(handler).put(handler).patch(handler),
            Endpoint::Call(_) | Endpoint::Batch | Endpoint::Metrics => post(handler),
        };
        router = router.route(&path, methods);
    }
    for path in paths::of_settings() {
        router = router.route(&path, get(settings));
    }
    if ingest.script.is_some() {
        router = router
            .route(paths::SCRIPT, get(analytics_js))
            .route(paths::BUNDLE, get(part));
    }
    let config = ingest.shared.config.clone();
    let own = router
        .method_not_allowed_fallback(other_method)
        .with_state(ingest);
    let not_found = || async { Refusal::NotFound.into_response() };
    // Proxies that cut the prefix off send what the first routes take, others what the second ones do.
    let all = match &config.path_prefix {
        Some(prefix) => {
            let under_prefix = Router::new().nest(prefix, own.clone()).fallback(not_found);
            own.fallback_service(under_prefix)
        }
        None => own.fallback(not_found),
    };
    cors::around(all.layer(CatchPanicLayer::custom(panicked)), config.sources)
}

/// OPTIONS asks which methods there are; the router's `Allow` says it, as it does to any other wrong method.
async fn other_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Refusal::MethodNotAllowed.into_response()
}

async fn answer(ingest: Ingest, endpoint: Endpoint, request: Request) -> Response {
    let span = tracing::info_span!("ingest", http.status = field::Empty);
    let traceparent = request.headers().get("traceparent");
    telemetry::received(&span, traceparent.and_then(|value| value.to_str().ok()));
    answer_within(ingest, endpoint, request)
        .instrument(span)
        .await
}

async fn answer_within(ingest: Ingest, endpoint: Endpoint, request: Request) -> Response {
    if endpoint == Endpoint::Metrics {
        let body = request.into_body();
        let mut share = ingest.shared.room.share(false);
        // Nobody's metrics: whatever they are, they are taken and forgotten.
        drop(receive::body(body, METRICS_BYTES, Pace::UNKNOWN, &mut share).await);
        return answered(answer::success());
    }
    let (config, room) = (&ingest.shared.config, &ingest.shared.room);
    let received = received(endpoint, request, config, room).await;
    let finish = async move {
        let taken = match received {
            Ok(received) => ingest.take(received).await,
            Err(refusal) => Err(refusal),
        };
        answered(ingest.answer(taken))
    };
    // What has arrived is stored and counted, whether or not its client is still there.
    let finished = to_its_end(finish.in_current_span()).await;
    finished.unwrap_or_else(Refusal::into_response)
}

fn answered(response: Response) -> Response {
    Span::current().record("http.status", i64::from(response.status().as_u16()));
    response
}

async fn settings(
    State(ingest): State<Ingest>,
    key: Result<Path<String>, PathRejection>,
    peer: Option<Extension<Peer>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let Some(source) = ingest.source(key) else {
        return Refusal::NoSuchProject.into_response();
    };
    let origin = headers.get(header::ORIGIN);
    let origin = origin.map(|origin| origin.to_str().unwrap_or_default());
    if let Err(refusal) = auth::check_origin(source, origin) {
        return refusal.into_response();
    }
    tracing::debug!(source = source.name, "settings asked for");
    let behind_proxy = peer.is_some_and(|Extension(peer)| peer.is_trusted());
    let host = Host::of(&ingest.shared.config, &headers, behind_proxy, &uri);
    let document = settings::document(source.write_key.expose_secret(), host.as_ref());
    let mut response = answer::json(StatusCode::OK, document);
    // Not for shared caches: the document names the host that this client asked.
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, max-age=300"),
    );
    if ingest.shared.config.public_url.is_none() {
        response.headers_mut().append(header::VARY, settings::VARY);
    }
    response
}

async fn analytics_js(
    State(ingest): State<Ingest>,
    key: Result<Path<String>, PathRejection>,
) -> Response {
    if ingest.source(key).is_none() {
        return Refusal::NoSuchProject.into_response();
    }
    let script = ingest.script.as_ref().map(script::script);
    script.unwrap_or_else(|| Refusal::NotFound.into_response())
}

async fn part(State(ingest): State<Ingest>, name: Result<Path<String>, PathRejection>) -> Response {
    let files = ingest.script.as_ref();
    let part = name.ok().and_then(|Path(name)| script::part(files?, &name));
    part.unwrap_or_else(|| Refusal::NotFound.into_response())
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

/// Says 500, which SDKs retry. The panic's text is not repeated: it may hold what was sent.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!(
        "a request made ingest panic; this is a mistake in the relay, please report it"
    );
    Refusal::Internal.into_response()
}
