//! What is small on the wire and large in memory: it costs a bounded amount, and others are served meanwhile.

use std::fs;
use std::io::Write as _;

use serde_json::json;
use tokio::task::JoinSet;

use super::track;
use crate::support::{Daemon, Klaviyo, eventually};

/// Requests of one kind at once.
const AT_ONCE: usize = 32;
/// What the process may take beside what it takes when idle.
const PEAK: u64 = 300 << 20;
/// The same, of what it has not given back a while later.
const LASTING: u64 = 64 << 20;

/// A body, and the largest that the outbox may grow by for each of it, in bytes.
struct Bomb {
    name: &'static str,
    body: String,
    with_key: bool,
    disk: u64,
}

fn bomb(name: &'static str, body: String, disk: u64) -> Bomb {
    Bomb {
        name,
        body,
        with_key: true,
        disk,
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn many(item: &str, bytes: usize) -> String {
    vec![item; bytes / (item.len() + 1)].join(",")
}

fn around(context: &str, call: &str) -> String {
    format!(
        "{{\"context\":{{\"a\":{context}}},\"batch\":[{}]}}",
        vec![call; 2500].join(",")
    )
}

/// The rows of an event, beside its text.
const ROWS: u64 = 2500 * 1024;

fn bombs() -> Vec<Bomb> {
    let call = r#"{"type":"page","userId":"u"}"#;
    let text = format!("\"{}\"", "x".repeat(32_000));
    let objects = format!("[{}]", many("{\"\":1}", 32_000));
    let ones = format!("[{}]", many("1", 32_000));
    let large = 4 << 20;
    let keys: Vec<String> = (0..350_000).map(|n| format!("\"{n}\":1")).collect();
    let nobodys = format!("{{\"batch\":[{}]}}", many("1", large - 16));
    vec![
        bomb("a context, 2,500 calls that are none", around(&text, "{}"), ROWS),
        bomb("a context of ones, 2,500 calls", around(&ones, call), ROWS),
        bomb("a context of objects, 2,500 calls", around(&objects, call), ROWS),
        bomb(
            "a call of objects",
            format!("{{\"a\":[{}]}}", many("{\"\":1}", large - 16)),
            0,
        ),
        bomb("a call of ones", format!("{{\"a\":[{}]}}", many("1", large - 16)), 0),
        bomb("a call of keys", format!("{{{}}}", keys.join(",")), 0),
        bomb(
            "a batch of one call of objects",
            format!("[{{\"a\":[{}]}}]", many("{\"\":1}", large - 16)),
            8 << 20,
        ),
        bomb("a batch of too many", nobodys.clone(), 0),
        Bomb {
            with_key: false,
            ..bomb("a batch of too many, no key", nobodys, 0)
        },
    ]
}

/// A figure of `/proc/…/status`, in bytes.
fn memory(daemon: &Daemon, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

fn disk(daemon: &Daemon) -> u64 {
    let file = daemon.database();
    let files = [file.clone(), file.with_extension("db-wal")];
    files
        .iter()
        .map(|file| fs::metadata(file).map_or(0, |file| file.len()))
        .sum()
}

fn throw(daemon: &Daemon, client: &reqwest::Client, bomb: &Bomb) -> reqwest::RequestBuilder {
    let path = if bomb.name.contains("batch") || bomb.name.contains("context") {
        "batch"
    } else {
        "track"
    };
    let mut request = client.post(format!("http://{}/v1/{path}", daemon.ingest));
    if bomb.with_key {
        request = request.basic_auth("dev", Some(""));
    }
    request.header("content-encoding", "gzip").body(gzip(&bomb.body))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_small_on_the_wire_and_large_in_memory_costs_a_bounded_amount() {
    for bomb in bombs() {
        let klaviyo = Klaviyo::start().await;
        let daemon = Daemon::start(&klaviyo, "").await;
        daemon.send("/v1/track", &track("good", 0)).await;
        let (idle, before) = (memory(&daemon, "VmRSS"), disk(&daemon));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = throw(&daemon, &client, &bomb);
        let mut thrown = JoinSet::new();
        for _ in 0..AT_ONCE {
            let request = request.try_clone().unwrap();
            thrown.spawn(async move { request.send().await.unwrap().status().as_u16() });
        }
        for number in 1..=8 {
            daemon.send("/v1/track", &track("good", number)).await;
        }
        let statuses = thrown.join_all().await;
        let peak = memory(&daemon, "VmHWM").saturating_sub(idle);
        let grown = disk(&daemon).saturating_sub(before);
        let stored = u64::try_from(statuses.iter().filter(|status| **status == 200).count()).unwrap();
        println!(
            "| {} | {} bytes on the wire | {stored} of {AT_ONCE} stored | {} MiB | {} KiB of disk |",
            bomb.name,
            gzip(&bomb.body).len(),
            peak >> 20,
            grown >> 10
        );
        assert!(peak < PEAK, "{}: {} MiB", bomb.name, peak >> 20);
        // A few pages of others, and the log beside the file.
        let most = 2 * stored * bomb.disk + (8 << 20);
        assert!(grown < most, "{}: {} KiB", bomb.name, grown >> 10);
        eventually("everybody else is delivered", || async {
            let events = klaviyo.events();
            let good = events
                .iter()
                .filter(|event| event.unique_id.as_deref().is_some_and(|id| id.starts_with("good-")));
            (good.count() == 9).then_some(())
        })
        .await;
        eventually("memory goes back to the system", || async {
            let more = memory(&daemon, "VmRSS").saturating_sub(idle);
            (more < LASTING).then_some(())
        })
        .await;
        assert!(
            statuses.iter().all(|status| [200, 400, 401, 413, 429].contains(status)),
            "{statuses:?}"
        );
        let (status, _) = daemon
            .post("/v1/track", &json!({"userId": "u", "event": "after"}))
            .await;
        assert_eq!(status, 200);
    }
}

/// Orders that come before everybody else, and the products of each.
const ORDERS: u64 = 24;
const PRODUCTS: u64 = 80;

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_many_products_take_turns_with_everybody_else() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[delivery]\nbulk = false\n").await;
    let products: Vec<_> = (1..=PRODUCTS).map(|id| json!({ "id": id })).collect();
    for order in 0..ORDERS {
        let call = json!({"userId": format!("buyer-{order}"), "event": "Order Completed",
            "properties": {"order_id": format!("o-{order}"), "products": products}});
        daemon.send("/v1/track", &call).await;
    }
    for person in 0..ORDERS {
        daemon.send("/v1/track", &track(&format!("good-{person}"), 0)).await;
    }
    let last = eventually("everybody else is delivered", || async {
        let events = klaviyo.events();
        let steps = events.iter().filter(|event| event.metric == "Step");
        let sequences: Vec<u64> = steps.map(|event| event.sequence).collect();
        (sequences.len() as u64 == ORDERS).then(|| sequences.into_iter().max().unwrap())
    })
    .await;
    let all = ORDERS * PRODUCTS;
    assert!(last < all / 2, "{last} of {all} requests went first");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_many_products_do_not_keep_others_out_of_the_window() {
    let klaviyo = Klaviyo::start().await;
    // As many orders as there may be requests in flight and in memory.
    let config = "[delivery]\nbulk = false\nmax_in_flight = 20\nwindow = 24\n";
    let daemon = Daemon::start(&klaviyo, config).await;
    let products: Vec<_> = (1..=PRODUCTS).map(|id| json!({ "id": id })).collect();
    for order in 0..ORDERS {
        let call = json!({"userId": format!("buyer-{order}"), "event": "Order Completed",
            "properties": {"order_id": format!("o-{order}"), "products": products}});
        daemon.send("/v1/track", &call).await;
    }
    daemon.send("/v1/track", &track("good", 0)).await;
    let before = eventually("the other's event is delivered", || async {
        let events = klaviyo.events();
        let step = events.iter().find(|event| event.metric == "Step");
        step.map(|step| step.sequence)
    })
    .await;
    let all = ORDERS * PRODUCTS;
    assert!(before < all / 2, "{before} of {all} requests went first");
    eventually("all of every order is delivered, in its order", || async {
        let events = klaviyo.events();
        (events.len() as u64 == ORDERS * (PRODUCTS + 1) + 1).then_some(())
    })
    .await;
}
