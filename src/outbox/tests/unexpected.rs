//! A statement that changes an unexpected number of rows is counted, and has no other effect.

use super::{NOW, begin, claim_all, event, files, plan, planned, settle};
use crate::clock::SystemClock;
use crate::metrics::{Instruments, Metrics};
use crate::model::DeliveryStatus;
use crate::outbox::*;

fn counted(metrics: &Metrics) -> String {
    let text = metrics.text();
    let line = text
        .lines()
        .find(|line| line.starts_with("klaviyo_relay_outbox_unexpected_rows_total"));
    line.unwrap().to_owned()
}

#[tokio::test]
async fn a_settlement_that_finds_no_open_attempt_is_counted() {
    let files = files();
    let instruments = Instruments::new(Arc::new(SystemClock), ["shop"]);
    let metrics = instruments.metrics.clone();
    let outbox = Outbox::open_measured(&files.config, NOW, Some(instruments))
        .await
        .unwrap();
    outbox.intake().append(vec![event("m1", &["u1"])]).await.unwrap();
    claim_all(&outbox).await;
    let delivery = plan(&outbox, 1, planned(None)).await;
    begin(&outbox, delivery).await;
    settle(&outbox, delivery, 1, DeliveryStatus::Delivered).await;
    assert!(counted(&metrics).ends_with(" 0"));
    settle(&outbox, delivery, 1, DeliveryStatus::Delivered).await;
    assert!(counted(&metrics).ends_with(" 1"));
}
