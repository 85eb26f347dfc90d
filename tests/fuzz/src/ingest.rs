//! Ingest: a request's path, head and body become calls, or a rejection.
//!
//! The input is written as a request is: a path with its query, headers, one to a line, an empty line, the body. Two
//! headers are the target's own, since no fuzzer makes a checksum: with `fuzz-compress: gzip` (or `deflate`, or `raw`)
//! the body is compressed, with `fuzz-sign: SECRET` it is signed.
//!
//! Held: a request is accepted the same way however it is compressed; each call that is accepted is valid JSON, a part
//! of the body byte for byte, reads back as the call that the body has at its place, and waits in the queue of
//! everybody it names; no limit is passed; memory stays below the estimate of the cost; and no rejection repeats what
//! was sent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request as HttpRequest, Uri};
use futures_util::FutureExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use klaviyo_relay::config::{IngestConfig, SourceConfig};
use klaviyo_relay::ingest::{
    Accepted, BodyBudget, Endpoint, Received, Rejection, Rules, accept, authenticate, call_paths, cost, receive,
};
use klaviyo_relay::json;
use klaviyo_relay::model::{GarbageIds, NewEvent, Right, Timestamp};
use klaviyo_relay::segment::{Call, Envelope, repair_surrogates};
use secrecy::SecretString;
use serde_json::Value;
use serde_json::value::RawValue;
use sha1::Sha1;

use super::memory;

/// When each request arrives: 2026-11-23T12:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_435_200_000);
/// Segment's limit on the calls of one batch.
const MAX_ITEMS: usize = 2500;
/// What no rejection may repeat, wherever it was sent.
const CANARY: &str = "Zq7Xw2Lk9Vb4Nm1R";
/// What it costs to judge a body of nothing.
const FIXED_BYTES: usize = 16 << 10;
/// What is known of a call, beside its text.
const KNOWN_BYTES: usize = 1 << 10;

static CONFIG: LazyLock<IngestConfig> = LazyLock::new(config);

/// Takes a request apart.
pub fn target(data: &[u8]) {
    let Some((endpoint, mut head, body)) = request(data) else {
        return;
    };
    let signature = head.sign.as_deref().map(|secret| signature(secret, body));
    if let Some(signature) = signature {
        head.headers.push((HeaderName::from_static("x-signature"), signature));
    }
    let plain = sent(endpoint, &head, body, None);
    let Some(coding) = head.compress.as_deref() else {
        return;
    };
    let compressed = sent(endpoint, &head, &compressed(body, coding), Some(coding));
    // A body that is over a limit is so either way, in other words.
    match (plain, compressed) {
        (Ok(plain), Ok(compressed)) => assert_eq!(plain.events, compressed.events),
        (Err(plain), Err(compressed)) => assert_eq!(plain.code(), compressed.code()),
        (plain, compressed) => panic!("{plain:?} {compressed:?}"),
    }
}

/// A head as the input has it.
#[derive(Default)]
struct Head {
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    compress: Option<String>,
    sign: Option<String>,
}

/// Reads the input; lines that no HTTP library would hand on are left out.
fn request(data: &[u8]) -> Option<(Endpoint, Head, &[u8])> {
    let (mut rest, mut head) = (data, Head::default());
    let mut first = true;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        if line.is_empty() {
            break;
        }
        if std::mem::take(&mut first) {
            head.uri = Uri::try_from(line).ok()?;
        } else if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            header(&mut head, &line[..colon], line[colon + 1..].trim_ascii());
        }
    }
    let path = head.uri.path();
    let (_, endpoint) = call_paths().into_iter().find(|(known, _)| known == path)?;
    (endpoint != Endpoint::Metrics).then_some((endpoint, head, rest))
}

