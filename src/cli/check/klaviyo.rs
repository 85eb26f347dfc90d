//! Checks Klaviyo: whether the key works, what it may read, whether the lists exist, and whether the clocks agree.
//!
//! All requests are `GET` and change nothing. A key made on Klaviyo's site has no access, read access or full access to
//! each part of the API, so a part that it may not read it may not write either.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::Finding;
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Endpoint};
use crate::delivery::{Probe, Remote, Sender};
use crate::json;
use crate::klaviyo::Route;
use crate::model::{Outcome, Timestamp};

/// The time limit of a request.
const PATIENCE: Duration = Duration::from_secs(15);
/// A larger difference between the clocks is reported: times of events are corrected by this machine's clock.
const SKEW: Duration = Duration::from_secs(5);
/// What is read, the scope that allows it, and the scope that the relay needs.
const SCOPES: [(&str, &str, &str); 3] = [
    ("/api/events?page[size]=1", "events:read", "events:write"),
    ("/api/profiles?page[size]=1", "profiles:read", "profiles:write"),
    ("/api/lists?page[size]=1", "lists:read", "lists:write"),
];

pub(super) async fn findings(config: &Config) -> anyhow::Result<Vec<Finding>> {
    let Endpoint::Url(url) = &config.klaviyo.endpoint else {
        let words = "klaviyo: the sandbox in the program; NOTHING REACHES KLAVIYO";
        return Ok(vec![Finding::Note(words.to_owned())]);
    };
    let sender = app::sender(config, None)?;
    let mut findings = vec![who(&sender, url).await];
    if matches!(findings[0], Finding::Wrong(_)) {
        return Ok(findings);
    }
    let mut clock = None;
    for (path, reads, needed) in SCOPES {
        let sent = SystemClock.now();
        let (finding, there) = scope(probe(&sender, path).await.as_ref(), reads, needed);
        findings.push(finding);
        clock = clock.or(there.map(|there| skew(sent, there, SystemClock.now())));
    }
    findings.extend(clock);
    for list in lists(config) {
        findings.push(list_of(
            probe(&sender, &format!("/api/lists/{list}")).await.as_ref(),
            &list,
        ));
    }
    Ok(findings)
}

async fn probe(sender: &Sender, path: &str) -> Option<Probe> {
    let route = Route::read(path);
    let probe = sender.probe(&route, SystemClock.now());
    tokio::time::timeout(PATIENCE, probe).await.ok()
}

fn scope(probe: Option<&Probe>, reads: &str, needed: &str) -> (Finding, Option<Timestamp>) {
    let Some(probe) = probe else {
        let words = format!("scopes: {reads}: no answer within 15 s; check the network");
        return (Finding::Wrong(words), None);
    };
    let finding = match klaviyos_status(&probe.outcome) {
        Some(200) => Finding::Well(format!("scopes: the key has {reads}")),
        Some(403) => Finding::Note(format!(
            "scopes: the key lacks {reads}; unless it was given {needed} alone, it lacks that too, and scopes cannot \
             be added: make a new key"
        )),
        Some(_) | None => Finding::Wrong(format!("scopes: {reads}: {}", failure(&probe.outcome))),
    };
    (finding, probe.clock)
}

/// Compares the clocks. The answer's time is a whole second between sending the request and receiving the answer.
fn skew(sent: Timestamp, there: Timestamp, answered: Timestamp) -> Finding {
    let second = Duration::from_secs(1);
    let late = sent.minus(second).since(there);
    let early = there.since(answered.plus(second));
    let off = late.max(early);
    if off <= SKEW {
        return Finding::Well("clock: as Klaviyo's, within seconds".to_owned());
    }
    let way = if late > early { "ahead of" } else { "behind" };
    Finding::Wrong(format!(
        "clock: this machine's is {} s {way} Klaviyo's; set it (timedatectl set-ntp true)",
        off.as_secs()
    ))
}

