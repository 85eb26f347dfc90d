//! An outbox with one event of every kind, made as the daemon makes it and closed again.

use klaviyo_relay::config::{Config, OutboxConfig};
use klaviyo_relay::ingest::preview;
use klaviyo_relay::model::{
    DeliveryId, DeliveryKind, DeliveryStatus, EventId, EventStatus, NewEvent, Outcome, OutcomeKind, Timestamp,
};
use klaviyo_relay::outbox::{Outbox, PlannedDelivery};

use super::Bench;
use crate::support::{attempts, reopen};

/// 2026-11-24T15:33:20.000Z
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_534_400_000);

/// Delivered at the second attempt, with its `$event_id`.
pub(crate) const ORDER: i64 = 1;
/// Refused at ingest, so dead.
pub(crate) const FLAWED: i64 = 2;
/// Nothing to send.
pub(crate) const SKIPPED: i64 = 3;
/// Refused by Klaviyo, so dead.
pub(crate) const REFUSED: i64 = 4;
/// Waits for its time.
pub(crate) const WAITING: i64 = 5;
/// Waits for the one before it.
pub(crate) const BEHIND: i64 = 6;

/// The call of [`ORDER`], with the write key in its body, as browsers send it.
pub(crate) const ORDER_CALL: &str = r#"{ "type":"track","messageId":"m-order","writeKey":"wk_shop","userId":"ann",
"event":"Order Completed","properties":{"orderId":"o-1","total":30.10} }"#;

const OTHER_CALLS: [&str; 5] = [
    r#"{"type":"track","messageId":"m-flawed","userId":"bob"}"#,
    r#"{"type":"page","messageId":"m-page","userId":"cat","name":"Home"}"#,
    r#"{"type":"identify","messageId":"m-refused","userId":"dan","traits":{"email":"dan@shop.example"}}"#,
    r#"{"type":"track","messageId":"m-waiting","userId":"eve","event":"Item Added"}"#,
    r#"{"type":"track","messageId":"m-behind","userId":"eve","event":"Item Removed"}"#,
];

/// The status of every event, in order, as [`Bench::prepared`] makes them.
pub(crate) const BEFORE: [&str; 6] = ["delivered", "dead", "skipped", "dead", "pending", "pending"];

/// The status of every event, in order.
pub(crate) fn statuses(bench: &Bench) -> Vec<String> {
    let status = |id: i64| {
        let event = bench.run(&["show", &id.to_string(), "--json"]).json();
        event["status"].as_str().unwrap().to_owned()
    };
    [ORDER, FLAWED, SKIPPED, REFUSED, WAITING, BEHIND].map(status).to_vec()
}

impl Bench {
    /// A folder with the smallest configuration, and the outbox.
    pub(crate) async fn prepared() -> Self {
        let bench = Self::new();
        bench.prepare().await;
        bench
    }

    pub(crate) async fn prepare(&self) {
        let outbox = reopen(&self.outbox_config(), NOW).await;
        let calls = [ORDER_CALL].into_iter().chain(OTHER_CALLS);
        outbox.intake().append(calls.map(event).collect()).await.unwrap();
        let claimed = attempts::claim(&outbox, NOW).await;
        assert_eq!(claimed, [ORDER, SKIPPED, REFUSED, WAITING].map(EventId));
        deliver(&outbox).await;
        let skipped = "page calls are not sent to Klaviyo";
        end(&outbox, SKIPPED, EventStatus::Skipped, Some(skipped)).await;
        refuse(&outbox).await;
        attempts::settle(&outbox, [attempts::requeued(EventId(WAITING), NOW)]).await;
        outbox.close().await;
    }

    /// Takes the event that waits, as a daemon does that is going to send it.
    pub(crate) async fn take_in_the_waiting(&self) {
        let outbox = Outbox::attach(&self.outbox_config()).await.unwrap();
        let claimed = attempts::claim(&outbox, NOW).await;
        assert_eq!(claimed, [EventId(WAITING)]);
        outbox.close().await;
    }

    /// Leaves a request of it in flight.
    pub(crate) async fn begin_the_waiting(&self) {
        let outbox = Outbox::attach(&self.outbox_config()).await.unwrap();
        let delivery = plan(&outbox, WAITING, DeliveryKind::Profile, None).await;
        attempts::begin(&outbox, delivery, NOW).await;
        outbox.close().await;
    }

    /// Has the event that waits send a subscription whose answer never comes.
    pub(crate) async fn lose_an_answer(&self) {
        self.take_in_the_waiting().await;
        let outbox = Outbox::attach(&self.outbox_config()).await.unwrap();
        let subscription = plan(&outbox, WAITING, DeliveryKind::Subscription, None).await;
        let unknown = Outcome {
            error: Some("no answer within the time".to_owned()),
            ..Outcome::of(OutcomeKind::Unknown)
        };
        attempt(&outbox, subscription, unknown, DeliveryStatus::Unknown, None).await;
        outbox.close().await;
    }

    pub(crate) fn outbox_config(&self) -> OutboxConfig {
        OutboxConfig {
            path: self.path().join("outbox.db"),
            min_free_disk: 0,
            max_pending: None,
            ..Config::default().outbox
        }
    }
}

pub(crate) fn event(call: &str) -> NewEvent {
    let Config { ingest, mapping, .. } = Config::default();
    NewEvent {
        source: "shop".to_owned(),
        ..preview(call, &ingest, &mapping.garbage_ids, NOW)
    }
}

async fn deliver(outbox: &Outbox) {
    let order = plan(outbox, ORDER, DeliveryKind::Event, Some("o-1")).await;
    let retry = Outcome {
        http_status: Some(503),
        error: Some("a server error".to_owned()),
        ..Outcome::of(OutcomeKind::Retry)
    };
    attempt(outbox, order, retry, DeliveryStatus::Pending, None).await;
    let accepted = Outcome {
        http_status: Some(202),
        ..Outcome::of(OutcomeKind::Accepted)
    };
    attempt(outbox, order, accepted, DeliveryStatus::Delivered, None).await;
    end(outbox, ORDER, EventStatus::Delivered, None).await;
}

async fn refuse(outbox: &Outbox) {
    let words = "400 invalid: Invalid email address";
    let profile = plan(outbox, REFUSED, DeliveryKind::Profile, None).await;
    let refused = Outcome {
        http_status: Some(400),
        error: Some(words.to_owned()),
        ..Outcome::of(OutcomeKind::Refused)
    };
    let rejected = DeliveryStatus::Rejected;
    attempt(outbox, profile, refused, rejected, Some(words)).await;
    end(outbox, REFUSED, EventStatus::Dead, Some(words)).await;
}

pub(crate) async fn plan(outbox: &Outbox, event: i64, kind: DeliveryKind, key: Option<&str>) -> DeliveryId {
    let delivery = PlannedDelivery {
        metric: key.map(|_| "Placed Order".to_owned()),
        event_key: key.map(str::to_owned),
        warnings: vec!["a warning".to_owned()],
        ..attempts::planned(kind)
    };
    attempts::plan(outbox, event, delivery).await
}

pub(crate) async fn attempt(
    outbox: &Outbox,
    delivery: DeliveryId,
    outcome: Outcome,
    status: DeliveryStatus,
    reason: Option<&str>,
) {
    attempts::attempt(outbox, delivery, outcome, status, reason, [NOW; 2]).await;
}

pub(crate) async fn end(outbox: &Outbox, event: i64, status: EventStatus, reason: Option<&str>) {
    let finished = attempts::finished(EventId(event), status, reason, NOW);
    attempts::settle(outbox, [finished]).await;
}
