//! Search, pages and groups, on a real file.

use super::{NOW, begin, claim_all, count, event, files, finish, plan, planned, settle};
use crate::model::{DeliveryStatus, EventStatus, EventType, Identifier, IdentifierKind};
use crate::outbox::*;

fn order(message: &str, user: &str, order: &str) -> NewEvent {
    NewEvent {
        order_id: Some(order.to_owned()),
        ..event(message, &[user])
    }
}

fn dead(message: &str, user: &str, reason: &str) -> NewEvent {
    NewEvent {
        refused: Some(reason.to_owned()),
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
    outbox.append(events).await.unwrap();
    claim_all(&outbox).await;
    plan(&outbox, 1, planned(Some("key-1"))).await;
    use FoundBy::{EventId, MessageId, Number, OrderId, Person};
    for (word, expected) in [
        ("4", &[(4, Number)][..]),
        (" m1 ", &[(4, MessageId), (1, MessageId)]),
        ("key-1", &[(1, EventId)]),
        ("1001", &[(3, OrderId), (2, OrderId)]),
        ("#1001", &[(3, OrderId), (2, OrderId)]),
        ("a", &[(2, Person), (1, Person)]),
        ("user:b", &[(4, Person), (3, Person)]),
        ("jane@SHOP.example", &[(5, Person)]),
        ("+1 (555) 010", &[(5, Person)]),
        ("anon", &[(5, Person)]),
        ("3", &[(3, Number), (6, Person)]),
        ("7", &[(7, Number), (6, MessageId)]),
        ("with\0nul", &[(7, MessageId)]),
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
    let events = vec![
        order("m1", "a", "m2"),
        event("m2", &["a"]),
        order("m3", "a", "o-1"),
    ];
    outbox.append(events).await.unwrap();
    assert_eq!(outbox.find("m2").await.unwrap(), [EventId(2)]);
    assert_eq!(outbox.find("o-1").await.unwrap(), [EventId(3)]);
    assert_eq!(outbox.find("#o-1").await.unwrap(), [EventId(3)]);
    let report = outbox.report(EventId(3)).await.unwrap().unwrap();
    assert_eq!(report.column("order_id"), Some("o-1"));
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
    outbox.append(events).await.unwrap();
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
        assert_eq!(
            selected,
            expected.iter().copied().map(EventId).collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn the_order_of_an_erased_person_is_nowhere_in_the_file() {
    let files = files();
    let outbox = files.open().await;
    let lost = order("m1", "a", "ORDER-OF-A-4711");
    outbox
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
    while !outbox.is_scrubbed() {
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

const REASONS: [(&str, &str); 8] = [
    ("a", "404 not_found: A list with id Xy12Z9 does not exist"),
    ("b", "404 not_found: A list with id Ab7 does not exist"),
    ("b", "404 not_found: A list with id Ab7 does not exist"),
    (
        "c",
        "404 not_found: A list with id X does not exist, <b>'* ? [a] %_\n\"q\"</b>",
    ),
    (
        "c",
        "404 not_found: A list with id Y1 does not exist, <b>'* ? [a] %_\n\"r\"</b>",
    ),
    (
        "c",
        "404 not_found: A list with id Y2 does not exist, <b>'* ? [a] %_\n\"s\"</b>",
    ),
    ("d", "a 5\" screen"),
    ("e", "no `event`; send it"),
];

#[tokio::test]
async fn dead_events_fall_together_by_their_words_and_a_group_selects_exactly_its_own() {
    let files = files();
    let outbox = files.open().await;
    let events = REASONS
        .iter()
        .enumerate()
        .map(|(at, (user, reason))| NewEvent {
            received_at: Timestamp::from_millis(NOW.as_millis() + i64::try_from(at).unwrap()),
            ..dead(&format!("m{at}"), user, reason)
        });
    outbox.append(events.collect()).await.unwrap();
    let dead = outbox.dead_groups(100).await.unwrap();
    assert!(!dead.older);
    assert_eq!(dead.groups.iter().map(|group| group.count).sum::<i64>(), 8);
    let largest = &dead.groups[0];
    assert_eq!(
        (
            &*largest.words,
            largest.count,
            largest.people,
            largest.sample
        ),
        (
            "404 not_found: A list with id … does not exist",
            3,
            2,
            EventId(3)
        )
    );
    assert_eq!(largest.first, NOW);
    assert_eq!(largest.last.as_millis(), NOW.as_millis() + 2);
    let counts = outbox.status().await.unwrap().dead;
    let counts: Vec<_> = counts
        .into_iter()
        .map(|dead| (dead.reason, dead.count))
        .collect();
    let groups = dead
        .groups
        .iter()
        .map(|group| (group.words.clone(), group.count));
    assert_eq!(counts, groups.collect::<Vec<_>>(), "one way of grouping");

    let mut selected = Vec::new();
    for group in &dead.groups {
        let selection = Selection {
            group: Some(group.words.clone()),
            ..Selection::default()
        };
        let events = outbox.select(&selection).await.unwrap();
        assert_eq!(
            i64::try_from(events.len()).unwrap(),
            group.count,
            "{}",
            group.words
        );
        assert!(events.contains(&group.sample));
        let briefs = outbox.briefs(&selection, 2).await.unwrap();
        assert_eq!(briefs.len(), events.len().min(2));
        let mut page = numbers(&outbox, &selection).await;
        page.reverse();
        assert_eq!(page.into_iter().map(EventId).collect::<Vec<_>>(), events);
        let exported = outbox.export(&selection, EventId(0)).await.unwrap();
        assert_eq!(
            exported.iter().map(|event| event.id).collect::<Vec<_>>(),
            events
        );
        selected.extend(events);
    }
    assert_eq!(selected.len(), 8);
    for states in [
        vec![EventStatus::Pending],
        vec![EventStatus::Delivered, EventStatus::Held],
    ] {
        let none = Selection {
            states,
            group: Some(dead.groups[0].words.clone()),
            ..Selection::default()
        };
        assert!(outbox.select(&none).await.unwrap().is_empty());
        assert!(numbers(&outbox, &none).await.is_empty());
    }
}

#[tokio::test]
async fn people_who_wait_are_told_with_the_time_of_the_next_attempt() {
    let files = files();
    let outbox = files.open().await;
    let events = vec![
        event("m1", &["a"]),
        event("m2", &["a"]),
        event("m3", &["b"]),
        event("m4", &["b"]),
        event("m5", &["b"]),
    ];
    outbox.append(events).await.unwrap();
    assert_eq!(claim_all(&outbox).await, [1, 3]);
    let due = NOW.plus(Duration::from_mins(1));
    let then = Then::Release {
        event: EventId(1),
        due,
    };
    let step = Step {
        settlement: None,
        then,
    };
    outbox.settle(vec![step]).await.unwrap();
    let blocked = outbox.blocked_heads(10).await.unwrap();
    assert_eq!(blocked.heads, 2);
    let heads = blocked.worst.iter();
    let heads: Vec<_> = heads
        .map(|head| {
            (
                head.event.0,
                head.waiting,
                head.in_air,
                head.next_attempt_at,
            )
        })
        .collect();
    assert_eq!(heads, [(3, 2, true, None), (1, 1, false, Some(due))]);
    let one = outbox.blocked_heads(1).await.unwrap();
    assert_eq!((one.heads, one.worst.len()), (2, 1));
    outbox.hold(vec![EventId(1)]).await.unwrap();
    let held = outbox.blocked_heads(10).await.unwrap();
    assert_eq!(held.worst[1].next_attempt_at, None);
    assert_eq!(held.worst[1].status, "held");
}

/// Stores this many delivered events, one a second, by SQL: three of the first are dead, a hundredth of all skipped, the
/// tenth has a name of its own.
async fn many(files: &super::Files, events: i64) -> Outbox {
    let outbox = files.open().await;
    outbox.close().await;
    let mut connection = connect::writer(&files.config.path, false).await.unwrap();
    let fill = "
        BEGIN; INSERT INTO writing (id) VALUES (1);
        INSERT INTO event (id, source, message_id, type, name, at_ms, received_ms, status, reason, seq, due_ms, cycle_ms,
                           finished_ms)
        WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < ?1)
        SELECT id, 'shop', 'm' || id, 'track', iif(id = 10, 'Rare', 'Often'), id * 1000, id * 1000,
               CASE WHEN id IN (3, 4, 20) THEN 'dead' WHEN id % 100 = 7 THEN 'skipped' ELSE 'delivered' END, 'because',
               id, 0, 0, id * 1000 + 5
        FROM n;
        UPDATE counter SET value = ?1 WHERE name IN ('accepted', 'last_id');
        DELETE FROM writing; COMMIT";
    sqlx::query(fill)
        .bind(events)
        .execute(&mut connection)
        .await
        .unwrap();
    connect::close(connection).await;
    files.open().await
}

#[tokio::test]
async fn a_page_looks_through_a_bounded_number_and_tells_how_far_it_came() {
    let files = files();
    let outbox = many(&files, 120_000).await;
    let rare = Selection {
        event: Some("Rare".to_owned()),
        ..Selection::default()
    };
    let page = outbox.page(&rare, None, 50).await.unwrap();
    let back = Timestamp::from_millis(20_001_000);
    assert_eq!((page.events.len(), page.next), (0, Some(EventId(20_001))));
    assert_eq!(page.looked_back_to, Some(back));
    let page = outbox.page(&rare, page.next, 50).await.unwrap();
    assert_eq!((page.events[0].id, page.next), (EventId(10), None));
    assert_eq!(page.looked_back_to, None);
    // What was looked for between two times is looked for there alone.
    let early = Selection {
        until: Some(Timestamp::from_millis(11_000)),
        ..rare.clone()
    };
    let page = outbox.page(&early, None, 50).await.unwrap();
    assert_eq!((page.events[0].id, page.next), (EventId(10), None));
    let late = Selection {
        since: Some(Timestamp::from_millis(110_000_000)),
        ..rare
    };
    let page = outbox.page(&late, None, 50).await.unwrap();
    assert_eq!(
        (page.events.len(), page.next, page.looked_back_to),
        (0, None, None)
    );
    // Three dead events of long ago come at once, and so do all that are skipped, page by page.
    let state = |state| Selection {
        states: vec![state],
        ..Selection::default()
    };
    let page = outbox
        .page(&state(EventStatus::Dead), None, 50)
        .await
        .unwrap();
    let ids: Vec<i64> = page.events.iter().map(|event| event.id.0).collect();
    assert_eq!((ids, page.next), (vec![20, 4, 3], None));
    let (mut skipped, mut before) = (Vec::new(), None);
    loop {
        let page = outbox
            .page(&state(EventStatus::Skipped), before, 500)
            .await
            .unwrap();
        skipped.extend(page.events.iter().map(|event| event.id.0));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let expected: Vec<i64> = (0..1200).rev().map(|hundred| hundred * 100 + 7).collect();
    assert_eq!(skipped, expected);
}

#[tokio::test]
async fn a_page_between_two_times_has_what_arrived_between_them_and_no_more() {
    let files = files();
    let outbox = many(&files, 5_000).await;
    for (since, until, expected) in [
        (Some(4_000_000), Some(4_003_000), vec![4_002, 4_001, 4_000]),
        (Some(4_998_500), None, vec![5_000, 4_999]),
        (None, Some(3_000), vec![2, 1]),
        (Some(9_000_000), None, vec![]),
        (None, Some(0), vec![]),
        (Some(4_000_000), Some(3_000_000), vec![]),
    ] {
        let selection = Selection {
            since: since.map(Timestamp::from_millis),
            until: until.map(Timestamp::from_millis),
            ..Selection::default()
        };
        assert_eq!(
            numbers(&outbox, &selection).await,
            expected,
            "{since:?} {until:?}"
        );
    }
}

#[tokio::test]
async fn what_is_delivered_under_a_key_is_found_by_it_in_every_cycle_once() {
    let files = files();
    let outbox = files.open().await;
    outbox.append(vec![event("m1", &["a"])]).await.unwrap();
    for _cycle in 0..2 {
        claim_all(&outbox).await;
        let delivery = plan(&outbox, 1, planned(Some("k"))).await;
        begin(&outbox, delivery).await;
        settle(&outbox, delivery, 1, DeliveryStatus::Delivered).await;
        finish(&outbox, 1, EventStatus::Delivered).await;
        outbox
            .replay(NOW, vec![EventId(1)], Replay::default())
            .await
            .unwrap();
    }
    assert_eq!(count(&outbox, "SELECT count(*) FROM deliveries").await, 2);
    assert_eq!(hits(&outbox, "k").await, [(1, FoundBy::EventId)]);
}
