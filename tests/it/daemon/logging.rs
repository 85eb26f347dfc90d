//! What the daemon logs, and what it never does.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use klaviyo_relay::sandbox::Options;
use serde_json::{Value, json};

use super::track;
use crate::support::{Daemon, Klaviyo, count, eventually};

/// Everything that must never be logged, each unlike anything else.
const EMAIL: &str = "zelda.q7@klaviyo-demo.com";
const PHONE: &str = "+15005557391";
const NAME: &str = "Zeldarina";
const USER: &str = "user-q7x9";
const PROPERTY: &str = "property-k3w8";
const WRITE_KEY: &str = "writekey-m4v2";
const WRONG_WRITE_KEY: &str = "wrongkey-n5b3";
const FORWARDED_KEY: &str = "forwarded-c6h1";
const PRIVATE_KEY: &str = "pk_private_j8d4";
const WRONG_PRIVATE_KEY: &str = "pk_wrong_t2f6";
const SHARED_SECRET: &str = "sharedsecret-p9g5";
const TOKEN: &str = "admintoken-r1s7-long";
const WRONG_TOKEN: &str = "wrongtoken-y6u2-long";
const MARKS: [&str; 13] = [
    EMAIL,
    PHONE,
    NAME,
    USER,
    PROPERTY,
    WRITE_KEY,
    WRONG_WRITE_KEY,
    FORWARDED_KEY,
    PRIVATE_KEY,
    WRONG_PRIVATE_KEY,
    SHARED_SECRET,
    TOKEN,
    WRONG_TOKEN,
];

/// Every level of everything, and once more by name.
const EVERYTHING: &str = "trace,klaviyo_relay=trace,hyper=trace,hyper_util=trace,h2=trace,reqwest=trace,sqlx=trace,\
                          tower=trace,tower_http=trace,rustls=trace,axum=trace,log=trace";

/// A mark as it stands in a text, in a header, and in an address.
fn forms(mark: &str) -> Vec<String> {
    let basic = BASE64_STANDARD.encode(format!("{mark}:"));
    let address = mark.replace('@', "%40").replace('+', "%2B");
    vec![
        mark.to_owned(),
        mark.trim_start_matches("pk_").trim_start_matches('+').to_owned(),
        basic.trim_end_matches('=').to_owned(),
        address,
    ]
}

fn marked(kind: &str, id: &str) -> Value {
    json!({
        "type": kind, "messageId": id, "userId": USER, "event": "Step",
        "traits": {"email": EMAIL, "phone": PHONE, "firstName": NAME},
        "properties": {"email": EMAIL, "phone": PHONE, "p": PROPERTY},
        "context": {"traits": {"email": EMAIL}},
        "integrations": {"Klaviyo": {"listId": "LST123"}},
    })
}

/// Klaviyo's words, with the person in all of them.
fn words(status: u16) -> Value {
    let detail = format!("{EMAIL} ({PHONE}, {NAME}, {USER}) with {PROPERTY} and {PRIVATE_KEY}");
    json!({"errors": [{"id": EMAIL, "status": status, "code": EMAIL, "title": detail, "detail": detail,
        "source": {"pointer": EMAIL}}]})
}

async fn call(daemon: &Daemon, key: &str, path: &str, body: String) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(format!("http://{}{path}", daemon.ingest));
    let request = request.basic_auth(key, Some("")).body(body);
    request.send().await.unwrap().status().as_u16()
}

async fn look(address: impl std::fmt::Display, path: &str, token: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("http://{address}{path}"));
    drop(request.bearer_auth(token).send().await.unwrap().bytes().await);
}

/// A daemon that logs everything, with a marked secret wherever there can be one, and its log before its restart.
async fn logging_all(klaviyo: &Klaviyo) -> (Daemon, String) {
    let mut daemon = Daemon::start(klaviyo, "[delivery]\nfirst_retry = \"10ms\"").await;
    daemon.reload("info,klaviyo_relay::ingest=debug", EVERYTHING).await;
    daemon.reload("pk_sandbox", WRONG_PRIVATE_KEY).await;
    daemon.reload(WRONG_PRIVATE_KEY, PRIVATE_KEY).await;
    let forwarded = format!(
        "write_key = \"{WRITE_KEY}\"\n[[ingest.sources]]\nname = \"forwarded\"\nwrite_key = \"{FORWARDED_KEY}\"\n\
         shared_secret = \"{SHARED_SECRET}\""
    );
    daemon.reload("write_key = \"dev\"", &forwarded).await;
    let admin = format!("[admin]\ntoken = \"{TOKEN}\"");
    daemon.reload("[admin]", &admin).await;
    // A mistake is logged without its value.
    let broken = format!("private_key = \"{PRIVATE_KEY} {WRONG_PRIVATE_KEY}\"");
    let whole = format!("private_key = \"{PRIVATE_KEY}\"");
    daemon.reload(&whole, &broken).await;
    daemon.reload(&broken, &whole).await;
    // From here on everything is logged from the start.
    assert!(daemon.terminate().await.success());
    let log = daemon.last_log();
    daemon.restart().await;
    (daemon, log)
}

