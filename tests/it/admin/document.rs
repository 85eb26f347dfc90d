//! The API's document: what there is, and what is answered.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::schema::{digits, wrong};
use crate::support::{Daemon, Klaviyo, eventually};

/// The document as a daemon serves it.
async fn document(daemon: &Daemon) -> Value {
    let (status, document) = daemon.look("/api/v1/openapi.json").await;
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
    document
}

/// A daemon with events in every state that a person meets: delivered, dead by Klaviyo and by ingest, held, waiting,
/// skipped.
pub(super) async fn lived_in(klaviyo: &Klaviyo) -> Daemon {
    let daemon = Daemon::start(klaviyo, "[delivery]\nfirst_retry = \"1h\"\nlongest_retry = \"1h\"\n").await;
    let refusal = json!({"errors": [{"id": "e", "status": 400, "code": "invalid", "title": "Invalid input.",
        "detail": "No."}]});
    klaviyo
        .fault(json!({"status": 400, "body": refusal, "match": "refused", "path": "/api/events"}))
        .await;
    klaviyo
        .fault(json!({"status": 500, "match": "retried", "path": "/api/events"}))
        .await;
    let track = |user: &str, name: &str| {
        json!({"type": "track", "userId": user, "event": name,
        "messageId": format!("{user}-{name}")})
    };
    let batch = json!({"batch": [
        track("u1", "taken"), track("u2", "refused"), track("u3", "retried"), track("u3", "behind"),
        {"type": "identify", "userId": "u4", "traits": {"email": "u4@shop.example"}},
        {"type": "page", "userId": "u4"}, {"type": "track", "event": "nobody's"},
    ]});
    daemon.send("/v1/batch", &batch).await;
    let outbox = daemon.outbox().await;
    eventually("one event is tried and one waits behind it", || async {
        let counts = outbox.counts().await.unwrap();
        ([counts.delivered, counts.dead, counts.pending] == [2, 2, 2]).then_some(())
    })
    .await;
    outbox.close().await;
    let held = daemon.command(&["hold", "--event", "behind"]);
    assert!(held.status.success(), "{held:?}");
    daemon
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_as_documented() {
    let klaviyo = Klaviyo::start().await;
    let daemon = lived_in(&klaviyo).await;
    let document = document(&daemon).await;
    let call = json!({"type": "track", "userId": "u1", "event": "Item Added"});
    let page = json!({"type": "page", "userId": "u1"});
    let dry = |filter: Value| json!({"filter": filter, "dry_run": true});
    let mut checked = BTreeSet::new();
    for (path, template, body) in [
        ("/openapi.json", "/openapi.json", None),
        ("/status", "/status", None),
        ("/audit", "/audit", None),
        ("/events", "/events", None),
        ("/events?limit=0", "/events", None),
        ("/events?source=nope", "/events", None),
        ("/events?find=u2-refused", "/events", None),
        ("/events/1", "/events/{number}", None),
        ("/events/2", "/events/{number}", None),
        ("/events/3", "/events/{number}", None),
        ("/events/5", "/events/{number}", None),
        ("/events/99", "/events/{number}", None),
        ("/dead", "/dead", None),
        ("/blocked", "/blocked", None),
        ("/replay", "/replay", Some(dry(json!({"status": "dead"})))),
        ("/hold", "/hold", Some(dry(json!({"profile": "u3"})))),
        ("/hold", "/hold", Some(json!({}))),
        ("/release", "/release", Some(dry(json!({"id": [4, 99]})))),
        ("/discard", "/discard", Some(dry(json!({"source": "shop"})))),
        ("/forget", "/forget", Some(json!({"profile": "u3", "dry_run": true}))),
        ("/forget", "/forget", Some(json!({"profile": "u3"}))),
        ("/forget", "/forget", Some(json!({"profile": " "}))),
        ("/explain", "/explain", Some(call)),
        ("/explain", "/explain", Some(page)),
        ("/explain", "/explain", Some(json!("no call"))),
    ] {
        let method = if body.is_some() { "post" } else { "get" };
        let (status, answer) = daemon.request_admin(&format!("/api/v1{path}"), body.as_ref()).await;
        let operation = &document["paths"][template][method];
        let mut response = &operation["responses"][status.to_string()];
        if let Some(pointer) = response["$ref"].as_str() {
            response = document.pointer(pointer.trim_start_matches('#')).unwrap();
        }
        let schema = &response["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path}: {status} is not in the document: {answer}");
        let mistakes = wrong(&document, schema, &answer);
        assert!(mistakes.is_empty(), "{path}: {mistakes:#?}\n{answer:#}");
        // The calls hold no number written as a text, so that one in an answer is the relay's. The document's own
        // version is one, as OpenAPI demands.
        let texts = digits(&answer);
        assert!(template == "/openapi.json" || texts.is_empty(), "{path}: {texts:?}");
        checked.insert(template);
    }
    let documented: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(checked, documented, "every path is requested");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_of_a_busy_day_has_the_keys_of_the_document_and_each_list_is_filled() {
    let klaviyo = Klaviyo::start().await;
    let daemon = lived_in(&klaviyo).await;
    let call = json!({"type": "track", "userId": "u9", "event": "E", "writeKey": "of nobody"});
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let refused = client.post(format!("http://{}/v1/track", daemon.ingest));
    let refused = refused.body(call.to_string()).send().await.unwrap();
    assert!(refused.status().is_client_error(), "{refused:?}");
    let held = daemon.command(&["hold", "--event", "retried"]);
    assert!(held.status.success(), "{held:?}");
    let filled = [
        "/backlog",
        "/dead",
        "/sources",
        "/blocked/worst",
        "/blocked/stopped",
        "/limits/families",
        "/refused_at_the_door",
    ];
    let status = eventually("every list has something", || async {
        let (_, status) = daemon.look("/api/v1/status").await;
        let list = |path| status.pointer(path).and_then(Value::as_array);
        let is_filled = |path| list(path).is_some_and(|list| !list.is_empty());
        filled.into_iter().all(is_filled).then_some(status.clone())
    })
    .await;
    let document = document(&daemon).await;
    let schema = &document["components"]["schemas"]["Status"];
    assert_eq!(wrong(&document, schema, &status), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_print_numbers_as_numbers() {
    let klaviyo = Klaviyo::start().await;
    let daemon = lived_in(&klaviyo).await;
    for arguments in [
        &["status"][..],
        &["audit"],
        &["show", "1"],
        &["show", "2"],
        &["show", "3"],
        &["show", "u3-behind"],
        &["replay", "--status", "dead", "--dry-run"],
        &["discard", "--id", "3", "99", "--dry-run"],
        &["export", "--dry-run"],
        &["forget", "--profile", "u3", "--dry-run"],
    ] {
        let printed = daemon.command(&[arguments, &["--json"]].concat()).stdout;
        let printed: Value = serde_json::from_slice(&printed).unwrap();
        assert_eq!(digits(&printed), Vec::<String>::new(), "{arguments:?}");
    }
}

/// The objects of the schemas of answers, each with where it stands.
fn objects<'a>(at: &str, value: &'a Value, found: &mut Vec<(String, &'a Value)>) {
    let inside: Vec<(String, &Value)> = match value {
        Value::Object(keys) => {
            if value["properties"].is_object() {
                found.push((at.to_owned(), value));
            }
            let is_request = |key: &str| key == "requestBody" || (key == "Filter" && at.ends_with("schemas"));
            let keys = keys.iter().filter(|(key, _)| !is_request(key));
            keys.map(|(key, inside)| (format!("{at}/{key}"), inside)).collect()
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.map(|(index, inside)| (format!("{at}/{index}"), inside)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for (at, inside) in inside {
        objects(&at, inside, found);
    }
}

#[test]
fn every_key_of_an_answer_is_always_there_and_a_new_one_breaks_nobody() {
    let document: Value = serde_json::from_str(klaviyo_relay::admin::openapi()).unwrap();
    let mut found = Vec::new();
    objects("", &document, &mut found);
    assert!(found.len() > 20, "only {} objects were found", found.len());
    for (at, schema) in found {
        let listed: BTreeSet<&str> = schema["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let required = schema["required"].as_array().unwrap_or_else(|| panic!("{at}"));
        let required = required.iter().map(|key| key.as_str().unwrap()).collect();
        assert_eq!(listed, required, "{at}");
        assert_eq!(schema.get("additionalProperties"), None, "{at}");
    }
}
