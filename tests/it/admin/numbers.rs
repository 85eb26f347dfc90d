//! `/metrics`: the names that the manual promises, in a form that Prometheus' own checker takes, at the cost of a few
//! look-ups.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use klaviyo_relay::clock::{Clock as _, SystemClock};
use klaviyo_relay::metrics::Metrics;
use serde_json::json;

use super::document::lived_in;
use crate::docs::{Page, assert_is_generated};
use crate::support::{Daemon, Klaviyo, require};

/// The page of the manual that lists them.
const METRICS: &str = "docs/reference/metrics.md";

/// How that page begins.
const HEAD: &str = "# Metrics

<!-- Generated from the program's metrics by a test: change their help texts in src/metrics. -->

`GET /metrics` on the [admin port](admin-port.md) answers in Prometheus' text format, or as OpenMetrics where that is asked
for. Names, labels and kinds are a contract. Counters and histograms begin at 0 with each start of the process. A scrape
reads a few rows by look-ups, however many events are kept. Label values are words of the program; `source` is a name from
the configuration. [Alerts](../operate/alerts.md) has rules that use them.

## Every metric

| metric | labels | kind | meaning |
|---|---|---|---|
";

/// Name, labels and kind.
type Family = (String, String);

/// The families of a text in format 0.0.4: their labels and kinds by name.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut kinds = BTreeMap::new();
    let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            kinds.insert(name.to_owned(), kind.to_owned());
        } else if !line.starts_with('#') {
            let series = line.rsplit_once(' ').unwrap().0;
            let (name, inside) = series.split_once('{').unwrap_or((series, "}"));
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
                let base = name.strip_suffix(end)?;
                kinds.contains_key(base).then_some(base)
            });
            let keys = inside
                .trim_end_matches('}')
                .split("\",")
                .filter_map(|pair| pair.split('=').next());
            let keys = keys.filter(|key| !key.is_empty() && *key != "le");
            let known = labels.entry(base.unwrap_or(name).to_owned()).or_default();
            known.extend(keys.map(str::to_owned));
        }
    }
    let family = |(name, kind): (String, String)| {
        let keys = labels.get(&name).unwrap_or_else(|| panic!("{name} has no series"));
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        (name, (keys.join(", "), kind))
    };
    kinds.into_iter().map(family).collect()
}

/// The text of a process that has counted nothing, with a series of each metric.
fn fresh() -> String {
    let metrics = Metrics::new(SystemClock.now(), ["shop"]);
    metrics.create_series(["shop"], &["missing_type"], []);
    metrics.text()
}

