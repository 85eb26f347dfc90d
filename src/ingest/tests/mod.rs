//! Ingest's decisions, as tables: no server, no outbox, a clock that does not move.

mod archive;
mod batches;
mod bodies;
mod keys_and_settings;
mod times;
mod webhooks;

use std::io::Write as _;

use axum::http::Request as HttpRequest;
use secrecy::SecretString;

use super::accept::{Accepted, Endpoint, Rules, accept};
use super::answer::Rejection;
use super::body_budget::BodyBudget;
use super::{body, paths};
use crate::config::{IngestConfig, SourceConfig};
use crate::model::{GarbageIds, NewEvent, Timestamp};

/// The moment at which everything here arrives.
fn now() -> Timestamp {
    Timestamp::parse("2026-11-23T12:00:00.000Z").unwrap()
}

fn source(name: &str, key: &str, origins: &[&str]) -> SourceConfig {
    SourceConfig {
        name: name.to_owned(),
        write_key: SecretString::from(key),
        side: None,
        allow: Vec::new(),
        allowed_origins: origins.iter().map(|&origin| origin.to_owned()).collect(),
        shared_secret: None,
    }
}

fn config() -> IngestConfig {
    let origins = ["https://shop.example", "http://localhost:3000/"];
    let sources = vec![
        source("dev", "dev", &[]),
        source("node", "wk_node", &[]),
        source("jitsu", "key", &[]),
        source("shop", "wk_shop", &origins),
        SourceConfig {
            shared_secret: Some(SecretString::from("Jefe's secret")),
            ..source("segment", "wk_segment", &[])
        },
    ];
    IngestConfig {
        sources,
        ..IngestConfig::default()
    }
}

fn endpoint(path: &str) -> Endpoint {
    let bare = path.split('?').next().unwrap_or(path);
    let paths = paths::call_paths();
    let found = paths.iter().find(|(known, _)| known == bare);
    found.unwrap_or_else(|| panic!("no route for {path}")).1
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Judges a request as the routes would; the message ids it makes are `made-1`, `made-2`, …
fn decide(path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Accepted, Rejection> {
    let mut request = HttpRequest::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let config = config();
    let mut lease = BodyBudget::new(config.max_bytes_in_progress).lease(true);
    let limit = config.max_batch_bytes;
    let request = body::request(endpoint(path), &parts, body, limit, &mut lease)?;
    let rules = Rules {
        config: &config,
        garbage: &GarbageIds::default(),
    };
    let mut made = 0;
    accept(&request, rules, now(), &mut || {
        made += 1;
        format!("made-{made}")
    })
}

/// The events of a request that must be accepted, sent with the key `dev`.
fn events(path: &str, body: &str) -> Vec<NewEvent> {
    let headers = [("x-write-key", "dev")];
    decide(path, &headers, body.into())
        .unwrap_or_else(|rejection| panic!("{rejection}: {body}"))
        .events
}

/// The one event of a single call, sent with the key `dev`.
fn event(path: &str, body: &str) -> NewEvent {
    let mut events = events(path, body);
    assert_eq!(events.len(), 1);
    events.remove(0)
}