fn header(head: &mut Head, name: &[u8], value: &[u8]) {
    let text = || String::from_utf8_lossy(value).into_owned();
    match name {
        b"fuzz-compress" => head.compress = Some(text()),
        b"fuzz-sign" => head.sign = Some(text()),
        _ => {
            let pair = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value));
            if let (Ok(name), Ok(value)) = pair {
                head.headers.push((name, value));
            }
        }
    }
}

/// Receives and judges a request as the routes do, and checks the result.
fn sent(endpoint: Endpoint, head: &Head, body: &[u8], coding: Option<&str>) -> Result<Accepted, Rejection> {
    let (config, garbage) = (&*CONFIG, &GarbageIds::default());
    let http = http_request(head, body, coding);
    let budget = BodyBudget::new(config.max_bytes_in_progress);
    let received = block(receive(endpoint, http, config, &budget));
    let Received {
        request,
        is_heavy,
        has_key,
        ..
    } = received.inspect_err(refused)?;
    let text = request.body.as_str();
    let estimate = cost(text);
    if is_heavy && !has_key {
        authenticate(&request, config).inspect_err(refused)?;
    }
    let mut made = 0;
    let mut new_id = || {
        made += 1;
        format!("made-{made}")
    };
    let rules = Rules { config, garbage };
    let (accepted, peak) = memory::peak(|| accept(&request, rules, NOW, &mut new_id));
    let calls = accepted.as_ref().map_or(0, |accepted| accepted.events.len());
    assert!(
        peak <= estimate + FIXED_BYTES + calls * KNOWN_BYTES,
        "{peak} bytes were made, {estimate} estimated"
    );
    let accepted = accepted.inspect_err(refused)?;
    assert!((1..=MAX_ITEMS).contains(&accepted.events.len()));
    let calls = calls_of(endpoint, text).unwrap_or_else(|| vec![None; accepted.events.len()]);
    assert_eq!(calls.len(), accepted.events.len());
    for (event, call) in accepted.events.iter().zip(calls) {
        kept(event, text, call.as_ref(), garbage);
    }
    Ok(accepted)
}

fn http_request(head: &Head, body: &[u8], coding: Option<&str>) -> HttpRequest<Body> {
    let mut http = HttpRequest::new(Body::from(body.to_vec()));
    *http.method_mut() = Method::POST;
    *http.uri_mut() = head.uri.clone();
    let headers = http.headers_mut();
    for (name, value) in &head.headers {
        headers.append(name.clone(), value.clone());
    }
    if head.compress.is_some() {
        headers.remove("content-encoding");
    }
    if let Some(coding) = coding {
        let name = if coding == "gzip" { "gzip" } else { "deflate" };
        headers.insert("content-encoding", HeaderValue::from_static(name));
    }
    http
}

/// What a webhook is signed with: of an array its first call is.
fn signature(secret: &str, body: &[u8]) -> HeaderValue {
    let calls: Vec<&RawValue> = serde_json::from_slice(body).unwrap_or_default();
    let signed = calls.first().map_or(body, |call| call.get().as_bytes());
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("any key will do");
    mac.update(signed);
    let mut hex = String::new();
    for byte in mac.finalize().into_bytes() {
        write!(hex, "{byte:02x}").expect("writing to a String does not fail");
    }
    hex.parse().expect("hexadecimal")
}

/// No rejection repeats what was sent, and each has what a client needs.
fn refused(rejection: &Rejection) {
    let words = rejection.to_string();
    assert!(!words.is_empty() && !rejection.code().is_empty());
    assert!(!words.contains(CANARY), "{words}");
    let status = rejection.status().as_u16();
    assert!([400, 401, 413, 429].contains(&status), "{status} {words}");
}

