//! The operator's port: who has access, what it answers, and that its documents are right.

mod access;
mod changes;
mod document;
mod fuzz;
mod health;
mod lists;
mod numbers;
mod schema;
mod visits;

use std::sync::Arc;

use axum::Router;
use axum::http::HeaderMap;
use klaviyo_relay::admin::{self, Admin, Auth};
use klaviyo_relay::clock::{Clock as _, SystemClock};
use klaviyo_relay::config::{AdminConfig, Config, OutboxConfig};
use klaviyo_relay::console;
use klaviyo_relay::metrics::Instruments;
use klaviyo_relay::model::{EventType, Identifier, IdentifierKind, NewEvent, Reason, Timestamp};
use klaviyo_relay::operator::ExplainSettings;
use klaviyo_relay::outbox::Outbox;
use klaviyo_relay::sandbox::{Options, Sandbox};
use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::request_routes;

/// The port's routes on an outbox of their own; no relay takes anything from it.
struct Port {
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
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer to a request that must succeed.
    fn well(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Port {
    async fn new() -> Self {
        Self::with_token(None).await
    }

    async fn with_token(token: Option<&str>) -> Self {
        let dir = TempDir::new().unwrap();
        let config = OutboxConfig {
            path: dir.path().join("outbox.db"),
            min_free_disk: 0,
            ..OutboxConfig::default()
        };
        let instruments = Instruments::new(Arc::new(SystemClock), ["shop"]);
        let reported = Some(instruments.clone());
        let outbox = Outbox::open_measured(&config, SystemClock.now(), reported);
        let outbox = outbox.await.unwrap();
        let config = AdminConfig {
            token: token.map(SecretString::from),
            ..AdminConfig::default()
        };
        let admin = Arc::new(Admin {
            outbox: outbox.control().clone(),
            intake: outbox.intake(),
            instruments,
            clock: Arc::new(SystemClock),
            sandbox: Some(Sandbox::new(Options::default(), Arc::new(SystemClock))),
            explain: watch::Sender::new(ExplainSettings::of(&Config::default())).subscribe(),
            auth: Auth::of(&config, [7; 32]),
            at_once: 16,
            stop: CancellationToken::new(),
            show_personal_data: config.show_personal_data,
        });
        Self {
            outbox,
            routes: admin::routes(Arc::clone(&admin), console::routes(&admin)),
            _dir: dir,
        }
    }

    /// With events 1 to 6: tracks `Step` of u1, u2, u1, an `identify` of u2, and two dead ones.
    async fn filled() -> Self {
        let port = Self::new().await;
        let mut events: Vec<NewEvent> = [("u1", 1), ("u2", 2), ("u1", 3)]
            .map(|(user, number)| event(user, number, EventType::Track))
            .into();
        events.push(event("u2", 4, EventType::Identify));
        for number in [5, 6] {
            let dead = Some(Reason::new("no_user_anon_id", "no_user_anon_id: nobody is named"));
            events.push(NewEvent {
                dead,
                ..event("u3", number, EventType::Track)
            });
        }
        port.outbox.intake().append(events).await.unwrap();
        port
    }

    async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let (status, headers, text) = request_routes(&self.routes, method, path, headers, body).await;
        Answer { status, headers, text }
    }

    async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "").await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.request("POST", path, &headers, &body.to_string()).await
    }
}

fn event(user: &str, number: u64, kind: EventType) -> NewEvent {
    let at = Timestamp::from_millis(1_795_440_000_000 + i64::try_from(number).unwrap());
    NewEvent {
        traceparent: None,
        source: "shop".to_owned(),
        message_id: format!("m{number}"),
        kind: Some(kind),
        name: (kind == EventType::Track).then(|| "Step".to_owned()),
        at,
        received_at: at,
        order_id: None,
        identifiers: Vec::from_iter(Identifier::new(IdentifierKind::UserId, user)),
        payload: format!(r#"{{"userId":"{user}","event":"Step","writeKey":"wk_secret_key"}}"#),
        envelope: None,
        dead: None,
    }
}
