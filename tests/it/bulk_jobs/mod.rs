//! Bulk jobs before a sandbox: what it holds after them is what it holds after the same bodies one by one, and its
//! answers lead back to the items. The bodies are the mapper's own, of every case of the mapping.

mod account;

use std::collections::BTreeMap;

use klaviyo_relay::klaviyo::bulk::{
    BulkJob, ImportStatus, import_errors, import_errors_route, import_job, import_job_route, item_of, named_items,
    next_page_route,
};
use klaviyo_relay::klaviyo::{Field, Request, route};
use klaviyo_relay::model::DeliveryKind;
use klaviyo_relay::sandbox::{Event, Options, ProfileNumber, Snapshot};
use serde_json::{Value, json};

use account::{Account, text};

use crate::mapping::mapped_requests;

/// How many people the varied cases are about.
const PEOPLE: usize = 30;

/// What an account holds, without the ids and numbers that depend on the requests: profiles by their names, each
/// with its events in their order and its lists.
fn held(snapshot: &Snapshot) -> BTreeMap<String, Value> {
    let mut names = BTreeMap::new();
    let mut people = BTreeMap::new();
    for profile in &snapshot.profiles {
        let name = serde_json::to_string(&profile.identifiers).unwrap();
        let known = json!({
            "attributes": profile.attributes, "properties": profile.properties,
            "consent": profile.consent, "events": [], "lists": [],
        });
        names.insert(profile.id, name.clone());
        assert!(people.insert(name, known).is_none());
    }
    let mut add = |profile: ProfileNumber, to: &str, value: Value| {
        let person = people.get_mut(&names[&profile]).unwrap();
        person[to].as_array_mut().unwrap().push(value);
    };
    for event in &snapshot.events {
        add(event.profile, "events", described(event));
    }
    for list in &snapshot.lists {
        for (profile, state) in &list.members {
            add(*profile, "lists", json!([list.id, state]));
        }
    }
    people
}

/// Numbers as their text: equal only to the digit.
fn described(event: &Event) -> Value {
    let value = event.value.as_ref().map(|value| value.get());
    json!({
        "metric": event.metric, "unique_id": event.unique_id, "time": event.time, "value": value,
        "value_currency": event.value_currency, "backfill": event.backfill, "sent": event.sent,
        "properties": event.properties.get(), "ignored": event.ignored_properties,
    })
}

fn of_kind(kind: DeliveryKind, requests: &[Request]) -> Vec<Request> {
    let of_kind = requests.iter().filter(|request| request.kind() == kind);
    of_kind.cloned().collect()
}

/// The cases' requests as if each case were somebody's of a few people, with keys of its own.
fn varied() -> Vec<Request> {
    let mut requests = Vec::new();
    for (number, case) in mapped_requests().into_iter().enumerate() {
        let who = number % PEOPLE;
        for mut request in case {
            vary(&mut request, number, who);
            requests.push(request);
        }
    }
    requests
}

fn vary(request: &mut Request, number: usize, who: usize) {
    let email = format!("person{who}@klaviyo-demo.com");
    let external_id = format!("person-{who}");
    let phone = format!("+1555010{who:04}");
    match request {
        Request::Event(event) => {
            event.profile.email = event.profile.email.take().map(|_| email);
            event.profile.external_id = event.profile.external_id.take().map(|_| external_id);
            event.profile.phone_number = event.profile.phone_number.take().map(|_| phone);
            let key = event.unique_id.take().filter(|key| key.len() < 200);
            event.unique_id = Some(format!("{number}-{}", key.unwrap_or_default()));
            event.backfill = number.is_multiple_of(3);
        }
        Request::Profile(profile) => {
            let set = |field: &mut Field, value: String| {
                if field.text().is_some() {
                    *field = Field::Set(value);
                }
            };
            set(&mut profile.email, email);
            set(&mut profile.phone_number, phone);
            profile.external_id = profile.external_id.take().map(|_| external_id);
        }
        Request::Subscribe(job) => job.email = email,
        Request::ListAdd { .. } | Request::ListRemove { .. } | Request::Delete(_) => {}
    }
}

/// Sends the requests one by one to one account and in jobs to another, and compares what they hold.
async fn compare(kind: DeliveryKind, requests: &[Request]) -> Account {
    let requests = of_kind(kind, requests);
    let mut one_by_one = Account::new(Options::default());
    for request in &requests {
        one_by_one.send_single(request).await;
    }
    let mut bulk = Account::new(Options::default());
    bulk.send_in_jobs(kind, &requests).await;
    assert_eq!(bulk.in_jobs + bulk.singly, requests.len());
    let (expected, found) = (one_by_one.sandbox.snapshot(), bulk.sandbox.snapshot());
    assert_eq!(found.counts.events, expected.counts.events);
    assert_eq!(found.counts.duplicate_events, expected.counts.duplicate_events);
    let (expected, found) = (held(&expected), held(&found));
    assert!(!expected.is_empty());
    for (name, person) in &expected {
        assert_eq!(found.get(name), Some(person), "{kind} {name}");
    }
    assert_eq!(found.len(), expected.len());
    bulk
}

#[tokio::test]
async fn the_cases_as_they_are_leave_in_bulk_what_they_leave_one_by_one() {
    let requests: Vec<Request> = mapped_requests().into_iter().flatten().collect();
    for kind in [DeliveryKind::Event, DeliveryKind::Profile, DeliveryKind::Subscription] {
        let bulk = compare(kind, &requests).await;
        assert!(bulk.in_jobs >= 10, "{kind}: only {} in jobs", bulk.in_jobs);
    }
}

