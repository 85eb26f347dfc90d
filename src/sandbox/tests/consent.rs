//! Subscriptions: what a list's opt-in does, and which fields go together.

use serde_json::{Value, json};

use super::{ABSENT, World, changed, subscription};
use crate::model::Timestamp;
use crate::sandbox::{AccountLists, ListOption, Membership, OptIn, Options, Snapshot};

const PATH: &str = "/api/profile-subscription-bulk-create-jobs";
const PERSON: &str = "/data/attributes/profiles/data/0/attributes";
const ADDRESS: &str = "a@klaviyo-demo.com";

fn historical(at: &str) -> Value {
    let consent = json!({ "consent": "SUBSCRIBED", "consented_at": at });
    let pointer = format!("{PERSON}/subscriptions/email/marketing");
    let document = changed(&subscription(ADDRESS, "L"), &pointer, consent);
    changed(&document, "/data/attributes/historical_import", json!(true))
}

/// How the only member is on the only list.
fn membership(held: &Snapshot) -> Membership {
    *held.lists[0].members.values().next().unwrap()
}

#[tokio::test]
async fn a_list_with_double_opt_in_keeps_people_waiting() {
    let world = World::new();
    let reply = world.post(PATH, &subscription(ADDRESS, "baV129")).await;
    assert_eq!((reply.status, reply.text.as_str()), (202, ""));
    let held = world.sandbox.snapshot();
    assert_eq!(
        held.profiles[0].consent["email.marketing"].state,
        "AWAITING_CONFIRMATION"
    );
    assert_eq!(held.lists[0].id, "baV129");
    assert_eq!(membership(&held), Membership::AwaitingConfirmation);
}

#[tokio::test]
async fn a_historical_import_subscribes_at_once_and_nothing_takes_it_back() {
    let world = World::new();
    assert_eq!(world.post(PATH, &historical("2026-11-20T08:00:00Z")).await.status, 202);
    world.post(PATH, &subscription(ADDRESS, "L")).await;
    let held = world.sandbox.snapshot();
    let consent = &held.profiles[0].consent["email.marketing"];
    assert_eq!(
        (consent.state, consent.at),
        ("SUBSCRIBED", Timestamp::parse("2026-11-20T08:00:00Z").unwrap())
    );
    assert!(consent.historical_import);
    assert_eq!(membership(&held), Membership::Subscribed);
}

#[tokio::test]
async fn a_list_with_single_opt_in_subscribes_at_once() {
    let world = World::with(Options {
        lists: AccountLists::Only(vec![ListOption {
            id: "L".to_owned(),
            name: "Newsletter".to_owned(),
            opt_in: OptIn::Single,
        }]),
        ..Options::default()
    });
    assert_eq!(world.post(PATH, &subscription(ADDRESS, "L")).await.status, 202);
    assert_eq!(membership(&world.sandbox.snapshot()), Membership::Subscribed);
    let unknown = world.post(PATH, &subscription(ADDRESS, "M")).await;
    assert_eq!(unknown.status, 400);
    assert_eq!(unknown.pointers(), ["/data/relationships/list/data/id"]);
}

#[tokio::test]
async fn the_time_of_consent_and_the_historical_import_go_together() {
    let world = World::new();
    let flag = "/data/attributes/historical_import";
    let at = format!("{PERSON}/subscriptions/email/marketing/consented_at");
    let cases = [
        (
            "a time without the flag",
            changed(&historical("2026-11-20T08:00:00Z"), flag, json!(ABSENT)),
        ),
        (
            "the flag without a time",
            changed(&historical("2026-11-20T08:00:00Z"), &at, json!(ABSENT)),
        ),
        ("a time to come", historical("2026-11-23T10:00:01Z")),
        ("a Unix time", historical("1700000000")),
    ];
    for (what, document) in cases {
        let reply = world.post(PATH, &document).await;
        assert_eq!((reply.status, reply.pointers()), (400, vec![at.as_str()]), "{what}");
    }
    assert!(world.sandbox.snapshot().profiles.is_empty());
}

#[tokio::test]
async fn a_channel_needs_its_identifier() {
    let world = World::new();
    let sms = json!({ "sms": { "marketing": { "consent": "SUBSCRIBED" } } });
    let by_mail = changed(&subscription(ADDRESS, "L"), &format!("{PERSON}/subscriptions"), sms);
    let reply = world.post(PATH, &by_mail).await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.pointers(), [format!("{PERSON}/phone_number")]);
    let by_phone = changed(&by_mail, &format!("{PERSON}/phone_number"), json!("+15005550006"));
    assert_eq!(world.post(PATH, &by_phone).await.status, 202);
    let by_email_alone = changed(&subscription(ADDRESS, "L"), &format!("{PERSON}/email"), json!(ABSENT));
    assert_eq!(world.post(PATH, &by_email_alone).await.status, 400);
}

#[tokio::test]
async fn a_profile_can_be_subscribed_by_its_id() {
    let world = World::new();
    let id = world.import(json!({ "email": ADDRESS })).await;
    let by_id = changed(&subscription(ADDRESS, "L"), &format!("{PERSON}/email"), json!(ABSENT));
    let by_id = changed(&by_id, "/data/attributes/profiles/data/0/id", json!(id));
    assert_eq!(world.post(PATH, &by_id).await.status, 202);
    let members = world.sandbox.snapshot().lists.remove(0).members;
    assert_eq!(members.keys().next().unwrap().to_string(), id);
}

#[tokio::test]
async fn subscriptions_are_required_and_custom_properties_have_no_place() {
    let world = World::new();
    let pointer = format!("{PERSON}/subscriptions");
    let without = changed(&subscription(ADDRESS, "L"), &pointer, json!(ABSENT));
    assert_eq!(world.post(PATH, &without).await.pointers(), [pointer]);
    let pointer = format!("{PERSON}/properties");
    let with_properties = changed(&subscription(ADDRESS, "L"), &pointer, json!({ "plan": "pro" }));
    assert_eq!(world.post(PATH, &with_properties).await.pointers(), [pointer]);
}

#[tokio::test]
async fn more_than_a_thousand_people_are_refused() {
    let world = World::new();
    let people = "/data/attributes/profiles/data";
    let one = subscription(ADDRESS, "L").pointer(people).unwrap()[0].clone();
    let many = |count| changed(&subscription(ADDRESS, "L"), people, json!(vec![one.clone(); count]));
    assert_eq!(world.post(PATH, &many(1_000)).await.status, 202);
    let reply = world.post(PATH, &many(1_001)).await;
    assert_eq!((reply.status, reply.pointers()), (400, vec![people]));
    assert_eq!(world.post(PATH, &many(0)).await.status, 400);
}
