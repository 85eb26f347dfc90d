//! `export`: prints events with their calls, one line of JSON each, in a form that `import` can read.
//!
//! It promises bounded memory for an export of any size, and that a file is complete and on disk when it is reported as
//! done.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::filter::{FilterOptions, events};
use super::{ExitStatus, UsageError, attach, print_json, print_line};
use crate::clock::{Clock as _, SystemClock};
use crate::config::Config;
use crate::model::{EventId, EventStatus};
use crate::operator::exported_line;
use crate::outbox::Reader;

/// Write events as NDJSON, each with its call as received, so that `import` can read them
///
/// Filters combine: an event must meet all that are given; without one all are exported. Events whose call is gone
/// (erased, or deleted by retention) are left out, and write keys in calls are masked. Holds personal data, whole: the
/// file is readable by its owner alone. Line breaks inside a call become spaces. Imported again, an event keeps its
/// message id and its times, and is sent again, whatever its status was.
///
/// Example: klaviyo-relay export --since yesterday --output events.ndjson.gz
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    filter: FilterOptions,
    /// Write to this file, which must not exist, instead of stdout; compressed when it ends in .gz
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(options: &Options, config: Config) -> anyhow::Result<ExitStatus> {
    let all = EventStatus::ALL;
    let outbox = attach(&config).await?;
    let filter = &options.filter.filter;
    filter.check_source(&config.ingest, &outbox).await?;
    if options.filter.dry_run {
        let found = filter.find(&outbox, all, SystemClock.now()).await?;
        outbox.close().await;
        return options.filter.report(&found, "exported");
    }
    let Some(file) = &options.output else {
        if options.filter.json {
            let words = "the events themselves are JSON; --json is for the summary, with --output or --dry-run";
            return Err(UsageError(words).into());
        }
        let mut out = io::stdout().lock();
        write_all(options, &outbox, &mut out).await?;
        out.flush()?;
        outbox.close().await;
        return Ok(ExitStatus::Done);
    };
    let count = to_file(options, &outbox, file).await;
    outbox.close().await;
    let count = count?;
    if options.filter.json {
        print_json(&json!({"dry_run": false, "count": count, "file": file}))?;
    } else {
        print_line(format_args!("{} exported to {}", events(count), file.display()))?;
    }
    Ok(ExitStatus::Done)
}

async fn to_file(options: &Options, outbox: &Reader, path: &Path) -> anyhow::Result<usize> {
    let failed = || format!("failed to write {}", path.display());
    let mut new = OpenOptions::new();
    let new = new.write(true).create_new(true).mode(0o600);
    let file = new.open(path).with_context(failed)?;
    let written = async {
        let out = BufWriter::new(file);
        let (count, file) = if path.extension().is_some_and(|end| end == "gz") {
            let mut gzip = GzEncoder::new(out, Compression::default());
            let count = write_all(options, outbox, &mut gzip).await?;
            (count, gzip.finish()?)
        } else {
            let mut out = out;
            (write_all(options, outbox, &mut out).await?, out)
        };
        let file: File = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        anyhow::Ok(count)
    };
    let count = written.await.with_context(failed);
    if count.is_err() {
        // Removes the incomplete file: it could be mistaken for a complete one.
        drop(std::fs::remove_file(path));
    }
    count
}

async fn write_all(options: &Options, outbox: &Reader, out: &mut impl Write) -> anyhow::Result<usize> {
    let selection = options.filter.filter.selection(EventStatus::ALL, SystemClock.now());
    // By event number; hidden unless stderr is a terminal.
    let bar = ProgressBar::new(u64::try_from(outbox.newest().await?.0).unwrap_or(0));
    let bar = bar.with_style(ProgressStyle::with_template(
        "events {wide_bar} {pos}/{len} {eta} left",
    )?);
    let (mut after, mut count) = (EventId(0), 0);
    loop {
        let events = outbox.export(&selection, after).await?;
        let Some(last) = events.last() else {
            break;
        };
        after = last.id;
        for event in &events {
            out.write_all(exported_line(event).as_bytes())?;
        }
        count += events.len();
        bar.set_position(u64::try_from(after.0).unwrap_or(0));
    }
    bar.finish_and_clear();
    Ok(count)
}