/// What clients do, right and wrong.
async fn every_request(daemon: &Daemon) {
    for (key, path, body, status) in [
        (WRITE_KEY, "/v1/track", marked("track", "m1").to_string(), 200),
        (WRITE_KEY, "/v1/identify", marked("identify", "m2").to_string(), 200),
        (WRITE_KEY, "/v1/page", marked("page", "m3").to_string(), 200),
        (
            WRITE_KEY,
            "/v1/batch",
            json!({"batch": [marked("track", "m4"), {"type": EMAIL}, EMAIL]}).to_string(),
            200,
        ),
        (
            WRITE_KEY,
            "/v1/track",
            format!("{{\"email\": \"{EMAIL}\", \"userId\": {USER}"),
            400,
        ),
        (
            WRITE_KEY,
            "/v1/track",
            json!({"userId": USER, "event": {"email": EMAIL}}).to_string(),
            400,
        ),
        (WRONG_WRITE_KEY, "/v1/track", marked("track", "m5").to_string(), 401),
        (FORWARDED_KEY, "/v1/track", marked("track", "m6").to_string(), 401),
        (FORWARDED_KEY, "/v1/webhook", marked("track", "m7").to_string(), 401),
        (
            WRITE_KEY,
            &format!("/v1/{EMAIL}"),
            marked("track", "m8").to_string(),
            404,
        ),
    ] {
        assert_eq!(call(daemon, key, path, body).await, status, "{path}");
    }
}

/// What operators and browsers look at.
async fn every_look(daemon: &Daemon) {
    for key in [WRITE_KEY, WRONG_WRITE_KEY] {
        look(daemon.ingest, &format!("/v1/projects/{key}/settings"), TOKEN).await;
    }
    for token in [TOKEN, WRONG_TOKEN] {
        look(daemon.admin, "/status", token).await;
        look(daemon.admin, &format!("/{EMAIL}"), token).await;
    }
}

