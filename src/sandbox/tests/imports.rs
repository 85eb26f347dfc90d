//! Profiles: whose an identifier is, what clears a field and what leaves it.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use super::{Options, World, changed, profile};

const IMPORT: &str = "/api/profile-import";

#[tokio::test]
async fn an_import_answers_201_with_the_new_profile_and_200_with_the_changed_one() {
    let world = World::new();
    let serena = json!({ "external_id": "019mr8mf4r", "email": "Swilliams@sportstech.com" });
    let made = world.post(IMPORT, &profile(serena)).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body["data"]["type"], "profile");
    assert_eq!(made.body["data"]["attributes"]["email"], "swilliams@sportstech.com");
    let changed = json!({ "external_id": "019mr8mf4r", "properties": { "friends": 42 } });
    let again = world.post(IMPORT, &profile(changed)).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.body["data"]["id"], made.body["data"]["id"]);
    assert_eq!(again.body["data"]["attributes"]["properties"]["friends"], 42);
    assert_eq!(again.body["data"]["attributes"]["email"], "swilliams@sportstech.com");
}

#[tokio::test]
async fn null_clears_and_absent_leaves() {
    let world = World::new();
    let full = json!({
        "external_id": "7", "email": "a@klaviyo-demo.com", "title": "Player", "first_name": "Serena",
        "location": { "city": "Palm Beach", "zip": "33401" }, "properties": { "plan": "pro", "age": 41 },
    });
    world.import(full).await;
    let nulls = json!({
        "external_id": "7", "email": null, "title": null, "location": { "zip": null },
        "properties": { "plan": "free" },
    });
    world.import(nulls).await;
    let held = &world.sandbox.snapshot().profiles[0];
    assert_eq!(held.identifiers.get("email"), None);
    assert_eq!(held.attributes.get("title"), None);
    assert_eq!(held.attributes["first_name"], "Serena");
    assert_eq!(held.attributes["location"], json!({ "city": "Palm Beach" }));
    assert_eq!(
        Value::Object(held.properties.clone()),
        json!({ "plan": "free", "age": 41 })
    );
    // The freed address can be another person's.
    world.import(json!({ "email": "a@klaviyo-demo.com" })).await;
    assert_eq!(world.sandbox.snapshot().profiles.len(), 2);
}

#[tokio::test]
async fn patches_append_take_away_and_unset() {
    let world = World::new();
    let start = json!({ "external_id": "7", "properties": { "tags": ["a", "b"], "one": 1, "gone": 1 } });
    world.import(start).await;
    let mut patch = profile(json!({ "external_id": "7" }));
    patch["data"]["meta"] = json!({ "patch_properties": {
        "append": { "tags": ["c"], "one": 2, "new": "x" }, "unappend": { "tags": "a" }, "unset": "gone",
    } });
    assert_eq!(world.post(IMPORT, &patch).await.status, 200);
    let held = &world.sandbox.snapshot().profiles[0];
    let expected = json!({ "tags": ["b", "c"], "one": [1, 2], "new": ["x"] });
    assert_eq!(Value::Object(held.properties.clone()), expected);
}

#[tokio::test]
async fn two_people_in_one_import_are_a_conflict_that_names_the_other() {
    let world = World::new();
    world.import(json!({ "email": "a@klaviyo-demo.com" })).await;
    let other = world.import(json!({ "phone_number": "+15005550006" })).await;
    let both = json!({ "email": "a@klaviyo-demo.com", "phone_number": "+15005550006", "title": "x" });
    let reply = world.post(IMPORT, &profile(both)).await;
    assert_eq!(reply.status, 409);
    let error = &reply.body["errors"][0];
    assert_eq!(error["code"], "duplicate_profile");
    assert_eq!(error["source"]["pointer"], "/data/attributes");
    assert_eq!(error["meta"]["duplicate_profile_id"], other.as_str());
    let held = world.sandbox.snapshot();
    assert!(
        held.profiles.iter().all(|held| held.attributes.is_empty()),
        "nothing was changed"
    );
}

#[tokio::test]
async fn an_id_of_nobody_or_beside_somebody_elses_address_is_not_found() {
    let world = World::new();
    let mine = world.import(json!({ "email": "a@klaviyo-demo.com" })).await;
    world.import(json!({ "email": "b@klaviyo-demo.com" })).await;
    let mut document = profile(json!({ "title": "x" }));
    document["data"]["id"] = json!("01GXXXXXXXXXXXXXXXXXXXXXXX");
    assert_eq!(world.post(IMPORT, &document).await.status, 404);
    document["data"]["id"] = json!(mine);
    assert_eq!(world.post(IMPORT, &document).await.status, 200);
    let crossed = changed(&document, "/data/attributes", json!({ "email": "b@klaviyo-demo.com" }));
    let reply = world.post(IMPORT, &crossed).await;
    assert_eq!(reply.status, 404);
    assert_eq!(reply.body["errors"][0]["code"], "not_found");
}

