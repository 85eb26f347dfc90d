//! List membership: by Klaviyo's own ids, all or none.

use axum::http::Method;
use serde_json::{Value, json};

use super::World;
use crate::sandbox::{AccountLists, Membership, Options, ProfileNumber};

const PATH: &str = "/api/lists/baV129/relationships/profiles";

fn members(ids: &[&str]) -> Value {
    let member = |id: &&str| json!({ "type": "profile", "id": id });
    json!({ "data": ids.iter().map(member).collect::<Vec<_>>() })
}

#[tokio::test]
async fn profiles_are_put_on_a_list_and_taken_off() {
    let world = World::new();
    let a = world.import(json!({ "external_id": "a" })).await;
    let b = world.import(json!({ "external_id": "b" })).await;
    let reply = world.post(PATH, &members(&[&a, &b])).await;
    assert_eq!((reply.status, reply.text.as_str()), (204, ""));
    assert_eq!(world.sandbox.snapshot().lists[0].members.len(), 2);
    assert_eq!(world.call(Method::DELETE, PATH, &members(&[&a])).await.status, 204);
    let held = world.sandbox.snapshot();
    let b = ProfileNumber::of(&b).unwrap();
    assert_eq!(held.lists[0].members, [(b, Membership::Added)].into());
}

#[tokio::test]
async fn one_unknown_profile_refuses_all() {
    let world = World::new();
    let a = world.import(json!({ "external_id": "a" })).await;
    let reply = world.post(PATH, &members(&[&a, "01GXXXXXXXXXXXXXXXXXXXXXXX"])).await;
    assert_eq!((reply.status, reply.pointers()), (404, vec!["/data/1/id"]));
    assert!(world.sandbox.snapshot().lists.is_empty());
}

#[tokio::test]
async fn a_member_is_named_by_nothing_but_its_id() {
    let world = World::new();
    let by_email = json!({ "data": [{ "type": "profile", "attributes": { "email": "a@klaviyo-demo.com" } }] });
    let reply = world.post(PATH, &by_email).await;
    assert_eq!(
        (reply.status, reply.pointers()),
        (400, vec!["/data/0/attributes", "/data/0/id"])
    );
}

#[tokio::test]
async fn an_unknown_list_of_a_closed_account_is_not_found() {
    let world = World::with(Options {
        lists: AccountLists::Only(Vec::new()),
        ..Options::default()
    });
    let a = world.import(json!({ "external_id": "a" })).await;
    assert_eq!(world.post(PATH, &members(&[&a])).await.status, 404);
}
