//! Klaviyo's answers, and those of whatever answers in its place.
//!
//! The input is written as an answer is: a status and the request that it answers, headers, one to a line, an empty
//! line, the body.
//!
//! Held: every answer has an outcome, and only Klaviyo's own words are final; a wait is at most as long as it may be;
//! an outcome leads to a next step; what answers to bulk jobs name is in the job; and nothing that is kept holds the
//! private key, or a part of it, whatever an answer repeats.

use std::sync::LazyLock;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Response};
use futures_util::FutureExt as _;
use klaviyo_relay::config::DeliveryConfig;
use klaviyo_relay::delivery::Sender;
use klaviyo_relay::json;
use klaviyo_relay::klaviyo::bulk::{
    BulkJob, import_errors, import_errors_route, import_job, import_jobs, item_of, named_items, next_page_route,
};
use klaviyo_relay::klaviyo::{Route, Success, profile_id, route};
use klaviyo_relay::model::{DeliveryKind, Outcome, OutcomeKind, Timestamp};
use klaviyo_relay::scheduler::policy::{Action, AttemptContext, decide};
use secrecy::SecretString;

/// When each answer comes: 2026-11-23T12:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_435_200_000);
const KEY: &str = "pk_Zq7Xw2Lk9Vb4Nm1R";
/// A part of the key that nothing repeats by chance. Where all of it stands in the whole key, none may be kept.
const PART: &str = "Zq7Xw2Lk";
/// The longest `Retry-After` that is believed.
const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// The longest that a `RateLimit-Reset` can be.
const LONGEST_RESET: Duration = Duration::from_secs(61);
/// Klaviyo's words and a transport's, at most, in characters.
const LONGEST_WORDS: usize = 800;

static SENDER: LazyLock<Sender> = LazyLock::new(|| {
    let key = SecretString::from(KEY);
    let timeout = Duration::from_secs(1);
    Sender::new("http://127.0.0.1:1", &key, "2026-10-15", timeout).expect("a sender")
});

/// Reads an answer.
pub fn target(data: &[u8]) {
    let Some((route, response)) = answer(data) else {
        return;
    };
    let status = response.status().as_u16();
    if !parts_are_whole(&response) {
        return;
    }
    let answered = SENDER.answered(response.into(), &route, NOW).now_or_never();
    let (outcome, body) = answered.expect("the whole answer is there");
    assert_eq!(outcome.http_status, Some(status));
    meant(&outcome, status, route.success);
    hidden(&outcome);
    next_step(&outcome);
    assert_eq!(
        profile_id(&body).is_some(),
        import_job(&body).is_some(),
        "an id is an id"
    );
    jobs(&body);
}

/// Whether each part of the key that an answer has stands in the whole key: what has lost a letter is no key.
fn parts_are_whole(response: &Response<Vec<u8>>) -> bool {
    let body = response.body();
    let read = json::from_slice(body).map(|value| value.to_string());
    let text = read.unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned());
    let headers = format!("{:?}", response.headers());
    [text, headers]
        .iter()
        .all(|text| text.matches(PART).count() == text.matches(KEY).count())
}

/// Reads the input: which request is answered, and how.
fn answer(data: &[u8]) -> Option<(Route, Response<Vec<u8>>)> {
    let mut rest = data;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        Some(line)
    };
    let first = std::str::from_utf8(line()?).ok()?;
    let (status, asked) = first.split_once(' ').unwrap_or((first, ""));
    let mut response = Response::builder().status(status.parse::<u16>().ok()?);
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            response = response.header(name, value);
        }
    }
    Some((asked_of(asked), response.body(rest.to_vec()).ok()?))
}

fn asked_of(word: &str) -> Route {
    let kind = DeliveryKind::ALL.iter().find(|kind| kind.word() == word);
    match (kind, word) {
        (Some(kind), _) => route(*kind, Some("Y6nRLr")),
        (None, "job") => Route {
            success: Success::JOB,
            ..route(DeliveryKind::Profile, None)
        },
        (None, _) => import_errors_route("01JOB"),
    }
}

