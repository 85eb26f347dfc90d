//! The page of one event: what happened to it, what it became and by which rule, and that all of it is text.

use klaviyo_relay::config::Config;
use klaviyo_relay::ingest::preview;
use klaviyo_relay::model::{
    DeliveryId, DeliveryKind, DeliveryStatus, EventId, EventStatus, Identifier, IdentifierKind, NewEvent, Outcome,
    OutcomeKind, Timestamp,
};
use klaviyo_relay::outbox::{Outbox, PlannedDelivery, Replay};

use super::Pages;
use crate::support::attempts;

/// 2026-11-24T15:33:20.000Z
const NOW: Timestamp = Timestamp::from_millis(1_795_534_400_000);
const ORDER: &str = r#"{"type":"track","messageId":"m-order","writeKey":"wk_shop_secret","userId":"ann",
    "event":"Item Added","properties":{"orderId":"o-1","total":30.10,"big":12345678901234567890123}}"#;

fn event(call: &str) -> NewEvent {
    let Config { ingest, mapping, .. } = Config::default();
    NewEvent {
        source: "shop".to_owned(),
        ..preview(call, &ingest, &mapping.garbage_ids, NOW)
    }
}

/// Pages on an outbox with these calls, all of them claimed whose turn it is.
async fn pages(calls: &[&str]) -> Pages {
    let pages = Pages::new().await;
    let events = calls.iter().map(|call| event(call)).collect();
    pages.outbox.intake().append(events).await.unwrap();
    attempts::claim(&pages.outbox, NOW).await;
    pages
}

async fn page(pages: &Pages, id: i64) -> String {
    pages.get(&format!("/events/{id}")).await.well()
}

async fn plan(outbox: &Outbox, event: i64, request: &str) -> DeliveryId {
    let delivery = PlannedDelivery {
        metric: Some("Added to Cart".to_owned()),
        event_key: Some(format!("key-{event}")),
        request: Some(request.to_owned()),
        warnings: vec!["a <b>warning</b>".to_owned()],
        ..attempts::planned(DeliveryKind::Event)
    };
    attempts::plan(outbox, event, delivery).await
}

/// An attempt of 40 ms that begins so many milliseconds after the event arrived.
async fn attempt(outbox: &Outbox, delivery: DeliveryId, after: i64, outcome: Outcome) {
    let times = [after, after + 40].map(|after| Timestamp::from_millis(NOW.as_millis() + after));
    let status = if outcome.kind == OutcomeKind::Accepted {
        DeliveryStatus::Delivered
    } else {
        DeliveryStatus::Pending
    };
    attempts::attempt(outbox, delivery, outcome, status, None, times).await;
}

async fn finish(outbox: &Outbox, event: i64, status: EventStatus, reason: Option<&str>) {
    let now = Timestamp::from_millis(NOW.as_millis() + 1240);
    let finished = attempts::finished(EventId(event), status, reason, now);
    attempts::settle(outbox, [finished]).await;
}

fn failed(words: &str) -> Outcome {
    Outcome {
        http_status: Some(503),
        error: Some(words.to_owned()),
        request_id: Some("req-<i>1</i>".to_owned()),
        ..Outcome::of(OutcomeKind::Retry)
    }
}

fn accepted() -> Outcome {
    Outcome {
        http_status: Some(202),
        ..Outcome::of(OutcomeKind::Accepted)
    }
}

/// Asserts that a page has these texts, in this order.
fn has_in_order(page: &str, texts: &[&str]) {
    let mut rest = page;
    for text in texts {
        let found = rest.split_once(text);
        (_, rest) = found.unwrap_or_else(|| panic!("no {text} after what is before it in\n{page}"));
    }
}

