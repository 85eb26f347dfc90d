//! Search and blocked people, on a real file.

use std::time::Duration;

use super::{NOW, begin, claim_all, count, event, files, finish, plan, planned, settle};
use crate::model::{DeliveryStatus, EventId, EventStatus, EventType, Identifier, IdentifierKind, NewEvent};
use crate::outbox::*;

fn order(message: &str, user: &str, order: &str) -> NewEvent {
    NewEvent {
        order_id: Some(order.to_owned()),
        ..event(message, &[user])
    }
}

async fn hits(outbox: &Outbox, word: &str) -> Vec<(i64, FoundBy)> {
    let hits = outbox.search(word, 10).await.unwrap();
    hits.iter().map(|hit| (hit.brief.id.0, hit.by)).collect()
}

async fn numbers(outbox: &Outbox, selection: &Selection) -> Vec<i64> {
    let page = outbox.page(selection, None, 100).await.unwrap();
    page.events.iter().map(|event| event.id.0).collect()
}

#[tokio::test]
async fn a_word_finds_what_it_may_mean_each_event_once() {
    let files = files();
    let outbox = files.open().await;
    let mut elsewhere = event("m1", &["b"]);
    elsewhere.source = "another shop".to_owned();
    let mut person = event("m5", &[]);
    person.identifiers = [
        (IdentifierKind::Email, "Jane@Shop.example"),
        (IdentifierKind::Phone, "+1 555 010"),
        (IdentifierKind::AnonymousId, "anon"),
        (IdentifierKind::UserId, "anon"),
    ]
    .iter()
    .filter_map(|(kind, value)| Identifier::new(*kind, value))
    .collect();
    let events = vec![
        event("m1", &["a"]),
        order("m2", "a", "1001"),
        order("m3", "b", "#1001"),
        elsewhere,
        person,
        event("7", &["3"]),
        event("with\0nul", &[]),
    ];
    outbox.intake().append(events).await.unwrap();
    claim_all(&outbox).await;
    plan(&outbox, 1, planned(Some("key-1"))).await;
    for (word, expected) in [
        ("4", &[(4, FoundBy::Number)][..]),
        (" m1 ", &[(4, FoundBy::MessageId), (1, FoundBy::MessageId)]),
        ("key-1", &[(1, FoundBy::EventId)]),
        ("1001", &[(3, FoundBy::OrderId), (2, FoundBy::OrderId)]),
        ("#1001", &[(3, FoundBy::OrderId), (2, FoundBy::OrderId)]),
        ("a", &[(2, FoundBy::Person), (1, FoundBy::Person)]),
        ("user:b", &[(4, FoundBy::Person), (3, FoundBy::Person)]),
        ("jane@SHOP.example", &[(5, FoundBy::Person)]),
        ("+1 (555) 010", &[(5, FoundBy::Person)]),
        ("anon", &[(5, FoundBy::Person)]),
        ("3", &[(3, FoundBy::Number), (6, FoundBy::Person)]),
        ("7", &[(7, FoundBy::Number), (6, FoundBy::MessageId)]),
        ("with\0nul", &[(7, FoundBy::MessageId)]),
        ("007", &[]),
        ("", &[]),
        ("#", &[]),
        ("'; drop table event; --", &[]),
        ("%", &[]),
    ] {
        assert_eq!(hits(&outbox, word).await, expected, "{word:?}");
    }
    assert_eq!(outbox.search("a", 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_event_is_shown_by_its_order_where_the_word_is_nothing_else() {
    let files = files();
    let outbox = files.open().await;
    let events = vec![order("m1", "a", "m2"), event("m2", &["a"]), order("m3", "a", "o-1")];
    outbox.intake().append(events).await.unwrap();
    assert_eq!(outbox.find("m2").await.unwrap(), [EventId(2)]);
    assert_eq!(outbox.find("o-1").await.unwrap(), [EventId(3)]);
    assert_eq!(outbox.find("#o-1").await.unwrap(), [EventId(3)]);
    let report = outbox.report(EventId(3)).await.unwrap().unwrap();
    assert_eq!(report.order_id.as_deref(), Some("o-1"));
}

#[tokio::test]
async fn filters_by_type_and_order_mean_the_same_in_a_list_and_in_a_page() {
    let files = files();
    let outbox = files.open().await;
    let mut identify = order("m2", "a", "1001");
    (identify.kind, identify.name) = (Some(EventType::Identify), None);
    let events = vec![
        order("m1", "a", "1001"),
        identify,
        order("m3", "b", "#1001"),
        event("m4", &["b"]),
    ];
    outbox.intake().append(events).await.unwrap();
    let by_order = Selection {
        order: Selection::orders("#1001"),
        ..Selection::default()
    };
    let identifies = Selection {
        kind: Some(EventType::Identify),
        ..Selection::default()
    };
    let of_b = Selection {
        profile: Selection::people("b"),
        ..by_order.clone()
    };
    let tracks = Selection {
        ids: vec![EventId(2), EventId(3), EventId(3)],
        kind: Some(EventType::Track),
        ..of_b.clone()
    };
    for (selection, expected) in [
        (by_order, &[3, 2, 1][..]),
        (identifies, &[2]),
        (of_b, &[3]),
        (tracks, &[3]),
    ] {
        assert_eq!(numbers(&outbox, &selection).await, expected);
        let mut selected = outbox.select(&selection).await.unwrap();
        selected.reverse();
        assert_eq!(selected, expected.iter().copied().map(EventId).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn the_order_of_an_erased_person_is_nowhere_in_the_file() {
    let files = files();
    let outbox = files.open().await;
    let lost = order("m1", "a", "ORDER-OF-A-4711");
    outbox
        .intake()
        .append(vec![lost, order("m2", "b", "o-2")])
        .await
        .unwrap();
    for id in claim_all(&outbox).await {
        finish(&outbox, id, EventStatus::Delivered).await;
    }
    let person = Identifier::new(IdentifierKind::UserId, "a").unwrap();
    outbox.erase(NOW, vec![person]).await.unwrap();
    assert_eq!(hits(&outbox, "ORDER-OF-A-4711").await, []);
    assert_eq!(hits(&outbox, "o-2").await, [(2, FoundBy::OrderId)]);
    while outbox.is_vacuum_pending() {
        tokio::task::yield_now().await;
    }
    outbox.close().await;
    let mut looked_at = 0;
    for file in std::fs::read_dir(files.config.path.parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let found = bytes.windows(15).any(|bytes| bytes == b"ORDER-OF-A-4711");
        assert!(!found);
        looked_at += bytes.len();
    }
    assert!(looked_at > 100_000);
}

#[tokio::test]
async fn people_who_wait_are_listed_with_the_time_of_the_next_attempt() {
    let files = files();
    let outbox = files.open().await;
    let events = vec![
        event("m1", &["a"]),
        event("m2", &["a"]),
        event("m3", &["b"]),
        event("m4", &["b"]),
        event("m5", &["b"]),
    ];
    outbox.intake().append(events).await.unwrap();
    assert_eq!(claim_all(&outbox).await, [1, 3]);
    let due = NOW.plus(Duration::from_mins(1));
    let next = Next::Reschedule {
        parked: None,
        event: EventId(1),
        due,
    };
    let step = Transition { settlement: None, next };
    outbox.queue().settle(vec![step]).await.unwrap();
    let blocked = outbox.blocked_heads(10).await.unwrap();
    assert_eq!(blocked.heads, 2);
    let heads = blocked.worst.iter();
    let heads: Vec<_> = heads
        .map(|head| (head.event.0, head.waiting, head.in_flight, head.next_attempt_at))
        .collect();
    assert_eq!(heads, [(3, 2, false, Some(NOW)), (1, 1, false, Some(due))]);
    let one = outbox.blocked_heads(1).await.unwrap();
    assert_eq!((one.heads, one.worst.len()), (2, 1));
    outbox.hold(vec![EventId(1)]).await.unwrap();
    let held = outbox.blocked_heads(10).await.unwrap();
    assert_eq!(held.worst[1].next_attempt_at, None);
    assert_eq!(held.worst[1].status, "held");
}

#[tokio::test]
async fn what_is_delivered_under_a_key_is_found_by_it_in_every_generation_once() {
    let files = files();
    let outbox = files.open().await;
    outbox.intake().append(vec![event("m1", &["a"])]).await.unwrap();
    for _generation in 0..2 {
        claim_all(&outbox).await;
        let delivery = plan(&outbox, 1, planned(Some("k"))).await;
        begin(&outbox, delivery).await;
        settle(&outbox, delivery, 1, DeliveryStatus::Delivered).await;
        finish(&outbox, 1, EventStatus::Delivered).await;
        outbox.replay(NOW, vec![EventId(1)], Replay::default()).await.unwrap();
    }
    assert_eq!(count(&outbox, "SELECT count(*) FROM deliveries").await, 2);
    assert_eq!(hits(&outbox, "k").await, [(1, FoundBy::EventId)]);
}
