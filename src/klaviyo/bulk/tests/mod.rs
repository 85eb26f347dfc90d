//! Jobs from hand-written bodies: what goes in, what it looks like, and what the answers mean.

use serde_json::{Value, json};

use super::*;
use crate::klaviyo::limits::{MAX_BULK_EVENTS, MAX_BULK_PROFILES, MAX_JOB_BYTES};

mod answers;

/// An event's body, as the mapper's requests make it.
fn event(profile: &str, key: &str) -> String {
    event_with(profile, key, r#"{"z":0.10,"a":12345678901234567890}"#)
}

fn event_with(profile: &str, key: &str, properties: &str) -> String {
    format!(
        concat!(
            r#"{{"data":{{"type":"event","attributes":{{"properties":{},"time":"2026-11-23T10:00:00.000Z","#,
            r#""value":9.90,"unique_id":"{}","metric":{{"data":{{"type":"metric","attributes":{{"name":"Viewed"}}}}}},"#,
            r#""profile":{{"data":{{"type":"profile","attributes":{}}}}}}}}}}}"#
        ),
        properties, key, profile
    )
}

fn profile(attributes: &str) -> String {
    format!(r#"{{"data":{{"type":"profile","attributes":{attributes}}}}}"#)
}

/// A subscription's body; `settings` and `list` as in its attributes and relationships.
fn subscription(email: &str, settings: &str, list: Option<&str>) -> String {
    let relationships = list.map_or_else(String::new, |id| {
        format!(r#","relationships":{{"list":{{"data":{{"type":"list","id":"{id}"}}}}}}"#)
    });
    format!(
        concat!(
            r#"{{"data":{{"type":"profile-subscription-bulk-create-job","attributes":{{{}"profiles":{{"data":["#,
            r#"{{"type":"profile","attributes":{{"email":"{}","subscriptions":{{"email":{{"marketing":"#,
            r#"{{"consent":"SUBSCRIBED"}}}}}}}}}}]}}}}{}}}}}"#
        ),
        settings, email, relationships
    )
}

fn job(kind: DeliveryKind, list: Option<&str>, bodies: &[String]) -> BulkJob {
    let mut job = BulkJob::new(kind, list).unwrap();
    for (place, body) in bodies.iter().enumerate() {
        assert_eq!(job.add(body), Ok(place), "{body}");
    }
    assert_eq!((job.len(), job.bytes()), (bodies.len(), job.body().len()));
    job
}

const ANN: &str = r#"{"external_id":"ann"}"#;
const BOB: &str = r#"{"email":"bob@klaviyo-demo.com"}"#;

#[test]
fn events_stand_under_their_profile_in_the_order_added_and_to_the_digit() {
    let bodies = [event(ANN, "1"), event(BOB, "2"), event(ANN, "3")];
    let job = job(DeliveryKind::Event, None, &bodies);
    let one = |key: &str| {
        format!(
            concat!(
                r#"{{"type":"event","attributes":{{"properties":{{"z":0.10,"a":12345678901234567890}},"#,
                r#""time":"2026-11-23T10:00:00.000Z","value":9.90,"unique_id":"{}","#,
                r#""metric":{{"data":{{"type":"metric","attributes":{{"name":"Viewed"}}}}}}}}}}"#
            ),
            key
        )
    };
    let group = |profile: &str, events: &[String]| {
        format!(
            concat!(
                r#"{{"type":"event-bulk-create","attributes":{{"profile":{{"data":{{"type":"profile","attributes":{}}}}},"#,
                r#""events":{{"data":[{}]}}}}}}"#
            ),
            profile,
            events.join(",")
        )
    };
    let expected = format!(
        r#"{{"data":{{"type":"event-bulk-create-job","attributes":{{"events-bulk-create":{{"data":[{},{}]}}}}}}}}"#,
        group(ANN, &[one("1"), one("3")]),
        group(BOB, &[one("2")])
    );
    assert_eq!(job.body(), expected);
    assert_eq!(job.route().path, "/api/event-bulk-create-jobs");
}

#[test]
fn an_event_never_stands_before_an_earlier_one_of_its_person_under_another_profile() {
    let both = r#"{"email":"Ann@klaviyo-demo.com","external_id":"ann"}"#;
    let by_email = r#"{"email":"ann@klaviyo-demo.com"}"#;
    let order = [ANN, BOB, both, BOB, by_email, ANN, ANN];
    let bodies: Vec<String> = order
        .iter()
        .zip(1..)
        .map(|(who, key): (_, u32)| event(who, &key.to_string()))
        .collect();
    let body: Value = serde_json::from_str(&job(DeliveryKind::Event, None, &bodies).body()).unwrap();
    let groups = &body["data"]["attributes"]["events-bulk-create"]["data"];
    let key = |event: &Value| event["attributes"]["unique_id"].as_str().unwrap().to_owned();
    let keys = |group: &Value| {
        let events = group["attributes"]["events"]["data"].as_array().unwrap();
        events.iter().map(key).collect::<Vec<_>>().join(" ")
    };
    let keys: Vec<String> = groups.as_array().unwrap().iter().map(keys).collect();
    // Ann's 1, 3, 5, 6 and 7 in this order; Bob's 2 and 4 are nobody else's.
    assert_eq!(keys, ["1", "2 4", "3", "5", "6 7"]);
}

#[test]
fn backfill_travels_with_its_event() {
    let plain = event(ANN, "1");
    let marked = event(ANN, "2").replace(r#""metric":"#, r#""backfill":true,"metric":"#);
    let body = job(DeliveryKind::Event, None, &[plain, marked]).body();
    assert_eq!(body.matches(r#""unique_id":"2","backfill":true,"#).count(), 1);
    assert_eq!(body.matches("backfill").count(), 1);
}

#[test]
fn a_key_is_in_a_job_once_for_each_metric() {
    let mut job = job(DeliveryKind::Event, None, &[event(ANN, "1")]);
    // Perhaps Ann too: only Klaviyo knows.
    assert_eq!(job.add(&event(BOB, "1")), Err(DoesNotFit::OtherJob));
    assert_eq!(job.add(&event(BOB, "1").replace("Viewed", "Bought")), Ok(1));
    // The same key, written in another way.
    assert_eq!(job.add(&event(BOB, r"\u0031")), Err(DoesNotFit::OtherJob));
}

#[test]
fn a_job_holds_as_many_as_klaviyo_takes() {
    let mut events = BulkJob::new(DeliveryKind::Event, None).unwrap();
    for key in 0..MAX_BULK_EVENTS {
        events.add(&event(ANN, &key.to_string())).unwrap();
    }
    assert_eq!(events.add(&event(ANN, "x")), Err(DoesNotFit::Full));
    let mut profiles = BulkJob::new(DeliveryKind::Profile, None).unwrap();
    let person = |number: usize| profile(&format!(r#"{{"external_id":"{number}"}}"#));
    for number in 0..MAX_BULK_PROFILES {
        profiles.add(&person(number)).unwrap();
    }
    assert_eq!(profiles.add(&person(MAX_BULK_PROFILES)), Err(DoesNotFit::Full));
    assert_eq!(profiles.bytes(), profiles.body().len());
}

#[test]
fn a_job_never_grows_past_its_bytes() {
    let mut job = BulkJob::new(DeliveryKind::Event, None).unwrap();
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(90_000));
    let mut keys = 0;
    while job.add(&event_with(ANN, &keys.to_string(), &large)).is_ok() {
        keys += 1;
    }
    assert_eq!(job.add(&event_with(ANN, "last", &large)), Err(DoesNotFit::Full));
    assert_eq!((job.len(), job.bytes()), (54, job.body().len()));
    assert!(job.bytes() <= MAX_JOB_BYTES);
    assert_eq!(job.add(&event(ANN, "small")), Ok(54), "there is room for it");
}

#[test]
fn profiles_are_a_list_to_the_digit() {
    let ann = r#"{"external_id":"ann","properties":{"z":1.50,"a":"null"}}"#;
    let bodies = [profile(ann), profile(BOB)];
    let job = job(DeliveryKind::Profile, None, &bodies);
    let expected = format!(
        concat!(
            r#"{{"data":{{"type":"profile-bulk-import-job","attributes":{{"profiles":{{"data":["#,
            r#"{{"type":"profile","attributes":{}}},{{"type":"profile","attributes":{}}}]}}}}}}}}"#
        ),
        ann, BOB
    );
    assert_eq!(job.body(), expected);
    assert_eq!(job.route().path, "/api/profile-bulk-import-jobs");
}

#[test]
fn nobody_is_in_a_job_twice_by_any_name() {
    let ann = r#"{"external_id":"ann","email":"ann@klaviyo-demo.com"}"#;
    let mut job = job(DeliveryKind::Profile, None, &[profile(ann), profile(BOB)]);
    for again in [
        r#"{"external_id":"ann"}"#,
        r#"{"email":"ANN@klaviyo-demo.com","external_id":"other"}"#,
    ] {
        assert_eq!(job.add(&profile(again)), Err(DoesNotFit::OtherJob));
    }
    assert_eq!(job.len(), 2);
    // An external id is no e-mail address, whatever it looks like.
    assert_eq!(job.add(&profile(r#"{"external_id":"bob@klaviyo-demo.com"}"#)), Ok(2));
}

#[test]
fn subscriptions_of_one_list_and_setting_are_one_job() {
    let historical = r#""historical_import":true,"custom_source":"Shop \"A\"","#;
    let body = |email: &str| subscription(email, historical, Some("baV129"));
    let mut job = job(
        DeliveryKind::Subscription,
        Some("baV129"),
        &[body("a@klaviyo-demo.com"), body("b@klaviyo-demo.com")],
    );
    let person = |email: &str| {
        format!(
            concat!(
                r#"{{"type":"profile","attributes":{{"email":"{}","subscriptions":{{"email":{{"marketing":"#,
                r#"{{"consent":"SUBSCRIBED"}}}}}}}}}}"#
            ),
            email
        )
    };
    let expected = body("x").replace(
        &person("x"),
        &[person("a@klaviyo-demo.com"), person("b@klaviyo-demo.com")].join(","),
    );
    assert_eq!(job.body(), expected);
    assert_eq!(job.route().path, "/api/profile-subscription-bulk-create-jobs");
    for other in [
        subscription("c@klaviyo-demo.com", "", Some("baV129")),
        subscription("c@klaviyo-demo.com", historical, Some("other")),
        subscription("c@klaviyo-demo.com", historical, None),
        subscription("c@klaviyo-demo.com", r#""historical_import":true,"#, Some("baV129")),
        body("A@klaviyo-demo.com"),
    ] {
        assert_eq!(job.add(&other), Err(DoesNotFit::OtherJob), "{other}");
    }
}

#[test]
fn a_subscription_of_another_list_does_not_begin_a_job() {
    let mut job = BulkJob::new(DeliveryKind::Subscription, None).unwrap();
    let listed = subscription("a@klaviyo-demo.com", "", Some("baV129"));
    assert_eq!(job.add(&listed), Err(DoesNotFit::OtherJob));
    let unlisted = subscription("a@klaviyo-demo.com", "", None);
    assert_eq!(job.add(&unlisted), Ok(0));
    assert_eq!(job.body(), unlisted);
}

#[test]
fn what_erases_something_goes_singly() {
    let kind = DeliveryKind::Profile;
    assert!(is_bulkable(kind, &profile(ANN)));
    assert!(is_bulkable(kind, &profile(r#"{"external_id":"null","title":"null"}"#)));
    for attributes in [
        r#"{"external_id":"ann","last_name":null}"#,
        r#"{"external_id":"ann","location":{"city":null}}"#,
        r#"{"external_id":"ann","properties":{"a":[{"b":null}]}}"#,
    ] {
        assert!(!is_bulkable(kind, &profile(attributes)), "{attributes}");
    }
    let unset = r#"{"data":{"type":"profile","attributes":{"external_id":"ann"},"meta":{"patch_properties":{"unset":["plan"]}}}}"#;
    assert!(!is_bulkable(kind, unset));
}

#[test]
fn what_no_job_should_hold_goes_singly() {
    let plain = event(ANN, "1");
    assert!(is_bulkable(DeliveryKind::Event, &plain));
    let odd = [
        plain.replace(r#""unique_id":"1","#, ""),
        plain.replace(r#""unique_id":"1""#, r#""unique_id":null"#),
        plain.replace(r#""value""#, r#""valve""#),
        plain.replace(ANN, "{}"),
        plain.replace(ANN, r#"{"external_id":"ann","meta":{}}"#),
        plain.replace(r#""type":"event""#, r#""type":"profile""#),
        plain.replace(r#""value":9.90"#, r#""value":9.90,"value":9.90"#),
        event_with(ANN, "1", &format!(r#"{{"x":"{}"}}"#, "x".repeat(95_000))),
        profile(ANN),
        "not json".to_owned(),
        String::new(),
    ];
    for body in odd {
        assert!(!is_bulkable(DeliveryKind::Event, &body), "{body:.300}");
        let mut job = BulkJob::new(DeliveryKind::Event, None).unwrap();
        assert_eq!(job.add(&body), Err(DoesNotFit::NotBulk));
    }
    let large = profile(&format!(r#"{{"external_id":"ann","title":"{}"}}"#, "x".repeat(100_000)));
    assert!(!is_bulkable(DeliveryKind::Profile, &large));
    assert!(!is_bulkable(DeliveryKind::Profile, &profile("{}")));
    assert!(!is_bulkable(DeliveryKind::Profile, &plain));
    assert!(!is_bulkable(DeliveryKind::Subscription, &profile(ANN)));
    for list in [DeliveryKind::ListAdd, DeliveryKind::ListRemove] {
        assert!(!is_bulkable(list, r#"{"data":[{"type":"profile","id":"x"}]}"#));
        assert!(BulkJob::new(list, Some("baV129")).is_none());
    }
}

#[test]
fn what_nests_as_deep_as_one_reading_allows_goes_singly() {
    let nested = |levels: usize| {
        let value = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        // Brackets in a text, behind an escaped quotation mark, are no levels.
        let properties = format!(r#"{{"text":"\\\"[[[[[[[[[[[[","deep":{value}}}"#);
        is_bulkable(DeliveryKind::Event, &event_with(ANN, "1", &properties))
    };
    assert!(nested(9));
    assert!(!nested(10));
}

#[test]
fn a_null_beside_an_event_stays_as_it_was() {
    let body = event(ANN, "1").replace(r#""value":9.90"#, r#""value":null"#);
    let job = job(DeliveryKind::Event, None, &[body]);
    assert!(job.body().contains(r#""value":null,"unique_id":"1""#));
}

fn is_bulkable(kind: DeliveryKind, body: &str) -> bool {
    BulkItem::read(kind, body).is_some()
}
