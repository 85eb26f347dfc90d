//! What answers state about a job's items.

use super::*;
use crate::model::Timestamp;

fn refusal(pointers: &[&str]) -> Vec<u8> {
    let error = |pointer: &&str| {
        json!({ "id": "e", "status": 400, "code": "invalid", "title": "Invalid input.",
                "detail": "Wrong.", "source": { "pointer": pointer } })
    };
    let errors: Vec<Value> = pointers.iter().map(error).collect();
    json!({ "errors": errors }).to_string().into_bytes()
}

fn named(job: &BulkJob, pointers: &[&str]) -> Vec<(usize, String)> {
    named_items(job, &refusal(pointers))
        .into_iter()
        .map(|item| (item.index, item.words))
        .collect()
}

fn words(pointer: &str) -> String {
    format!("invalid: Invalid input. Wrong. ({pointer})")
}

#[test]
fn every_error_of_a_refused_job_of_events_names_its_items() {
    let bodies = [event(ANN, "0"), event(BOB, "1"), event(ANN, "2")];
    let job = job(DeliveryKind::Event, None, &bodies);
    let groups = "/data/attributes/events-bulk-create/data";
    let found = named(
        &job,
        &[
            &format!("{groups}/0/attributes/events/data/1/attributes/value"),
            &format!("{groups}/0/attributes/events/data/1/attributes/time"),
            &format!("{groups}/1/attributes/profile/data/attributes/email"),
        ],
    );
    let email = words("/data/attributes/profile/data/attributes/email");
    assert_eq!(found, [(1, email), (2, words("/data/attributes/value"))]);
    // Ann's profile is the profile of both of her events.
    let profile = format!("{groups}/0/attributes/profile/data/attributes/external_id");
    let found = named(&job, &[&profile]);
    let own = words("/data/attributes/profile/data/attributes/external_id");
    assert_eq!(found, [(0, own.clone()), (2, own)]);
}

#[test]
fn an_error_about_a_person_names_the_item() {
    let bodies = [profile(ANN), profile(BOB)];
    let imported = job(DeliveryKind::Profile, None, &bodies);
    let pointer = "/data/attributes/profiles/data/1/attributes/email";
    assert_eq!(named(&imported, &[pointer]), [(1, words("/data/attributes/email"))]);
    let bodies = [
        subscription("a@klaviyo-demo.com", "", None),
        subscription("b@klaviyo-demo.com", "", None),
    ];
    let subscribed = job(DeliveryKind::Subscription, None, &bodies);
    assert_eq!(
        named(&subscribed, &[pointer]),
        [(1, words("/data/attributes/profiles/data/0/attributes/email"))]
    );
}

#[test]
fn what_names_no_item_names_none() {
    let events = job(DeliveryKind::Event, None, &[event(ANN, "0")]);
    let groups = "/data/attributes/events-bulk-create/data";
    for pointer in [
        "/data",
        groups,
        &format!("{groups}/"),
        &format!("{groups}/1/attributes"),
        &format!("{groups}/-1/attributes"),
        &format!("{groups}/0/attributes/events/data/1"),
        &format!("{groups}/99999999999999999999999"),
        "/data/attributes/profiles/data/0",
    ] {
        assert_eq!(named(&events, &[pointer]), [], "{pointer}");
    }
    let people = job(DeliveryKind::Profile, None, &[profile(ANN)]);
    assert_eq!(
        named(
            &people,
            &[
                "/data/relationships/lists/data/0/id",
                "/data/attributes/profiles/data/1"
            ]
        ),
        []
    );
    for body in ["<html>", "", "{}", r#"{"errors":7}"#, r#"{"errors":[{"code":"x"}]}"#] {
        assert_eq!(named_items(&people, body.as_bytes()), [], "{body}");
    }
}

#[test]
fn an_import_job_is_read_whole() {
    let body = json!({ "data": { "type": "profile-bulk-import-job", "id": "job-1", "attributes": {
        "status": "complete", "created_at": "2026-11-23T10:00:00.123456+00:00", "total_count": 3, "completed_count": 2, "failed_count": 1 } } });
    let read = |body: &Value| import_job(body.to_string().as_bytes());
    let expected = ImportJob {
        id: "job-1".to_owned(),
        status: ImportStatus::Complete,
        created: Timestamp::parse("2026-11-23T10:00:00.123Z"),
        total: Some(3),
        completed: Some(2),
        failed: Some(1),
    };
    assert_eq!(read(&body), Some(expected));
    let status = |word: Value| {
        let mut body = body.clone();
        body["data"]["attributes"]["status"] = word;
        read(&body).unwrap().status
    };
    assert_eq!(status(json!("queued")), ImportStatus::Queued);
    assert_eq!(status(json!("processing")), ImportStatus::Processing);
    assert_eq!(status(json!("cancelled")), ImportStatus::Cancelled);
    assert_eq!(status(json!("paused")), ImportStatus::Other);
    assert_eq!(status(Value::Null), ImportStatus::Other);
    assert!(ImportStatus::Cancelled.is_over() && !ImportStatus::Other.is_over());
    assert_eq!(read(&json!({ "data": { "id": "" } })), None);
    assert_eq!(read(&json!({ "data": [] })), None);
}