/// The calls of a body, read by other means; none where that reads less than ingest does, and `None` for a call that
/// is not read: one that is too deep, or has a number out of range, does not cost the others.
fn calls_of(endpoint: Endpoint, body: &str) -> Option<Vec<Option<Value>>> {
    let is_call = matches!(endpoint, Endpoint::Call(_));
    match json::from_str(&repair_surrogates(body)) {
        Ok(Value::Object(mut fields)) if !is_call && fields.contains_key("batch") => {
            let Some(Value::Array(calls)) = fields.shift_remove("batch") else {
                return None;
            };
            Some(calls.into_iter().map(Some).collect())
        }
        Ok(Value::Array(calls)) => Some(calls.into_iter().map(Some).collect()),
        Ok(call) => Some(vec![Some(call)]),
        Err(_) if is_call => Some(vec![None]),
        Err(_) => {
            let fields: Option<BTreeMap<String, &RawValue>> = serde_json::from_str(body).ok();
            let batch = fields.and_then(|fields| fields.get("batch").map(|batch| batch.get()));
            let calls: Vec<&RawValue> = serde_json::from_str(batch.unwrap_or(body)).ok()?;
            Some(vec![None; calls.len()])
        }
    }
}

/// What is kept of a call is the call.
fn kept(event: &NewEvent, body: &str, call: Option<&Value>, garbage: &GarbageIds) {
    let NewEvent {
        source,
        message_id,
        kind,
        received_at,
        at,
        payload,
        ..
    } = event;
    assert!(!source.is_empty() && !message_id.trim().is_empty());
    assert!(message_id.chars().count() <= 255);
    assert!(*received_at == NOW && *at <= NOW, "{at}");
    assert!(body.contains(payload.as_str()));
    serde_json::from_str::<&RawValue>(payload).expect("what is kept is JSON");
    if let Some(reason) = &event.dead {
        assert!(!reason.text.contains(CANARY), "{reason}");
        assert!(reason.text.contains(": "), "{reason}");
        return;
    }
    assert!(payload.len() <= CONFIG.max_event_bytes);
    let envelope = event.envelope.clone().map(Envelope::read).transpose();
    let envelope = envelope.expect("what surrounds a call was read before");
    let read = Call::read(payload, envelope.as_ref(), *kind).expect("what is accepted can be read");
    assert_eq!(Some(read.kind), *kind);
    assert_eq!(read.identifiers(garbage), event.identifiers);
    assert_eq!(read.order_id(garbage), event.order_id);
    let value = json::from_str(&repair_surrogates(payload)).expect("what is accepted can be read");
    if let Some(call) = call {
        assert_eq!(&value, call, "another call than the body has at its place");
    }
}

fn compressed(body: &[u8], coding: &str) -> Vec<u8> {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    let fast = Compression::fast();
    let written = match coding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), fast);
            encoder.write_all(body).and_then(|()| encoder.finish())
        }
        "raw" => {
            let mut encoder = DeflateEncoder::new(Vec::new(), fast);
            encoder.write_all(body).and_then(|()| encoder.finish())
        }
        _ => {
            let mut encoder = ZlibEncoder::new(Vec::new(), fast);
            encoder.write_all(body).and_then(|()| encoder.finish())
        }
    };
    written.expect("writing to memory does not fail")
}

/// Sources of each kind, and limits that an input can reach.
fn config() -> IngestConfig {
    let source = |name: &str, key: &str| SourceConfig {
        name: name.to_owned(),
        write_key: SecretString::from(key),
        side: None,
        allow: Vec::new(),
        allowed_origins: Vec::new(),
        shared_secret: None,
    };
    IngestConfig {
        max_event_bytes: 1500,
        max_batch_bytes: 6000,
        sources: vec![
            source("dev", "dev"),
            SourceConfig {
                allow: vec![Right::Delete],
                allowed_origins: vec!["https://shop.example".to_owned()],
                ..source("shop", "shop")
            },
            SourceConfig {
                shared_secret: Some(SecretString::from("secret")),
                ..source("hook", "hook")
            },
        ],
        ..IngestConfig::default()
    }
}

/// Waits for what is there already, or is done on a thread of its own.
fn block<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime needs nothing");
    }
    RUNTIME.with(|runtime| runtime.block_on(future.boxed_local()))
}
