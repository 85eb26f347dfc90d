//! A daemon under a clock that is set: far ahead, back, and to 1970.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use klaviyo_relay::app::App;
use klaviyo_relay::clock::{Clock, SystemClock};
use klaviyo_relay::config::{Config, DeliveryConfig, Endpoint};
use klaviyo_relay::model::{EventStatus, Timestamp};
use klaviyo_relay::outbox::Selection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Klaviyo, count, eventually};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// The machine's clock, set so many milliseconds ahead. The monotonic one is left alone.
#[derive(Clone, Default)]
struct Set(Arc<AtomicI64>);

impl Set {
    fn ahead(&self, millis: i64) {
        self.0.store(millis, Ordering::Relaxed);
    }

    /// As a machine shows it that has just been switched on and has no clock of its own.
    fn to_1970(&self) {
        self.ahead(-SystemClock.now().as_millis() + MINUTE);
    }
}

impl Clock for Set {
    fn now(&self) -> Timestamp {
        let ahead = self.0.load(Ordering::Relaxed);
        Timestamp::from_millis(SystemClock.now().as_millis() + ahead)
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

/// A daemon in this process.
struct Relay {
    app: App,
    clock: Set,
    config: Config,
    _folder: Arc<TempDir>,
    client: reqwest::Client,
}

impl Relay {
    async fn start(klaviyo: &Klaviyo, clock: Set) -> Self {
        Self::start_with(klaviyo, clock, DeliveryConfig::default()).await
    }

    async fn start_with(klaviyo: &Klaviyo, clock: Set, delivery: DeliveryConfig) -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        let free = "127.0.0.1:0".parse().unwrap();
        let mut config = Config::default();
        (config.ingest.listen, config.admin.listen) = (free, free);
        config.klaviyo.endpoint = Endpoint::Url(format!("http://{}", klaviyo.address));
        config.outbox.path = folder.path().join("outbox.db");
        config.outbox.min_free_disk = 0;
        config.delivery = delivery;
        Self::of(config, clock, folder).await
    }

    async fn of(config: Config, clock: Set, folder: Arc<TempDir>) -> Self {
        let app = App::start(config.clone(), Arc::new(clock.clone())).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            app,
            clock,
            config,
            _folder: folder,
            client,
        }
    }

    async fn restart(self) -> Self {
        let Self {
            app,
            clock,
            config,
            _folder: folder,
            ..
        } = self;
        app.stop().await;
        Self::of(config, clock, folder).await
    }

