//! How fast a backlog drains, against the least time that Klaviyo's limits allow. `cargo bench --bench drain`.
//!
//! The daemon is the built binary, the sandbox enforces Klaviyo's published limits, as they are or ten times scaled
//! up. Drains with bulk jobs and without, in one run. The least time is arithmetic: the requests that were really sent, under
//! the share of the limits that the daemon may use, if each left at the first moment its windows allowed.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up ends")]
#![expect(clippy::print_stdout, reason = "its result is what it prints")]
#![expect(clippy::disallowed_methods, reason = "it measures real time")]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

use klaviyo_relay::config::LimitSettings;
use klaviyo_relay::model::Family;
use klaviyo_relay::sandbox::{Options, RateLimits};
use serde_json::{Value, json};
use support::{Daemon, Klaviyo, count};

const SHARE: f64 = 0.8;

/// What is drained.
#[derive(Clone, Copy)]
struct Drain {
    events: u64,
    bulk: bool,
    /// Klaviyo's published limits, so many times.
    factor: u32,
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("mode    limits  events  seconds  events/s  requests  429s  least seconds by the limits  ratio");
    runtime.block_on(async {
        drain(Drain {
            events: 50_000,
            bulk: true,
            factor: 1,
        })
        .await;
        drain(Drain {
            events: 50_000,
            bulk: true,
            factor: 10,
        })
        .await;
        drain(Drain {
            events: 30_000,
            bulk: false,
            factor: 10,
        })
        .await;
    });
}

async fn drain(drain: Drain) {
    let options = Options {
        rate_limits: RateLimits::Published {
            factor: f64::from(drain.factor),
        },
        ..Options::default()
    };
    let klaviyo = Klaviyo::with(options).await;
    let daemon = Daemon::start(&klaviyo, &settings(drain)).await;
    let began = Instant::now();
    let all: Vec<u64> = (0..drain.events).collect();
    for part in all.chunks(500) {
        let batch: Vec<Value> = part.iter().map(|n| event(*n, drain.events / 5)).collect();
        daemon.send("/v1/batch", &json!({ "batch": batch })).await;
    }
    let status = daemon.settled().await;
    let seconds = began.elapsed().as_secs_f64();
    let events = i64::try_from(drain.events).unwrap();
    assert_eq!(count(&status, "delivered"), events, "{status:?}");
    report(drain, seconds, &klaviyo).await;
}

async fn report(drain: Drain, seconds: f64, klaviyo: &Klaviyo) {
    let mut sent: BTreeMap<&'static str, (Family, u32)> = BTreeMap::new();
    let (mut requests, mut throttled) = (0, 0);
    for request in klaviyo.requests().await {
        requests += 1;
        throttled += u32::from(request.status == Some(429));
        if let Some(family) = family(&request.method, &request.path) {
            sent.entry(family.word()).or_insert((family, 0)).1 += 1;
        }
    }
    let least = sent
        .values()
        .map(|(family, n)| least_seconds(*family, *n, drain.factor))
        .fold(0.0, f64::max);
    let Drain { events, bulk, factor } = drain;
    let mode = if bulk { "bulk" } else { "single" };
    let rate = f64::from(u32::try_from(events).unwrap()) / seconds;
    let ratio = seconds / least.max(f64::MIN_POSITIVE);
    println!(
        "{mode:<8}{:>6} {events:>7} {seconds:>8.2} {rate:>9.0} {requests:>9} {throttled:>5} {least:>28.2} {ratio:>6.2}",
        format!("x{factor}")
    );
}

/// The first requests leave at once; every second takes one burst more, until the minute is full.
fn least_seconds(family: Family, requests: u32, factor: u32) -> f64 {
    let limit = LimitSettings::default().of(family);
    let ours = |figure: u32| (f64::from(figure * factor) * SHARE).floor();
    let (burst, steady) = (ours(limit.burst), ours(limit.steady));
    let before_the_last = f64::from(requests.saturating_sub(1));
    let minutes = (before_the_last / steady).floor();
    minutes * 60.0 + ((before_the_last - minutes * steady) / burst).floor()
}

fn family(method: &str, path: &str) -> Option<Family> {
    match (method, path) {
        ("POST", "/api/events") => Some(Family::Event),
        ("POST", "/api/event-bulk-create-jobs") => Some(Family::EventBulk),
        ("POST", "/api/profile-import") => Some(Family::Profile),
        ("POST", "/api/profile-bulk-import-jobs") => Some(Family::ProfileBulk),
        ("POST", "/api/profile-subscription-bulk-create-jobs") => Some(Family::Subscription),
        _ => None,
    }
}

/// Of ten events of a person: six tracks, three identifies, one identify that subscribes.
fn event(n: u64, people: u64) -> Value {
    let user = format!("user-{}", n % people);
    let message = format!("m{n}");
    let traits = json!({"email": format!("{user}@klaviyo-demo.com"), "seen": n + 1});
    match n / people % 10 {
        0 => json!({"type": "identify", "messageId": message, "userId": user, "traits": traits,
            "integrations": {"Klaviyo": {"listId": "LST1"}}}),
        3 | 6 | 9 => {
            json!({"type": "identify", "messageId": message, "userId": user, "traits": traits})
        }
        _ => json!({"type": "track", "messageId": message, "userId": user, "event": "Item Added",
            "properties": {"price": 39.95, "number": n + 1}}),
    }
}

fn settings(drain: Drain) -> String {
    let Drain {
        events: _,
        bulk,
        factor,
    } = drain;
    let defaults = LimitSettings::default();
    let mut text = format!("[delivery]\nbulk = {bulk}\nwindow = 20000\nlimit_share = {SHARE}\n");
    for family in Family::ALL {
        let limit = defaults.of(*family);
        let (burst, steady) = (limit.burst * factor, limit.steady * factor);
        writeln!(text, "[delivery.limits.{family}]\nburst = {burst}\nsteady = {steady}").unwrap();
    }
    text
}
