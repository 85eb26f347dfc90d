//! The operator's port: is it alive, is it accepting, where does everything stand. JSON, read-only.
//!
//! It promises to show no payload, no person's data and no key, and to ask for the token where one is set.
//! May use `outbox` (reports), `model`, `config`, `clock` and the listener.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::outbox::{Outbox, ReadError, Status};

/// What the port knows.
#[derive(Clone)]
pub struct Admin {
    /// Where everything stands.
    pub outbox: Outbox,
    /// Whether requests go to a sandbox, so that nothing reaches Klaviyo.
    pub sandbox: bool,
    /// The token a caller must show.
    pub token: Option<SecretString>,
}

/// The routes of the port.
pub fn routes(admin: Admin) -> Router {
    let admin = Arc::new(admin);
    Router::new()
        .route("/readyz", get(ready))
        .route("/status", get(status))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&admin),
            ask_for_token,
        ))
        .route("/healthz", get(alive))
        .with_state(admin)
}

async fn alive(State(admin): State<Arc<Admin>>) -> Response {
    let alive = !admin.outbox.fatal().is_cancelled();
    answer(alive, json!({ "alive": alive }))
}

/// Ready to accept: the writer works. What hinders delivery is told too, but does not make it unready: events are
/// safe meanwhile.
async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    let mut notes = Vec::new();
    if admin.sandbox {
        notes.push("requests go to the sandbox: NOTHING REACHES KLAVIYO".to_owned());
    }
    let accepting = admin.outbox.append(Vec::new()).await;
    if let Err(error) = &accepting {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        notes.push(format!(
            "not accepting: {}",
            cause.unwrap_or_else(|| error.to_string())
        ));
    }
    match admin.outbox.paused().await {
        Ok(Some(pause)) => notes.push(format!(
            "delivery is paused since {}: {}",
            pause.since, pause.reason
        )),
        Ok(None) => {}
        Err(error) => notes.push(error.to_string()),
    }
    answer(
        accepting.is_ok(),
        json!({ "ready": accepting.is_ok(), "notes": notes }),
    )
}

async fn status(State(admin): State<Arc<Admin>>) -> Response {
    match admin.outbox.status().await {
        Ok(status) => answer(true, status_json(&status, admin.sandbox)),
        Err(error) => unreadable(&error),
    }
}

/// The status as JSON, the same on this port and from `status --json`.
pub fn status_json(status: &Status, sandbox: bool) -> Value {
    let audit: serde_json::Map<String, Value> = status
        .audit
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let backlog: Vec<Value> = status
        .backlog
        .iter()
        .map(|row| json!({"status": row.status, "type": row.kind, "count": row.count, "oldest": row.oldest}))
        .collect();
    let dead: Vec<Value> = status
        .dead
        .iter()
        .map(|group| json!({"reason": group.reason, "count": group.count}))
        .collect();
    let pause = status.pause.as_ref().map(|pause| {
        json!({
            "since": pause.since.to_string(), "reason": pause.reason,
            "next_probe_at": pause.probe_at.to_string(),
        })
    });
    json!({"sandbox": sandbox, "audit": audit, "backlog": backlog, "dead": dead, "paused": pause,
        "unknown_subscriptions": status.unknown_subscriptions})
}

async fn ask_for_token(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response {
    let Some(token) = &admin.token else {
        return next.run(request).await;
    };
    let shown = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    if bool::from(shown.as_bytes().ct_eq(token.expose_secret().as_bytes())) {
        return next.run(request).await;
    }
    let body = json!({"error": "show the token: `Authorization: Bearer TOKEN` ([admin] token)"});
    (StatusCode::UNAUTHORIZED, Json(body)).into_response()
}

fn answer(well: bool, body: Value) -> Response {
    let status = if well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body)).into_response()
}

fn unreadable(error: &ReadError) -> Response {
    tracing::error!(%error, "failed to answer on the admin port");
    let body = json!({"error": error.to_string()});
    (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
}
