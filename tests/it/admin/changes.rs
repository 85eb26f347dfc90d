//! What can be done over HTTP is what the commands do, by the same filters.

use serde_json::{Value, json};

use super::Port;

async fn statuses(port: &Port) -> Vec<String> {
    let list = port.get("/api/v1/events").await.well();
    let events = list["events"].as_array().unwrap().iter().rev();
    events
        .map(|event| event["status"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_dry_run_reports_and_changes_nothing() {
    let port = Port::filled().await;
    let before = statuses(&port).await;
    assert_eq!(before, ["pending", "pending", "pending", "pending", "dead", "dead"]);
    for (path, filter, ids) in [
        ("/api/v1/replay", json!({"status": "dead"}), json!([5, 6])),
        ("/api/v1/hold", json!({"profile": "u1"}), json!([1, 3])),
        ("/api/v1/release", json!({"event": "identify"}), json!([4])),
        (
            "/api/v1/discard",
            json!({"id": [2, 4.0], "source": "shop"}),
            json!([2, 4]),
        ),
        (
            "/api/v1/discard",
            json!({"reason": "nobody", "until": "2100-01-01"}),
            json!([5, 6]),
        ),
        ("/api/v1/hold", json!({"since": "1h"}), json!([])),
    ] {
        let answer = port
            .post(path, &json!({"filter": filter, "dry_run": true}))
            .await
            .well();
        let first = answer["first"].as_array().unwrap().iter();
        let found: Value = first.map(|event| event["id"].clone()).collect();
        assert_eq!((&answer["dry_run"], found), (&json!(true), ids), "{path} {filter}");
    }
    assert_eq!(statuses(&port).await, before);
}

#[tokio::test]
async fn a_person_is_erased_and_what_still_waited_is_discarded() {
    let port = Port::filled().await;
    let body = json!({"profile": "user:u1", "dry_run": true});
    let preview = port.post("/api/v1/forget", &body).await.well();
    assert_eq!((&preview["count"], &preview["waiting"]), (&json!(2), &json!(2)));
    let body = json!({"profile": "user:u1"});
    let done = port.post("/api/v1/forget", &body).await.well();
    assert_eq!(
        (&done["erased"], &done["discarded"], &done["left"]),
        (&json!(2), &json!(2), &json!([]))
    );
    let again = port.post("/api/v1/forget", &body).await.well();
    assert_eq!(again["erased"], 0);
    assert_eq!(port.get("/api/v1/audit").await.well()["holds"], true);
}

#[tokio::test]
async fn events_are_held_released_discarded_and_replayed() {
    let port = Port::filled().await;
    let held = port
        .post("/api/v1/hold", &json!({"filter": {"profile": "user:u1"}}))
        .await
        .well();
    assert_eq!((&held["count"], &held["left_out"]), (&json!(2), &json!([])));
    let released = port
        .post("/api/v1/release", &json!({"filter": {"id": [1, 99]}}))
        .await
        .well();
    assert_eq!((&released["count"], &released["left_out"]), (&json!(1), &json!([99])));
    port.post("/api/v1/discard", &json!({"filter": {"id": [2]}}))
        .await
        .well();
    let replay = json!({"filter": {"id": [5]}, "consent": true, "backfill": true});
    port.post("/api/v1/replay", &replay).await.well();
    let after = ["pending", "dead", "held", "pending", "pending", "dead"];
    assert_eq!(statuses(&port).await, after);
    assert_eq!(port.get("/api/v1/audit").await.well()["holds"], true);
}

#[tokio::test]
async fn what_could_mean_more_events_than_was_meant_is_refused() {
    let port = Port::filled().await;
    let before = statuses(&port).await;
    for (body, status, code) in [
        (json!({}), 400, "bad_json"),
        (json!([]), 400, "bad_json"),
        (json!({"filter": {}}), 400, "filter_needed"),
        (json!({"filter": {"profle": "u1"}}), 400, "bad_json"),
        (
            json!({"filter": {"profile": null, "status": "pending"}}),
            400,
            "bad_json",
        ),
        (
            json!({"filter": {"profile": "", "status": "pending"}}),
            400,
            "empty_filter",
        ),
        (json!({"filter": {"profile": " ", "status": "pending"}}), 404, "nobody"),
        (json!({"filter": {"id": []}}), 400, "empty_filter"),
        (json!({"filter": {"id": [1.5]}}), 400, "bad_json"),
        (json!({"filter": {"status": "lost"}}), 400, "bad_status"),
        (json!({"filter": {"status": "dead"}}), 400, "wrong_status"),
        (json!({"filter": {"since": "soon"}}), 400, "bad_time"),
        (json!({"filter": {"id": [1]}, "consent": true}), 400, "bad_json"),
        (json!({"filter": {"id": [1]}, "dryrun": true}), 400, "bad_json"),
    ] {
        let answer = port.post("/api/v1/hold", &body).await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (status, &json!(code)),
            "{body}"
        );
    }
    let body = json!({"filter": {"id": [5]}, "backfill": true, "as_sent": true});
    assert_eq!(port.post("/api/v1/replay", &body).await.json()["code"], "contradiction");
    assert_eq!(statuses(&port).await, before);
}

#[tokio::test]
async fn a_call_is_explained_as_the_command_does() {
    let port = Port::new().await;
    let track = json!({"type": "track", "userId": "u1", "event": "Item Added"});
    let explained = port.post("/api/v1/explain?side=client", &track).await.well();
    assert_eq!(explained["side"], "client");
    assert_eq!(explained["requests"][0]["path"], "/api/events");
    let nobody = json!({"type": "track", "event": "Item Added"});
    let explained = port.post("/api/v1/explain", &nobody).await.well();
    assert!(
        explained["refused"].as_str().unwrap().contains("no_user_anon_id"),
        "{explained}"
    );
    let page = json!({"type": "page", "userId": "u1"});
    assert!(port.post("/api/v1/explain", &page).await.well()["skipped"].is_string());
    let headers = [("content-type", "application/json")];
    let answer = port.request("POST", "/api/v1/explain", &headers, "{").await;
    assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("bad_json")));
    assert_eq!(
        port.post("/api/v1/explain?side=left", &page).await.json()["code"],
        "bad_side"
    );
}

#[tokio::test]
async fn an_object_is_no_number_of_an_event() {
    let port = Port::new().await;
    let body = r#"{"filter":{"id":[{"$serde_json::private::Number":"1"}]},"dry_run":true}"#;
    let json = [("content-type", "application/json")];
    let answer = port.request("POST", "/api/v1/hold", &json, body).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.text.contains("bad_json"), "{answer:?}");
}

#[tokio::test]
async fn a_web_page_elsewhere_changes_nothing() {
    let port = Port::new().await;
    let body = json!({"filter": {"id": [1]}}).to_string();
    let (json, host) = (("content-type", "application/json"), ("host", "127.0.0.1:8081"));
    for (output, status) in [
        (("origin", "https://evil.example"), 403),
        (("origin", "null"), 403),
        (("sec-fetch-site", "cross-site"), 403),
        (("sec-fetch-site", "none"), 200),
        (("origin", "http://127.0.0.1:8081"), 200),
    ] {
        for path in ["/api/v1/hold", "/api/v1/release", "/api/v1/explain"] {
            let answer = port.request("POST", path, &[json, host, output], &body).await;
            assert_eq!(answer.status == 403, status == 403, "{path} {output:?}: {answer:?}");
        }
    }
}