#[test]
fn a_page_of_jobs_is_read_whole_or_not_at_all() {
    let job = |id: &str| json!({ "type": "profile-bulk-import-job", "id": id, "attributes": { "status": "queued" } });
    let ids = |body: &Value| {
        let jobs = import_jobs(body.to_string().as_bytes())?;
        Some(jobs.into_iter().map(|job| job.id).collect::<Vec<_>>())
    };
    let page = |data: Value| json!({ "data": data });
    assert_eq!(ids(&page(json!([job("b"), job("a")]))).unwrap(), ["b", "a"]);
    assert_eq!(ids(&page(json!([]))).unwrap(), [""; 0]);
    assert_eq!(ids(&page(json!([job("b"), {}]))), None);
    assert_eq!(ids(&page(Value::Null)), None);
    assert_eq!(import_jobs(b"<html>"), None);
}

#[test]
fn errors_are_requested_page_by_page_and_of_nobody_else() {
    let path = |route: Option<Route>| {
        route.map(|Route { method, path, .. }| {
            assert_eq!(method, "GET");
            path
        })
    };
    assert_eq!(
        path(Some(import_job_route("a/b"))).as_deref(),
        Some("/api/profile-bulk-import-jobs/a%2Fb")
    );
    let first = "/api/profile-bulk-import-jobs/j/import-errors?page%5Bsize%5D=100";
    assert_eq!(path(Some(import_errors_route("j"))).as_deref(), Some(first));
    let next = |link: Value| {
        let body = json!({ "data": [], "links": { "next": link } }).to_string();
        path(next_page_route(&import_errors_route("j"), body.as_bytes()))
    };
    let second = format!("{first}&page%5Bcursor%5D=a%2Bb%3D");
    for link in [
        "https://a.klaviyo.com/api/profile-bulk-import-jobs/j/import-errors/?page%5Bcursor%5D=a%2Bb%3D",
        "https://elsewhere.example/?x=1&page[cursor]=a%2bb=",
        "?page[cursor]=a%2Bb%3D",
        "?page[cursor]=a+b=",
    ] {
        assert_eq!(next(json!(link)).as_deref(), Some(second.as_str()), "{link}");
    }
    assert_eq!(next(Value::Null), None);
    assert_eq!(next(json!("https://a.klaviyo.com/")), None);
    assert_eq!(next(json!("?page[size]=100")), None);
    assert_eq!(next_page_route(&import_errors_route("j"), b"<html>"), None);
}

#[test]
fn an_import_error_finds_its_item_by_the_person_or_else_by_its_place() {
    let bodies = [profile(ANN), profile(BOB)];
    let job = job(DeliveryKind::Profile, None, &bodies);
    let item = |pointer: Value, original: Value| {
        let page = json!({ "data": [{ "type": "import-error", "id": "1", "attributes": {
            "code": "invalid", "title": "Wrong.", "detail": "Wrong.",
            "source": { "pointer": pointer }, "original_payload": original } }] });
        let errors = import_errors(page.to_string().as_bytes()).unwrap();
        let [error] = &errors[..] else {
            panic!("{errors:?}");
        };
        assert_eq!(error.code.as_deref(), Some("invalid"));
        assert!(error.words.starts_with("invalid: Wrong."), "{}", error.words);
        item_of(&job, error)
    };
    let bob = json!({ "email": "Bob@klaviyo-demo.com" });
    let typed = json!({ "type": "profile", "attributes": bob });
    let framed = json!({ "data": typed });
    let ann_place = json!("/data/attributes/profiles/data/0/attributes/email");
    for original in [bob, typed, framed] {
        assert_eq!(item(Value::Null, original.clone()), Some(1));
        // The person is more exact than the place.
        assert_eq!(item(ann_place.clone(), original), Some(1));
    }
    let carol = json!({ "email": "carol@klaviyo-demo.com" });
    for original in [carol, Value::Null, json!("text"), json!({})] {
        assert_eq!(item(ann_place.clone(), original.clone()), Some(0));
        assert_eq!(item(Value::Null, original), None);
    }
    let both = json!({ "email": "bob@klaviyo-demo.com", "external_id": "ann" });
    assert_eq!(item(Value::Null, both), None, "two people");
    let none = import_errors(br#"{"data":[],"links":{"next":null}}"#);
    assert_eq!(none, Some(Vec::new()));
    for cut in [&b"<html>"[..], br#"{"data":[{"type":"import-error""#, b"{}"] {
        assert_eq!(import_errors(cut), None);
    }
}
