//! The API's document says what there is, and what is answered.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::schema::wrong;
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
    let daemon = Daemon::start(
        klaviyo,
        "[delivery]\nfirst_retry = \"1h\"\nlongest_retry = \"1h\"\n",
    )
    .await;
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
        let audit = outbox.status().await.unwrap().audit;
        let count = |name: &str| audit.iter().find(|(known, _)| known == name).unwrap().1;
        (count("delivered") == 2 && count("dead") == 2 && count("pending") == 2).then_some(())
    })
    .await;
    outbox.close().await;
    let held = daemon.command(&["hold", "--event", "behind"]);
    assert!(held.status.success(), "{held:?}");
    daemon
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_as_the_document_says() {
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
        (
            "/forget",
            "/forget",
            Some(json!({"profile": "u3", "dry_run": true})),
        ),
        ("/forget", "/forget", Some(json!({"profile": "u3"}))),
        ("/forget", "/forget", Some(json!({"profile": " "}))),
        ("/explain", "/explain", Some(call)),
        ("/explain", "/explain", Some(page)),
        ("/explain", "/explain", Some(json!("no call"))),
    ] {
        let method = if body.is_some() { "post" } else { "get" };
        let (status, answer) = daemon
            .ask_admin(&format!("/api/v1{path}"), body.as_ref())
            .await;
        let operation = &document["paths"][template][method];
        let mut response = &operation["responses"][status.to_string()];
        if let Some(pointer) = response["$ref"].as_str() {
            response = document.pointer(pointer.trim_start_matches('#')).unwrap();
        }
        let schema = &response["content"]["application/json"]["schema"];
        assert!(
            schema.is_object(),
            "{path}: {status} is not in the document: {answer}"
        );
        let mistakes = wrong(&document, schema, &answer);
        assert!(mistakes.is_empty(), "{path}: {mistakes:#?}\n{answer:#}");
        checked.insert(template);
    }
    let documented: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(checked, documented, "every path is asked");
}

#[test]
fn the_document_has_the_routes_that_there_are() {
    let routes = include_str!("../../../src/admin/api/mod.rs");
    let document: Value =
        serde_json::from_str(include_str!("../../../src/admin/api/openapi.json")).unwrap();
    let built: BTreeSet<(String, String)> = routes
        .lines()
        .filter_map(|line| line.trim().strip_prefix(".route(\""))
        .map(|line| {
            let (path, handler) = line.split_once("\", ").unwrap();
            (
                path.to_owned(),
                handler.split('(').next().unwrap().to_owned(),
            )
        })
        .collect();
    assert!(built.len() >= 12, "only {} routes were found", built.len());
    let paths = document["paths"].as_object().unwrap();
    let documented = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(|method| (path.clone(), method.clone()))
    });
    assert_eq!(built, documented.collect());
}
