//! Answers of every odd kind, once each to one person in four: it costs them time at most, and the others nothing. And
//! headers that require more time than they can mean.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use klaviyo_relay::clock::{Clock as _, SystemClock};
use klaviyo_relay::model::Timestamp;
use serde_json::json;
use tokio::time::{interval, sleep};

use super::Scenario;
use super::double::{Answer, Endpoint, Request};
use super::odd_bytes::odd_bytes;
use super::people::Call;
use super::scene::{Scene, Verdict, run};

/// Each call meets its own answer: none travels in a job. Some answers are 429s, after which less of a limit is used:
/// the minute's has room for all calls even then, so that what is measured is what the answers cost.
const SINGLY: &str = "[delivery]\nbulk = false\n[delivery.limits.event]\nburst = 350\nsteady = 60000";
const SECOND: Duration = Duration::from_secs(1);
const JSON: &str = "application/vnd.api+json";

/// Statuses that are no verdict on the request itself when an HTML page comes with them.
const PAGES: [u16; 44] = [
    400, 402, 403, 404, 406, 407, 408, 409, 411, 412, 413, 414, 416, 417, 418, 420, 421, 422, 423, 424, 425, 426, 428,
    431, 451, 499, 500, 501, 502, 503, 504, 505, 511, 520, 521, 522, 523, 524, 525, 526, 527, 530, 599, 999,
];

/// Every odd answer, by its name. What is no documented success has no effect.
fn odd_answers() -> Vec<(String, Answer)> {
    let pages = PAGES
        .iter()
        .map(|status| (format!("{status} HTML"), Answer::html(*status)));
    let errors = r#"{"errors":[{"id":"e","status":500,"code":"error","title":"t","detail":"d"}]}"#;
    let away = |status| Answer::status(status).with("Location", "https://portal.example/");
    let late = |status: u16, header: &str| Answer::status(status).with("Retry-After", header);
    let named = [
        ("200 HTML", Answer::html(200)),
        ("202 HTML", Answer::html(202)),
        ("200 garbage", Answer::text(200, JSON, "{garbage")),
        ("200 errors", Answer::text(200, JSON, errors)),
        ("202 errors", Answer::text(202, JSON, errors)),
        ("204", Answer::status(204)),
        ("200 empty", Answer::status(200)),
        ("300", away(300)),
        ("301", away(301)),
        ("302", away(302)),
        ("303", away(303)),
        ("304", Answer::status(304)),
        ("307", away(307)),
        ("308", away(308)),
        ("404 empty", Answer::status(404)),
        ("409 empty", Answer::status(409)),
        ("500 empty", Answer::status(500)),
        ("500 other JSON", Answer::text(500, "application/json", "{\"oops\":1}")),
        ("404 other JSON", Answer::text(404, "application/json", "{\"oops\":1}")),
        ("429 plain", Answer::error(429, "throttled")),
        ("429 Retry-After negative", late(429, "-5")),
        ("429 Retry-After 1.5", late(429, "1.5")),
        ("429 Retry-After word", late(429, "soon")),
        ("429 Retry-After past", late(429, "Mon, 23 Nov 2020 10:00:00 GMT")),
        ("503 Retry-After negative", late(503, "-5")),
        ("503 Retry-After word", late(503, "later")),
        ("503 Retry-After 1", late(503, "1")),
        ("202 Retry-After 5", Answer::normal().with("Retry-After", "5")),
        (
            "202 RateLimit words",
            Answer::normal().with("RateLimit-Remaining", "none"),
        ),
        (
            "202 RateLimit-Reset negative",
            Answer::normal().with("RateLimit-Reset", "-1"),
        ),
        ("reset", Answer::reset()),
        ("lost", Answer::lost()),
        ("hang", Answer::hang()),
        ("202 after 3 s", Answer::normal().after(SECOND * 3)),
    ];
    let named = named.into_iter().map(|(name, answer)| (name.to_owned(), answer));
    pages.chain(named).chain(odd_bytes()).collect()
}

