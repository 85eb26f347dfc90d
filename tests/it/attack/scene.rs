//! A scenario: a daemon in front of a double, calls that it acknowledges, and in the end the judge's row.

use std::collections::VecDeque;
use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::double::{Double, Effects};
use super::judge::{HEAD, Ledger, Row, Stored, judge};
use super::people::Call;
use crate::support::Daemon;

/// How long a call is offered again before the daemon counts as gone for good.
const PATIENCE: Duration = Duration::from_mins(1);
/// Limits under which a backlog goes in as many jobs as there can be.
pub(super) const MANY_JOBS: &str = "[delivery]\nlimit_share = 1.0\n\
    [delivery.limits.event_bulk]\nburst = 100\nsteady = 6000\n\
    [delivery.limits.profile_bulk]\nburst = 100\nsteady = 6000\n";
/// Limits that let 150 a second go singly, for as long as it takes: more at once are a job.
pub(super) const JOBS_ABOVE_150: &str = "[delivery]\nlimit_share = 1.0\n\
    [delivery.limits.event]\nburst = 150\nsteady = 60000\n\
    [delivery.limits.profile]\nburst = 150\nsteady = 60000\n\
    [delivery.limits.profile_bulk]\nburst = 10\nsteady = 600\n";
/// As [`JOBS_ABOVE_150`], with 60.
pub(super) const JOBS_ABOVE_60: &str = "[delivery]\nlimit_share = 1.0\n\
    [delivery.limits.event]\nburst = 60\nsteady = 60000\n\
    [delivery.limits.event_bulk]\nburst = 10\nsteady = 600\n\
    [delivery.limits.profile]\nburst = 60\nsteady = 60000\n\
    [delivery.limits.profile_bulk]\nburst = 10\nsteady = 600\n";

/// Whether scenarios run at their full length.
pub(super) fn long() -> bool {
    std::env::var("RELAY_TEST_ATTACK").is_ok_and(|length| length == "long")
}

/// A span of a scenario in CI, and at full length.
pub(super) fn span(ci: u64, full: u64) -> Duration {
    Duration::from_secs(if long() { full } else { ci })
}

pub(super) struct Scene {
    pub(super) name: String,
    pub(super) double: Double,
    pub(super) daemon: Daemon,
    pub(super) ledger: Ledger,
    pub(super) began: Instant,
    offers: Offers,
}

/// Offers calls to a daemon at its port.
#[derive(Clone)]
pub(super) struct Offers {
    client: reqwest::Client,
    url: String,
}

impl Offers {
    fn to(daemon: &Daemon) -> Self {
        Self {
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            url: format!("http://{}/v1/batch", daemon.ingest),
        }
    }

