//! Tests the erasure of a person on a real file: which events are erased, and what is left.

use crate::model::{DeliveryStatus, EventId, EventStatus, EventType, Identifier, NewEvent};
use crate::outbox::tests::{NOW, because, begin, claim_all, count, event, files, finish, plan, planned, settle};
use crate::outbox::*;

/// Parses an identifier as the outbox writes it: `user:1`.
fn id(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}

fn call(message: &str, kind: EventType, ids: &[&str]) -> NewEvent {
    NewEvent {
        kind: Some(kind),
        identifiers: ids.iter().map(|text| id(text)).collect(),
        payload: format!(r#"{{"of": "{}"}}"#, ids.join(" ")),
        envelope: Some(r#"{"context": {}}"#.into()),
        ..event(message, &[])
    }
}

pub(in crate::outbox) fn track(message: &str, ids: &[&str]) -> NewEvent {
    call(message, EventType::Track, ids)
}

pub(in crate::outbox) fn delete(ids: &[&str]) -> NewEvent {
    call("delete", EventType::Delete, ids)
}

/// Finishes all events that can be claimed, until none is left; finished delete calls erase.
async fn work_off(outbox: &Outbox, deletes: &[i64]) {
    loop {
        let ids = claim_all(outbox).await;
        if ids.is_empty() {
            return;
        }
        for id in ids {
            if deletes.contains(&id) {
                finish_delete(outbox, id, EventStatus::Delivered, None).await;
            } else {
                finish(outbox, id, EventStatus::Delivered).await;
            }
        }
    }
}

pub(in crate::outbox) async fn finish_delete(outbox: &Outbox, id: i64, status: EventStatus, reason: Option<&str>) {
    let next = Next::Complete {
        event: EventId(id),
        status,
        reason: reason.map(because),
        copy_of: None,
        hold: false,
        erase: true,
        now: NOW,
    };
    let step = Transition { settlement: None, next };
    outbox.queue().settle(vec![step]).await.unwrap();
}

/// The message ids of the events without a payload.
async fn gone(outbox: &Outbox) -> Vec<String> {
    sqlx::query_scalar("SELECT message_id FROM events WHERE payload IS NULL ORDER BY id")
        .fetch_all(&outbox.store.readers)
        .await
        .unwrap()
}

/// The message ids of the erased events, after these events and then the delete call are finished.
async fn gone_after(events: Vec<NewEvent>, ids: &[&str]) -> Vec<String> {
    let files = files();
    let outbox = files.open().await;
    let number = i64::try_from(events.len()).unwrap() + 1;
    outbox.intake().append(events).await.unwrap();
    outbox.intake().append(vec![delete(ids)]).await.unwrap();
    work_off(&outbox, &[number]).await;
    assert_eq!(count(&outbox, "SELECT difference FROM audit").await, 0);
    gone(&outbox).await
}

#[tokio::test]
async fn the_person_is_everybody_that_the_calls_connect() {
    let events = || {
        vec![
            track("browsing", &["anonymous:a"]),
            track("identify", &["anonymous:a", "user:1", "email:e@x.co"]),
            track("by mail", &["email:e@x.co"]),
            track("phone", &["email:e@x.co", "phone:+1555"]),
            track("by phone", &["phone:+1555"]),
            track("another", &["user:2", "anonymous:b"]),
            track("nobody", &[]),
        ]
    };
    let person = ["browsing", "identify", "by mail", "phone", "by phone", "delete"];
    for ids in [
        &["user:1"][..],
        &["anonymous:a"],
        &["phone:+1555"],
        &["user:1", "email:e@x.co"],
    ] {
        assert_eq!(gone_after(events(), ids).await, person, "{ids:?}");
    }
}

#[tokio::test]
async fn two_people_of_one_browser_stay_two() {
    let events = || {
        vec![
            track("one", &["anonymous:a", "user:1"]),
            track("nobody yet", &["anonymous:a"]),
            track("two", &["anonymous:a", "user:2", "email:two@x.co"]),
            track("two by mail", &["email:two@x.co"]),
        ]
    };
    let one = ["one", "nobody yet", "delete"];
    assert_eq!(gone_after(events(), &["user:1"]).await, one);
    let two = ["nobody yet", "two", "two by mail", "delete"];
    assert_eq!(gone_after(events(), &["user:2"]).await, two);
    // An anonymous id that two users share identifies neither of them.
    let neither = ["nobody yet", "delete"];
    assert_eq!(gone_after(events(), &["anonymous:a"]).await, neither);
}

#[tokio::test]
async fn an_alias_makes_two_users_one_and_only_through_their_own_names() {
    let joined = vec![
        track("old", &["user:old"]),
        call("alias", EventType::Alias, &["user:new", "user:old", "anonymous:old"]),
        track("new", &["user:new"]),
    ];
    let all = ["old", "alias", "new", "delete"];
    assert_eq!(gone_after(joined.clone(), &["user:old"]).await, all);
    assert_eq!(gone_after(joined, &["user:new"]).await, all);

    // Another user signed up later in the browser of user 1.
    let shared = vec![
        track("one", &["user:1", "anonymous:a"]),
        call("alias", EventType::Alias, &["user:2", "user:a", "anonymous:a"]),
        track("two", &["user:2"]),
    ];
    assert_eq!(gone_after(shared, &["user:1"]).await, ["one", "delete"]);
}

#[tokio::test]
async fn a_delete_takes_its_turn_behind_everybody_it_is_about_and_holds_up_what_comes_after() {
    let files = files();
    let outbox = files.open().await;
    let before = vec![
        track("identify", &["user:1", "anonymous:a"]),
        track("browsing", &["anonymous:a"]),
    ];
    outbox.intake().append(before).await.unwrap();
    finish(&outbox, claim_all(&outbox).await[0], EventStatus::Delivered).await;
    // No other event waits in the queue of its own identifier, but one waits in the queue of the person's other
    // identifier.
    outbox.intake().append(vec![delete(&["user:1"])]).await.unwrap();
    outbox
        .intake()
        .append(vec![track("back again", &["anonymous:a"]), track("other", &["user:2"])])
        .await
        .unwrap();
    assert_eq!(claim_all(&outbox).await, [2, 5]);
    finish(&outbox, 2, EventStatus::Dead).await;
    assert_eq!(claim_all(&outbox).await, [3]);
    finish_delete(&outbox, 3, EventStatus::Skipped, Some("not deleted")).await;
    assert_eq!(gone(&outbox).await, ["identify", "browsing", "delete"]);
    assert_eq!(claim_all(&outbox).await, [4], "what came after is as it was");
    let reason: String = sqlx::query_scalar("SELECT reason FROM events WHERE id = 3")
        .fetch_one(&outbox.store.readers)
        .await
        .unwrap();
    assert_eq!(
        reason,
        "not deleted; erased from the outbox, with 2 earlier events of the person"
    );
}

#[tokio::test]
async fn what_is_held_or_holds_others_up_holds_the_delete_up_too() {
    let files = files();
    let outbox = files.open().await;
    outbox
        .intake()
        .append(vec![track("stuck", &["user:1"]), delete(&["user:1"])])
        .await
        .unwrap();
    assert_eq!(claim_all(&outbox).await, [1]);
    let next = Next::Complete {
        event: EventId(1),
        status: EventStatus::Dead,
        reason: Some(because("no")),
        copy_of: None,
        hold: true,
        erase: false,
        now: NOW,
    };
    let step = Transition { settlement: None, next };
    outbox.queue().settle(vec![step]).await.unwrap();
    assert_eq!(claim_all(&outbox).await, [0_i64; 0]);
    outbox.discard(NOW, vec![EventId(1)]).await.unwrap();
    assert_eq!(claim_all(&outbox).await, [2]);
    finish_delete(&outbox, 2, EventStatus::Delivered, None).await;
    assert_eq!(gone(&outbox).await, ["stuck", "delete"]);
}

#[tokio::test]
async fn a_delete_that_klaviyo_refused_keeps_its_own_call_for_a_replay() {
    let files = files();
    let outbox = files.open().await;
    outbox
        .intake()
        .append(vec![track("first", &["user:1"]), delete(&["user:1"])])
        .await
        .unwrap();
    finish(&outbox, claim_all(&outbox).await[0], EventStatus::Delivered).await;
    assert_eq!(claim_all(&outbox).await, [2]);
    finish_delete(&outbox, 2, EventStatus::Dead, Some("400: no")).await;
    assert_eq!(gone(&outbox).await, ["first"]);
    let replay = Replay::default();
    outbox.replay(NOW, vec![EventId(1), EventId(2)], replay).await.unwrap();
    assert_eq!(claim_all(&outbox).await, [2], "what is erased is not sent again");
    finish_delete(&outbox, 2, EventStatus::Delivered, None).await;
    assert_eq!(gone(&outbox).await, ["first", "delete"]);
    assert_eq!(count(&outbox, "SELECT count(*) FROM erasures").await, 2);
    assert_eq!(count(&outbox, "SELECT sum(events) FROM erasures").await, 2);
}

#[tokio::test]
async fn rows_and_counts_and_ledger_stay_and_nothing_personal_does() {
    let files = files();
    let outbox = files.open().await;
    outbox
        .intake()
        .append(vec![track("order", &["user:1", "email:e@x.co"])])
        .await
        .unwrap();
    assert_eq!(claim_all(&outbox).await, [1]);
    let mut owed = planned(Some("order-1"));
    let profile = r#"{"data":{"attributes":{"email":"e@x.co","external_id":"1"}}}"#;
    owed.request = Some(format!(r#"{{"data":{{"attributes":{{"profile":{profile}}}}}}}"#));
    owed.warnings = vec!["e@x.co is odd".to_owned()];
    let delivery = plan(&outbox, 1, owed.clone()).await;
    assert_eq!(begin(&outbox, delivery).await, Begun::Go { attempt: 1 });
    settle(&outbox, delivery, 1, DeliveryStatus::Rejected).await;
    finish(&outbox, 1, EventStatus::Dead).await;
    let erased = outbox.erase(NOW, vec![id("email:e@x.co")]).await.unwrap();
    assert_eq!(erased, Erased { events: 1, left: 0 });
    let row: (Option<String>, String, Option<String>, Option<String>, String, String) = sqlx::query_as(
        "SELECT e.profile, e.reason, e.payload, d.request, d.reason, d.event_id_key
             FROM events AS e JOIN deliveries AS d ON d.event_id = e.id",
    )
    .fetch_one(&outbox.store.readers)
    .await
    .unwrap();
    let kept = ("erased".to_owned(), "order-1".to_owned());
    assert_eq!(row, (None, kept.0.clone(), None, None, kept.0, kept.1));
    assert_eq!(
        count(
            &outbox,
            "SELECT count(*) FROM delivery WHERE warnings IS NOT NULL OR profile_id IS NOT NULL"
        )
        .await,
        0
    );
    let keys = "SELECT count(*) FROM dedup_key WHERE person = 'erased:1'";
    assert_eq!(count(&outbox, keys).await, 1);
    assert_eq!(count(&outbox, "SELECT dead FROM audit").await, 1);
    assert_eq!(count(&outbox, "SELECT difference FROM audit").await, 0);
    let report = outbox.report(EventId(1)).await.unwrap().unwrap();
    assert_eq!((report.payload, report.identifiers.len()), (None, 0));
    // The same message is still recognised, although nothing personal of it is left.
    outbox
        .intake()
        .append(vec![track("order", &["user:1", "email:e@x.co"])])
        .await
        .unwrap();
    assert_eq!(count(&outbox, "SELECT accepted FROM audit").await, 1);
}

#[tokio::test]
async fn an_erasure_leaves_unfinished_events_and_reports_them() {
    let files = files();
    let outbox = files.open().await;
    outbox
        .intake()
        .append(vec![track("done", &["user:1"]), track("waits", &["user:1"])])
        .await
        .unwrap();
    finish(&outbox, claim_all(&outbox).await[0], EventStatus::Delivered).await;
    let erased = outbox.erase(NOW, vec![id("user:1")]).await.unwrap();
    assert_eq!(erased, Erased { events: 1, left: 1 });
    let kept = Selection {
        kept: true,
        ..Selection::default()
    };
    assert_eq!(outbox.select(&kept).await.unwrap(), [EventId(2)]);
    assert_eq!(claim_all(&outbox).await, [2]);
}
