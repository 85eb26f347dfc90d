//! Who has access, by which methods, and what every answer carries.

use axum::body::Body;
use axum::http::Request;
use tower::ServiceExt as _;

use super::Port;

const TOKEN: &str = "a-token-of-32-random-characters!";
const PATHS: [&str; 6] = [
    "/readyz",
    "/metrics",
    "/status",
    "/api/v1/events",
    "/api/v1/openapi.json",
    "/nowhere",
];

#[tokio::test]
async fn with_a_token_only_healthz_is_for_everybody() {
    let port = Port::with_token(Some(TOKEN)).await;
    assert_eq!(port.get("/healthz").await.status, 200);
    for path in PATHS {
        for shown in [None, Some("Bearer wrong"), Some(TOKEN), Some("Bearer ")] {
            let headers: Vec<_> = shown.map(|shown| ("authorization", shown)).into_iter().collect();
            let answer = port.request("GET", path, &headers, "").await;
            assert_eq!(answer.status, 401, "{path} {shown:?}");
            assert_eq!(answer.json()["code"], "token_needed");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
        let shown = format!("Bearer {TOKEN}");
        // A token proves more than a name does.
        let headers = [("authorization", shown.as_str()), ("host", "relay.example")];
        let answer = port.request("GET", path, &headers, "").await;
        let expected = if path == "/nowhere" { 404 } else { 200 };
        assert_eq!(answer.status, expected, "{path}");
    }
}

#[tokio::test]
async fn without_a_token_a_page_behind_a_name_of_its_own_reads_nothing() {
    let port = Port::new().await;
    for path in PATHS {
        let answer = port.request("GET", path, &[("host", "evil.example:8081")], "").await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (421, &"other_host".into()),
            "{path}"
        );
    }
    for host in ["127.0.0.1:8081", "localhost:8081", "[::1]:8081"] {
        let answer = port.request("GET", "/status", &[("host", host)], "").await;
        assert_eq!(answer.status, 200, "{host}");
    }
    let body = r#"{"filter":{"status":"pending"}}"#;
    let headers = [("host", "evil.example"), ("content-type", "application/json")];
    assert_eq!(port.request("POST", "/api/v1/hold", &headers, body).await.status, 421);
}

#[tokio::test]
async fn a_change_takes_what_no_page_elsewhere_can_send() {
    let port = Port::filled().await;
    let body = r#"{"filter":{"status":"pending"}}"#;
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let headers: Vec<_> = kind.map(|kind| ("content-type", kind)).into_iter().collect();
        let answer = port.request("POST", "/api/v1/hold", &headers, body).await;
        assert_eq!((answer.status, &answer.json()["code"]), (415, &"json_needed".into()));
    }
    // The browser sends a preflight request, whose answer allows nothing.
    let headers = [
        ("origin", "http://evil.example"),
        ("access-control-request-method", "POST"),
    ];
    let answer = port.request("OPTIONS", "/api/v1/hold", &headers, "").await;
    assert_eq!(answer.status, 405);
    let cors = answer
        .headers
        .keys()
        .filter(|name| name.as_str().starts_with("access-control"));
    assert_eq!(cors.count(), 0);
    let held = port.get("/api/v1/events?status=held").await.well();
    assert_eq!(held["events"], serde_json::json!([]));
}

#[tokio::test]
async fn an_answer_to_a_wrong_method_names_the_right_ones() {
    let port = Port::new().await;
    for (method, path, allow) in [
        ("POST", "/api/v1/events", "GET,HEAD"),
        ("DELETE", "/healthz", "GET,HEAD"),
        ("PUT", "/metrics", "GET,HEAD"),
        ("GET", "/api/v1/replay", "POST"),
    ] {
        let answer = port.request(method, path, &[], "").await;
        assert_eq!(answer.status, 405, "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
        assert_eq!(answer.json()["code"], "method_not_allowed");
    }
    let head = port.request("HEAD", "/metrics", &[], "").await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
}

#[tokio::test]
async fn every_answer_is_of_the_moment_and_of_its_type() {
    let port = Port::new().await;
    for path in PATHS.into_iter().chain(["/healthz", "/api/v1/events/none"]) {
        let answer = port.get(path).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        let kind = answer.header("content-type").unwrap();
        let expected = if path == "/metrics" {
            "text/plain"
        } else {
            "application/json"
        };
        assert!(kind.starts_with(expected), "{path}: {kind}");
    }
}

#[tokio::test]
async fn a_supervisor_is_answered_however_many_others_are_being_answered() {
    let port = Port::new().await;
    let mut open = Vec::new();
    for _ in 0..16 {
        let request = Request::get("/live").body(Body::empty()).unwrap();
        open.push(port.routes.clone().oneshot(request).await.unwrap());
    }
    let refused = port.get("/status").await;
    assert_eq!((refused.status, &refused.json()["code"]), (503, &"busy".into()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    for path in ["/healthz", "/readyz"] {
        assert_eq!(port.get(path).await.status, 200, "{path}");
    }
    drop(open);
    assert_eq!(port.get("/status").await.status, 200);
}

#[tokio::test]
async fn bodies_are_bounded() {
    let port = Port::new().await;
    let ids: Vec<u64> = (1..20_000).collect();
    let answer = port
        .post("/api/v1/hold", &serde_json::json!({"filter": {"id": ids}}))
        .await;
    assert_eq!((answer.status, &answer.json()["code"]), (413, &"too_large".into()));
    let call = serde_json::json!({"type": "track", "event": "e", "userId": "u", "pad": "x".repeat(300 << 10)});
    let answer = port.post("/api/v1/explain", &call).await;
    assert_eq!(answer.status, 413);
}