#[tokio::test]
async fn an_event_that_was_retried_and_delivered_shows_it_in_order() {
    let pages = pages(&[ORDER]).await;
    let delivery = plan(&pages.outbox, 1, r#"{"data":{}}"#).await;
    attempt(&pages.outbox, delivery, 200, failed("a server error")).await;
    attempt(&pages.outbox, delivery, 1200, accepted()).await;
    finish(&pages.outbox, 1, EventStatus::Delivered, None).await;
    let page = page(&pages, 1).await;
    has_in_order(
        &page,
        &[
            "<h1>Event 1: Item Added</h1>",
            "Delivered to the sandbox, 1.2 s after it arrived.",
            "What happened",
            "2026-11-24T15:33:20.000Z",
            "Received",
            "m-order",
            "user:ann",
            "Became 1 request",
            "POST /api/events",
            "2026-11-24T15:33:20.200Z",
            "Attempt 1",
            "the sandbox",
            "retry",
            "HTTP 503, 40 ms",
            "a server error",
            "Klaviyo's request id",
            "2026-11-24T15:33:21.200Z",
            "Attempt 2",
            "accepted",
            "HTTP 202, 40 ms",
            "2026-11-24T15:33:21.240Z",
            "Delivered",
            "href=\"/events?order_id=o-1\"",
            "href=\"/change?do=replay&amp;id=1&amp;back=%2Fevents%2F1\"",
        ],
    );
    assert!(!page.contains("data-follow"), "it is finished: {page}");
    assert!(page.contains("href=\"/events?profile=user%3Aann\""), "{page}");
}

#[tokio::test]
async fn the_call_keeps_its_order_and_digits_and_hides_its_write_key() {
    let pages = pages(&[ORDER]).await;
    let page = page(&pages, 1).await;
    let names = [
        "type",
        "messageId",
        "writeKey",
        "userId",
        "event",
        "properties",
        "orderId",
        "total",
        "big",
    ];
    let names = names.map(|name| format!("&quot;{name}&quot;"));
    has_in_order(&page, &names.each_ref().map(String::as_str));
    assert!(page.contains(">30.10<"), "{page}");
    assert!(page.contains(">12345678901234567890123<"), "{page}");
    assert!(!page.contains("wk_shop_secret"), "{page}");
}

#[tokio::test]
async fn each_field_of_a_request_shows_its_rule() {
    let pages = pages(&[ORDER]).await;
    let page = page(&pages, 1).await;
    has_in_order(
        &page,
        &[
            "It is not mapped yet. By the rules of now it becomes these.",
            "POST /api/events",
            "tabindex=\"0\" data-from=\"/properties/total\"",
            "&quot;total&quot;",
            "properties.total</span>",
        ],
    );
    assert!(page.contains("data-at=\"/properties/total\""), "{page}");
    assert!(page.contains("data-from=\"/userId\""), "{page}");
}

#[tokio::test]
async fn a_stored_request_that_the_present_rules_would_not_make_shows_it() {
    let pages = pages(&[ORDER]).await;
    plan(&pages.outbox, 1, r#"{"data":{"attributes":{"value":1}}}"#).await;
    let page = page(&pages, 1).await;
    assert!(page.contains("The rules have changed since"), "{page}");
    assert!(page.contains("Warning: a &lt;b&gt;warning&lt;/b&gt;"), "{page}");
}

#[tokio::test]
async fn markup_and_script_in_every_part_of_an_event_are_text() {
    let evil = "</pre></script><script>alert(1)</script><img src=x onerror=alert(1)>\\\"'";
    let call = format!(
        r#"{{"type":"track","messageId":"{evil}","userId":"{evil}","event":"{evil}",
        "properties":{{"{evil}":"{evil}","orderId":"{evil}","products":[{{"{evil}":["{evil}"]}}]}},"context":{{"{evil}":"{evil}"}}}}"#
    );
    let pages = pages(&[&call]).await;
    let body = format!(r#"{{"data":{{"{evil}":"{evil}"}}}}"#);
    let delivery = plan(&pages.outbox, 1, &body).await;
    let refused = Outcome {
        request_id: Some(evil.to_owned()),
        ..failed(evil)
    };
    attempt(&pages.outbox, delivery, 1, refused).await;
    for ended in [false, true] {
        if ended {
            finish(&pages.outbox, 1, EventStatus::Dead, Some(evil)).await;
        }
        let page = page(&pages, 1).await;
        assert_eq!(page.matches("<script").count(), 1, "only ours: {page}");
        assert_eq!(page.matches("<img").count(), 1, "only ours: {page}");
        assert!(!page.contains("onerror=alert(1)>"), "{page}");
        assert!(page.matches("&lt;script&gt;alert(1)").count() > 10, "{page}");
    }
}

#[tokio::test]
async fn an_event_that_waits_shows_for_which_and_the_other_shows_it_waits() {
    let second = r#"{"type":"track","messageId":"m-2","userId":"ann","event":"Second"}"#;
    let pages = pages(&[ORDER, second]).await;
    let waiting = page(&pages, 2).await;
    has_in_order(
        &waiting,
        &[
            "data-follow",
            "Waits for <a href=\"/events/1\">event 1</a> of the same person",
            "rel=\"prev\"",
            "do=hold",
            "do=discard",
        ],
    );
    assert!(!waiting.contains("do=replay"), "{waiting}");
    let first = page(&pages, 1).await;
    has_in_order(
        &first,
        &[
            "data-follow",
            "1 event waits for it",
            "href=\"/events/2\"",
            "rel=\"next\"",
        ],
    );
}

#[tokio::test]
async fn an_event_that_is_tried_again_shows_when_and_why() {
    let pages = pages(&[ORDER]).await;
    let delivery = plan(&pages.outbox, 1, r#"{"data":{}}"#).await;
    attempt(&pages.outbox, delivery, 1, failed("come back later")).await;
    let due = Timestamp::from_millis(4_102_444_800_000);
    attempts::settle(&pages.outbox, [attempts::requeued(EventId(1), due)]).await;
    let page = page(&pages, 1).await;
    has_in_order(
        &page,
        &[
            "It is tried again at <time datetime=\"2100-01-01T00:00:00.000Z\"",
            "Come back later.",
            "May go",
            "do=release",
        ],
    );
}

#[tokio::test]
async fn a_held_event_is_released_or_discarded() {
    let pages = Pages::new().await;
    pages.outbox.intake().append(vec![event(ORDER)]).await.unwrap();
    pages.outbox.hold(vec![EventId(1)]).await.unwrap();
    let page = page(&pages, 1).await;
    has_in_order(
        &page,
        &["data-follow", "Held by an operator.", "do=release", "do=discard"],
    );
    assert!(!page.contains("do=hold"), "{page}");
}

#[tokio::test]
async fn an_event_that_is_dead_on_arrival_shows_its_text_whatever_it_is() {
    let pages = Pages::new().await;
    let dead = NewEvent {
        payload: "<b>no JSON</b> at all".to_owned(),
        ..event("<b>no JSON</b> at all")
    };
    assert!(dead.dead.is_some());
    pages
        .outbox
        .intake()
        .append(vec![NewEvent {
            message_id: "m".to_owned(),
            ..dead
        }])
        .await
        .unwrap();
    let page = page(&pages, 1).await;
    has_in_order(
        &page,
        &[
            "Dead on arrival: it is invalid, and is kept so that you can see it.",
            "Dead",
            "&lt;b&gt;no JSON&lt;/b&gt; at all",
            "It cannot be mapped.",
        ],
    );
}

#[tokio::test]
async fn an_erased_event_shows_what_is_left_and_cannot_be_replayed() {
    let pages = pages(&[ORDER]).await;
    let delivery = plan(&pages.outbox, 1, r#"{"data":{}}"#).await;
    attempt(&pages.outbox, delivery, 1, accepted()).await;
    finish(&pages.outbox, 1, EventStatus::Delivered, None).await;
    let ann = Identifier::new(IdentifierKind::UserId, "ann").unwrap();
    pages.outbox.erase(NOW, vec![ann]).await.unwrap();
    let page = page(&pages, 1).await;
    has_in_order(&page, &["Delivered to the sandbox", "The call is gone."]);
    assert!(page.contains("nobody, or somebody erased since"), "{page}");
    assert!(!page.contains("do=replay"), "{page}");
}

#[tokio::test]
async fn a_replayed_event_keeps_its_first_sending_in_sight() {
    let pages = pages(&[ORDER]).await;
    let delivery = plan(&pages.outbox, 1, r#"{"data":{}}"#).await;
    attempt(&pages.outbox, delivery, 1, accepted()).await;
    finish(&pages.outbox, 1, EventStatus::Delivered, None).await;
    let how = Replay::default();
    pages.outbox.replay(NOW, vec![EventId(1)], how).await.unwrap();
    let page = page(&pages, 1).await;
    has_in_order(
        &page,
        &[
            "Became 1 request",
            "Sent again",
            "this is sending 2",
            "It is not mapped yet.",
            "Earlier sendings (1 request)",
        ],
    );
}

#[tokio::test]
async fn a_number_without_an_event_is_a_page_of_its_own() {
    let pages = pages(&[ORDER]).await;
    for (path, words) in [
        ("/events/7", "No event was given this number yet."),
        ("/events/0", "No event was given this number yet."),
        ("/events/x", "Events have whole numbers; this is none."),
    ] {
        let answer = pages.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text.contains(words), "{path}: {}", answer.text);
        assert!(answer.text.contains("href=\"/events/1\""), "{path}");
    }
}
