//! Segment's API over HTTP, in front of an outbox on a real file.

mod browsers;
mod captures;
mod checklist;
mod malformed;
mod origins;
mod script;
mod storing;
mod wire;

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use klaviyo_relay::clock::Clock;
use klaviyo_relay::config::{IngestConfig, OutboxConfig, SourceConfig};
use klaviyo_relay::ingest::{Ingest, routes};
use klaviyo_relay::model::{EventStatus, GarbageIds, Timestamp};
use klaviyo_relay::outbox::{EventReport, Outbox, Selection};
use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

/// Source name and write key: those of the recordings, and `dev`.
const SOURCES: [(&str, &str); 11] = [
    ("dev", "dev"),
    ("node", "wk_node"),
    ("python", "wk_py"),
    ("browser", "wk_browser"),
    ("snippet", "wk_snip"),
    ("php", "wk_php"),
    ("ruby", "wk_ruby"),
    ("rust", "wk_rust"),
    ("rudder", "wk_rudder"),
    ("jitsu", "key"),
    ("shop", "wk_shop"),
];

/// A clock that stands at the time of the recordings.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_440_000_000)
    }

    fn chance(&self) -> f64 {
        klaviyo_relay::clock::SystemClock.chance()
    }
}

/// Ingest with an outbox of its own.
struct Bench {
    router: Router,
    outbox: Outbox,
    _dir: TempDir,
}

/// An answer, read whole.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Bench {
    async fn new() -> Self {
        Self::with(0, Arc::new(Standing)).await
    }

    /// With other settings.
    async fn of(config: IngestConfig) -> Self {
        Self::made(config, 0, Arc::new(Standing), |ingest| ingest).await
    }

    /// `min_free_disk` decides whether anything can be stored.
    async fn with(min_free_disk: u64, clock: Arc<dyn Clock>) -> Self {
        Self::made(config_of_sources(), min_free_disk, clock, |ingest| ingest).await
    }

    async fn made(
        settings: IngestConfig,
        min_free_disk: u64,
        clock: Arc<dyn Clock>,
        more: impl FnOnce(Ingest) -> Ingest,
    ) -> Self {
        let dir = TempDir::new().unwrap();
        let config = OutboxConfig {
            path: dir.path().join("outbox.db"),
            retain_delivered: Duration::from_hours(24),
            retain_dead: Duration::from_hours(24),
            retain_bodies: Duration::from_hours(24),
            min_free_disk,
            max_pending: None,
        };
        let outbox = Outbox::open(&config, Standing.now()).await.unwrap();
        let ingest = Ingest::new(settings, GarbageIds::default(), outbox.intake(), clock);
        Self {
            router: routes(more(ingest)),
            outbox,
            _dir: dir,
        }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Posts with the key `dev`.
    async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(path).header("x-write-key", "dev");
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Everything stored, in order of arrival.
    async fn stored(&self, status: Option<EventStatus>) -> Vec<EventReport> {
        let selection = Selection {
            states: status.into_iter().collect(),
            ..Selection::default()
        };
        let mut reports = Vec::new();
        for id in self.outbox.select(&selection).await.unwrap() {
            reports.push(self.outbox.report(id).await.unwrap().unwrap());
        }
        reports
    }
}

fn config_of_sources() -> IngestConfig {
    let sources = SOURCES.map(|(name, key)| SourceConfig {
        name: name.to_owned(),
        write_key: SecretString::from(key),
        side: None,
        allow: Vec::new(),
        allowed_origins: match name {
            "shop" => vec!["https://shop.example".to_owned()],
            _ => Vec::new(),
        },
        shared_secret: None,
    });
    IngestConfig {
        sources: sources.to_vec(),
        ..IngestConfig::default()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
