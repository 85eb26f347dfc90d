//! The page over the router, without a browser: what each page says, what it lets nobody do, and that events are text.

mod event;
mod trial;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use klaviyo_relay::admin::{self, Access, Admin};
use klaviyo_relay::clock::{Clock as _, SystemClock};
use klaviyo_relay::config::{AdminConfig, Config, OutboxConfig};
use klaviyo_relay::metrics::Instruments;
use klaviyo_relay::operator::ExplainSettings;
use klaviyo_relay::outbox::Outbox;
use klaviyo_relay::sandbox::{Options, Sandbox};
use tempfile::TempDir;
use tokio::sync::watch;
use tower::ServiceExt as _;

/// What a browser says of a form that it sends to where it got it from.
const FROM_HERE: (&str, &str) = ("sec-fetch-site", "same-origin");

/// The pages on an outbox of their own; no relay takes anything from it.
struct Pages {
    outbox: Outbox,
    routes: Router,
    _dir: TempDir,
}

/// What was answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The page of a request that must succeed.
    fn well(self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.text
    }

    /// Where a visitor is sent on to.
    fn sent_on(&self) -> &str {
        assert_eq!(self.status, 303, "{self:?}");
        self.header("location").unwrap()
    }
}

impl Pages {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With a port that is set up otherwise.
    async fn with(otherwise: impl FnOnce(&mut Admin)) -> Self {
        let dir = TempDir::new().unwrap();
        let config = OutboxConfig {
            path: dir.path().join("outbox.db"),
            min_free_disk: 0,
            ..OutboxConfig::default()
        };
        let instruments = Instruments::new(Arc::new(SystemClock), ["shop", "app"]);
        let told = Some(instruments.clone());
        let outbox = Outbox::open_measured(&config, SystemClock.now(), told);
        let outbox = outbox.await.unwrap();
        let config = AdminConfig::default();
        let mut admin = Admin {
            outbox: outbox.clone(),
            instruments,
            clock: Arc::new(SystemClock),
            sandbox: Some(Sandbox::new(Options::default(), Arc::new(SystemClock))),
            explain: watch::Sender::new(ExplainSettings::of(&Config::default())).subscribe(),
            access: Access::of(&config, [7; 32]),
            show_personal_data: config.show_personal_data,
        };
        otherwise(&mut admin);
        Self {
            outbox,
            routes: admin::routes(admin),
            _dir: dir,
        }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = self.routes.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }
}
