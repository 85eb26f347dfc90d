//! The download: the lines of the command, for everybody who may open the page.

use std::process::Command;

use klaviyo_relay::admin::Auth;
use klaviyo_relay::config::AdminConfig;
use klaviyo_relay::model::EventType;
use secrecy::SecretString;

use super::{Pages, event};

/// What the built program exports of the same outbox.
fn command(pages: &Pages, filters: &[&str]) -> String {
    let path = pages.dir.path().join("outbox.db");
    let config = format!(
        "outbox.path = \"{}\"\noutbox.min_free_disk = 0\nklaviyo.endpoint = \"sandbox\"\n\
         [[ingest.sources]]\nname = \"shop\"\nwrite_key = \"wk_shop\"\n",
        path.display()
    );
    std::fs::write(pages.dir.path().join("config.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_klaviyo-relay"));
    command
        .arg("export")
        .args(filters)
        .current_dir(pages.dir.path())
        .env_clear();
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    String::from_utf8(ran.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_what_the_command_writes() {
    let pages = Pages::filled().await;
    for (query, filters, lines) in [
        ("", &[][..], 6),
        ("?status=dead", &["--status", "dead"], 2),
        (
            "?event=Order+Completed&source=app",
            &["--event", "Order Completed", "--source", "app"],
            1,
        ),
        ("?profile=u2&since=1h", &["--profile", "u2", "--since", "1h"], 2),
        ("?id=1,3", &["--id", "1", "3"], 2),
        ("?event=nothing", &["--event", "nothing"], 0),
    ] {
        let answer = pages.get(&format!("/export{query}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.text, command(&pages, filters), "{query}");
        assert_eq!(answer.text.lines().count(), lines, "{query}");
        assert!(!answer.text.contains("wk_secret"), "write keys are masked");
        assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
        let named = answer.header("content-disposition").unwrap();
        assert!(
            named.starts_with("attachment; filename=\"events-") && named.ends_with("Z.ndjson\""),
            "{named}"
        );
    }
    assert_eq!(
        pages.get("/export?order_id=nobodys").await.text,
        "",
        "no order is not all orders"
    );
}

#[tokio::test]
async fn a_download_of_many_comes_in_portions_and_whole() {
    let pages = Pages::new().await;
    for portion in 0..3 {
        let numbers = portion * 400 + 1..=(portion + 1) * 400;
        let events = numbers.map(|number| event(number, EventType::Track, &[]));
        pages.outbox.intake().append(events.collect()).await.unwrap();
    }
    let answer = pages.get("/export?type=track").await;
    let id = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["klaviyoRelay"]["id"].as_i64().unwrap()
    };
    let ids: Vec<i64> = answer.text.lines().map(id).collect();
    assert_eq!(ids, (1..=1200).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_exports_nothing() {
    let pages = Pages::filled().await;
    for query in [
        "status=lost",
        "status=",
        "profile=+",
        "stauts=dead",
        "q=u1",
        "since=soon",
    ] {
        let answer = pages.get(&format!("/export?{query}")).await;
        assert!((400..500).contains(&answer.status), "{query}: {answer:?}");
        assert!(!answer.text.contains("klaviyoRelay"), "{query}");
    }
}

#[tokio::test]
async fn only_an_authorized_visitor_gets_a_download() {
    let pages = Pages::with(|admin| {
        let config = AdminConfig {
            token: Some(SecretString::from("a-token-of-32-random-characters!")),
            ..AdminConfig::default()
        };
        admin.auth = Auth::of(&config, [7; 32]);
    });
    let pages = pages.await;
    pages.fill().await;
    let answer = pages.get("/export?status=dead").await;
    assert!(answer.sent_on().starts_with("/login?next="), "{answer:?}");
    for path in ["/events", "/change?do=hold&id=1"] {
        assert!(pages.get(path).await.sent_on().starts_with("/login?next="));
    }
    let headers = [("authorization", "Bearer a-token-of-32-random-characters!")];
    let answer = pages.request("GET", "/export?status=dead", &headers, "").await;
    assert_eq!(answer.text.lines().count(), 2, "{answer:?}");
}
