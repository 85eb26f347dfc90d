//! `import`: stores events from an archive, as if they had come to ingest.
//!
//! It promises that each event is stored once, however often the command is killed and run again, in the order of the
//! archive; that a line that is not JSON affects no other line; and that memory is bounded for an archive of any size.
//! Only one batch is stored at a time: of two concurrent batches the first could have to wait, and the second would be
//! stored before it.

mod lines;
mod reading;
mod storing;
mod tally;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::screen::Screen;
use super::{ExitStatus, print, print_json};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, SourceConfig};
use crate::escape;
use crate::operator::SourceError;
use crate::outbox::{Import, OpenError, Outbox};
use lines::identity;
use reading::{BATCHES_READY, Reading};
use tally::{Problem, Tally};

/// Import archived events, as if they had come to ingest; run again, it continues where it stopped
///
/// A file has one Segment call as JSON in each line, as Segment and `RudderStack` store them in object storage; gzip
/// too. Calls pass the checks of ingest, and those that can never be delivered are stored as dead. Times are those of
/// the archive. Works while a daemon runs and without one. The events are queued behind live ones, as replays are,
/// without subscriptions older than `delivery.replay_consent_within`. Exit code 1 when a line was no JSON, or when it
/// was interrupted.
///
/// Example: klaviyo-relay import --source shop --backfill events.ndjson.gz
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(super) struct Options {
    /// Files of events, or `-` for stdin; imported in this order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The configured source the events are from; may be left out when there is only one
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Have Klaviyo record events without starting flows
    #[arg(long)]
    backfill: bool,
    /// Send subscriptions of any age too
    #[arg(long)]
    consent: bool,
    /// Take calls whose time cannot be read, as of now; otherwise they are stored as dead
    #[arg(long)]
    accept_unreadable_times: bool,
    /// Stop at the first line that cannot be accepted
    #[arg(long)]
    strict: bool,
    /// Count what would be stored, and show the first ten problems
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(options: Options, config: Config) -> anyhow::Result<ExitStatus> {
    let mut session = Session::open(options, &config).await?;
    let stopping = stop_on_signals(session.stop.clone())?;
    let mut stopped = None;
    for file in session.options.files.clone() {
        stopped = session.import(&file, &config).await?;
        if stopped.is_some() || session.stop.is_cancelled() {
            break;
        }
    }
    stopping.abort();
    session.end(stopped).await
}

/// A running import.
struct Session {
    options: Options,
    source: SourceConfig,
    how: Import,
    /// Events older than this are history.
    recent: Duration,
    /// `None` in a dry run without an outbox.
    outbox: Option<Outbox>,
    tally: Tally,
    hinted: bool,
    bar: ProgressBar,
    stop: CancellationToken,
}

impl Session {
    async fn open(options: Options, config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            source: source(config, options.source.as_deref())?,
            how: Import {
                consent: options.consent,
                backfill: options.backfill,
            },
            recent: config.delivery.replay_consent_within,
            outbox: outbox(config, options.dry_run).await?,
            tally: Tally::default(),
            hinted: false,
            bar: ProgressBar::hidden(),
            stop: CancellationToken::new(),
            options,
        })
    }

    /// Imports one file; returns the line at which `--strict` stopped.
    async fn import(&mut self, file: &Path, config: &Config) -> anyhow::Result<Option<Problem>> {
        let failed = || format!("failed to read {}", file.display());
        let key = identity(file)
            .with_context(failed)?
            .map(|identity| storing::position_key(&identity, &self.source.name));
        let before = match (&self.outbox, &key) {
            (Some(outbox), Some(key)) if !self.options.dry_run => storing::stored_position(outbox, key).await?,
            _ => None,
        };
        self.bar = bar(file)?;
        let reading = Reading {
            file: file.to_owned(),
            source: self.source.clone(),
            config: config.ingest.clone(),
            garbage: config.mapping.garbage_ids.clone(),
            strict: self.options.strict,
            accept_unreadable_times: self.options.accept_unreadable_times,
            bar: self.bar.clone(),
        };
        let (sender, mut batches) = mpsc::channel(BATCHES_READY);
        // A thread, not a task: the runtime's end would wait for a task, and a read from a terminal or a pipe may never
        // end.
        let reader = std::thread::spawn(move || reading.run(before.as_ref(), &sender));
        let (mut reached, mut stopped, mut ended) = (None, None, false);
        while let Some(received) = self.stop.run_until_cancelled(batches.recv()).await {
            let Some(mut batch) = received else {
                ended = true;
                break;
            };
            if let Some(error) = batch.failed {
                return Err(anyhow::Error::from(error).context(failed()));
            }
            self.report_skipped(file, batch.skipped);
            stopped = batch.stopped.take();
            if !self.take(batch, key.as_deref(), &mut reached).await? {
                break;
            }
        }
        if let Some(outbox) = self.outbox.as_ref().filter(|_| !self.options.dry_run) {
            storing::store_position(outbox, key.as_deref(), reached).await?;
        }
        if ended && reader.join().is_err() {
            bail!("reading {} panicked; please report this", file.display());
        }
        self.bar.finish_and_clear();
        Ok(stopped)
    }

    async fn end(mut self, stopped: Option<Problem>) -> anyhow::Result<ExitStatus> {
        if let Some(outbox) = self.outbox.take() {
            outbox.close().await;
        }
        let (dry_run, interrupted) = (self.options.dry_run, self.stop.is_cancelled());
        if self.options.json {
            if let Some(problem) = &stopped {
                self.tally.note(problem);
            }
            print_json(&self.tally.json(dry_run, interrupted))?;
        } else {
            let mut screen = Screen::default();
            self.tally.write(&mut screen, dry_run);
            print(&screen)?;
        }
        if let Some(problem) = stopped {
            bail!("{problem}; with --strict nothing behind it was read");
        }
        if interrupted {
            bail!("interrupted; the same command continues from here");
        }
        Ok(ExitStatus::of(self.tally.unreadable == 0))
    }

    fn report_skipped(&mut self, file: &Path, skipped: u64) {
        self.tally.skipped += skipped;
        if skipped > 0 {
            let file = file.display();
            self.print(&format!("{file}: the first {skipped} lines were imported before"));
        }
    }

    /// Prints a message on stderr, above the progress bar.
    fn print(&self, words: &str) {
        self.bar.suspend(|| {
            // A write error is ignored: stderr may be closed, and the final counts include everything.
            drop(writeln!(std::io::stderr(), "{}", escape::text(words)));
        });
    }
}

