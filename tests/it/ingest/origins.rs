//! Which pages may send, and which may read the answer.

use axum::body::Body;
use axum::http::{Method, Request};
use klaviyo_relay::config::IngestConfig;

use super::{Answer, Bench, config_of_sources};

const CALL: &str = r#"{"userId":"u","event":"e"}"#;
const SHOP: &str = "https://shop.example";
const BLOG: &str = "https://blog.example";
const EVIL: &str = "https://evil.example";
/// What a browser goes by, beside the origin.
const OTHER_HEADERS: [&str; 6] = [
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-private-network",
    "access-control-expose-headers",
    "access-control-max-age",
];

/// Two sources, each for one site.
async fn two_sites() -> Bench {
    let mut config = config_of_sources();
    config
        .sources
        .retain(|source| ["shop", "node"].contains(&source.name.as_str()));
    for source in &mut config.sources {
        let site = if source.name == "shop" { SHOP } else { BLOG };
        source.allowed_origins = vec![site.to_owned()];
    }
    assert_eq!(config.sources.len(), 2);
    Bench::of(config).await
}

async fn preflight(bench: &Bench, path: &str, origin: &str) -> Answer {
    let request = Request::builder()
        .method(Method::OPTIONS)
        .uri(path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header(
            "access-control-request-headers",
            "authorization,content-type,x-retry-count,x-own",
        )
        .header("access-control-request-private-network", "true");
    bench.send(request.body(Body::empty()).unwrap()).await
}

async fn call(bench: &Bench, key: &str, origin: &str) -> Answer {
    let request = Request::post("/v1/t")
        .header("x-write-key", key)
        .header("origin", origin);
    bench.send(request.body(CALL.into()).unwrap()).await
}

fn assert_no_cors(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), "");
    for name in OTHER_HEADERS {
        assert_eq!(answer.header(name), "", "{name}");
    }
    assert!(answer.header("vary").contains("origin"), "the answer varies by origin");
}

#[tokio::test]
async fn a_preflight_succeeds_for_an_origin_that_some_source_allows() {
    let bench = two_sites().await;
    for origin in [SHOP, BLOG] {
        let answer = preflight(&bench, "/v1/t", origin).await;
        assert!(answer.status.is_success());
        let expected = [
            "true",
            "authorization,content-type,x-retry-count,x-own",
            "POST",
            "true",
            "",
            "86400",
        ];
        for (name, expected) in OTHER_HEADERS.into_iter().zip(expected) {
            assert_eq!(answer.header(name), expected, "{name}");
        }
        assert_eq!(answer.header("access-control-allow-origin"), origin);
        assert!(answer.header("vary").contains("origin"));
    }
}

#[tokio::test]
async fn an_origin_that_no_source_allows_gets_no_cors_header() {
    let bench = two_sites().await;
    for path in ["/v1/t", "/batch", "/v1/projects/wk_shop/settings", "/nowhere"] {
        assert_no_cors(&preflight(&bench, path, EVIL).await);
    }
    for key in ["wk_shop", "wk_node"] {
        let answer = call(&bench, key, EVIL).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["code"], "origin_not_allowed");
        assert!(answer.text.contains("allowed_origins"), "for people");
        assert_no_cors(&answer);
    }
    let answer = call(&bench, "nobody", EVIL).await;
    assert_eq!(answer.status, 401);
    assert_no_cors(&answer);
    assert!(bench.stored(None).await.is_empty());
}

#[tokio::test]
async fn an_origin_that_is_not_ascii_is_foreign() {
    let bench = two_sites().await;
    let request = Request::post("/v1/t")
        .header("x-write-key", "wk_shop")
        .header("origin", "https://shöp.example".as_bytes());
    let answer = bench.send(request.body(CALL.into()).unwrap()).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["code"], "origin_not_allowed");
    assert_no_cors(&answer);
}

#[tokio::test]
async fn settings_list_in_vary_what_they_depend_on() {
    let bench = two_sites().await;
    let request = Request::get("/v1/projects/wk_shop/settings").header("host", "h");
    let answer = bench.send(request.body(Body::empty()).unwrap()).await;
    let vary = answer.headers.get_all("vary").iter();
    let vary: Vec<&str> = vary.flat_map(|line| line.to_str().unwrap().split(", ")).collect();
    for name in ["origin", "host", "x-forwarded-host", "x-forwarded-proto"] {
        assert!(vary.contains(&name), "{name} is not in {vary:?}");
    }
}

#[tokio::test]
async fn an_origin_of_another_source_cannot_read_the_answer() {
    let bench = two_sites().await;
    let own = call(&bench, "wk_shop", SHOP).await;
    assert_eq!(own.status, 200);
    assert_eq!(own.header("access-control-allow-origin"), SHOP);
    let other = call(&bench, "wk_shop", BLOG).await;
    assert_eq!(other.status, 400);
    assert_eq!(other.json()["code"], "origin_not_allowed");
    assert_no_cors(&other);
    assert_eq!(bench.stored(None).await.len(), 1);
}

#[tokio::test]
async fn settings_check_the_origins_of_their_source() {
    let bench = two_sites().await;
    let settings = async |origin: Option<&str>| {
        let mut request = Request::get("/v1/projects/wk_shop/settings").header("host", "h");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        bench.send(request.body(Body::empty()).unwrap()).await
    };
    let own = settings(Some(SHOP)).await;
    assert_eq!(own.status, 200);
    assert_eq!(own.header("access-control-allow-origin"), SHOP);
    // Apps have no origin.
    assert_eq!(settings(None).await.status, 200);
    for origin in [BLOG, EVIL] {
        let rejected = settings(Some(origin)).await;
        assert_eq!(rejected.status, 400, "{origin}");
        assert!(!rejected.text.contains("wk_shop"));
        assert_no_cors(&rejected);
    }
}

#[tokio::test]
async fn every_answer_exposes_retry_after() {
    let full = Bench::of(IngestConfig {
        max_bytes_in_progress: 1,
        ..config_of_sources()
    })
    .await;
    let bench = Bench::new().await;
    for (bench, key, path, status) in [
        (&bench, "dev", "/v1/t", 200),
        (&bench, "nobody", "/v1/t", 401),
        (&bench, "dev", "/v1/i", 200),
        (&bench, "dev", "/v1/b", 400),
        (&bench, "dev", "/nowhere", 404),
        (&full, "dev", "/v1/t", 429),
    ] {
        let request = Request::post(path).header("x-write-key", key).header("origin", SHOP);
        let answer = bench.send(request.body(CALL.into()).unwrap()).await;
        assert_eq!(answer.status, status, "{path}");
        let exposed = answer.header("access-control-expose-headers");
        assert_eq!(exposed, "retry-after", "{path} {status}");
        assert_eq!(answer.header("access-control-allow-origin"), SHOP);
    }
}

#[tokio::test]
async fn a_body_over_the_memory_budget_gets_a_429() {
    let bench = Bench::of(IngestConfig {
        max_bytes_in_progress: CALL.len(),
        ..config_of_sources()
    })
    .await;
    assert_eq!(bench.post("/v1/track", CALL).await.status, 200);
    let long = format!("{CALL}{}", " ".repeat(CALL.len()));
    let answer = bench.post("/v1/track", long).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.json()["code"], "cannot_store_now");
    assert_eq!(answer.header("retry-after"), "5");
    assert!(answer.text.contains("max_bytes_in_progress"));
    // And the room is free again after each request, stored or rejected.
    assert_eq!(bench.post("/v1/track", CALL).await.status, 200);
    assert_eq!(bench.stored(None).await.len(), 2);
}
