//! The dedup keys of `$event_id`s: which delivery is a copy of which, by person and destination.

use super::{NOW, begin, claim_all, count, event, files, finish, plan, planned, settle, start};
use crate::model::{DeliveryId, DeliveryKind, DeliveryStatus, EventId, EventStatus, Outcome, OutcomeKind};
use crate::outbox::*;

const GO: Begun = Begun::Go { attempt: 1 };

/// An order with this key, of a person with these identifiers.
fn order(key: &str, person: &[(&str, &str)]) -> PlannedDelivery {
    let names = person.iter().map(|(name, value)| (*name, *value));
    let names: std::collections::BTreeMap<_, _> = names.collect();
    let request = serde_json::json!({"data": {"attributes": {"profile": {"data": {"attributes": names}}}}});
    PlannedDelivery {
        request: Some(request.to_string()),
        ..planned(Some(key))
    }
}

fn profile(request: &str) -> PlannedDelivery {
    PlannedDelivery {
        kind: DeliveryKind::Profile,
        metric: None,
        request: Some(request.to_owned()),
        ..planned(None)
    }
}

fn copy_of(event: i64) -> Begun {
    Begun::Duplicate(Copied {
        event: EventId(event),
        profile_id: None,
    })
}

/// An outbox with this many claimed events, each about another person.
async fn claimed(files: &super::Files, events: usize) -> Outbox {
    let outbox = files.open().await;
    let people = (0..events).map(|at| event(&format!("m{at}"), &[&format!("u{at}")]));
    outbox.intake().append(people.collect()).await.unwrap();
    assert_eq!(claim_all(&outbox).await.len(), events);
    outbox
}

async fn replay(outbox: &Outbox, id: i64, again: bool) {
    let how = Replay {
        again,
        ..Replay::default()
    };
    outbox.replay(NOW, vec![EventId(id)], how).await.unwrap();
    assert_eq!(claim_all(outbox).await, [id]);
}

#[tokio::test]
async fn an_order_number_of_two_people_is_two_orders() {
    let files = files();
    let outbox = claimed(&files, 2).await;
    let ann = plan(
        &outbox,
        1,
        order("1001", &[("external_id", "a-77"), ("email", "ann@x.co")]),
    )
    .await;
    let bob = plan(&outbox, 2, order("1001", &[("external_id", "b-12")])).await;
    assert_eq!(begin(&outbox, ann).await, GO);
    settle(&outbox, ann, 1, DeliveryStatus::Delivered).await;
    assert_eq!(begin(&outbox, bob).await, GO);
}

#[tokio::test]
async fn one_shared_name_makes_a_copy_which_names_the_first_event() {
    let files = files();
    let outbox = claimed(&files, 3).await;
    let first = plan(&outbox, 1, order("k", &[("external_id", "u1"), ("email", "Ann@x.co")])).await;
    let second = plan(
        &outbox,
        2,
        order("k", &[("email", "ann@X.co"), ("phone_number", "+15551230987")]),
    )
    .await;
    assert_eq!(begin(&outbox, first).await, GO);
    assert_eq!(
        begin(&outbox, second).await,
        Begun::Busy,
        "the first may still be refused"
    );
    settle(&outbox, first, 1, DeliveryStatus::Delivered).await;
    assert_eq!(begin(&outbox, second).await, copy_of(1));
    let copies =
        "SELECT count(*) FROM deliveries WHERE status = 'duplicate' AND copy_of = 1 AND reason GLOB '*by event 1'";
    assert_eq!(count(&outbox, copies).await, 1);
    // The copy was not sent: a person named only by the copy has no order yet.
    let third = plan(&outbox, 3, order("k", &[("phone_number", "+15551230987")])).await;
    assert_eq!(begin(&outbox, third).await, GO);
}

#[tokio::test]
async fn the_same_value_under_another_name_is_another_person() {
    let files = files();
    let outbox = claimed(&files, 2).await;
    let first = plan(&outbox, 1, order("k", &[("external_id", "7")])).await;
    let second = plan(&outbox, 2, order("k", &[("phone_number", "7")])).await;
    assert_eq!(begin(&outbox, first).await, GO);
    assert_eq!(begin(&outbox, second).await, GO);
}

#[tokio::test]
async fn elsewhere_a_key_is_new() {
    let files = files();
    let outbox = claimed(&files, 2).await;
    let ids = [("external_id", "u1")];
    let first = plan(&outbox, 1, order("k", &ids)).await;
    let second = plan(&outbox, 2, order("k", &ids)).await;
    assert_eq!(begin(&outbox, first).await, GO);
    settle(&outbox, first, 1, DeliveryStatus::Delivered).await;
    let real = Start {
        sent_to: "klaviyo:ABC".to_owned(),
        ..start(second)
    };
    assert_eq!(outbox.queue().begin(vec![real]).await.unwrap(), [GO]);
}

#[tokio::test]
async fn a_key_whose_owner_will_never_deliver_it_is_free() {
    for gone in ["refused", "discarded"] {
        let files = files();
        let outbox = claimed(&files, 2).await;
        let first = plan(&outbox, 1, planned(Some("k"))).await;
        let second = plan(&outbox, 2, planned(Some("k"))).await;
        begin(&outbox, first).await;
        if gone == "refused" {
            settle(&outbox, first, 1, DeliveryStatus::Rejected).await;
        } else {
            settle(&outbox, first, 1, DeliveryStatus::Pending).await;
            finish(&outbox, 1, EventStatus::Dead).await;
        }
        assert_eq!(begin(&outbox, second).await, GO, "{gone}");
    }
}

