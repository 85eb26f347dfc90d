//! Counts rejected requests, and calls that were stored as dead, so that a bad deploy is noticed.
//!
//! A rejected request leaves nothing in the outbox, and most SDKs drop it silently. So the rejections of the last hour
//! are kept here, by cause and sender, and once a minute one line for each source and code logs their number. Memory is
//! bounded, whatever is sent: senders beyond [`MAX_SENDERS`] are counted without their names. Write keys are masked.
//! May use `outbox` and the clock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::model::Timestamp;
use crate::outbox::{Intake, RejectedRequests};

/// Causes and senders that are counted separately.
const MAX_SENDERS: usize = 100;
/// How many characters of a user agent are kept.
const CLIENT_CHARS: usize = 60;
/// How often to check whether something must be logged or reported.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// The minutes that are kept.
const WINDOW_MINUTES: i64 = 60;
const MINUTE_MS: i64 = 60_000;

/// The sender of a request, as far as it is known from the headers, the query or the body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Sender {
    pub(super) source: Option<String>,
    pub(super) client: Option<String>,
    /// Masked; `None` where a source has it.
    pub(super) key: Option<String>,
}

impl Sender {
    /// The sending program, by the headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let agent = headers.get(header::USER_AGENT);
        let agent = agent.and_then(|agent| agent.to_str().ok());
        let short: Option<String> = agent.map(|agent| agent.chars().take(CLIENT_CHARS).collect());
        Self {
            client: short.filter(|agent| !agent.trim().is_empty()),
            ..Self::default()
        }
    }
}

/// `ab…yz`: enough to compare a key with, and too little to use it.
pub(super) fn redact_key(key: &str) -> String {
    let chars: Vec<char> = key.chars().collect();
    match chars[..] {
        [a, b, .., y, z] if chars.len() >= 8 => format!("{a}{b}…{y}{z}"),
        _ => "…".to_owned(),
    }
}

/// A cause, by the status and the code of the answer, and a sender.
type Cause = (u16, String, Sender);

/// How often a cause occurred, minute by minute.
#[derive(Debug, Default)]
struct MinuteCounts {
    minutes: VecDeque<(i64, u64)>,
    last_ms: i64,
}

impl MinuteCounts {
    fn add(&mut self, count: u64, now: i64) {
        let minute = now.div_euclid(MINUTE_MS);
        match self.minutes.back_mut() {
            Some((last, total)) if *last >= minute => *total += count,
            Some(_) | None => self.minutes.push_back((minute, count)),
        }
        self.last_ms = self.last_ms.max(now);
    }

    /// Removes what is older than an hour; returns whether something is left.
    fn prune(&mut self, now: i64) -> bool {
        let first = now.div_euclid(MINUTE_MS) - WINDOW_MINUTES;
        while self.minutes.front().is_some_and(|(minute, _)| *minute <= first) {
            self.minutes.pop_front();
        }
        !self.minutes.is_empty()
    }

    fn total(&self) -> u64 {
        self.minutes.iter().map(|(_, count)| count).sum()
    }
}

/// What a line of the log is about: the status of the answer to rejected requests, or none for calls that were stored as
/// dead; the source; and the code.
type LogKey = (Option<u16>, Option<String>, String);

/// What is counted for the log: how many since the last line, and when that line was logged.
#[derive(Debug, Default)]
struct Unlogged {
    count: u64,
    logged_ms: Option<i64>,
}

#[derive(Debug, Default)]
struct Counts {
    rejected: HashMap<Cause, MinuteCounts>,
    unlogged: BTreeMap<LogKey, Unlogged>,
    /// Something was added since the last report.
    changed: bool,
}

impl Counts {
    fn add_rejected(&mut self, status: u16, code: &str, sender: Sender, count: u64, now: i64) {
        let mut cause = (status, code.to_owned(), sender);
        if !self.rejected.contains_key(&cause) && self.rejected.len() >= MAX_SENDERS {
            let Sender { client, key, .. } = &mut cause.2;
            (*client, *key) = (None, None);
        }
        self.rejected.entry(cause).or_default().add(count, now);
        self.changed = true;
    }

    fn add_unlogged(&mut self, status: Option<u16>, source: Option<&str>, code: &str, count: u64) {
        let key = (status, source.map(str::to_owned), code.to_owned());
        self.unlogged.entry(key).or_default().count += count;
    }

    /// The lines that are due, with their counts: a subject's next line comes a minute after its last one. `all`:
    /// everything that is not logged yet.
    fn due_lines(&mut self, now: i64, all: bool) -> Vec<(LogKey, u64)> {
        let mut lines = Vec::new();
        for (key, unlogged) in &mut self.unlogged {
            let is_recent = unlogged.logged_ms.is_some_and(|logged| now - logged < MINUTE_MS);
            if unlogged.count == 0 || (is_recent && !all) {
                continue;
            }
            unlogged.logged_ms = Some(now);
            lines.push((key.clone(), std::mem::take(&mut unlogged.count)));
        }
        lines
    }

    /// The rejections of the last hour, if they have changed.
    fn report(&mut self, now: i64) -> Option<Vec<RejectedRequests>> {
        let before = self.rejected.len();
        self.rejected.retain(|_, counts| counts.prune(now));
        if !std::mem::take(&mut self.changed) && self.rejected.len() == before {
            return None;
        }
        let rejected = self.rejected.iter();
        let rejected = rejected.map(|((status, code, sender), counts)| RejectedRequests {
            status: *status,
            code: code.clone(),
            source: sender.source.clone(),
            client: sender.client.clone(),
            key: sender.key.clone(),
            requests: counts.total(),
            last_ms: counts.last_ms,
        });
        Some(rejected.collect())
    }
}

