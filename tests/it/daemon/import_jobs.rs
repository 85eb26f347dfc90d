//! Import jobs that Klaviyo runs for a while: whatever becomes of the daemon or of an answer meanwhile, nobody's older
//! traits end over newer ones, and nobody else waits.

use std::time::Duration;

use klaviyo_relay::clock::{Clock as _, SystemClock};
use klaviyo_relay::sandbox::Options;
use serde_json::{Value, json};

use super::track;
use crate::support::{Daemon, Klaviyo, count, eventually};

const JOBS: &str = "/api/profile-bulk-import-jobs";
const PEOPLE: u64 = 300;
/// A few hundred profiles are a deep backlog, and two hundred singly are done in a few seconds.
const NARROW: &str = "[delivery]\nfirst_retry = \"10ms\"\nlimit_share = 1.0\n\
    [delivery.limits.profile]\nburst = 100\nsteady = 10000\n";
/// Longer than any test waits.
const NEVER: Duration = Duration::from_hours(1);

/// A Klaviyo whose import jobs wait so long.
async fn slow(job_delay: Duration) -> Klaviyo {
    let options = Options {
        job_delay,
        ..Options::default()
    };
    Klaviyo::with(options).await
}

/// A call of each of these people that sets a trait.
fn identifies(people: std::ops::Range<u64>, version: u64) -> Value {
    let call = |n: u64| {
        json!({"type": "identify", "messageId": format!("i{n}-{version}"), "userId": format!("u{n}"),
            "traits": {"email": format!("u{n}@klaviyo-demo.com"), "version": version}})
    };
    json!({"batch": people.map(call).collect::<Vec<_>>()})
}

/// How many import jobs Klaviyo made.
async fn jobs(klaviyo: &Klaviyo) -> usize {
    let requests = klaviyo.requests().await.into_iter();
    let made = |method: &str, path: &str, outcome: &str| method == "POST" && path == JOBS && outcome == "stored";
    requests
        .filter(|request| made(&request.method, &request.path, &request.outcome))
        .count()
}

/// How often a version of the trait was sent, in jobs and singly.
async fn sendings(klaviyo: &Klaviyo, version: u64) -> usize {
    let sent = format!("\"version\":{version}}}");
    let requests = klaviyo.requests().await.into_iter();
    requests.map(|request| request.body.get().matches(&sent).count()).sum()
}

async fn made(klaviyo: &Klaviyo, expected: usize) {
    eventually("the jobs are made", || async {
        (jobs(klaviyo).await >= expected).then_some(())
    })
    .await;
}

/// How many people ended with an older trait than they sent last.
fn stale(klaviyo: &Klaviyo) -> usize {
    let people = klaviyo.snapshot().profiles;
    assert_eq!(people.len() as u64, PEOPLE);
    let newest = |properties: &serde_json::Map<String, Value>| properties["version"] == 2;
    people.iter().filter(|of| !newest(&of.properties)).count()
}

/// Everybody's first identify in a job that is being run, and the second behind it.
async fn begun(klaviyo: &Klaviyo) -> Daemon {
    let daemon = Daemon::start(klaviyo, NARROW).await;
    daemon.send("/v1/batch", &identifies(0..PEOPLE, 1)).await;
    made(klaviyo, 1).await;
    daemon.send("/v1/batch", &identifies(0..PEOPLE, 2)).await;
    daemon
}

