//! The pages on an outbox and a sandbox of their own, which no relay takes anything from.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use klaviyo_relay::admin::{self, Access, Admin};
use klaviyo_relay::clock::{Clock as _, SystemClock};
use klaviyo_relay::config::{AdminConfig, Config, OutboxConfig};
use klaviyo_relay::metrics::Instruments;
use klaviyo_relay::model::{EventType, Identifier, IdentifierKind, NewEvent, Timestamp};
use klaviyo_relay::operator::ExplainSettings;
use klaviyo_relay::outbox::Outbox;
use klaviyo_relay::sandbox::{Options, Sandbox};
use tempfile::TempDir;
use tokio::sync::watch;
use tower::ServiceExt as _;

/// What the pages are made of.
pub(super) struct Shelf {
    pub(super) outbox: Outbox,
    pub(super) sandbox: Sandbox,
    routes: Router,
    _dir: TempDir,
}

/// What is there to be shown, and how.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) sandbox: bool,
    pub(super) personal_data: bool,
}

impl Shelf {
    pub(super) async fn new() -> Self {
        Self::with(Shown {
            sandbox: true,
            personal_data: false,
        })
        .await
    }

    pub(super) async fn with(shown: Shown) -> Self {
        let dir = TempDir::new().unwrap();
        let config = OutboxConfig {
            path: dir.path().join("outbox.db"),
            min_free_disk: 0,
            ..OutboxConfig::default()
        };
        let outbox = Outbox::open(&config, SystemClock.now()).await.unwrap();
        let sandbox = Sandbox::new(Options::default(), Arc::new(SystemClock));
        let admin = Admin {
            outbox: outbox.clone(),
            instruments: Instruments::new(Arc::new(SystemClock), ["shop"]),
            clock: Arc::new(SystemClock),
            sandbox: shown.sandbox.then(|| sandbox.clone()),
            explain: watch::Sender::new(ExplainSettings::of(&Config::default())).subscribe(),
            access: Access::of(&AdminConfig::default(), [7; 32]),
            show_personal_data: shown.personal_data,
        };
        Self {
            outbox,
            sandbox,
            routes: admin::routes(admin),
            _dir: dir,
        }
    }

    /// The page at a path.
    pub(super) async fn page(&self, path: &str) -> String {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let (status, text) = answer(&self.routes, request).await;
        assert_eq!(status, 200, "{path}: {text}");
        text
    }

    /// Asks the sandbox, as the relay does.
    pub(super) async fn klaviyo(&self, path: &str, body: String) -> u16 {
        let request = Request::post(path)
            .header("authorization", "Klaviyo-API-Key pk_sandbox")
            .header("revision", "2026-10-15")
            .header("content-type", "application/vnd.api+json")
            .body(Body::from(body))
            .unwrap();
        answer(&self.sandbox.routes(), request).await.0
    }
}

async fn answer(routes: &Router, request: Request<Body>) -> (u16, String) {
    let answer = routes.clone().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// A track of a person, by their user id.
pub(super) fn event(user: &str, number: u64) -> NewEvent {
    let at = Timestamp::from_millis(1_795_440_000_000 + i64::try_from(number).unwrap());
    NewEvent {
        source: "shop".to_owned(),
        message_id: format!("m{number}"),
        kind: Some(EventType::Track),
        name: Some("Step".to_owned()),
        at,
        received_at: at,
        identifiers: Vec::from_iter(Identifier::new(IdentifierKind::UserId, user)),
        payload: "{}".to_owned(),
        envelope: None,
        refused: None,
    }
}

/// One that is dead for this reason.
pub(super) fn dead(user: &str, number: u64, reason: &str) -> NewEvent {
    NewEvent {
        refused: Some(reason.to_owned()),
        ..event(user, number)
    }
}

/// Where a page's links lead: the texts of `href`, as a browser reads them.
pub(super) fn links(page: &str) -> Vec<String> {
    let links = page.split("href=\"").skip(1);
    let links = links.map(|rest| rest.split('"').next().unwrap_or_default());
    links.map(|link| link.replace("&amp;", "&")).collect()
}

/// How often a page has a text.
pub(super) fn times(page: &str, text: &str) -> usize {
    page.matches(text).count()
}