/// The counts. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Rejections(Arc<Mutex<Counts>>);

impl Rejections {
    /// Counts a rejected request.
    pub(super) fn count_rejected(&self, status: u16, code: &'static str, sender: Sender, now: Timestamp) {
        let mut counts = self.counts();
        counts.add_unlogged(Some(status), sender.source.as_deref(), code, 1);
        counts.add_rejected(status, code, sender, 1, now.as_millis());
    }

    /// Counts calls of a source that were stored as dead for this reason.
    pub(super) fn count_dead(&self, source: &str, code: &str, calls: u64) {
        self.counts().add_unlogged(None, Some(source), code, calls);
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs and reports the counts until `stop`. What an earlier run reported within the hour still counts.
    pub async fn run(self, outbox: Intake, clock: Arc<dyn Clock>, stop: CancellationToken) {
        if let Ok(earlier) = outbox.rejected_requests(clock.now()).await {
            let mut counts = self.counts();
            for earlier in earlier {
                let sender = Sender {
                    source: earlier.source,
                    client: earlier.client,
                    key: earlier.key,
                };
                let (status, code) = (earlier.status, &earlier.code);
                counts.add_rejected(status, code, sender, earlier.requests, earlier.last_ms);
            }
        }
        let mut running = true;
        while running {
            let slept = stop.run_until_cancelled(tokio::time::sleep(CHECK_EVERY));
            running = slept.await.is_some();
            let now = clock.now().as_millis();
            let (lines, report) = {
                let mut counts = self.counts();
                (counts.due_lines(now, !running), counts.report(now))
            };
            for ((status, source, code), count) in lines {
                log(status, source.as_deref(), &code, count);
            }
            if let Some(report) = report
                && outbox.report_rejected(report).await.is_err()
            {
                // Only for display: it is written with the next change.
                self.counts().changed = true;
            }
        }
    }
}

fn log(status: Option<u16>, source: Option<&str>, code: &str, count: u64) {
    if let Some(status) = status {
        tracing::warn!(
            source,
            status,
            code,
            requests = count,
            "requests were rejected: nothing of them is stored, and their senders may lose their events; \
             `klaviyo-relay status` shows who they are"
        );
    } else {
        tracing::warn!(
            source,
            code,
            calls = count,
            "calls were kept as dead on arrival: they can never be delivered as they are; `klaviyo-relay status` \
             shows them by reason"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_440_000_000;

    fn sender(client: &str) -> Sender {
        Sender {
            client: Some(client.to_owned()),
            ..Sender::default()
        }
    }

    #[test]
    fn a_key_is_redacted_and_a_short_one_is_hidden() {
        assert_eq!(redact_key("wk_Rj5uWrite9tL"), "wk…tL");
        assert_eq!(redact_key("1234567"), "…");
        assert_eq!(redact_key(""), "…");
    }

    #[test]
    fn rejections_older_than_an_hour_are_discarded() {
        let mut counts = Counts::default();
        counts.add_rejected(401, "unknown_key", sender("a"), 1, NOW);
        counts.add_rejected(401, "unknown_key", sender("a"), 2, NOW + 30 * MINUTE_MS);
        let report = counts.report(NOW + 30 * MINUTE_MS).unwrap();
        assert_eq!((report.len(), report[0].requests), (1, 3));
        let hour = NOW + 60 * MINUTE_MS;
        assert_eq!(counts.report(hour), None, "nothing has come or gone");
        counts.add_rejected(400, "empty", sender("a"), 1, hour);
        let mut report = counts.report(hour).unwrap();
        report.sort_by_key(|rejected| rejected.status);
        assert_eq!((report[1].requests, report[1].status), (2, 401));
        assert_eq!(counts.report(hour + 60 * MINUTE_MS), Some(Vec::new()));
    }

    #[test]
    fn the_number_of_senders_is_bounded_and_no_request_is_lost() {
        let mut counts = Counts::default();
        for number in 0..10_000 {
            counts.add_rejected(401, "unknown_key", sender(&number.to_string()), 1, NOW);
        }
        let report = counts.report(NOW).unwrap();
        assert_eq!(report.len(), MAX_SENDERS + 1);
        let all: u64 = report.iter().map(|rejected| rejected.requests).sum();
        assert_eq!(all, 10_000);
    }

    #[test]
    fn each_source_and_code_is_logged_once_a_minute() {
        let mut counts = Counts::default();
        let add = |counts: &mut Counts, count| {
            counts.add_unlogged(None, Some("shop"), "no_user_anon_id", count);
        };
        add(&mut counts, 349);
        let key = (None, Some("shop".to_owned()), "no_user_anon_id".to_owned());
        let line = |count| (key.clone(), count);
        assert_eq!(counts.due_lines(NOW, false), [line(349)]);
        add(&mut counts, 1);
        add(&mut counts, 1);
        assert_eq!(counts.due_lines(NOW + MINUTE_MS - 1, false), []);
        assert_eq!(counts.due_lines(NOW + MINUTE_MS, false), [line(2)]);
        assert_eq!(counts.due_lines(NOW + 9 * MINUTE_MS, false), []);
        add(&mut counts, 5);
        assert_eq!(counts.due_lines(NOW + 9 * MINUTE_MS, true), [line(5)]);
    }
}