/// Every list that the configuration names.
fn lists(config: &Config) -> BTreeSet<String> {
    let mapping = &config.mapping;
    let lists = mapping.list_id.iter().chain(mapping.audience_lists.values());
    lists.cloned().collect()
}

fn list_of(probe: Option<&Probe>, list: &str) -> Finding {
    let Some(probe) = probe else {
        return Finding::Wrong(format!("lists: {list}: no answer within 15 s; check the network"));
    };
    match klaviyos_status(&probe.outcome) {
        Some(200) => {
            let body = json::from_slice(&probe.body).unwrap_or_default();
            let has = |name: &str| {
                let value = body.pointer(&format!("/data/attributes/{name}"));
                value.and_then(Value::as_str).unwrap_or("?").to_owned()
            };
            let opt_in = has("opt_in_process").replace('_', " ");
            Finding::Well(format!("lists: {list} is {:?}, {opt_in}", has("name")))
        }
        Some(404) => Finding::Wrong(format!(
            "lists: Klaviyo has no list {list}; its id is in the list's address at Klaviyo: correct mapping.list_id or \
             mapping.audience_lists"
        )),
        Some(403) => Finding::Note(format!(
            "lists: the key lacks lists:read, so whether {list} exists was not found out"
        )),
        Some(_) | None => Finding::Wrong(format!("lists: {list}: {}", failure(&probe.outcome))),
    }
}

/// The status of an answer; `None` if the answer is not Klaviyo's.
fn klaviyos_status(outcome: &Outcome) -> Option<u16> {
    outcome.http_status.filter(|_| !outcome.foreign)
}

fn failure(outcome: &Outcome) -> String {
    let error = outcome.error.as_deref().unwrap_or("no reason given");
    match outcome.http_status {
        Some(status) => format!("{status}: {error}; try again"),
        None => format!("{error}; check the network"),
    }
}

/// Checks what answers at the endpoint, and whether it accepts the key.
async fn who(sender: &Sender, url: &str) -> Finding {
    let owner = tokio::time::timeout(PATIENCE, sender.identify(SystemClock.now())).await;
    match owner {
        Ok(Remote::Account(account)) => Finding::Well(format!("klaviyo: the key is of account {account}")),
        Ok(Remote::Sandbox { refused: None }) => {
            Finding::Note(format!("klaviyo: {url} is a sandbox; NOTHING REACHES KLAVIYO"))
        }
        Ok(Remote::Narrow) => {
            Finding::Note("klaviyo: the key works; it lacks accounts:read, so its account cannot be named".to_owned())
        }
        Ok(Remote::Sandbox { refused: Some(outcome) } | Remote::Unclear(outcome)) => {
            Finding::Wrong(unclear(url, &outcome))
        }
        Err(_) => Finding::Wrong(format!("klaviyo: {url} did not answer within 15 s; check the network")),
    }
}

fn unclear(url: &str, outcome: &Outcome) -> String {
    let error = outcome.error.as_deref().unwrap_or("no reason given");
    match outcome.http_status {
        Some(status) => format!(
            "klaviyo: {url} answered {status}: {error}; check klaviyo.private_key, klaviyo.endpoint and \
             klaviyo.revision"
        ),
        None => format!("klaviyo: {url}: {error}; check klaviyo.endpoint and the network"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_reported_with_its_direction() {
        let at = |second: i64| Timestamp::from_millis(1_795_440_000_000 + second * 1000);
        let words = |sent, there, answered| match skew(at(sent), at(there), at(answered)) {
            Finding::Well(_) => "well".to_owned(),
            Finding::Note(words) | Finding::Wrong(words) => words,
        };
        // The request was sent at 0 and answered at 10: any time between is correct.
        assert_eq!(words(0, 9, 10), "well");
        assert_eq!(words(0, -6, 1), "well");
        assert!(words(0, -61, 1).starts_with("clock: this machine's is 60 s ahead of Klaviyo's"));
        assert!(words(0, 62, 1).starts_with("clock: this machine's is 60 s behind Klaviyo's"));
    }
}