/// A word in the request of the call that meets this odd answer.
fn odd_word(at: usize) -> String {
    format!("odd-answer-{at}-")
}

async fn every_odd_answer_once() -> Verdict {
    let odd = odd_answers();
    let (names, answers): (Vec<String>, Vec<Answer>) = odd.into_iter().unzip();
    let scene = Scene::start(&format!("{} odd answers, once each", names.len()), SINGLY).await;
    let left: HashSet<usize> = (0..answers.len()).collect();
    let left = std::sync::Arc::new(Mutex::new(left));
    let script_left = std::sync::Arc::clone(&left);
    let words: Vec<String> = (0..answers.len()).map(odd_word).collect();
    let odd = answers.clone();
    scene.double.script(move |request: &Request| {
        let at = words.iter().position(|word| request.names(word));
        let at = at.filter(|at| request.endpoint == Endpoint::Event && script_left.lock().unwrap().remove(at));
        at.map_or_else(Answer::normal, |at| odd[at].clone())
    });
    let people = answers.len() * 4;
    let calls = (1..=3).flat_map(|number| {
        (0..people).map(move |person| {
            let mut call = Call::track(&format!("p{person}"), number);
            let victim = person % 4 == 0;
            call.patient = victim;
            if victim && number == 2 {
                call = call.with("odd", json!(odd_word(person / 4)));
            }
            call
        })
    });
    let calls: Vec<Call> = calls.collect();
    let mut pace = interval(SECOND / 5);
    for part in calls.chunks(8) {
        pace.tick().await;
        scene.send(part.to_vec()).await;
    }
    scene.arrived(SECOND * 45).await;
    let row = scene.row().await;
    let mut faults = row.faults(Some(SECOND * 10));
    let mut unmet: Vec<usize> = left.lock().unwrap().iter().copied().collect();
    unmet.sort_unstable();
    if !unmet.is_empty() {
        faults.push(format!(
            "nobody met: {:?}",
            unmet.iter().map(|at| &names[*at]).collect::<Vec<_>>()
        ));
    }
    faults.extend(victims(&scene, &names).await);
    scene.end(row, faults)
}