/// Only Klaviyo's words are final.
fn meant(outcome: &Outcome, status: u16, success: Success) {
    let due = success.statuses.contains(&status);
    match outcome.kind {
        OutcomeKind::Accepted => assert!(due && !outcome.foreign && outcome.error.is_none()),
        OutcomeKind::Refused | OutcomeKind::Stopped | OutcomeKind::Conflict => {
            assert!((400..500).contains(&status) && !outcome.foreign);
        }
        OutcomeKind::Retry => {}
        OutcomeKind::Unknown => assert!(due),
    }
    let accepted = outcome.kind == OutcomeKind::Accepted;
    assert!(accepted || outcome.error.is_some(), "refused without a word");
    assert!(accepted || (outcome.profile_id.is_none() && outcome.note.is_none()));
    if outcome.foreign {
        assert!(outcome.kind == OutcomeKind::Retry && outcome.rate.is_none());
    }
    assert!(outcome.retry_after.is_none_or(|wait| wait <= LONGEST_WAIT));
    let reset = outcome.rate.and_then(|rate| rate.reset);
    assert!(reset.is_none_or(|reset| reset <= LONGEST_RESET));
}

/// What is kept of an outcome.
fn hidden(outcome: &Outcome) {
    let Outcome {
        error,
        request_id,
        profile_id,
        note,
        ..
    } = outcome;
    for text in [error, request_id, profile_id, note].into_iter().flatten() {
        assert!(!text.contains(PART), "{text}");
    }
    let chars = error.as_ref().map_or(0, |error| error.chars().count());
    assert!(chars <= LONGEST_WORDS, "{chars} characters");
}

/// Each outcome leads on, and never to a wait beyond the longest.
fn next_step(outcome: &Outcome) {
    let policy = DeliveryConfig::default();
    for (kind, tries, can_go_without) in [
        (DeliveryKind::Event, 0, true),
        (DeliveryKind::Subscription, 3, false),
        (DeliveryKind::Profile, u32::MAX, false),
    ] {
        let facts = AttemptContext {
            kind,
            tries,
            failures: tries,
            age: Duration::ZERO,
            can_go_without,
            outage: false,
            alone: false,
        };
        let verdict = decide(outcome, facts, &policy, NOW, 0.99);
        let longest = policy.longest_retry.max(Duration::from_mins(5));
        match verdict.next {
            Action::RetryAt(at) => assert!(at >= NOW && at.since(NOW) <= longest * 2),
            Action::Settled => assert!(verdict.status.is_final()),
            Action::Resend => assert!(can_go_without && !verdict.status.is_final()),
        }
        assert!(
            verdict
                .reason
                .is_none_or(|reason| !reason.text.contains(PART) && !reason.code.contains(PART))
        );
    }
}

/// What an answer states about a bulk job or its items.
fn jobs(body: &[u8]) {
    for job in &jobs_of_two() {
        for item in named_items(job, body) {
            assert!(item.index < job.len());
            assert!(!item.words.contains(PART), "{}", item.words);
        }
        for error in import_errors(body).unwrap_or_default() {
            assert!(item_of(job, &error).is_none_or(|item| item < job.len()));
            assert!(!error.words.contains(PART), "{}", error.words);
        }
    }
    let ids = import_jobs(body).unwrap_or_default();
    for job in import_job(body).into_iter().chain(ids) {
        assert!(!job.id.trim().is_empty() && !job.id.contains(PART));
    }
    let first = import_errors_route("01JOB");
    if let Some(next) = next_page_route(&first, body) {
        assert!(next.path.starts_with(&first.path) && next.path.is_ascii());
        assert!(!next.path.contains([' ', '\r', '\n', '#']));
    }
}

/// A job of two events of one person, and one of two people.
fn jobs_of_two() -> [BulkJob; 2] {
    let mut events = BulkJob::new(DeliveryKind::Event, None).expect("events have jobs");
    let mut people = BulkJob::new(DeliveryKind::Profile, None).expect("people have jobs");
    for name in ["one", "two"] {
        let event = format!(
            r#"{{"data":{{"type":"event","attributes":{{"properties":{{}},"unique_id":"{name}",
            "metric":{{"data":{{"type":"metric","attributes":{{"name":"Paid"}}}}}},
            "profile":{{"data":{{"type":"profile","attributes":{{"external_id":"u1"}}}}}}}}}}}}"#
        );
        events.add(&event).expect("an event that can travel");
        let person = format!(r#"{{"data":{{"type":"profile","attributes":{{"external_id":"{name}"}}}}}}"#);
        people.add(&person).expect("a person that can travel");
    }
    [events, people]
}