    async fn send(&self, call: &Value) {
        let url = format!("http://{}/v1/track", self.app.ingest);
        let request = self.client.post(url).basic_auth("dev", Some(""));
        let answer = request.body(call.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    async fn ready(&self) -> Value {
        let url = format!("http://{}/readyz", self.app.admin);
        let answer = self.client.get(url).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// Waits until `/readyz` has a note of this code, or has none.
    async fn noted(&self, code: &str, expected: bool) {
        eventually(&format!("{code}: {expected}"), || async {
            let ready = self.ready().await;
            assert_eq!(ready["ready"], json!(true));
            let notes = ready["notes"].as_array().unwrap();
            (notes.iter().any(|note| note["code"] == code) == expected).then_some(())
        })
        .await;
    }

    /// Waits until so many are delivered.
    async fn delivered(&self, expected: i64) {
        let outbox = &self.app.outbox;
        eventually("they are delivered", || async {
            let status = outbox.counts().await.unwrap();
            assert_eq!(count(&status, "dead"), 0, "{status:?}");
            (count(&status, "delivered") == expected).then_some(())
        })
        .await;
    }
}

/// A call that states when it was made.
fn call(number: usize) -> Value {
    let now = SystemClock.now().to_string();
    json!({"userId": "u1", "messageId": format!("m{number}"), "event": "Ordered", "timestamp": now,
           "properties": {"number": number}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_stalls_nobody() {
    for ahead in [30 * MINUTE, 30 * DAY] {
        for restarts in [false, true] {
            let klaviyo = Klaviyo::start().await;
            klaviyo.fault(json!({"status": 503})).await;
            let clock = Set::default();
            clock.ahead(ahead);
            let mut relay = Relay::start(&klaviyo, clock.clone()).await;
            for number in 1..=5 {
                relay.send(&call(number)).await;
            }
            eventually("an attempt fails", || async {
                (klaviyo.request_count() > 0).then_some(())
            })
            .await;
            clock.ahead(0);
            if restarts {
                relay = relay.restart().await;
            }
            klaviyo.behave().await;
            relay.delivered(5).await;
            relay.app.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn order_and_ledger_and_history_survive_every_step_of_the_clock() {
    let klaviyo = Klaviyo::start().await;
    let clock = Set::default();
    let relay = Relay::start(&klaviyo, clock.clone()).await;
    let began = SystemClock.now();
    let mut sent = 0;
    let steps: [fn(&Set); 6] = [
        |clock| clock.ahead(0),
        |clock| clock.ahead(3652 * DAY),
        |clock| clock.ahead(-60 * MINUTE),
        Set::to_1970,
        |clock| clock.ahead(MINUTE),
        |clock| clock.ahead(0),
    ];
    for step in steps {
        step(&clock);
        for _ in 0..3 {
            sent += 1;
            relay.send(&call(sent)).await;
        }
        relay.delivered(i64::try_from(sent).unwrap()).await;
    }
    let events = klaviyo.events();
    let numbers: Vec<u64> = events
        .iter()
        .filter_map(|event| {
            let properties: Value = serde_json::from_str(event.properties.get()).unwrap();
            properties["number"].as_u64()
        })
        .collect();
    let all: Vec<u64> = (1..=u64::try_from(sent).unwrap()).collect();
    assert_eq!(numbers, all);
    let outbox = &relay.app.outbox;
    let status = outbox.counts().await.unwrap();
    assert_eq!(count(&status, "pending") + count(&status, "dead"), 0);
    assert_eq!(status.difference, 0);
    let minutes = outbox.history(began, SystemClock.now(), 0).await.unwrap();
    assert!(
        minutes.iter().map(|minute| minute.came).sum::<i64>() >= 3,
        "{minutes:?}"
    );
    relay.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_never_set_is_reported_and_refuses_nothing() {
    let klaviyo = Klaviyo::start().await;
    let clock = Set::default();
    clock.to_1970();
    let relay = Relay::start(&klaviyo, clock.clone()).await;
    let ready = relay.ready().await;
    assert!(ready.to_string().contains("clock_unset"), "{ready}");
    assert_eq!(ready["ready"], json!(true));
    relay.send(&call(1)).await;
    relay.delivered(1).await;
    // Nobody knows when this was, until the clock is set.
    relay
        .send(&json!({"userId": "u1", "messageId": "timeless", "event": "Ordered"}))
        .await;
    let outbox = &relay.app.outbox;
    let dead = eventually("it is dead", || async {
        let dead = Selection {
            states: vec![EventStatus::Dead],
            ..Selection::default()
        };
        let found = outbox.select(&dead).await.unwrap();
        (!found.is_empty()).then_some(found)
    })
    .await;
    clock.ahead(0);
    let again = klaviyo_relay::outbox::Replay::default();
    outbox.replay(clock.now(), dead, again).await.unwrap();
    relay.delivered(2).await;
    let ready = relay.ready().await;
    assert!(!ready.to_string().contains("clock_unset"), "{ready}");
    relay.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leap_of_the_clock_makes_nothing_too_old_and_is_reported() {
    let klaviyo = Klaviyo::start().await;
    klaviyo.fault(json!({"status": 503, "delay_ms": 500})).await;
    let clock = Set::default();
    let delivery = DeliveryConfig {
        max_attempts: 1,
        ..DeliveryConfig::default()
    };
    let relay = Relay::start_with(&klaviyo, clock.clone(), delivery).await;
    relay.send(&call(1)).await;
    eventually("it is being sent", || async {
        (klaviyo.request_count() > 0).then_some(())
    })
    .await;
    clock.ahead(365 * DAY);
    relay.noted("clock_leapt", true).await;
    let ahead = relay.app.outbox.clock_ahead().await.unwrap();
    assert!(
        ahead.is_some_and(|ahead| ahead >= Duration::from_hours(24 * 364)),
        "{ahead:?}"
    );
    clock.ahead(0);
    relay.noted("clock_leapt", false).await;
    klaviyo.behave().await;
    relay.delivered(1).await;
    relay.app.stop().await;
}
