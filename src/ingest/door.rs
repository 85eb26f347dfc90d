//! Counts refused requests, and calls that were stored as dead, so that a bad deploy is noticed.
//!
//! A refused request leaves nothing in the outbox, and most SDKs drop it silently. So the refusals of the last hour are
//! kept here, by cause and sender, and once a minute one line for each source and code logs their number. Memory is
//! bounded, whatever is sent: senders beyond [`MOST`] are counted without their names. Write keys are masked. May use
//! `outbox` and the clock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::model::Timestamp;
use crate::outbox::{Outbox, RefusedAtDoor};

/// Causes and senders that are counted separately.
const MOST: usize = 100;
/// How many characters of a user agent are kept.
const CLIENT_CHARS: usize = 60;
/// How often to check whether something must be logged or reported.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// The minutes that are kept.
const KEPT_MINUTES: i64 = 60;
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
pub(super) fn masked(key: &str) -> String {
    let chars: Vec<char> = key.chars().collect();
    match chars[..] {
        [a, b, .., y, z] if chars.len() >= 8 => format!("{a}{b}…{y}{z}"),
        _ => "…".to_owned(),
    }
}

/// A cause and a sender.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Cause {
    status: u16,
    code: String,
    sender: Sender,
}

/// How often a cause occurred, minute by minute.
#[derive(Debug, Default)]
struct Met {
    minutes: VecDeque<(i64, u64)>,
    last_ms: i64,
}

impl Met {
    fn add(&mut self, count: u64, now: i64) {
        let minute = now.div_euclid(MINUTE_MS);
        match self.minutes.back_mut() {
            Some((last, met)) if *last >= minute => *met += count,
            Some(_) | None => self.minutes.push_back((minute, count)),
        }
        self.last_ms = self.last_ms.max(now);
    }

    /// Removes what is older than an hour. Whether something is left.
    fn is_recent(&mut self, now: i64) -> bool {
        let first = now.div_euclid(MINUTE_MS) - KEPT_MINUTES;
        while self.minutes.front().is_some_and(|(minute, _)| *minute <= first) {
            self.minutes.pop_front();
        }
        !self.minutes.is_empty()
    }

    fn total(&self) -> u64 {
        self.minutes.iter().map(|(_, met)| met).sum()
    }
}

/// The subject of a log line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// Requests refused with this status.
    Refused { status: u16 },
    /// Calls stored as dead.
    Dead,
}

/// One line of the log.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    subject: Subject,
    source: Option<String>,
    code: String,
    count: u64,
}

/// What is counted for the log: how many since the last line, and when that line was logged.
#[derive(Debug, Default)]
struct Unsaid {
    count: u64,
    said_ms: Option<i64>,
}

#[derive(Debug, Default)]
struct Counts {
    met: HashMap<Cause, Met>,
    unsaid: BTreeMap<(Subject, Option<String>, String), Unsaid>,
    /// Something was added since the last report.
    changed: bool,
}

impl Counts {
    fn refused(&mut self, status: u16, code: &str, sender: Sender, count: u64, now: i64) {
        let source = sender.source.clone();
        let mut cause = Cause {
            status,
            code: code.to_owned(),
            sender,
        };
        if !self.met.contains_key(&cause) && self.met.len() >= MOST {
            cause.sender = Sender {
                source,
                ..Sender::default()
            };
        }
        self.met.entry(cause).or_default().add(count, now);
        self.changed = true;
    }

    fn unsaid(&mut self, subject: Subject, source: Option<&str>, code: &str, count: u64) {
        let key = (subject, source.map(str::to_owned), code.to_owned());
        self.unsaid.entry(key).or_default().count += count;
    }

    /// The lines that are due: a subject's next line comes a minute after its last one. `all`: everything that is not
    /// logged yet.
    fn lines(&mut self, now: i64, all: bool) -> Vec<Line> {
        let mut lines = Vec::new();
        for ((subject, source, code), unsaid) in &mut self.unsaid {
            let rests = unsaid.said_ms.is_some_and(|said| now - said < MINUTE_MS);
            if unsaid.count == 0 || (rests && !all) {
                continue;
            }
            unsaid.said_ms = Some(now);
            lines.push(Line {
                subject: subject.clone(),
                source: source.clone(),
                code: code.clone(),
                count: std::mem::take(&mut unsaid.count),
            });
        }
        lines
    }

    /// The refusals of the last hour, if they have changed.
    fn report(&mut self, now: i64) -> Option<Vec<RefusedAtDoor>> {
        let before = self.met.len();
        self.met.retain(|_, met| met.is_recent(now));
        if !std::mem::take(&mut self.changed) && self.met.len() == before {
            return None;
        }
        let refused = self.met.iter().map(|(cause, met)| RefusedAtDoor {
            status: cause.status,
            code: cause.code.clone(),
            source: cause.sender.source.clone(),
            client: cause.sender.client.clone(),
            key: cause.sender.key.clone(),
            requests: met.total(),
            last_ms: met.last_ms,
        });
        Some(refused.collect())
    }
}

