//! What is held, a part at a time.

use serde_json::json;
use serde_json::value::RawValue;

use super::{World, changed, event, subscription};
use crate::model::Timestamp;
use crate::sandbox::state::events::Event;
use crate::sandbox::state::profiles::ProfileNumber;

#[tokio::test]
async fn parts_follow_one_another_and_the_last_says_so() {
    let world = World::new();
    for n in 0..5 {
        world.post("/api/events", &event(&n.to_string())).await;
    }
    let sandbox = &world.sandbox;
    let first = sandbox.requests(None, 2);
    let numbers: Vec<u64> = first.entries.iter().map(|entry| entry.number).collect();
    assert_eq!((numbers, first.next), (vec![5, 4], Some(4)));
    let last = sandbox.requests(Some(3), 2);
    let numbers: Vec<u64> = last.entries.iter().map(|entry| entry.number).collect();
    assert_eq!((numbers, last.next), (vec![2, 1], None));
    let profile = sandbox.profiles(None, 2).entries[0].id.to_string();
    let events = sandbox.events(Some(&profile), Some(5), 2);
    let places: Vec<u64> = events.entries.iter().map(|entry| entry.sequence).collect();
    assert_eq!((places, events.next), (vec![4, 3], Some(3)));
    for nobody in ["", "01SANDBOX1", "01SANDBOX00000000000000009"] {
        let events = sandbox.events(Some(nobody), None, 2);
        assert_eq!((events.entries.len(), events.next), (0, None), "{nobody}");
        assert!(sandbox.profile(nobody).is_none(), "{nobody}");
    }
}

#[tokio::test]
async fn lists_come_with_their_newest_members_and_the_count_of_all() {
    let world = World::new();
    let path = "/api/profile-subscription-bulk-create-jobs";
    for n in 0..12 {
        let list = if n == 0 { "second" } else { "first" };
        let body = subscription(&format!("u{n}@shop.example"), list);
        assert_eq!(world.post(path, &body).await.status, 202);
    }
    let first = world.sandbox.lists(None, 1);
    assert_eq!(first.next.as_deref(), Some("first"));
    let [list] = &*first.entries else {
        panic!("one list");
    };
    assert_eq!((&*list.id, list.members), ("first", 11));
    assert_eq!(list.newest.len(), 5);
    let newest = world.sandbox.profiles(None, 1).entries.remove(0).id;
    assert_eq!(list.newest[0].0, newest);
    let second = world.sandbox.lists(first.next.as_deref(), 1);
    assert_eq!((second.entries[0].members, second.next), (1, None));
    let members = world.sandbox.members("first", None, 8);
    let rest = world.sandbox.members("first", members.next, 8);
    assert_eq!((rest.entries.len(), rest.next), (3, None));
}

#[tokio::test]
async fn a_part_ends_early_where_entries_are_large() {
    let world = World::new();
    for n in 0..5 {
        let text = "x".repeat(900_000);
        let large = changed(&event(&n.to_string()), "/data/attributes/rest", json!(text));
        world.post("/api/events", &large).await;
    }
    let first = world.sandbox.requests(None, 5);
    assert_eq!((first.entries.len(), first.next), (3, Some(3)));
    let rest = world.sandbox.requests(first.next, 5);
    assert_eq!((rest.entries.len(), rest.next), (2, None));
}

#[tokio::test]
async fn a_part_looks_through_so_many_entries_and_no_more() {
    let world = World::new();
    let id = world.import(json!({"email": "jane@shop.example"})).await;
    let jane = ProfileNumber::of(&id).unwrap();
    let of = |profile, number: u64| Event {
        sequence: 0,
        uuid: uuid::Uuid::nil(),
        request: number,
        sent: 1,
        profile,
        metric: "Step".to_owned(),
        unique_id: Some(number.to_string()),
        time: Timestamp::from_millis(0),
        value: None,
        value_currency: None,
        backfill: false,
        properties: RawValue::NULL.to_owned(),
        ignored_properties: Vec::new(),
    };
    {
        let mut state = world.sandbox.inner.lock();
        state.events.record(of(jane, 1));
        for number in 2..=25_000 {
            state.events.record(of(ProfileNumber::at(9), number));
        }
    }
    let first = world.sandbox.events(Some(&id), None, 50);
    assert_eq!((first.entries.len(), first.next), (0, Some(5001)));
    let rest = world.sandbox.events(Some(&id), first.next, 50);
    assert_eq!((rest.entries.len(), rest.next), (1, None));
}
