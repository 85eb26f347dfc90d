//! What holds for the requests that a call becomes: see [`super::mapping`].

use axum::body::Body;
use axum::http::Request as HttpRequest;
use futures_util::FutureExt as _;
use klaviyo_relay::clock::Clock;
use klaviyo_relay::json;
use klaviyo_relay::klaviyo::bulk::{BulkItem, BulkJob};
use klaviyo_relay::klaviyo::{
    CreateEvent, DeletionJob, ProfileImport, Request, Route, body_for_profile, headers, limits, route,
    without_weaker_identifier,
};
use klaviyo_relay::mapper::Planned;
use klaviyo_relay::model::{DeliveryKind, Identifier, IdentifierKind, Timestamp};
use klaviyo_relay::sandbox::{Options, Sandbox};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt as _;

/// A clock that stands.
struct Standing(Timestamp);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

/// Checks all requests of a call, which waits in the order of these names.
pub(crate) fn check(planned: &[Planned], names: &[Identifier], now: Timestamp) {
    assert!(!planned.is_empty(), "no request and no reason");
    // A request is sent after its call arrived: a consent of that moment is in the past.
    let sent_at = now.plus(Duration::from_secs(1));
    let sandbox = Sandbox::new(Options::default(), Arc::new(Standing(sent_at)));
    let mut imported = false;
    for one in planned {
        let Planned {
            request,
            body,
            rejected,
            warnings,
            rules,
        } = one;
        assert!(warnings.iter().all(|warning| !warning.to_string().is_empty()));
        assert!(rules.iter().all(|rule| rule.field.starts_with("/data")));
        if let Some(rejected) = rejected {
            assert!(!rejected.to_string().is_empty());
            continue;
        }
        named(request, names);
        let kind = request.kind();
        assert_eq!(*body, request.body());
        let body = body.clone();
        if body.is_none() {
            assert!(imported, "{kind} needs a profile that none imports");
        }
        let body = body.or_else(|| body_for_profile(kind, "01PROFILE"));
        let body = body.unwrap_or_else(|| panic!("{kind} has no body"));
        within_limits(request, &body, now);
        in_a_job(request, &body);
        if matches!(kind, DeliveryKind::Profile | DeliveryKind::Event) {
            without_weaker(&body);
        }
        let by_klaviyos_id = request.body().is_none();
        if !by_klaviyos_id && is_judged_alike(&body) {
            accepted(&sandbox, request, &body);
        }
        imported = imported || kind == DeliveryKind::Profile;
    }
}

/// The person is named by nothing but the names that the event waited for, and by at least one.
fn named(request: &Request, names: &[Identifier]) {
    use IdentifierKind::{AnonymousId, Email, Phone, UserId};
    let used: Vec<(IdentifierKind, Option<&str>)> = match request {
        Request::Profile(profile) => vec![
            (Email, profile.email.text()),
            (Phone, profile.phone_number.text()),
            (UserId, profile.external_id.as_deref()),
        ],
        Request::Event(event) => vec![
            (Email, event.profile.email.as_deref()),
            (Phone, event.profile.phone_number.as_deref()),
            (UserId, event.profile.external_id.as_deref()),
        ],
        Request::Subscribe(job) => vec![(Email, Some(job.email.as_str()))],
        Request::Delete(DeletionJob::Email(email)) => vec![(Email, Some(email.as_str()))],
        Request::Delete(DeletionJob::Phone(phone)) => vec![(Phone, Some(phone.as_str()))],
        Request::Delete(DeletionJob::Imported) | Request::ListAdd { .. } | Request::ListRemove { .. } => return,
    };
    let waits = |kind, name: &str| Identifier::new(kind, name).is_some_and(|id| names.contains(&id));
    let mut count = 0;
    for (kind, name) in used {
        let Some(name) = name else { continue };
        count += 1;
        let anonymous = kind == UserId && waits(AnonymousId, name);
        assert!(waits(kind, name) || anonymous, "{kind} {name} is not waited for");
    }
    assert!(count > 0, "nobody is named");
}

/// Every limit of Klaviyo's that the mapper promises, read from the body that is sent.
fn within_limits(request: &Request, body: &str, now: Timestamp) {
    let value = json::from_str(body).expect("a body is JSON");
    assert!(value.pointer("/data").is_some());
    assert!(body.len() <= limits::MAX_PAYLOAD_BYTES);
    match request {
        Request::Profile(profile) => profile_within_limits(profile, body),
        Request::Event(event) => event_within_limits(event, now),
        Request::Subscribe(job) => assert!(is_email_length(&job.email)),
        Request::Delete(DeletionJob::Email(email)) => assert!(is_email_length(email)),
        Request::Delete(DeletionJob::Phone(_) | DeletionJob::Imported) => {}
        Request::ListAdd { list_id } | Request::ListRemove { list_id } => {
            assert!(!list_id.is_empty());
        }
    }
}

fn profile_within_limits(profile: &ProfileImport, body: &str) {
    assert!(body.len() <= limits::MAX_PROFILE_BYTES);
    assert!(profile.email.text().is_none_or(is_email_length));
    profile.properties.values().for_each(|value| values(value, 1));
}

