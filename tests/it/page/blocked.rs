//! Who waits for what.

use expect_test::expect;
use klaviyo_relay::clock::{Clock as _, SystemClock};
use klaviyo_relay::model::{
    DeliveryKind, EventId, EventStatus, Identifier, IdentifierKind, NewEvent, Reason, Timestamp,
};
use klaviyo_relay::outbox::Next;

use super::main_text;
use super::shelf::{Shelf, event, links};
use crate::support::attempts;

/// Three events of u1 and one of u2, who waits for nobody.
async fn filled() -> Shelf {
    let shelf = Shelf::new().await;
    let events = [("u1", 1), ("u1", 2), ("u2", 3), ("u1", 4)];
    let events = events.map(|(user, number)| event(user, number));
    shelf.outbox.intake().append(events.into()).await.unwrap();
    shelf
}

async fn claimed(shelf: &Shelf) -> Vec<EventId> {
    attempts::claim(&shelf.outbox, SystemClock.now()).await
}

fn changes(page: &str) -> Vec<String> {
    let links = links(page).into_iter();
    links.filter(|link| link.starts_with("/change?")).collect()
}

/// The page's text, without how long ago the head arrived.
fn shown(page: &str) -> String {
    let (before, age) = page.split_once("</time>, ").unwrap();
    let (_, after) = age.split_once('<').unwrap();
    main_text(&format!("{before}</time><{after}"))
}

#[tokio::test]
async fn a_held_head_can_be_let_go_or_skipped() {
    let shelf = filled().await;
    shelf.outbox.hold(vec![EventId(1)]).await.unwrap();
    let page = shelf.page("/blocked").await;
    // Nobody waits for u2.
    expect![[r#"
        Blocked
        1 event holds others up , those with the most others behind them first.
        Event 1 of user:u1 held
        2 events behind it since TIME not tried again by itself
        held by an operator
        Let it go … It is sent, and once it is through, the 2 behind it follow.
        Skip it … It is given up and becomes dead, and the 2 behind it no longer wait for it. It can still be replayed, then behind them.
    "#]]
    .assert_eq(&shown(&page));
    assert!(page.contains("<a href=\"/events/1\">Event 1</a>"), "{page}");
    assert!(!page.contains("user:u2"), "{page}");
    assert_eq!(
        changes(&page),
        [
            "/change?do=release&id=1&back=/blocked",
            "/change?do=discard&id=1&back=/blocked"
        ]
    );
}

#[tokio::test]
async fn a_dead_head_that_holds_its_place_can_be_replayed_or_skipped() {
    let shelf = filled().await;
    assert_eq!(claimed(&shelf).await, [EventId(1), EventId(3)]);
    let finish = Next::Complete {
        event: EventId(1),
        status: EventStatus::Dead,
        reason: Some(Reason::new("klaviyo_400", "400: <b>jane@shop.example</b> is refused")),
        copy_of: None,
        hold: true,
        erase: false,
        now: SystemClock.now(),
    };
    attempts::settle(&shelf.outbox, [finish]).await;
    let page = shelf.page("/blocked").await;
    expect![[r#"
        Blocked
        1 event holds others up , those with the most others behind them first.
        Event 1 of user:u1 dead
        2 events behind it since TIME not tried again by itself
        400: <b>j•••@shop.example</b> is refused
        Replay it … It is sent again in its old place; once it is through, the 2 behind it follow.
        Skip it … It stays dead, and the 2 behind it no longer wait for it. It can still be replayed.
    "#]]
    .assert_eq(&shown(&page));
    assert!(!page.contains("<b>"), "{page}");
    assert_eq!(
        changes(&page),
        [
            "/change?do=replay&id=1&back=/blocked",
            "/change?do=discard&id=1&back=/blocked"
        ]
    );
}

#[tokio::test]
async fn a_head_that_waits_for_its_time_can_be_tried_now() {
    let shelf = filled().await;
    claimed(&shelf).await;
    let page = shelf.page("/blocked").await;
    assert!(!page.contains("in flight"), "{page}");
    let ways = [
        "/change?do=release&id=1&back=/blocked",
        "/change?do=discard&id=1&back=/blocked",
    ];
    assert_eq!(changes(&page), ways, "nothing of it was sent so far");
    let due = Timestamp::parse("2099-01-01T00:00:00Z").unwrap();
    let event = EventId(1);
    attempts::settle(&shelf.outbox, [attempts::requeued(event, due)]).await;
    let page = shelf.page("/blocked").await;
    assert!(page.contains("datetime=\"2099-01-01T00:00:00.000Z\""), "{page}");
    assert_eq!(changes(&page)[0], "/change?do=release&id=1&back=/blocked");
}

#[tokio::test]
async fn nothing_can_be_done_with_a_head_whose_request_is_in_flight() {
    let shelf = filled().await;
    claimed(&shelf).await;
    let delivery = attempts::plan(&shelf.outbox, 1, attempts::planned(DeliveryKind::Event)).await;
    attempts::begin(&shelf.outbox, delivery, SystemClock.now()).await;
    let page = shelf.page("/blocked").await;
    assert!(page.contains("in flight"), "{page}");
    assert_eq!(changes(&page), [""; 0]);
}

#[tokio::test]
async fn a_person_is_masked() {
    let shelf = Shelf::new().await;
    let jane = |number| NewEvent {
        identifiers: Vec::from_iter(Identifier::new(IdentifierKind::Email, "jane@shop.example")),
        ..event("", number)
    };
    let events = vec![jane(1), jane(2)];
    shelf.outbox.intake().append(events).await.unwrap();
    let page = shelf.page("/blocked").await;
    expect![[r#"
        Blocked
        1 event holds others up , those with the most others behind them first.
        Event 1 of email:j•••@shop.example pending
        1 event behind it since TIME tried as soon as there is room
        not sent yet
        Try it now … It is sent at once instead of at its time; once it is through, the one behind it follows.
        Skip it … It is given up and becomes dead, and the one behind it no longer waits for it. It can still be replayed, then behind them.
    "#]]
    .assert_eq(&shown(&page));
    assert!(!page.contains("jane@"), "{page}");
}

#[tokio::test]
async fn the_page_shows_that_nobody_is_blocked() {
    let shelf = Shelf::new().await;
    shelf
        .outbox
        .intake()
        .append(vec![event("u1", 1), event("u2", 2)])
        .await
        .unwrap();
    let page = shelf.page("/blocked").await;
    assert!(page.contains("Nobody is blocked."), "{page}");
}
