//! `demo`: shows the main job. It starts a real daemon and a sandbox, sends the examples of Segment's Klaviyo page over
//! HTTP, and prints what the sandbox received.

mod client;
mod table;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::screen::Screen;
use super::{ExitStatus, log_plainly, print};
use crate::app::App;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::model::EventStatus;
use crate::outbox::{EventReport, Outbox, Selection};
use crate::sandbox::Event;

/// The calls on the page of Segment's Klaviyo destination.
const EXAMPLES: &str = include_str!("examples.json");
/// The demonstration takes about a second, or longer on a very busy machine.
const DEADLINE: Duration = Duration::from_mins(1);
/// The expected requests for the order of the page: the order, its two products, and Serena's own event.
const MUST_HOLD: [(&str, usize); 3] = [("Item Added", 1), ("Placed Order", 1), ("Ordered Product", 2)];

/// Show the main job: send Segment's example events through a fresh daemon to a sandbox, and print what it got
///
/// Needs nothing, not even a configuration: it takes free ports on this machine, and a new folder among the temporary
/// files, which it leaves there with the outbox in it. The sandbox fails the first event request on purpose, so that a
/// retry can be seen. Exit code 1 when anything is missing at the end.
///
/// Example: klaviyo-relay demo
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Log what the daemon does: a level such as info or debug
    #[arg(long, value_name = "FILTER", default_value = "error")]
    log: String,
}

pub(super) async fn run(options: Options) -> anyhow::Result<ExitStatus> {
    log_plainly(&options.log)?;
    let folder = fresh_folder()?;
    let app = App::start(config(&folder), Arc::new(SystemClock)).await?;
    let sandbox = app.sandbox().context("the demonstration has no sandbox")?;
    let shown = show(&app, sandbox, &folder).await;
    app.stop().await;
    shown
}

async fn show(app: &App, sandbox: SocketAddr, folder: &Path) -> anyhow::Result<ExitStatus> {
    let fault = json!({"status": 503, "next": 1, "path": "/api/events"});
    let (status, answer) = client::post(sandbox, "/sandbox/faults", &fault).await?;
    ensure!(status < 300, "the sandbox did not accept the fault: {answer}");
    let examples: Vec<Value> = serde_json::from_str(EXAMPLES)?;
    for example in &examples {
        send(app.ingest, example).await?;
    }
    // Like an SDK that got no answer: it sends the same message again. It is stored once.
    send(app.ingest, &examples[3]).await?;
    settled(&app.outbox).await?;

    let reports = reports(&app.outbox).await?;
    let held = app.sandbox_snapshot().context("the demonstration has no sandbox")?;
    let mut screen = Screen::default();
    table::events(&mut screen, &reports);
    screen.end();
    table::sandbox(&mut screen, &held);
    screen.section(format_args!("The outbox is kept. Look into it:"));
    let database = folder.join("outbox.db");
    for query in [
        "select id, type, name, profile, status, deliveries from events",
        "select event_id, kind, metric, event_id_key, status, attempts from deliveries",
        "select * from audit",
    ] {
        let path = database.display();
        screen.line(format_args!("  sqlite3 -readonly -box {path} '{query}'"));
    }
    screen.line(format_args!("Then remove it: rm -r {}", folder.display()));
    print(&screen)?;
    match missing(&reports, examples.len(), &held.events) {
        None => Ok(ExitStatus::Done),
        Some(missing) => bail!("the demonstration is not complete: {missing}"),
    }
}

fn fresh_folder() -> anyhow::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("klaviyo-relay-demo-{}", uuid::Uuid::now_v7()));
    // The folder of temporary files is readable by everybody, and the outbox contains personal data, although only that
    // of the examples.
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("failed to make the folder {}", folder.display()))?;
    Ok(folder)
}

/// The shipped configuration, with free ports and a new outbox.
fn config(folder: &Path) -> Config {
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut config = Config::default();
    config.ingest.listen = free;
    config.admin.listen = free;
    config.klaviyo.sandbox_listen = free;
    config.outbox.path = folder.join("outbox.db");
    config.outbox.min_free_disk = 0;
    config
}

async fn send(ingest: SocketAddr, example: &Value) -> anyhow::Result<()> {
    let path = example["path"].as_str().context("an example has no path")?;
    let (status, answer) = client::post(ingest, path, &example["call"]).await?;
    ensure!(status == 200, "{path} was answered {status}: {answer}");
    Ok(())
}

/// Waits until no event is pending.
async fn settled(outbox: &Outbox) -> anyhow::Result<()> {
    let wait = async {
        loop {
            let wake = Arc::clone(outbox.wake());
            let notice = wake.notified();
            tokio::pin!(notice);
            notice.as_mut().enable();
            if outbox.pending().await? == 0 {
                return anyhow::Ok(());
            }
            notice.await;
        }
    };
    tokio::time::timeout(DEADLINE, wait)
        .await
        .with_context(|| format!("not everything was delivered within {} s", DEADLINE.as_secs()))?
}

async fn reports(outbox: &Outbox) -> anyhow::Result<Vec<EventReport>> {
    let mut reports = Vec::new();
    for id in outbox.select(&Selection::default()).await? {
        reports.extend(outbox.report(id).await?);
    }
    Ok(reports)
}

/// The first missing result, if any.
fn missing(reports: &[EventReport], sent: usize, events: &[Event]) -> Option<String> {
    if reports.len() != sent {
        return Some(format!("{} of {sent} events are in the outbox", reports.len()));
    }
    let undelivered = reports.iter().find(|report| report.status != EventStatus::Delivered);
    if let Some(report) = undelivered {
        return Some(format!("event {} is not delivered", report.id));
    }
    let held = |metric: &str| events.iter().filter(|event| event.metric == metric).count();
    let short = MUST_HOLD.iter().find(|(metric, count)| held(metric) != *count);
    short.map(|(metric, count)| format!("the sandbox holds {} {metric}, not {count}", held(metric)))
}