/// Waits for the last job too: it may be a job that nobody requested.
async fn all_done(daemon: &Daemon, klaviyo: &Klaviyo) {
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 600);
    let open = || async {
        let url = format!("http://{}{JOBS}?filter=equals(status,\"queued\")", klaviyo.address);
        let request = reqwest::Client::builder().no_proxy().build().unwrap().get(url);
        let request = request
            .header("authorization", "Klaviyo-API-Key pk_sandbox")
            .header("revision", "2026-10-15");
        let answer = request.send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["data"].as_array().unwrap().is_empty().then_some(())
    };
    eventually("no job waits", open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_watched_on_after_a_kill() {
    let klaviyo = slow(Duration::from_secs(8)).await;
    let mut daemon = begun(&klaviyo).await;
    eventually("the job's id is in the books", || async {
        let requests = klaviyo.requests().await;
        let polled = |path: &str| path.starts_with(&format!("{JOBS}/"));
        requests.iter().any(|request| polled(&request.path)).then_some(())
    })
    .await;
    daemon.kill();
    daemon.restart().await;
    all_done(&daemon, &klaviyo).await;
    assert_eq!(stale(&klaviyo), 0);
    assert_eq!(sendings(&klaviyo, 1).await as u64, PEOPLE, "nobody twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_daemon_does_not_wait_for_a_job_and_the_next_watches_it() {
    let klaviyo = slow(Duration::from_secs(8)).await;
    let mut daemon = begun(&klaviyo).await;
    let exit = daemon.terminate().await;
    assert!(exit.success(), "{exit}: {}", daemon.log());
    let audit = daemon.command(&["audit"]);
    assert!(audit.status.success(), "{audit:?}");
    daemon.restart().await;
    all_done(&daemon, &klaviyo).await;
    assert_eq!(stale(&klaviyo), 0);
    assert_eq!(sendings(&klaviyo, 1).await as u64, PEOPLE, "nobody twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_wait_for_a_job_whose_answer_was_lost() {
    let klaviyo = slow(Duration::from_secs(6)).await;
    klaviyo
        .fault(json!({"lost": true, "next": 1, "method": "POST", "path": JOBS}))
        .await;
    let daemon = begun(&klaviyo).await;
    all_done(&daemon, &klaviyo).await;
    assert_eq!(stale(&klaviyo), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_wait_for_a_job_that_was_sent_when_the_daemon_was_killed() {
    let klaviyo = slow(Duration::from_secs(8)).await;
    klaviyo
        .fault(json!({"delay_ms": 20_000, "next": 1, "method": "POST", "path": JOBS}))
        .await;
    let mut daemon = begun(&klaviyo).await;
    daemon.kill();
    klaviyo.behave().await;
    daemon.restart().await;
    all_done(&daemon, &klaviyo).await;
    assert_eq!(stale(&klaviyo), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_a_job_that_klaviyo_does_not_know_go_at_once() {
    let klaviyo = slow(NEVER).await;
    let error = json!({"id": "e", "code": "not_found", "title": "Not found.", "detail": "No such job."});
    let answer = json!({"errors": [error]});
    let path = format!("{JOBS}/");
    klaviyo
        .fault(json!({"status": 404, "body": answer, "method": "GET", "path": path}))
        .await;
    let daemon = begun(&klaviyo).await;
    let status = daemon.settled().await;
    assert_eq!(count(&status, "delivered"), 600);
    assert_eq!(stale(&klaviyo), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_waits_for_a_job_not_even_after_an_outage() {
    let klaviyo = slow(NEVER).await;
    let settings = NARROW.replace("[delivery]\n", "[delivery]\nmax_in_flight = 1\nwindow = 300\n");
    let daemon = Daemon::start(&klaviyo, &settings).await;
    daemon.send("/v1/batch", &identifies(0..PEOPLE, 1)).await;
    made(&klaviyo, 1).await;
    klaviyo.fault(json!({"status": 503, "path": "/api/events"})).await;
    let others = (0..20).map(|n| track(&format!("other-{n}"), n));
    daemon
        .send("/v1/batch", &json!({"batch": others.collect::<Vec<_>>()}))
        .await;
    eventually("delivery is paused", || async {
        daemon.log().contains("PAUSED").then_some(())
    })
    .await;
    klaviyo.behave().await;
    eventually("the others' events arrive", || async {
        (klaviyo.events().len() == 20).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_jobs_at_a_time_are_made_and_more_people_go_singly() {
    let klaviyo = slow(NEVER).await;
    let settings = NARROW.replace("burst = 100", "burst = 20");
    let daemon = Daemon::start(&klaviyo, &settings).await;
    for lot in 0..3 {
        let people = lot * PEOPLE..(lot + 1) * PEOPLE;
        daemon.send("/v1/batch", &identifies(people, 1)).await;
    }
    eventually("everybody's call is sent", || async {
        (sendings(&klaviyo, 1).await as u64 == 3 * PEOPLE).then_some(())
    })
    .await;
    assert_eq!(jobs(&klaviyo).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_waits_for_a_job_shows_it_and_is_left_alone() {
    let klaviyo = slow(NEVER).await;
    let mut daemon = begun(&klaviyo).await;
    let id = "sandbox-import-000000000001";
    let outbox = daemon.outbox().await;
    let listed = eventually("the job's id is known", || async {
        let job = outbox.overview(SystemClock.now()).await.unwrap().import_jobs.pop()?;
        (job.klaviyo_id.as_deref() == Some(id)).then_some(job)
    })
    .await;
    let open = outbox.queue().open_imports().await.unwrap().remove(0);
    assert_eq!(open.events.len() as u64, listed.profiles);
    outbox.close().await;
    let of = |arguments: &[&str]| {
        let output = daemon.command(arguments);
        String::from_utf8(output.stdout).unwrap()
    };
    let event = open.events[0].to_string();
    let status = of(&["status"]);
    let profiles = format!("{} profiles wait for import job {id}", listed.profiles);
    assert!(status.contains(&profiles), "{status}");
    let status: Value = serde_json::from_str(&of(&["status", "--json"])).unwrap();
    assert_eq!(status["import_jobs"][0]["klaviyo_job_id"], id);
    let shown = of(&["show", &event]);
    assert!(shown.contains(&format!("waits for import job {id}")), "{shown}");
    let (_, shown) = daemon.look(&format!("/api/v1/events/{event}")).await;
    let attempt = &shown["deliveries"][0]["attempts"][0];
    assert_eq!(attempt["klaviyo_job_id"], id);
    of(&["discard", "--id", &event]);
    of(&["hold", "--id", &event]);
    daemon.terminate().await;
    let audit = daemon.command(&["audit", "--deep"]);
    assert!(audit.status.success(), "{audit:?}");
    let outbox = daemon.outbox().await;
    assert_eq!(outbox.queue().open_imports().await.unwrap(), [open]);
    outbox.close().await;
}