/// Every way Klaviyo can answer, one after the other.
async fn every_answer(klaviyo: &Klaviyo, daemon: &Daemon) {
    let mut number = 0;
    for fault in [
        json!({"status": 400, "body": words(400)}),
        json!({"status": 409, "body": words(409)}),
        json!({"status": 404, "body": words(404)}),
        json!({"status": 429, "body": words(429), "headers": {"retry-after": "1"}}),
        json!({"status": 503, "body": words(503)}),
        json!({"status": 403, "body": words(403)}),
        json!({"reset": true}),
        json!({"half": true}),
    ] {
        let mut fault = fault;
        (fault["next"], fault["path"]) = (json!(1), json!("/api/events"));
        klaviyo.fault(fault).await;
        number += 1;
        let event = marked("track", &format!("a{number}")).to_string();
        assert_eq!(call(daemon, WRITE_KEY, "/v1/track", event).await, 200);
        daemon.settled().await;
    }
    // An outage, with words.
    klaviyo
        .fault(json!({"status": 503, "body": words(503), "path": "/api/events"}))
        .await;
    for number in 0..8 {
        let mut event = marked("track", &format!("b{number}"));
        event["userId"] = json!(format!("{USER}-{number}"));
        event["properties"] = json!({"p": PROPERTY});
        event["traits"] = json!({});
        event["context"] = json!({});
        let status = call(daemon, WRITE_KEY, "/v1/track", event.to_string()).await;
        assert_eq!(status, 200);
    }
    let outbox = daemon.outbox().await;
    eventually("the outage is noticed", || async {
        outbox.pauses().await.unwrap().pop()
    })
    .await;
    drop(outbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_level_of_logging_names_a_person_or_a_key() {
    let klaviyo = Klaviyo::with(Options {
        private_key: PRIVATE_KEY.to_owned(),
        ..Options::default()
    })
    .await;
    let (mut daemon, mut log) = logging_all(&klaviyo).await;
    every_request(&daemon).await;
    every_look(&daemon).await;
    daemon.settled().await;
    every_answer(&klaviyo, &daemon).await;
    // A crash in the middle of it, and what the next start makes of it.
    daemon.kill();
    log.extend(["\n", &daemon.last_log(), "\n"]);
    daemon.restart().await;
    klaviyo.behave().await;
    assert!(daemon.command(&["replay", "--status", "dead"]).status.success());
    daemon.settled().await;
    let delete = json!({"type": "delete", "userId": USER, "messageId": "d"});
    let body = json!({"batch": [delete]}).to_string();
    assert_eq!(call(&daemon, WRITE_KEY, "/v1/batch", body).await, 200);
    daemon.settled().await;
    assert!(daemon.terminate().await.success());
    log.push_str(&daemon.last_log());

    let mut lines = 0;
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).expect("every line is one of ours");
        let (level, target) = (line["level"].as_str().unwrap(), line["target"].as_str().unwrap());
        let fine = ["DEBUG", "TRACE"].contains(&level);
        assert!(!fine || target.starts_with("klaviyo_relay"), "{line}");
        lines += usize::from(fine);
    }
    assert!(lines > 50, "only {lines} lines of the finest levels:\n{log}");
    for output in [
        "calls stored",
        "request rejected",
        "mapped",
        "attempt",
        "event is dead",
        "PAUSED",
        "stopped",
    ] {
        assert!(log.contains(output), "{output} is not in {log}");
    }
    for mark in MARKS {
        for form in forms(mark) {
            assert!(!log.contains(&form), "{form} is in {log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_event_is_logged_with_its_numbers_and_where_to_look() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let refusal = json!({"errors": [{"id": "5f1e-42", "status": 400, "code": "invalid", "title": "t", "detail": "d"}]});
    klaviyo
        .fault(json!({"status": 400, "next": 1, "path": "/api/events", "body": refusal}))
        .await;
    daemon.send("/v1/track", &track("u1", 1)).await;
    assert_eq!(count(&daemon.settled().await, "dead"), 1);
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("event is dead"));
    let line: Value = serde_json::from_str(line.unwrap()).unwrap();
    assert_eq!(line["level"], "WARN");
    assert_eq!((&line["event"], &line["refused"]), (&json!("1"), &json!("event")));
    let span = json!({"name": "attempt", "event": "1", "delivery": "1", "kind": "event", "attempt": 1,
        "http.status": 400, "klaviyo.request_id": "5f1e-42"});
    assert_eq!(line["span"], span);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_dead_events_the_first_ten_are_logged_and_the_others_counted() {
    let klaviyo = Klaviyo::start().await;
    let mut daemon = Daemon::start(&klaviyo, "").await;
    klaviyo
        .fault(json!({"status": 400, "path": "/api/events", "body": words(400)}))
        .await;
    let batch: Vec<_> = (1..=40).map(|n| track(&format!("u{n}"), n)).collect();
    daemon.send("/v1/batch", &json!({ "batch": batch })).await;
    assert_eq!(count(&daemon.settled().await, "dead"), 40);
    daemon.terminate().await;
    let log = daemon.last_log();
    assert_eq!(log.matches("event is dead").count(), 10, "{log}");
    let line = log.lines().find(|line| line.contains("more events are dead"));
    let line: Value = serde_json::from_str(line.expect("a count")).unwrap();
    assert_eq!(
        (&line["level"], &line["more"], &line["refused"]),
        (&json!("WARN"), &json!(30), &json!("event"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_of_a_death_has_the_answer_that_refused_and_not_the_last_one() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    klaviyo
        .fault(json!({"status": 400, "next": 1, "path": "/api/events",
        "body": {"errors": [{"code": "invalid", "title": "t", "detail": "d"}]}}))
        .await;
    let order = json!({"userId": "u1", "event": "Order Completed", "messageId": "m", "properties": {
        "orderId": "o1", "products": [{"productId": "p1", "name": "A"}]}});
    daemon.send("/v1/track", &order).await;
    let line = eventually("the death is logged", || async {
        let log = daemon.log();
        let lines = log.lines().map(serde_json::from_str::<Value>);
        let mut lines = lines.map_while(Result::ok);
        lines.find(|line| {
            line["message"]
                .as_str()
                .is_some_and(|output| output.starts_with("event is dead"))
        })
    })
    .await;
    assert_eq!(line["refused"], "event", "{line}");
    assert_eq!(line["refused.status"], 400, "{line}");
}