#[test]
fn the_manual_lists_the_metrics_that_there_are() {
    let text = fresh();
    let helps: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '))
        .collect();
    let families = families(&text);
    assert!(families.len() >= 30, "only {} metrics", families.len());
    let mut page = HEAD.to_owned();
    for (name, (labels, kind)) in &families {
        let meaning = helps[name.as_str()].trim_end_matches('.');
        assert!(meaning.len() > 10, "{name} has no meaning");
        let labels = match labels.as_str() {
            "" => "–".to_owned(),
            labels => format!("`{}`", labels.replace(", ", "`, `")),
        };
        let row = ["| `", name, "` | ", &labels, " | ", kind, " | ", meaning, " |\n"];
        page.extend(row);
    }
    assert_is_generated(METRICS, &page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_in_use_has_metrics_that_promtool_accepts() {
    let klaviyo = Klaviyo::start().await;
    let daemon = lived_in(&klaviyo).await;
    daemon
        .send(
            "/v1/track",
            &json!({"type": "track", "userId": "u9", "event": "e", "messageId": "late"}),
        )
        .await;
    daemon
        .post("/v1/track", &json!({"type": "track", "event": "nobody"}))
        .await;
    let text = crate::support::eventually("the late event is delivered", || async {
        let text = scrape(&daemon, "*/*").await;
        let counted = "klaviyo_relay_deliveries_total{kind=\"event\",status=\"delivered\"} 2";
        let kept = "klaviyo_relay_events{status=\"delivered\"} 3";
        [counted, kept].iter().all(|line| text.contains(line)).then_some(text)
    })
    .await;
    for line in [
        "klaviyo_relay_ingest_requests_total{status=\"200\",code=\"ok\"} 2",
        "klaviyo_relay_ingest_requests_total{status=\"400\",code=\"no_user_anon_id\"} 1",
        "klaviyo_relay_ingest_events_total{source=\"shop\",type=\"track\",answer=\"stored\"} 5",
        "klaviyo_relay_ingest_events_total{source=\"shop\",type=\"track\",answer=\"dead\"} 1",
        "klaviyo_relay_deliveries_total{kind=\"event\",status=\"delivered\"} 2",
        "klaviyo_relay_deliveries_total{kind=\"event\",status=\"rejected\"} 1",
        "klaviyo_relay_deliveries_total{kind=\"profile\",status=\"delivered\"} 1",
        "klaviyo_relay_events_finished_total{status=\"skipped\",reason=\"type_not_mapped\"} 1",
        "klaviyo_relay_events_finished_total{status=\"dead\",reason=\"klaviyo_400\"} 1",
        "klaviyo_relay_ingest_dead_total{source=\"shop\",reason=\"no_user_anon_id\"} 1",
        "klaviyo_relay_attempts_total{outcome=\"retry\"} 1",
        "klaviyo_relay_attempts_total{outcome=\"refused\"} 1",
        "klaviyo_relay_klaviyo_requests_total{family=\"event\",status=\"5xx\"} 1",
        "klaviyo_relay_time_to_delivery_seconds_count 3",
        "klaviyo_relay_events{status=\"held\"} 1",
        "klaviyo_relay_delivery_state{state=\"flowing\"} 1",
        "klaviyo_relay_sandbox 1",
        "klaviyo_relay_accepting 1",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} in\n{text}");
    }
    let open = scrape(&daemon, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
    assert!(open.ends_with("# EOF\n"), "{open}");
    promtool(&text);
}

/// An intake that finds nothing once was a reason for the next one, and an idle daemon never slept.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_daemon_does_not_look_for_work_again_and_again() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    let event = json!({"type": "track", "userId": "u", "event": "e", "messageId": "m"});
    daemon.send("/v1/track", &event).await;
    daemon.settled().await;
    let looks = || async {
        let text = scrape(&daemon, "*/*").await;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("klaviyo_relay_looks_for_work_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    let before = looks().await;
    let mut after = before;
    for _ in 0..100 {
        after = looks().await;
    }
    assert!(before > 0);
    assert!(after - before < 10, "{} looks during 100 scrapes", after - before);
}

async fn scrape(daemon: &Daemon, accept: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client
        .get(format!("http://{}/metrics", daemon.admin))
        .header("accept", accept);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    answer.text().await.unwrap()
}

/// Prometheus' own checker, with its opinions on names.
fn promtool(text: &str) {
    if let Some(output) = checked_by_promtool(&["check", "metrics"], text) {
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn the_alerts_of_the_manual_are_rules_about_metrics_that_there_are() {
    let rules = Page::read("docs/operate/alerts.md").blocks("yaml").remove(0);
    let rules = rules.as_str();
    let reference = Page::read(METRICS).text;
    let metrics = families(&fresh());
    let names = rules.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: BTreeSet<&str> = names.filter(|name| name.starts_with("klaviyo_relay_")).collect();
    assert!(names.len() >= 5, "only {names:?}");
    for name in names {
        assert!(metrics.contains_key(name), "there is no {name}");
    }
    for (metric, labels) in selectors(rules) {
        let row = format!("| `{metric}` | ");
        let row = reference.lines().find(|line| line.starts_with(&row)).unwrap();
        for label in labels {
            assert!(row.contains(&format!("`{label}`")), "{metric} has no label {label}");
        }
    }
    let output = checked_by_promtool(&["check", "rules", "/dev/stdin"], rules);
    if let Some(output) = output {
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("8 rules found"),
            "{output:?}"
        );
    }
}

/// The metrics of ours that rules select by their labels, each with these.
fn selectors(rules: &str) -> Vec<(String, Vec<String>)> {
    let ours = rules.split("klaviyo_relay_").skip(1);
    let selector = |text: &str| {
        let (name, rest) = text.split_once('{')?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (labels, _) = rest.split_once('}')?;
        let label = |pair: &str| pair.split(['=', '!']).next().unwrap().to_owned();
        let labels = labels.split(',').map(label).collect();
        name.chars()
            .all(plain)
            .then(|| (format!("klaviyo_relay_{name}"), labels))
    };
    let found: Vec<_> = ours.filter_map(selector).collect();
    assert!(found.len() >= 4, "only {found:?}");
    found
}

fn checked_by_promtool(arguments: &[&str], text: &str) -> Option<Output> {
    let started = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = require("promtool (Debian's package prometheus)", started.ok())?;
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(output)
}