/// The counts. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Door(Arc<Mutex<Counts>>);

impl Door {
    /// Counts a refused request.
    pub(super) fn refused(&self, status: u16, code: &'static str, sender: Sender, now: Timestamp) {
        let mut counts = self.counts();
        counts.unsaid(Subject::Refused { status }, sender.source.as_deref(), code, 1);
        counts.refused(status, code, sender, 1, now.as_millis());
    }

    /// Counts calls of a source that were stored as dead for this reason.
    pub(super) fn kept_as_dead(&self, source: &str, code: &str, calls: u64) {
        self.counts().unsaid(Subject::Dead, Some(source), code, calls);
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs and reports the counts until `stop`. What an earlier run reported within the hour still counts.
    pub async fn keep(self, outbox: Outbox, clock: Arc<dyn Clock>, stop: CancellationToken) {
        if let Ok(earlier) = outbox.refused_at_door(clock.now()).await {
            let mut counts = self.counts();
            for earlier in earlier {
                let sender = Sender {
                    source: earlier.source,
                    client: earlier.client,
                    key: earlier.key,
                };
                let (status, code) = (earlier.status, &earlier.code);
                counts.refused(status, code, sender, earlier.requests, earlier.last_ms);
            }
        }
        let mut going = true;
        while going {
            let waited = stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY));
            going = waited.await.is_some();
            let now = clock.now().as_millis();
            let (lines, report) = {
                let mut counts = self.counts();
                (counts.lines(now, !going), counts.report(now))
            };
            lines.iter().for_each(log);
            if let Some(report) = report
                && outbox.report_refused(report).await.is_err()
            {
                // Only for display: it is written with the next change.
                self.counts().changed = true;
            }
        }
    }
}

fn log(line: &Line) {
    let Line {
        subject,
        source,
        code,
        count,
    } = line;
    let source = source.as_deref();
    match subject {
        Subject::Refused { status } => tracing::warn!(
            source,
            status,
            code,
            requests = count,
            "requests were refused: nothing of them is stored, and their senders may lose their events; \
             `klaviyo-relay status` shows who they are"
        ),
        Subject::Dead => tracing::warn!(
            source,
            code,
            calls = count,
            "calls were kept as dead on arrival: they can never be delivered as they are; `klaviyo-relay status` \
             shows them by reason"
        ),
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
    fn a_key_is_shown_in_part_and_a_short_one_not_at_all() {
        assert_eq!(masked("wk_Rj5uWrite9tL"), "wk…tL");
        assert_eq!(masked("1234567"), "…");
        assert_eq!(masked(""), "…");
    }

    #[test]
    fn what_was_refused_an_hour_ago_is_forgotten() {
        let mut counts = Counts::default();
        counts.refused(401, "unknown_key", sender("a"), 1, NOW);
        counts.refused(401, "unknown_key", sender("a"), 2, NOW + 30 * MINUTE_MS);
        let report = counts.report(NOW + 30 * MINUTE_MS).unwrap();
        assert_eq!((report.len(), report[0].requests), (1, 3));
        let hour = NOW + 60 * MINUTE_MS;
        assert_eq!(counts.report(hour), None, "nothing has come or gone");
        counts.refused(400, "empty", sender("a"), 1, hour);
        let mut report = counts.report(hour).unwrap();
        report.sort_by_key(|refused| refused.status);
        assert_eq!((report[1].requests, report[1].status), (2, 401));
        assert_eq!(counts.report(hour + 60 * MINUTE_MS), Some(Vec::new()));
    }

    #[test]
    fn whoever_sends_the_rows_are_few_and_none_is_lost() {
        let mut counts = Counts::default();
        for number in 0..10_000 {
            counts.refused(401, "unknown_key", sender(&number.to_string()), 1, NOW);
        }
        let report = counts.report(NOW).unwrap();
        assert_eq!(report.len(), MOST + 1);
        let all: u64 = report.iter().map(|refused| refused.requests).sum();
        assert_eq!(all, 10_000);
    }

    #[test]
    fn each_source_and_code_has_a_line_a_minute() {
        let mut counts = Counts::default();
        let come = |counts: &mut Counts, count| {
            counts.unsaid(Subject::Dead, Some("shop"), "no_user_anon_id", count);
        };
        come(&mut counts, 349);
        let line = |count| Line {
            subject: Subject::Dead,
            source: Some("shop".to_owned()),
            code: "no_user_anon_id".to_owned(),
            count,
        };
        assert_eq!(counts.lines(NOW, false), [line(349)]);
        come(&mut counts, 1);
        come(&mut counts, 1);
        assert_eq!(counts.lines(NOW + MINUTE_MS - 1, false), []);
        assert_eq!(counts.lines(NOW + MINUTE_MS, false), [line(2)]);
        assert_eq!(counts.lines(NOW + 9 * MINUTE_MS, false), []);
        come(&mut counts, 5);
        assert_eq!(counts.lines(NOW + 9 * MINUTE_MS, true), [line(5)]);
    }
}
