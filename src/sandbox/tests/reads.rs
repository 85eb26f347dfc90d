//! The questions a client can ask.

use serde_json::json;

use super::{World, event, subscription};

#[tokio::test]
async fn the_account_is_a_fake_with_its_own_key() {
    let world = World::new();
    let reply = world.get("/api/accounts").await;
    let [account] = reply.body["data"].as_array().unwrap().as_slice() else {
        panic!("one account: {}", reply.text);
    };
    assert_eq!(account["id"], "SANDBX");
    assert_eq!(account["attributes"]["public_api_key"], "SANDBX");
    assert_eq!(account["attributes"]["test_account"], true);
}

#[tokio::test]
async fn profiles_are_found_by_what_names_them() {
    let world = World::new();
    let id = world
        .import(json!({ "email": "a@klaviyo-demo.com", "external_id": "7" }))
        .await;
    world.import(json!({ "email": "b@klaviyo-demo.com" })).await;
    for filter in [
        "equals(email,%22a@klaviyo-demo.com%22)".to_owned(),
        "and(equals(email,%22a@klaviyo-demo.com%22),equals(external_id,%227%22))".to_owned(),
        format!("any(id,[%22{id}%22,%22x%22])"),
    ] {
        let reply = world.get(&format!("/api/profiles?filter={filter}")).await;
        assert_eq!(
            reply.body["data"].as_array().map(Vec::len),
            Some(1),
            "{filter} {}",
            reply.text
        );
        assert_eq!(reply.body["data"][0]["id"], id.as_str());
    }
    let all = world.get("/api/profiles").await;
    assert_eq!(all.body["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_delivery_is_verified_by_its_key_among_the_properties() {
    let world = World::new();
    world.post("/api/events", &event("order-1")).await;
    world.post("/api/events", &event("order-2")).await;
    let all = world.get("/api/events").await;
    let newest = &all.body["data"][0];
    assert_eq!(newest["attributes"]["event_properties"]["$event_id"], "order-2");
    assert_eq!(newest["attributes"]["event_properties"]["$value"].to_string(), "29.980");
    assert_eq!(newest["attributes"]["timestamp"], 1_795_427_998);
    let id = |of: &str| newest["relationships"][of]["data"]["id"].as_str().unwrap();
    let filter = format!(
        "and(equals(profile_id,%22{}%22),equals(metric_id,%22{}%22))",
        id("profile"),
        id("metric")
    );
    let mine = world
        .get(&format!("/api/events?filter={filter}&page[size]=1&sort=datetime"))
        .await;
    assert_eq!(
        mine.body["data"][0]["attributes"]["event_properties"]["$event_id"],
        "order-1"
    );
    let next = mine.body["links"]["next"].as_str().unwrap();
    let next = world
        .get(&format!("/api/events{next}&page[size]=1&sort=datetime"))
        .await;
    assert_eq!(
        next.body["data"][0]["attributes"]["event_properties"]["$event_id"],
        "order-2"
    );
    assert!(next.body["links"]["next"].is_null());
    let other = world.get("/api/events?filter=equals(metric_id,%22XXXXXX%22)").await;
    assert_eq!(other.body["data"], json!([]));
}

#[tokio::test]
async fn lists_are_found_by_name() {
    let world = World::new();
    world
        .post(
            "/api/profile-subscription-bulk-create-jobs",
            &subscription("a@klaviyo-demo.com", "L1"),
        )
        .await;
    let reply = world.get("/api/lists?filter=equals(name,[%22List%20L1%22])").await;
    assert_eq!(reply.body["data"][0]["id"], "L1");
    assert_eq!(reply.body["data"][0]["attributes"]["opt_in_process"], "double_opt_in");
}

#[tokio::test]
async fn a_list_is_found_by_its_id() {
    let world = World::new();
    let reply = world.get("/api/lists/L1").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body["data"]["id"], "L1");
    assert_eq!(reply.body["data"]["attributes"]["name"], "List L1");
    assert_eq!(world.get("/api/lists/L1?colour=red").await.status, 400);
}

#[tokio::test]
async fn a_question_that_is_not_understood_is_refused() {
    let world = World::new();
    for (path, parameter) in [
        ("/api/profiles?filter=equals(email)", "filter"),
        ("/api/profiles?filter=equals(shoe_size,%221%22)", "filter"),
        ("/api/profiles?filter=and(and(equals(id,%221%22)))", "filter"),
        ("/api/profiles?filter=equals(id,null)", "filter"),
        ("/api/profiles?page[size]=101", "page[size]"),
        ("/api/lists?page[size]=11", "page[size]"),
        ("/api/events?page[cursor]=x", "page[cursor]"),
        ("/api/events?colour=red", "query"),
    ] {
        let reply = world.get(path).await;
        assert_eq!(reply.status, 400, "{path}");
        assert_eq!(reply.body["errors"][0]["source"]["parameter"], parameter, "{path}");
    }
}
