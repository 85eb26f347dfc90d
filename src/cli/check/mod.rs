//! `check`: is the setup correct, and if not, what has to be done.

mod klaviyo;
mod machine;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::colour::Tone;
use super::screen::Screen;
use super::{ExitStatus, print, print_json};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{AnalyticsJs, Config, DEV_WRITE_KEY, SourceConfig};
use crate::model::Timestamp;
use crate::operator::Problem;
use crate::outbox::{OpenError, Outbox, try_to_make};

/// Check the configuration, certificate, outbox, disk, ports, clock, key, scopes and lists; say how to correct errors
///
/// Asks Klaviyo a few harmless questions (who owns the key, one event, profile and list, and each configured list by
/// its id), and none when the endpoint is "sandbox". Whether a key may write cannot be found without writing, so what
/// it may not even read is reported. Exit code 1 when something must be corrected.
///
/// Example: klaviyo-relay check
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The minimum length of a key that cannot be guessed, in characters: Segment's own have 32.
const LEAST_KEY: usize = 16;

/// A result: correct, a note, or to be fixed. Its subject comes first, up to a colon.
enum Finding {
    Well(String),
    Note(String),
    Wrong(String),
}

impl Finding {
    fn parts(&self) -> (Tone, &'static str, &str) {
        match self {
            Self::Well(words) => (Tone::Good, "ok", words),
            Self::Note(words) => (Tone::Note, "note", words),
            Self::Wrong(words) => (Tone::Bad, "WRONG", words),
        }
    }

    fn write(&self, screen: &mut Screen) {
        let (tone, level, words) = self.parts();
        screen.toned(tone, format_args!("{level}"));
        screen.line(format_args!("{:1$}{words}", "", 6 - level.len()));
    }

    fn json(&self) -> Value {
        let (_, level, words) = self.parts();
        let (about, says) = words.split_once(": ").unwrap_or(("", words));
        json!({"level": level.to_lowercase(), "about": about, "says": says})
    }
}

pub(super) async fn run(options: &Options, config: Config) -> anyhow::Result<ExitStatus> {
    let mut findings = vec![Finding::Well(
        "configuration: every key is known and well-formed".to_owned(),
    )];
    findings.extend(config.warnings.iter().cloned().map(Finding::Note));
    findings.extend(analytics_js(&config));
    findings.extend(certificate(&config));
    findings.push(outbox(&config).await);
    findings.extend(machine::modes(&config));
    findings.push(machine::disk(&config));
    findings.extend(machine::durability(&config));
    findings.extend(machine::ports(&config));
    findings.push(machine::connections(&config));
    findings.extend(public_url(&config));
    findings.extend(short_keys(&config));
    findings.extend(klaviyo::findings(&config).await?);
    let wrong = findings.iter().any(|finding| matches!(finding, Finding::Wrong(_)));
    if options.json {
        let findings: Vec<Value> = findings.iter().map(Finding::json).collect();
        print_json(&json!({"well": !wrong, "findings": findings}))?;
    } else {
        let mut screen = Screen::default();
        for finding in &findings {
            finding.write(&mut screen);
        }
        print(&screen)?;
    }
    Ok(ExitStatus::of(!wrong))
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

/// Browser and mobile SDKs send to the host in their settings. Without `public_url` that is the host from which each
/// SDK requested its settings.
fn public_url(config: &Config) -> Option<Finding> {
    let listen = config.ingest.listen;
    let is_open = !listen.ip().to_canonical().is_loopback();
    (is_open && config.ingest.public_url.is_none()).then(|| {
        Finding::Note(format!(
            "settings: ingest.listen is {listen}, and browser and mobile SDKs get the host of their own request as the \
             address to send to; set ingest.public_url if there are any"
        ))
    })
}

/// Reports write keys that can be guessed: attempts are not rate limited. The shipped key is only for use on this
/// machine; where other machines reach the port, the configuration itself warns about it.
fn short_keys(config: &Config) -> Option<Finding> {
    let short = |source: &&SourceConfig| {
        let key = source.write_key.expose_secret();
        key.len() < LEAST_KEY && key != DEV_WRITE_KEY
    };
    let sources = config.ingest.sources.iter().filter(short);
    let names: Vec<&str> = sources.map(|source| &*source.name).collect();
    (!names.is_empty()).then(|| {
        Finding::Note(format!(
            "write keys: that of {} is shorter than {LEAST_KEY} characters and can be guessed; take a longer one",
            names.join(", ")
        ))
    })
}

fn certificate(config: &Config) -> Option<Finding> {
    config.ingest.tls()?;
    let now = SystemClock.now();
    Some(match app::load_tls(config) {
        Ok(tls) => {
            let tls = tls?;
            let expires = tls.expires_at_ms().map(Timestamp::from_millis);
            match (app::expiry(&tls, now), expires) {
                (Some(words), Some(at)) if at <= now => Finding::Wrong(format!("tls: {words}")),
                (Some(words), _) => Finding::Note(format!("tls: {words}")),
                (None, Some(at)) => Finding::Well(format!("tls: certificate and key fit, until {at}")),
                (None, None) => Finding::Well("tls: certificate and key fit".to_owned()),
            }
        }
        Err(error) => Finding::Wrong(format!("tls: {error:#}")),
    })
}

async fn outbox(config: &Config) -> Finding {
    match Outbox::attach(&config.outbox).await {
        Ok(outbox) => {
            let (counts, sqlite) = (outbox.counts().await, outbox.sqlite_version().await);
            let damage = outbox.damage().await.ok().flatten();
            outbox.close().await;
            let sqlite = sqlite.unwrap_or_default();
            if let Some(damage) = damage {
                let Problem { message, advice, .. } = Problem::damage(damage);
                return Finding::Wrong(format!("outbox: {message}; {advice}"));
            }
            match counts.map(|counts| counts.difference) {
                Ok(0) => Finding::Well(format!("outbox: readable by SQLite {sqlite}, and its counts add up")),
                Ok(gap) => Finding::Wrong(format!(
                    "outbox: its counts differ by {gap}; find out more with: klaviyo-relay audit; keep a backup and \
                     report this"
                )),
                Err(error) => Finding::Wrong(format!("outbox: {:#}", anyhow::Error::from(error))),
            }
        }
        Err(OpenError::Missing { path }) => match try_to_make(&path) {
            Ok(()) => Finding::Note(format!(
                "outbox: {} does not exist yet; `serve` makes it",
                path.display()
            )),
            Err(error) => Finding::Wrong(format!(
                "outbox: {} does not exist, and cannot be made: {error}; the user that runs `serve` must be allowed to \
                 write in its folder",
                path.display()
            )),
        },
        Err(error) => Finding::Wrong(format!("outbox: {:#}", anyhow::Error::from(error))),
    }
}