    /// Sends calls in one batch, again and again until they are acknowledged.
    pub(super) async fn until_acknowledged(&self, calls: &[Call]) {
        let bodies: Vec<_> = calls.iter().map(|call| &call.body).collect();
        let batch = json!({ "batch": bodies }).to_string();
        let until = Instant::now() + PATIENCE;
        loop {
            let request = self.client.post(&self.url).basic_auth("dev", Some(""));
            let answer = request.body(batch.clone()).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            assert!(Instant::now() < until, "calls are not accepted");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Scene {
    /// A daemon on fresh files; `more` is added to its configuration.
    pub(super) async fn start(name: &str, more: &str) -> Self {
        let double = Double::start().await;
        let endpoint = format!("http://{}", double.address);
        let daemon = Daemon::start_before(&endpoint, more).await;
        Self {
            name: name.to_owned(),
            double,
            offers: Offers::to(&daemon),
            daemon,
            ledger: Ledger::default(),
            began: Instant::now(),
        }
    }

    /// Sends calls in one batch, again and again until they are acknowledged.
    pub(super) async fn send(&self, calls: Vec<Call>) {
        self.offers.until_acknowledged(&calls).await;
        self.ledger.enter(calls);
    }

    /// Offers calls without a handle of the daemon, which may end and restart meanwhile.
    pub(super) fn offers(&self) -> Offers {
        self.offers.clone()
    }

    /// Sends calls one by one, at a pace, for a while or until there are no more.
    pub(super) async fn send_paced(&self, calls: impl Iterator<Item = Call>, pace: Duration, lasts: Duration) {
        let until = Instant::now() + lasts;
        let mut pace = interval(pace);
        pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for call in calls {
            pace.tick().await;
            if Instant::now() >= until {
                return;
            }
            self.send(vec![call]).await;
        }
    }

    /// Waits until this holds of the effects; answers whether it came to that.
    pub(super) async fn until(&self, within: Duration, holds: impl Fn(&Effects) -> bool) -> bool {
        let until = Instant::now() + within;
        while !holds(&self.double.effects()) {
            if Instant::now() >= until {
                return false;
            }
            sleep(Duration::from_millis(20)).await;
        }
        true
    }

    /// Waits until every good call is in effect, or nothing is pending that could come to that; answers whether it
    /// came to that.
    pub(super) async fn arrived(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        let mut looked = Instant::now();
        while self.ledger.missing(&self.double) > 0 {
            if Instant::now() >= until {
                return false;
            }
            sleep(Duration::from_millis(50)).await;
            if looked.elapsed() > Duration::from_secs(2) {
                if self.drained(Duration::ZERO).await {
                    return self.ledger.missing(&self.double) == 0;
                }
                looked = Instant::now();
            }
        }
        true
    }

    /// Waits until nothing is pending in the outbox; answers whether it came to that.
    pub(super) async fn drained(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        loop {
            let stored = self.stored().await;
            if !stored.values().any(|status| status == "pending") {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// The status of each message in the outbox.
    pub(super) async fn stored(&self) -> Stored {
        let options = SqliteConnectOptions::new()
            .filename(self.daemon.database())
            .read_only(true);
        let mut outbox = options.connect().await.unwrap();
        let rows: Vec<(String, String)> = sqlx::query_as("select message_id, status from events")
            .fetch_all(&mut outbox)
            .await
            .unwrap();
        drop(outbox.close().await);
        rows.into_iter().collect()
    }

    /// Judges; the aim is that everything is in effect once, in order, and within `bound`.
    pub(super) async fn verdict(self, bound: Option<Duration>) -> Verdict {
        let row = self.row().await;
        let faults = row.faults(bound);
        self.end(row, faults)
    }

    pub(super) async fn row(&self) -> Row {
        let stored = self.stored().await;
        let effects = self.double.effects();
        judge(&self.name, &self.ledger, &effects, &stored, self.began)
    }

    /// The verdict with these faults; the daemon ends.
    pub(super) fn end(self, row: Row, faults: Vec<String>) -> Verdict {
        let mut status = String::new();
        if !faults.is_empty() {
            let output = self.daemon.command(&["status"]).stdout;
            status = String::from_utf8_lossy(&output).into_owned();
        }
        Verdict { row, faults, status }
    }
}

/// The end of a scenario.
pub(super) struct Verdict {
    row: Row,
    faults: Vec<String>,
    status: String,
}

/// Runs scenarios, so many at once, prints the judge's table and fails with all that is not as it must be.
pub(super) async fn run<S: Future<Output = Verdict>>(at_once: usize, scenes: Vec<S>) {
    let scenes = std::sync::Mutex::new(VecDeque::from(scenes));
    let workers = (0..at_once).map(|_| async {
        let mut verdicts = Vec::new();
        loop {
            let scene = scenes.lock().unwrap().pop_front();
            let Some(scene) = scene else {
                return verdicts;
            };
            verdicts.push(scene.await);
        }
    });
    let verdicts: Vec<Verdict> = join_all(workers).await.into_iter().flatten().collect();
    print(&verdicts);
    let failed: Vec<String> = verdicts
        .iter()
        .filter(|verdict| !verdict.faults.is_empty())
        .map(|Verdict { row, faults, status }| format!("{row}\n  {}\n{status}", faults.join("\n  ")))
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} scenarios failed\n{}",
        failed.len(),
        verdicts.len(),
        failed.join("\n")
    );
}

#[expect(clippy::print_stdout, reason = "the judge's table is what a run is for")]
fn print(verdicts: &[Verdict]) {
    println!("{HEAD}");
    for Verdict { row, .. } in verdicts {
        println!("{row}");
    }
}