#[tokio::test]
async fn a_bulk_import_ignores_nulls_and_reports_what_it_could_not_take() {
    let world = World::new();
    world
        .import(json!({ "email": "a@klaviyo-demo.com", "title": "Player" }))
        .await;
    world.import(json!({ "external_id": "7" })).await;
    let item = |attributes: Value| profile(attributes)["data"].clone();
    let job = json!({ "data": {
        "type": "profile-bulk-import-job",
        "attributes": { "profiles": { "data": [
            item(json!({ "email": "a@klaviyo-demo.com", "title": null, "first_name": "A" })),
            item(json!({ "email": "a@klaviyo-demo.com", "external_id": "7" })),
            item(json!({ "email": "new@klaviyo-demo.com" })),
        ] } },
        "relationships": { "lists": { "data": [{ "type": "list", "id": "baV129" }] } },
    } });
    let reply = world.post("/api/profile-bulk-import-jobs", &job).await;
    assert_eq!(reply.status, 202);
    let id = reply.body["data"]["id"].as_str().unwrap();
    let asked = world.get(&format!("/api/profile-bulk-import-jobs/{id}")).await;
    let attributes = &asked.body["data"]["attributes"];
    assert_eq!(attributes["status"], "complete");
    assert_eq!([&attributes["total_count"], &attributes["completed_count"]], [3, 2]);
    let errors = world
        .get(&format!("/api/profile-bulk-import-jobs/{id}/import-errors"))
        .await;
    let error = &errors.body["data"][0]["attributes"];
    assert_eq!(error["code"], "duplicate_profile");
    assert_eq!(
        error["source"]["pointer"],
        "/data/attributes/profiles/data/1/attributes"
    );
    assert_eq!(error["original_payload"]["attributes"]["external_id"], "7");
    let held = world.sandbox.snapshot();
    assert_eq!(held.profiles[0].attributes["title"], "Player");
    assert_eq!(held.lists[0].members.len(), 2);
    assert_eq!(world.get("/api/profile-bulk-import-jobs/none").await.status, 404);
}

/// A bulk import of one profile.
async fn bulk(world: &World, attributes: Value) -> String {
    let job = json!({ "data": {
        "type": "profile-bulk-import-job",
        "attributes": { "profiles": { "data": [profile(attributes)["data"]] } },
    } });
    let reply = world.post("/api/profile-bulk-import-jobs", &job).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    reply.body["data"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_delayed_job_is_carried_out_when_its_time_has_come_over_what_came_meanwhile() {
    let world = World::with(Options {
        job_delay: Duration::from_secs(5),
        ..Options::default()
    });
    let anna = |title: &str| json!({ "email": "a@klaviyo-demo.com", "title": title });
    let id = bulk(&world, anna("old")).await;
    world.import(anna("new")).await;
    let title = || world.sandbox.snapshot().profiles[0].attributes["title"].clone();
    assert_eq!(title(), "new");
    let path = format!("/api/profile-bulk-import-jobs/{id}");
    world.advance(4_999);
    let attributes = &world.get(&path).await.body["data"]["attributes"];
    assert_eq!(attributes["status"], "queued");
    assert_eq!(attributes["completed_count"], 0);
    world.advance(1);
    assert_eq!(title(), "old");
    let attributes = &world.get(&path).await.body["data"]["attributes"];
    assert_eq!(attributes["status"], "complete");
    assert_eq!(attributes["completed_count"], 1);
}

#[tokio::test]
async fn jobs_are_listed_by_their_age_and_status_page_by_page() {
    let world = World::with(Options {
        job_delay: Duration::from_secs(5),
        ..Options::default()
    });
    let first = bulk(&world, json!({ "email": "a@klaviyo-demo.com" })).await;
    world.advance(5_000);
    let second = bulk(&world, json!({ "email": "b@klaviyo-demo.com" })).await;
    let listed = async |query: &str| {
        let path = format!("/api/profile-bulk-import-jobs?{query}");
        let reply = world.get(&path).await;
        let jobs = reply.body["data"].as_array().unwrap().iter();
        let ids: Vec<String> = jobs.map(|job| job["id"].as_str().unwrap().to_owned()).collect();
        (ids, reply.body["links"]["next"].clone())
    };
    let both = [second.clone(), first.clone()];
    assert_eq!(listed("sort=-created_at").await, (both.to_vec(), Value::Null));
    let queued = "filter=any(status,[%22queued%22,%22processing%22])";
    assert_eq!(listed(queued).await.0, std::slice::from_ref(&second));
    let (page, next) = listed("page[size]=1").await;
    assert_eq!(page, [second]);
    let next = next.as_str().unwrap().trim_start_matches('?');
    assert_eq!(listed(&format!("page[size]=1&{next}")).await.0, [first]);
}

#[tokio::test]
async fn a_deleted_person_is_gone_with_all_that_is_known() {
    let world = World::new();
    world.post("/api/events", &super::event("1")).await;
    world
        .post(
            "/api/profile-subscription-bulk-create-jobs",
            &super::subscription("serena@klaviyo-demo.com", "L"),
        )
        .await;
    let job = |profile: Value| {
        json!({ "data": { "type": "data-privacy-deletion-job", "attributes": {
            "profile": { "data": profile } } } })
    };
    let path = "/api/data-privacy-deletion-jobs";
    let both = json!({ "type": "profile", "id": "x", "attributes": { "email": "a@klaviyo-demo.com" } });
    assert_eq!(world.post(path, &job(both)).await.status, 400);
    let nobody = json!({ "type": "profile", "attributes": {} });
    assert_eq!(world.post(path, &job(nobody)).await.status, 400);
    let serena = json!({ "type": "profile", "attributes": { "email": "serena@klaviyo-demo.com" } });
    assert_eq!(world.call(Method::POST, path, &job(serena)).await.status, 202);
    let held = world.sandbox.snapshot();
    assert_eq!((held.profiles.len(), held.events.len()), (0, 0));
    assert!(held.lists[0].members.is_empty());
}