/// Which odd answers made an event dead, or delivered without an effect.
async fn victims(scene: &Scene, names: &[String]) -> Vec<String> {
    let stored = scene.stored().await;
    let effects = scene.double.effects();
    let of = |status: &str| {
        let met = names.iter().enumerate().filter(|(at, _)| {
            let message = format!("p{}#2", at * 4);
            !effects.first.contains_key(&message) && stored.get(&message).is_some_and(|stored| stored == status)
        });
        met.map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let found = ["dead", "delivered", "pending"].map(|status| (status, of(status)));
    let found = found.into_iter().filter(|(_, names)| !names.is_empty());
    found
        .map(|(status, names)| format!("{status} after: {names}"))
        .collect()
}

/// One 202 reports that nothing is left of the minute, and when it ends; the others go on within `bound`.
async fn rate_limit_reset(reset: &'static str, bound: Duration) -> Verdict {
    let scene = Scene::start(&format!("RateLimit-Remaining 0, Reset {reset}"), "").await;
    scene.double.script(move |request| {
        if request.names("user-first") {
            let answer = Answer::normal().with("RateLimit-Remaining", "0");
            answer.with("RateLimit-Reset", reset).with("RateLimit-Limit", "3500")
        } else {
            Answer::normal()
        }
    });
    scene.send(vec![Call::track("first", 1)]).await;
    scene.arrived(SECOND * 10).await;
    let good = (0..5).map(|n| Call::track(&format!("good{n}"), 1));
    scene.send_paced(good, SECOND / 5, SECOND * 10).await;
    scene.arrived(bound + SECOND).await;
    scene.verdict(Some(bound)).await
}

/// One 429 requires more than can be meant: `/readyz` reports until when, and `release` lets all go again at once.
async fn far_retry_after(name: &'static str, header: String) -> Verdict {
    let scene = Scene::start(&format!("429 with Retry-After {name}"), "").await;
    let met = Mutex::new(false);
    scene.double.script(move |request| {
        let first = request.endpoint == Endpoint::Event && !std::mem::replace(&mut met.lock().unwrap(), true);
        if first {
            Answer::error(429, "throttled").with("Retry-After", &header)
        } else {
            Answer::normal()
        }
    });
    scene.send(vec![Call::track("first", 1)]).await;
    scene
        .until(SECOND * 10, |effects| effects.requests.contains_key(&Endpoint::Event))
        .await;
    let good = (0..5).map(|n| Call::track(&format!("good{n}"), 1));
    scene.send(good.collect()).await;
    let mut faults = Vec::new();
    if !noted(&scene).await {
        let (_, ready) = scene.daemon.look("/readyz").await;
        faults.push(format!("/readyz does not report until when nothing is sent: {ready}"));
    }
    let release = scene.daemon.command(&["release", "--status", "pending"]);
    if !release.status.success() {
        faults.push(format!("release failed: {}", String::from_utf8_lossy(&release.stderr)));
    }
    if !scene.arrived(SECOND * 10).await {
        faults.push("release --status pending does not let events go again".to_owned());
    }
    let row = scene.row().await;
    faults.extend(row.faults(None));
    scene.end(row, faults)
}

/// Whether `/readyz` soon has a note with a code and a time to come.
async fn noted(scene: &Scene) -> bool {
    let until = Instant::now() + SECOND * 5;
    while Instant::now() < until {
        let (_, ready) = scene.daemon.look("/readyz").await;
        let notes = ready["notes"].as_array().cloned().unwrap_or_default();
        let found = notes.iter().any(|note| {
            let message = note["message"].as_str().unwrap_or_default();
            let times = message
                .split_whitespace()
                .filter_map(|word| Timestamp::parse(word.trim_end_matches(['.', ',', ';', ':', ')'])));
            note["code"].is_string() && times.max().is_some_and(|until| until > SystemClock.now())
        });
        if found {
            return true;
        }
        sleep(SECOND / 5).await;
    }
    false
}

/// One 503 requires more than can be meant: only its person waits, and `release` lets it go again.
async fn far_retry_after_of_503() -> Verdict {
    let scene = Scene::start("503 with Retry-After 1000000000", "").await;
    let met = Mutex::new(false);
    scene.double.script(move |request| {
        let first = request.names("user-first") && !std::mem::replace(&mut met.lock().unwrap(), true);
        if first {
            Answer::status(503).with("Retry-After", "1000000000")
        } else {
            Answer::normal()
        }
    });
    let mut first = Call::track("first", 1);
    first.patient = true;
    scene.send(vec![first]).await;
    scene
        .until(SECOND * 10, |effects| effects.requests.contains_key(&Endpoint::Event))
        .await;
    let good = (0..10).map(|n| Call::track(&format!("good{n}"), 1));
    scene.send_paced(good, SECOND / 5, SECOND * 10).await;
    let release = scene.daemon.command(&["release", "--status", "pending"]);
    scene.arrived(SECOND * 10).await;
    let row = scene.row().await;
    let mut faults = row.faults(Some(SECOND * 5));
    if !release.status.success() {
        faults.push(format!("release failed: {}", String::from_utf8_lossy(&release.stderr)));
    }
    scene.end(row, faults)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_answer_costs_time_at_most() {
    let in_ten_days = SystemClock.now().plus(Duration::from_hours(240));
    let in_ten_days = std::time::UNIX_EPOCH + Duration::from_millis(in_ten_days.as_millis().unsigned_abs());
    let in_ten_days = httpdate::fmt_http_date(in_ten_days);
    let scenes: Vec<Scenario> = vec![
        Box::pin(every_odd_answer_once()),
        Box::pin(rate_limit_reset("4000000000", SECOND * 65)),
        Box::pin(rate_limit_reset("3", SECOND * 10)),
        Box::pin(far_retry_after("1000000000", "1000000000".to_owned())),
        Box::pin(far_retry_after("in ten days", in_ten_days)),
        Box::pin(far_retry_after_of_503()),
    ];
    run(6, scenes).await;
}
