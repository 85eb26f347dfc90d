//! What the sandbox does, as a client sees it: requests through its routes, and for broken connections through a port.

mod consent;
mod control;
mod events;
mod faults;
mod gate;
mod imports;
mod lists;
mod page;
mod reads;
mod refusals;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Options, Sandbox};
use crate::clock::Clock;
use crate::model::Timestamp;

/// The time at which every test begins.
const START: &str = "2026-11-23T10:00:00Z";

/// A clock that stands still until it is moved.
struct StillClock(AtomicI64);

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

/// A sandbox with its clock, and a client of it.
struct World {
    sandbox: Sandbox,
    clock: Arc<StillClock>,
}

/// An answer, read to its end.
struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
    body: Value,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The pointers of all its errors.
    fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().expect("an error envelope");
        errors
            .iter()
            .filter_map(|error| error["source"]["pointer"].as_str())
            .collect()
    }
}

impl World {
    fn new() -> Self {
        Self::with(Options::default())
    }

    fn with(options: Options) -> Self {
        let start = Timestamp::parse(START).unwrap();
        let clock = Arc::new(StillClock(AtomicI64::new(start.as_millis())));
        let sandbox = Sandbox::new(options, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { sandbox, clock }
    }

    fn advance(&self, millis: i64) {
        self.clock.0.fetch_add(millis, Ordering::Relaxed);
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let answer = self.sandbox.routes().oneshot(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    async fn call(&self, method: Method, path: &str, document: &Value) -> Reply {
        self.send(request(method, path, document.to_string())).await
    }

    async fn post(&self, path: &str, document: &Value) -> Reply {
        self.call(Method::POST, path, document).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(request(Method::GET, path, String::new())).await
    }

    /// Imports a profile with these attributes; answers its id.
    async fn import(&self, attributes: Value) -> String {
        let reply = self.post("/api/profile-import", &profile(attributes)).await;
        assert!(matches!(reply.status, 200 | 201), "{}", reply.text);
        reply.body["data"]["id"].as_str().unwrap().to_owned()
    }
}

/// A request as the relay sends it.
fn request(method: Method, path: &str, body: String) -> Request<Body> {
    let media_type = if path.starts_with("/sandbox") {
        "application/json"
    } else {
        "application/vnd.api+json"
    };
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", "Klaviyo-API-Key pk_sandbox")
        .header("revision", "2026-10-15")
        .header("content-type", media_type)
        .body(Body::from(body))
        .unwrap()
}

fn with_header(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

fn profile(attributes: Value) -> Value {
    let mut document = json!({ "data": { "type": "profile" } });
    document["data"]["attributes"] = attributes;
    document
}

/// A right event of Serena's.
fn event(unique_id: &str) -> Value {
    // Read from text: a literal would lose its last zero.
    let amount: Value = serde_json::from_str("29.980").unwrap();
    json!({ "data": { "type": "event", "attributes": {
        "properties": { "OrderId": unique_id, "Total": amount, "Gift": 0, "Note": "" },
        "time": "2026-11-23T09:59:58.700Z",
        "value": amount,
        "value_currency": "USD",
        "unique_id": unique_id,
        "metric": { "data": { "type": "metric", "attributes": { "name": "Placed Order" } } },
        "profile": { "data": { "type": "profile", "attributes": { "email": "Serena@klaviyo-demo.com" } } },
    } } })
}

/// A right bulk job: each person with the keys of their events.
fn bulk(persons: &[(&str, &[&str])]) -> Value {
    let one = |unique_id: &&str| {
        let mut one = event(unique_id)["data"].clone();
        one["attributes"].as_object_mut().unwrap().shift_remove("profile");
        one
    };
    let person = |(email, keys): &(&str, &[&str])| {
        json!({ "type": "event-bulk-create", "attributes": {
            "profile": { "data": { "type": "profile", "attributes": { "email": email } } },
            "events": { "data": keys.iter().map(one).collect::<Vec<_>>() },
        } })
    };
    json!({ "data": { "type": "event-bulk-create-job", "attributes": {
        "events-bulk-create": { "data": persons.iter().map(person).collect::<Vec<_>>() },
    } } })
}

/// A right subscription of one person to a list.
fn subscription(email: &str, list: &str) -> Value {
    json!({ "data": {
        "type": "profile-subscription-bulk-create-job",
        "attributes": { "profiles": { "data": [{ "type": "profile", "attributes": {
            "email": email,
            "subscriptions": { "email": { "marketing": { "consent": "SUBSCRIBED" } } },
        } }] } },
        "relationships": { "list": { "data": { "type": "list", "id": list } } },
    } })
}

/// The same document with another value at a pointer whose holder is there; `ABSENT` takes the member away.
fn changed(document: &Value, pointer: &str, value: Value) -> Value {
    let mut document = document.clone();
    let (holder, name) = pointer.rsplit_once('/').unwrap();
    let holder = document.pointer_mut(holder).expect("the holder is there");
    if value == ABSENT {
        holder.as_object_mut().unwrap().shift_remove(name);
    } else if let Some(items) = holder.as_array_mut() {
        items[name.parse::<usize>().unwrap()] = value;
    } else {
        holder[name] = value;
    }
    document
}

/// Stands for no member at all in `changed`.
const ABSENT: &str = "(absent)";
