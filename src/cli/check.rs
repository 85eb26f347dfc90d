//! `check`: is it set up right, and if not, what is to be done.

use std::fmt;
use std::time::Duration;

use super::{End, print};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{AnalyticsJs, Config, Endpoint};
use crate::delivery::Remote;
use crate::model::{Outcome, Timestamp};
use crate::outbox::{OpenError, Outbox};

/// Check the configuration, the certificate, the outbox and the key, and say how to mend what is wrong
///
/// Makes one request to Klaviyo (who owns the key), and none when the endpoint is "sandbox". The key's scopes and list
/// ids are not checked. Exit code 1 when something must be mended.
///
/// Example: klaviyo-relay check
#[derive(Debug, clap::Args)]
pub(super) struct Options {}

/// What was found: well, worth knowing, or to be mended.
enum Finding {
    Well(String),
    Note(String),
    Wrong(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well(words) => write!(f, "ok    {words}"),
            Self::Note(words) => write!(f, "note  {words}"),
            Self::Wrong(words) => write!(f, "WRONG {words}"),
        }
    }
}

pub(super) async fn run(config: Config) -> anyhow::Result<End> {
    let mut findings = vec![Finding::Well(
        "configuration: every key is known and well-formed".to_owned(),
    )];
    findings.extend(config.warnings.iter().cloned().map(Finding::Note));
    findings.extend(analytics_js(&config));
    findings.extend(certificate(&config));
    findings.push(outbox(&config).await);
    findings.push(disk(&config));
    findings.push(klaviyo(&config).await?);
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    print(&lines.join("\n"))?;
    let wrong = findings
        .iter()
        .any(|finding| matches!(finding, Finding::Wrong(_)));
    Ok(if wrong { End::Failed } else { End::Done })
}

fn analytics_js(config: &Config) -> Option<Finding> {
    let path = config.ingest.analytics_js.as_ref()?;
    Some(match AnalyticsJs::read(path) {
        Ok(script) => Finding::Well(format!(
            "analytics.js: {}, with {} parts beside it",
            path.display(),
            script.parts.len()
        )),
        Err(error) => Finding::Wrong(format!("analytics.js: {:#}", anyhow::Error::from(error))),
    })
}

fn certificate(config: &Config) -> Option<Finding> {
    config.ingest.tls.as_ref()?;
    let now = SystemClock.now();
    Some(match app::load_tls(config) {
        Ok(tls) => {
            let tls = tls?;
            let expires = tls.expires_at_ms().map(Timestamp::from_millis);
            match (app::expiry(&tls, now), expires) {
                (Some(words), Some(at)) if at <= now => Finding::Wrong(format!("tls: {words}")),
                (Some(words), _) => Finding::Note(format!("tls: {words}")),
                (None, Some(at)) => {
                    Finding::Well(format!("tls: certificate and key fit, until {at}"))
                }
                (None, None) => Finding::Well("tls: certificate and key fit".to_owned()),
            }
        }
        Err(error) => Finding::Wrong(format!("tls: {error:#}")),
    })
}

async fn outbox(config: &Config) -> Finding {
    match Outbox::attach(&config.outbox).await {
        Ok(outbox) => {
            let status = outbox.status().await;
            outbox.close().await;
            match status {
                Ok(status) => match status.audit.iter().find(|(name, _)| name == "difference") {
                    Some((_, 0)) => {
                        Finding::Well("outbox: readable, and its counts add up".to_owned())
                    }
                    Some((_, gap)) => Finding::Wrong(format!(
                        "outbox: its counts differ by {gap}; keep a copy of the file and report this"
                    )),
                    None => Finding::Wrong("outbox: the audit view has no difference".to_owned()),
                },
                Err(error) => Finding::Wrong(format!("outbox: {:#}", anyhow::Error::from(error))),
            }
        }
        Err(OpenError::Missing { path }) => Finding::Note(format!(
            "outbox: {} does not exist yet; `serve` makes it",
            path.display()
        )),
        Err(error) => Finding::Wrong(format!("outbox: {:#}", anyhow::Error::from(error))),
    }
}

fn disk(config: &Config) -> Finding {
    match crate::outbox::free_bytes(&config.outbox.path) {
        Some(free) if free < config.outbox.min_free_disk => Finding::Wrong(format!(
            "disk: {free} bytes are free, fewer than outbox.min_free_disk ({}): nothing will be accepted",
            config.outbox.min_free_disk
        )),
        Some(free) => Finding::Well(format!("disk: {} MiB free", free >> 20)),
        None => Finding::Wrong("disk: the outbox's folder does not exist; make it".to_owned()),
    }
}

async fn klaviyo(config: &Config) -> anyhow::Result<Finding> {
    let Endpoint::Url(url) = &config.klaviyo.endpoint else {
        let words = "klaviyo: the sandbox in the program; NOTHING REACHES KLAVIYO";
        return Ok(Finding::Note(words.to_owned()));
    };
    let sender = app::sender(config, None)?;
    let asked =
        tokio::time::timeout(Duration::from_secs(15), sender.identify(SystemClock.now())).await;
    Ok(match asked {
        Ok(Remote::Account(account)) => {
            Finding::Well(format!("klaviyo: the key is of account {account}"))
        }
        Ok(Remote::Sandbox { refused: None }) => Finding::Note(format!(
            "klaviyo: {url} is a sandbox; NOTHING REACHES KLAVIYO"
        )),
        Ok(Remote::Narrow) => Finding::Note(
            "klaviyo: the key works; it lacks accounts:read, so its account cannot be named"
                .to_owned(),
        ),
        Ok(
            Remote::Sandbox {
                refused: Some(outcome),
            }
            | Remote::Unclear(outcome),
        ) => Finding::Wrong(unclear(url, &outcome)),
        Err(_) => Finding::Wrong(format!(
            "klaviyo: {url} did not answer within 15 s; check the network"
        )),
    })
}

fn unclear(url: &str, outcome: &Outcome) -> String {
    let said = outcome.error.as_deref().unwrap_or("no reason given");
    match outcome.http_status {
        Some(status) => format!(
            "klaviyo: {url} answered {status}: {said}; check klaviyo.private_key, klaviyo.endpoint and \
             klaviyo.revision"
        ),
        None => format!("klaviyo: {url}: {said}; check klaviyo.endpoint and the network"),
    }
}