#[tokio::test]
async fn the_cases_of_a_few_people_leave_in_bulk_what_they_leave_one_by_one() {
    let requests = varied();
    let bulk = compare(DeliveryKind::Event, &requests).await;
    assert!(bulk.largest >= 50, "the largest job has {}", bulk.largest);
    let bulk = compare(DeliveryKind::Profile, &requests).await;
    assert!(bulk.largest >= 10, "the largest job has {}", bulk.largest);
    assert!(bulk.singly >= 5, "nobody clears a field");
    compare(DeliveryKind::Subscription, &requests).await;
}

/// Bodies of one kind that one job takes, at most as many.
fn bodies(kind: DeliveryKind, most: usize) -> Vec<String> {
    let mut job = BulkJob::new(kind, None).unwrap();
    let varied = of_kind(kind, &varied()).into_iter();
    let bodies = varied.filter_map(|request| request.body());
    bodies.filter(|body| job.add(body).is_ok()).take(most).collect()
}

/// The places of the items that the answer to a job names; `None` when the job was accepted.
async fn refused(account: &Account, kind: DeliveryKind, list: Option<&str>, bodies: &[String]) -> Option<Vec<usize>> {
    let mut job = BulkJob::new(kind, list).unwrap();
    for body in bodies {
        job.add(body).unwrap();
    }
    let (status, answer) = account.send(&job.route(), job.body()).await;
    let named = named_items(&job, &answer);
    match status {
        202 => None,
        400 => Some(named.into_iter().map(|item| item.index).collect()),
        _ => panic!("{status} {}", text(&answer)),
    }
}

#[tokio::test]
async fn a_rejected_job_names_its_bad_items_and_is_accepted_without_them() {
    let account = Account::new(Options::default());
    let planted = [
        (DeliveryKind::Event, r#""time":"2"#, r#""time":"9"#),
        (DeliveryKind::Profile, "@klaviyo-demo.com", "@nowhere"),
    ];
    for (kind, right, wrong) in planted {
        let mut bodies = bodies(kind, 20);
        let bad: Vec<usize> = (0..bodies.len())
            .filter(|at| bodies[*at].contains(right) && at % 3 == 1)
            .collect();
        assert!(bad.len() >= 3, "{kind}: {bad:?}");
        for at in &bad {
            bodies[*at] = bodies[*at].replace(right, wrong);
        }
        let named = refused(&account, kind, None, &bodies).await;
        assert_eq!(named.as_ref(), Some(&bad), "{kind}");
        for at in bad.iter().rev() {
            bodies.remove(*at);
        }
        assert_eq!(refused(&account, kind, None, &bodies).await, None, "{kind}");
    }
}

#[tokio::test]
async fn a_job_that_repeats_what_klaviyo_has_names_it() {
    let account = Account::new(Options {
        bulk_refuses_stored: true,
        ..Options::default()
    });
    let kind = DeliveryKind::Event;
    let bodies = bodies(kind, 5);
    let (status, _) = account.send(&route(kind, None), bodies[3].clone()).await;
    assert_eq!(status, 202);
    let named = refused(&account, kind, None, &bodies).await;
    assert_eq!(named, Some(vec![3]));
}

/// A profile's body.
fn person(attributes: &Value) -> String {
    json!({ "data": { "type": "profile", "attributes": attributes } }).to_string()
}

#[tokio::test]
async fn every_import_error_leads_back_to_its_profile() {
    const ALL: usize = 250;
    let account = Account::new(Options::default());
    let single = route(DeliveryKind::Profile, None);
    let is_split = |number: usize| number % 2 == 1;
    let email = |number| format!("p{number}@klaviyo-demo.com");
    for number in (0..ALL).filter(|number| is_split(*number)) {
        // Two profiles at Klaviyo, which the job's item then says are one.
        for attributes in [
            json!({ "email": email(number) }),
            json!({ "external_id": format!("x{number}") }),
        ] {
            let (status, _) = account.send(&single, person(&attributes)).await;
            assert_eq!(status, 201);
        }
    }
    let mut job = BulkJob::new(DeliveryKind::Profile, None).unwrap();
    for number in 0..ALL {
        let both = json!({ "email": email(number), "external_id": format!("x{number}") });
        assert_eq!(job.add(&person(&both)), Ok(number));
    }
    let (status, answer) = account.send(&job.route(), job.body()).await;
    assert_eq!(status, 202);
    let made = import_job(&answer).unwrap();
    let (_, answer) = account.send(&import_job_route(&made.id), String::new()).await;
    let done = import_job(&answer).unwrap();
    assert_eq!((done.status, done.failed), (ImportStatus::Complete, Some(125)));
    let mut found = Vec::new();
    let mut pages = 0;
    let mut page = Some(import_errors_route(&done.id));
    while let Some(route) = page {
        let (status, answer) = account.send(&route, String::new()).await;
        assert_eq!(status, 200, "{}", text(&answer));
        pages += 1;
        for error in import_errors(&answer).unwrap() {
            assert_eq!(error.code.as_deref(), Some("duplicate_profile"));
            found.push(item_of(&job, &error).unwrap());
        }
        page = next_page_route(&import_errors_route(&done.id), &answer);
    }
    let split: Vec<usize> = (0..ALL).filter(|number| is_split(*number)).collect();
    assert_eq!((pages, found), (2, split));
}
