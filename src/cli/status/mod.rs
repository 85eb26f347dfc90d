//! `status`: the overview on one screen.

mod text;

use std::io::IsTerminal as _;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::screen::Screen;
use super::{ExitStatus, attach, print, print_json};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Endpoint};
use crate::operator::status_json;
use crate::outbox::Reader;

/// The refresh interval of `--watch`.
const REDRAW: Duration = Duration::from_secs(2);

/// Show the state of everything: what comes in and goes out, what waits how long, who is blocked, what is dead and why
///
/// Looks at what is newest and what waits, so it takes about as long for a million events as for a thousand; `audit`
/// counts them all. Dead events are grouped by the code of their reason, with the reason of the newest as an example.
/// Subscriptions that were sent and never answered are counted too: Klaviyo may have accepted them.
///
/// Example: klaviyo-relay status --watch
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Redraw it every two seconds, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(options: &Options, config: Config) -> anyhow::Result<ExitStatus> {
    let outbox = attach(&config).await?;
    if !options.watch {
        print_one(options, &outbox, &config, false).await?;
        outbox.close().await;
        return Ok(ExitStatus::Done);
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut pace = tokio::time::interval(REDRAW);
    let clear = std::io::stdout().is_terminal();
    loop {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = pace.tick() => print_one(options, &outbox, &config, clear).await?,
        }
    }
    outbox.close().await;
    Ok(ExitStatus::Done)
}

async fn print_one(options: &Options, outbox: &Reader, config: &Config, clear: bool) -> anyhow::Result<()> {
    let now = SystemClock.now();
    let status = outbox.status(now).await?;
    let sandbox = match &config.klaviyo.endpoint {
        Endpoint::Sandbox => true,
        Endpoint::Url(url) => outbox.is_sandbox(url).await?,
    };
    if options.json {
        return print_json(&status_json(&status, &config.outbox, sandbox));
    }
    let mut screen = Screen::default();
    if clear {
        screen.clear();
    }
    text::write(&mut screen, &status, config, sandbox, now);
    print(&screen)
}