#[tokio::test]
async fn a_replay_takes_over_the_key_of_the_generation_that_did_not_deliver_it() {
    let files = files();
    let outbox = claimed(&files, 1).await;
    let first = plan(&outbox, 1, planned(Some("k"))).await;
    begin(&outbox, first).await;
    settle(&outbox, first, 1, DeliveryStatus::Unknown).await;
    finish(&outbox, 1, EventStatus::Dead).await;
    replay(&outbox, 1, false).await;
    let second = plan(&outbox, 1, planned(Some("k"))).await;
    assert_eq!(begin(&outbox, second).await, GO);
}

#[tokio::test]
async fn two_copies_never_wait_for_each_other() {
    let files = files();
    let outbox = claimed(&files, 3).await;
    let (a, b) = (("external_id", "a"), ("email", "b@x.co"));
    let first = plan(&outbox, 1, order("k", &[a])).await;
    let second = plan(&outbox, 2, order("k", &[a, b])).await;
    let third = plan(&outbox, 3, order("k", &[a, b])).await;
    assert_eq!(begin(&outbox, first).await, GO);
    // It owns none of its keys while it waits for one of them.
    assert_eq!(begin(&outbox, second).await, Begun::Busy);
    settle(&outbox, first, 1, DeliveryStatus::Rejected).await;
    assert_eq!(begin(&outbox, third).await, GO);
    assert_eq!(begin(&outbox, second).await, Begun::Busy);
    settle(&outbox, third, 1, DeliveryStatus::Delivered).await;
    assert_eq!(begin(&outbox, second).await, copy_of(3));
}

#[tokio::test]
async fn two_copies_in_one_job_go_one_after_the_other() {
    let files = files();
    let outbox = claimed(&files, 2).await;
    let first = plan(&outbox, 1, order("k", &[("external_id", "a")])).await;
    let second = plan(&outbox, 2, order("k", &[("external_id", "a"), ("email", "b@x.co")])).await;
    let begun = outbox.queue().begin(vec![start(first), start(second)]).await.unwrap();
    assert_eq!(begun, [GO, Begun::Busy]);
}

/// Delivers a profile of event 1, for which Klaviyo returns its id, and ends the event.
async fn deliver_profile(outbox: &Outbox, request: &str) -> DeliveryId {
    let delivery = plan(outbox, 1, profile(request)).await;
    assert_eq!(begin(outbox, delivery).await, GO);
    let mut outcome = Outcome::of(OutcomeKind::Accepted);
    outcome.profile_id = Some("01ABC".to_owned());
    let settlement = Settlement {
        delivery,
        attempt: 1,
        outcome,
        status: DeliveryStatus::Delivered,
        reason: None,
        request: None,
        counts: true,
        failed: false,
        now: NOW,
    };
    let next = Next::Continue;
    let step = Transition {
        settlement: Some(settlement),
        next,
    };
    outbox.queue().settle(vec![step]).await.unwrap();
    finish(outbox, 1, EventStatus::Dead).await;
    delivery
}

#[tokio::test]
async fn a_replay_sends_no_profile_over_what_it_delivered_before() {
    let files = files();
    let outbox = claimed(&files, 1).await;
    deliver_profile(&outbox, "{\"a\":1}").await;
    replay(&outbox, 1, false).await;
    let same = plan(&outbox, 1, profile("{\"a\":1}")).await;
    let known = Copied {
        event: EventId(1),
        profile_id: Some("01ABC".to_owned()),
    };
    assert_eq!(begin(&outbox, same).await, Begun::Duplicate(known));
    finish(&outbox, 1, EventStatus::Dead).await;
    // A body with other bytes is another request and is sent; with `again`, the same body is sent too.
    for (request, again) in [("{\"a\":2}", false), ("{\"a\":1}", true)] {
        replay(&outbox, 1, again).await;
        let delivery = plan(&outbox, 1, profile(request)).await;
        assert_eq!(begin(&outbox, delivery).await, GO, "{request}");
        settle(&outbox, delivery, 1, DeliveryStatus::Rejected).await;
        finish(&outbox, 1, EventStatus::Dead).await;
    }
}

#[tokio::test]
async fn a_replay_that_is_to_send_again_takes_over_the_key_of_its_event() {
    let files = files();
    let outbox = claimed(&files, 2).await;
    let ids = [("external_id", "u1")];
    for (event, again) in [(1, false), (1, true), (2, true)] {
        if again {
            finish(&outbox, event, EventStatus::Delivered).await;
            replay(&outbox, event, again).await;
        }
        let delivery = plan(&outbox, event, order("k", &ids)).await;
        let expected = if event == 1 { GO } else { copy_of(1) };
        assert_eq!(begin(&outbox, delivery).await, expected, "{event}");
        if event == 1 {
            settle(&outbox, delivery, 1, DeliveryStatus::Delivered).await;
        }
    }
}