/// The source of this name, or the only configured one.
fn source(config: &Config, name: Option<&str>) -> anyhow::Result<SourceConfig> {
    match (name, &*config.ingest.sources) {
        (Some(name), sources) => {
            let found = sources.iter().find(|source| source.name == name).cloned();
            found.ok_or_else(|| SourceError::unknown(name, &config.ingest).into())
        }
        (None, [source]) => Ok(source.clone()),
        (None, sources) => {
            let names: Vec<&str> = sources.iter().map(|source| &*source.name).collect();
            bail!(
                "name the source of the events, one of [[ingest.sources]]: --source {}",
                names.join(" or --source ")
            )
        }
    }
}

/// Opens the outbox, and creates it if there is none; a dry run creates none.
async fn outbox(config: &Config, dry_run: bool) -> anyhow::Result<Option<Outbox>> {
    match Outbox::attach(&config.outbox).await {
        Ok(outbox) => Ok(Some(outbox)),
        Err(OpenError::Missing { .. }) if dry_run => Ok(None),
        Err(OpenError::Missing { .. }) => {
            let made = Outbox::open(&config.outbox, SystemClock.now()).await?;
            made.close().await;
            Ok(Some(Outbox::attach(&config.outbox).await?))
        }
        Err(error) => Err(error.into()),
    }
}

/// Bytes, rate and time left, if stderr is a terminal; otherwise hidden.
fn bar(file: &Path) -> anyhow::Result<ProgressBar> {
    let file_there = std::fs::metadata(file).ok();
    let size = file_there.filter(std::fs::Metadata::is_file).map(|file| file.len());
    let template = if size.is_none() {
        "{msg} {bytes} {bytes_per_sec}"
    } else {
        "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} left"
    };
    let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr());
    let name = escape::text(&file.display().to_string()).into_owned();
    Ok(bar
        .with_message(name)
        .with_style(ProgressStyle::with_template(template)?))
}

/// SIGINT and SIGTERM end the import after the batch that is being stored.
fn stop_on_signals(stop: CancellationToken) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        stop.cancel();
    }))
}
