//! Pages of events, and groups of dead ones, on a real file.

use super::{NOW, event, files};
use crate::model::{EventId, EventStatus, NewEvent, Reason};
use crate::outbox::*;

async fn numbers(outbox: &Outbox, selection: &Selection) -> Vec<i64> {
    let page = outbox.page(selection, None, 100).await.unwrap();
    page.events.iter().map(|event| event.id.0).collect()
}

fn dead(message: &str, user: &str, code: &str) -> NewEvent {
    NewEvent {
        dead: Some(Reason::new(code.to_owned(), format!("{message} is dead"))),
        ..event(message, &[user])
    }
}

/// The users and the codes of the reasons.
const REASONS: [(&str, &str); 8] = [
    ("a", "klaviyo_404_not_found"),
    ("b", "klaviyo_404_not_found"),
    ("b", "klaviyo_404_not_found"),
    ("c", "klaviyo_404_not_found_list"),
    ("c", "klaviyo_404_not_found_list"),
    ("c", "event_not_defined"),
    ("d", "no_email"),
    ("e", "event_not_string"),
];

/// An outbox with one dead event for each of these reasons, one per millisecond.
async fn died(files: &super::Files) -> Outbox {
    let outbox = files.open().await;
    let events = REASONS.iter().zip(0..).map(|((user, code), at)| NewEvent {
        received_at: Timestamp::from_millis(NOW.as_millis() + at),
        ..dead(&format!("m{at}"), user, code)
    });
    outbox.intake().append(events.collect()).await.unwrap();
    outbox
}

#[tokio::test]
async fn dead_events_are_grouped_by_the_code_of_their_reason() {
    let files = files();
    let outbox = died(&files).await;
    let dead = outbox.dead_groups(100).await.unwrap();
    assert!(!dead.older);
    assert_eq!(dead.groups.iter().map(|group| group.count).sum::<i64>(), 8);
    let largest = &dead.groups[0];
    assert_eq!(
        (&*largest.code, largest.count, largest.people, largest.sample),
        ("klaviyo_404_not_found", 3, 2, EventId(3))
    );
    assert_eq!(largest.example, "m2 is dead");
    assert_eq!(largest.first, NOW);
    assert_eq!(largest.last.as_millis(), NOW.as_millis() + 2);
    let counts = outbox.status(NOW).await.unwrap().dead;
    let counts: Vec<_> = counts.into_iter().map(|dead| (dead.code, dead.count)).collect();
    let groups = dead.groups.iter().map(|group| (group.code.clone(), group.count));
    assert_eq!(counts, groups.collect::<Vec<_>>(), "one way of grouping");
}

#[tokio::test]
async fn a_group_selects_exactly_its_own() {
    let files = files();
    let outbox = died(&files).await;
    let dead = outbox.dead_groups(100).await.unwrap();
    let mut selected = Vec::new();
    for group in &dead.groups {
        let selection = Selection {
            code: Some(group.code.clone()),
            ..Selection::default()
        };
        let events = outbox.select(&selection).await.unwrap();
        assert_eq!(i64::try_from(events.len()).unwrap(), group.count, "{}", group.code);
        assert!(events.contains(&group.sample));
        let briefs = outbox.briefs(&selection, 2).await.unwrap();
        assert_eq!(briefs.len(), events.len().min(2));
        let mut page = numbers(&outbox, &selection).await;
        page.reverse();
        assert_eq!(page.into_iter().map(EventId).collect::<Vec<_>>(), events);
        let exported = outbox.export(&selection, EventId(0)).await.unwrap();
        assert_eq!(exported.iter().map(|event| event.id).collect::<Vec<_>>(), events);
        selected.extend(events);
    }
    assert_eq!(selected.len(), 8);
    for states in [
        vec![EventStatus::Pending],
        vec![EventStatus::Delivered, EventStatus::Held],
    ] {
        let none = Selection {
            states,
            code: Some(dead.groups[0].code.clone()),
            ..Selection::default()
        };
        assert!(outbox.select(&none).await.unwrap().is_empty());
        assert!(numbers(&outbox, &none).await.is_empty());
    }
}

/// Stores this many events, one per second, by SQL: events 3, 4 and 20 are dead, one of each hundred is skipped, the
/// others are delivered; event 10 has a name of its own.
async fn many(files: &super::Files, events: i64) -> Outbox {
    let outbox = files.open().await;
    outbox.close().await;
    let mut connection = connect::writer(&files.config.path, false).await.unwrap();
    let fill = "
        BEGIN; INSERT INTO write_guard (id) VALUES (1);
        INSERT INTO event (id, source, message_id, type, name, at_ms, received_ms, status, reason, reason_code, queue_pos,
                           run_after_ms, generation_ms, finished_ms)
        WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < ?1)
        SELECT id, 'shop', 'm' || id, 'track', iif(id = 10, 'Rare', 'Often'), id * 1000, id * 1000,
               CASE WHEN id IN (3, 4, 20) THEN 'dead' WHEN id % 100 = 7 THEN 'skipped' ELSE 'delivered' END, 'because', 'because',
               id, 0, 0, id * 1000 + 5
        FROM n;
        UPDATE counter SET value = ?1 WHERE name IN ('accepted', 'last_id');
        DELETE FROM write_guard; COMMIT";
    sqlx::query(fill).bind(events).execute(&mut connection).await.unwrap();
    connect::close(connection).await;
    files.open().await
}

#[tokio::test]
async fn a_page_scans_a_bounded_number_and_reports_how_far_it_came() {
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
    // A selection with times reads only events between them.
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
    assert_eq!((page.events.len(), page.next, page.looked_back_to), (0, None, None));
    // Three dead events of long ago are found on the first page. All skipped events are found page by page.
    let state = |state| Selection {
        states: vec![state],
        ..Selection::default()
    };
    let page = outbox.page(&state(EventStatus::Dead), None, 50).await.unwrap();
    let ids: Vec<i64> = page.events.iter().map(|event| event.id.0).collect();
    assert_eq!((ids, page.next), (vec![20, 4, 3], None));
    let (mut skipped, mut before) = (Vec::new(), None);
    loop {
        let page = outbox.page(&state(EventStatus::Skipped), before, 500).await.unwrap();
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
        assert_eq!(numbers(&outbox, &selection).await, expected, "{since:?} {until:?}");
    }
}
