//! One trace from a client's request to Klaviyo's answer.

use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};

use super::collector::Collector;
use crate::support::{Daemon, Klaviyo, count};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.map(|digit| char::from_digit(u32::from(digit), 16));
    digits.map(Option::unwrap).collect()
}

fn attribute(span: &Span, name: &str) -> Option<Value> {
    let found = span.attributes.iter().find(|known| known.key == name)?;
    let value = found.value.as_ref()?.value.as_ref()?;
    if let any_value::Value::IntValue(number) = value {
        return Some(json!(number));
    }
    let any_value::Value::StringValue(text) = value else {
        panic!("{name} is {value:?}");
    };
    Some(json!(text))
}

/// The one span of this name in a trace.
fn the<'s>(spans: &'s [Span], trace: &str, name: &str) -> &'s Span {
    let mut found = spans
        .iter()
        .filter(|span| span.name == name && hex(&span.trace_id) == trace);
    let span = found
        .next()
        .unwrap_or_else(|| panic!("no {name} in {trace}: {spans:?}"));
    assert!(found.next().is_none(), "two {name} in {trace}");
    span
}

async fn traced(collector: &Collector, klaviyo: &Klaviyo, more: &str) -> Daemon {
    let address = collector.address;
    let config = format!("[telemetry]\notlp_endpoint = \"http://{address}\"\n{more}");
    Daemon::start(klaviyo, &config).await
}

fn call(user: &str) -> Value {
    json!({"userId": user, "messageId": user, "event": "Step", "properties": {"email": "zq7@klaviyo-demo.com"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_its_mapping_and_its_attempts_are_one_trace() {
    let (collector, klaviyo) = (Collector::start().await, Klaviyo::start().await);
    let mut daemon = traced(&collector, &klaviyo, "[delivery]\nfirst_retry = \"10ms\"").await;
    klaviyo
        .fault(json!({"status": 429, "next": 1, "path": "/api/events", "headers": {"retry-after": "1"}}))
        .await;
    let parent = format!("00-{TRACE}-{CALLER}-01");
    daemon.send_traced("/v1/track", &call("u1"), &parent).await;
    daemon.settled().await;
    // Without a trace of its caller's, or with one that is none, a request begins one.
    daemon.send("/v1/track", &call("u2")).await;
    daemon.send_traced("/v1/track", &call("u3"), "00-nonsense").await;
    // And one that its caller does not sample.
    let unwanted = TRACE.replace('4', "5");
    let parent = format!("00-{unwanted}-{CALLER}-00");
    daemon.send_traced("/v1/track", &call("u4"), &parent).await;
    assert_eq!(count(&daemon.settled().await, "delivered"), 4);
    assert!(daemon.terminate().await.success());

    let spans = collector.spans();
    let ingest = the(&spans, TRACE, "ingest");
    assert_eq!(hex(&ingest.parent_span_id), CALLER);
    assert_eq!(attribute(ingest, "http.status"), Some(json!(200)));
    let map = the(&spans, TRACE, "map");
    assert_eq!(map.parent_span_id, ingest.span_id);
    assert_eq!(attribute(map, "event"), Some(json!("1")));
    let attempts: Vec<&Span> = spans
        .iter()
        .filter(|span| span.name == "attempt" && hex(&span.trace_id) == TRACE)
        .collect();
    assert!(attempts.iter().all(|attempt| attempt.parent_span_id == ingest.span_id));
    let reported = |name: &str| -> Vec<_> {
        let reported = attempts.iter().map(|attempt| attribute(attempt, name));
        reported.map(Option::unwrap_or_default).collect()
    };
    assert_eq!(reported("attempt"), [1, 2]);
    assert_eq!(reported("http.status"), [429, 202]);
    assert_eq!(reported("delivery"), ["1", "1"]);

    for event in ["2", "3"] {
        let about = |span: &&Span| span.name == "map" && attribute(span, "event") == Some(json!(event));
        let trace = hex(&spans.iter().find(about).unwrap().trace_id);
        assert_ne!(trace, TRACE);
        let ingest = the(&spans, &trace, "ingest");
        assert!(ingest.parent_span_id.is_empty());
        let attempt = the(&spans, &trace, "attempt");
        assert_eq!(attempt.parent_span_id, ingest.span_id);
    }
    let reported = |trace: &str| {
        spans
            .iter()
            .any(|span| hex(&span.trace_id) == trace && span.name == "ingest")
    };
    assert!(reported(TRACE) && !reported(&unwanted));
    for body in collector.bodies() {
        for private in ["zq7@", "u1", "pk_sandbox"] {
            let found = body.windows(private.len()).any(|part| part == private.as_bytes());
            assert!(!found, "{private} is reported");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_after_a_restart_goes_on_with_its_trace() {
    let (collector, klaviyo) = (Collector::start().await, Klaviyo::start().await);
    let mut daemon = traced(&collector, &klaviyo, "").await;
    klaviyo.fault(json!({"status": 503, "path": "/api/"})).await;
    let parent = format!("00-{TRACE}-{CALLER}-01");
    daemon.send_traced("/v1/track", &call("u1"), &parent).await;
    daemon.terminate().await;
    klaviyo.behave().await;
    daemon.restart().await;
    assert_eq!(count(&daemon.settled().await, "delivered"), 1);
    assert!(daemon.terminate().await.success());

    let spans = collector.spans();
    let ingest = the(&spans, TRACE, "ingest");
    let delivered = spans
        .iter()
        .filter(|span| span.name == "attempt" && attribute(span, "http.status") == Some(json!(202)))
        .map(|span| (hex(&span.trace_id), span.parent_span_id.clone()));
    assert_eq!(
        delivered.collect::<Vec<_>>(),
        [(TRACE.to_owned(), ingest.span_id.clone())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_job_points_to_the_traces_of_its_events() {
    let (collector, klaviyo) = (Collector::start().await, Klaviyo::start().await);
    let limits = "[delivery.limits.event]\nburst = 1\nsteady = 1";
    let mut daemon = traced(&collector, &klaviyo, limits).await;
    let batch: Vec<Value> = (0..80).map(|number| call(&format!("person-{number}"))).collect();
    let batch: Vec<Value> = batch
        .into_iter()
        .map(|mut call| {
            call["type"] = json!("track");
            call["properties"] = json!({});
            call
        })
        .collect();
    let parent = format!("00-{TRACE}-{CALLER}-01");
    let batch = json!({ "batch": batch });
    daemon.send_traced("/v1/batch", &batch, &parent).await;
    assert_eq!(count(&daemon.settled().await, "delivered"), 80);
    assert!(daemon.terminate().await.success());
    let spans = collector.spans();
    let ingest = the(&spans, TRACE, "ingest");
    let job = spans.iter().find(|span| span.name == "job").unwrap();
    assert_ne!(hex(&job.trace_id), TRACE);
    assert!(!job.links.is_empty());
    assert!(job.links.iter().all(|link| link.span_id == ingest.span_id));
    assert_eq!(attribute(job, "http.status"), Some(json!(202)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_holds_up_nothing() {
    let klaviyo = Klaviyo::start().await;
    // Nobody listens at this port.
    let config = "[telemetry]\notlp_endpoint = \"http://127.0.0.1:1\"";
    let mut daemon = Daemon::start(&klaviyo, config).await;
    daemon.send("/v1/track", &call("u1")).await;
    assert_eq!(count(&daemon.settled().await, "delivered"), 1);
    assert!(daemon.terminate().await.success());
}