fn event_within_limits(event: &CreateEvent, now: Timestamp) {
    let chars = event.metric.chars().count();
    assert!((1..=limits::MAX_METRIC_CHARS).contains(&chars));
    let key = event.unique_id.as_deref().expect("an event has an $event_id");
    assert!(!key.trim().is_empty());
    assert!(key.chars().count() <= limits::MAX_UNIQUE_ID_CHARS);
    assert!(event.properties.len() <= limits::MAX_EVENT_PROPERTIES);
    assert!(event.profile_bytes() <= limits::MAX_EVENT_PROFILE_BYTES);
    assert!(event.profile.email.as_deref().is_none_or(is_email_length));
    let latest = now.as_millis() + limits::LATEST_EVENT_AHEAD_MILLIS;
    assert!((limits::EARLIEST_EVENT_MILLIS..=latest).contains(&event.time.as_millis()));
    event.properties.values().for_each(|value| values(value, 1));
    if let Some(value) = &event.value {
        values(&Value::Number(value.clone()), 1);
    }
    if let Some(currency) = &event.value_currency {
        assert!(currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase()));
    }
}

fn is_email_length(email: &str) -> bool {
    (1..=klaviyo_relay::model::MAX_EMAIL_CHARS).contains(&email.chars().count())
}

/// Strings, arrays, depth and numbers of a property.
fn values(value: &Value, level: usize) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::String(text) => assert!(text.len() <= limits::MAX_STRING_BYTES),
        Value::Number(number) => {
            let text = number.to_string();
            let fits = if text.contains(['.', 'e', 'E']) {
                text.parse().is_ok_and(f64::is_finite)
            } else {
                text.parse::<i64>().is_ok()
            };
            assert!(fits, "{text}");
        }
        Value::Array(items) => {
            assert!(level <= limits::MAX_NESTING && items.len() <= limits::MAX_ARRAY_ITEMS);
            for item in items {
                values(item, level + 1);
            }
        }
        Value::Object(members) => {
            assert!(level <= limits::MAX_NESTING);
            members.values().for_each(|member| values(member, level + 1));
        }
    }
}

/// Whether the mapper and the sandbox read Klaviyo's pages alike here: where "KB" can be read in two ways, the mapper
/// takes the larger reading and the sandbox the smaller one.
const fn is_judged_alike(body: &str) -> bool {
    body.len() <= limits::BULK_EVENT_BYTES
}

/// The sandbox takes the request as it is, alone in a job where it can be in one, and without its weaker identifiers.
fn accepted(sandbox: &Sandbox, request: &Request, body: &str) {
    let single = route(request.kind(), request.list_id());
    accepted_at(sandbox, &single, body);
    if let Some(mut job) = BulkJob::new(request.kind(), request.list_id())
        && job.add(body).is_ok()
    {
        accepted_at(sandbox, &job.route(), &job.body());
    }
    let mut less = without_weaker_identifier(body);
    while let Some(body) = less {
        accepted_at(sandbox, &single, &body);
        less = without_weaker_identifier(&body);
    }
}

fn accepted_at(sandbox: &Sandbox, route: &Route, body: &str) {
    let request = HttpRequest::builder()
        .method(route.method)
        .uri(route.path.as_str())
        .header("authorization", format!("{} pk_sandbox", headers::AUTHORIZATION))
        .header("content-type", headers::MEDIA_TYPE)
        .header(headers::REVISION_HEADER, headers::REVISION)
        .body(Body::from(body.to_owned()))
        .expect("a route is a path");
    let answer = sandbox.routes().oneshot(request).now_or_never();
    let Ok(answer) = answer.expect("a sandbox without faults answers at once");
    let status = answer.status().as_u16();
    // What cannot be known before: two of the person's names may be two people there.
    let accepted = route.success.statuses.contains(&status) || status == 409;
    if !accepted {
        let words = axum::body::to_bytes(answer.into_body(), usize::MAX).now_or_never();
        panic!("{status} {words:?}\n{body}");
    }
}

/// Alone in a bulk job, an item is what it is by itself; twice it is in none.
fn in_a_job(request: &Request, body: &str) {
    let Some(mut job) = BulkJob::new(request.kind(), request.list_id()) else {
        assert!(!is_bulkable(request.kind(), body));
        return;
    };
    let empty = job.bytes();
    if job.add(body).is_err() {
        assert!(!is_bulkable(request.kind(), body));
        assert!(job.is_empty() && job.bytes() == empty);
        return;
    }
    assert!(is_bulkable(request.kind(), body) && job.len() == 1);
    assert!(job.add(body).is_err(), "one item twice in a job");
    let whole = job.body();
    assert_eq!(whole.len(), job.bytes());
    assert!(whole.len() <= limits::MAX_JOB_BYTES);
    json::from_str(&whole).expect("a job is JSON");
}

/// Two of three identifiers can be dropped, and the last one never.
fn without_weaker(body: &str) {
    let once = without_weaker_identifier(body);
    let twice = once.as_deref().and_then(without_weaker_identifier);
    for less in once.iter().chain(&twice) {
        json::from_str(less).expect("a request with less is JSON");
    }
    let thrice = twice.as_deref().and_then(without_weaker_identifier);
    assert_eq!(thrice, None, "{body}");
}

fn is_bulkable(kind: DeliveryKind, body: &str) -> bool {
    BulkItem::read(kind, body).is_some()
}
