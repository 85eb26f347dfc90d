//! Reads an archive on its own thread, checks its lines, and sends them in batches that are bounded in number and size,
//! so that memory is bounded for any file.

use std::io;
use std::path::PathBuf;

use indicatif::ProgressBar;
use tokio::sync::mpsc;

use super::lines::{Line, Lines, Place};
use super::tally::Problem;
use crate::clock::{Clock, SystemClock};
use crate::config::{IngestConfig, SourceConfig};
use crate::ingest::Archive;
use crate::model::{GarbageIds, NewEvent};

/// The maximum number of events in one commit. A larger batch would hardly be faster, and would hold the file's write
/// lock longer than is good for a running daemon.
const BATCH_EVENTS: usize = 500;
/// The same limit in bytes.
const BATCH_BYTES: usize = 2 << 20;
/// Batches that are ready while another is stored.
pub(super) const BATCHES_READY: usize = 4;

/// A part of an archive's lines, up to a position.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// In the archive's order.
    pub(super) events: Vec<NewEvent>,
    /// The problems of lines: of dead ones in `events`, and those that are not JSON.
    pub(super) problems: Vec<Problem>,
    pub(super) unreadable: Vec<Problem>,
    /// Lines in this batch.
    pub(super) lines: u64,
    /// The number of the last line in it, and the mark after it.
    pub(super) last: (u64, String),
    /// Bytes in `events`.
    bytes: usize,
    /// Lines before this batch that an earlier run has imported; in the first batch only.
    pub(super) skipped: u64,
    /// The archive could not be opened; no batch follows.
    pub(super) failed: Option<io::Error>,
    /// `--strict` found a line that cannot be accepted; no batch follows.
    pub(super) stopped: Option<Problem>,
}

/// The settings for reading an archive.
pub(super) struct Reading {
    pub(super) file: PathBuf,
    pub(super) source: SourceConfig,
    pub(super) config: IngestConfig,
    pub(super) garbage: GarbageIds,
    pub(super) strict: bool,
    pub(super) accept_unreadable_times: bool,
    pub(super) bar: ProgressBar,
}

impl Reading {
    /// Opens the archive at the remembered position; returns the number of the last line that was imported before.
    fn open(&self, before: Option<&Place>) -> io::Result<(Lines, u64)> {
        let open = || Lines::open(&self.file, self.config.max_batch_bytes, &self.bar);
        let mut lines = open()?;
        let Some((number, mark)) = before else {
            return Ok((lines, 0));
        };
        if lines.skip(*number, mark)? {
            return Ok((lines, *number));
        }
        self.bar.set_position(0);
        Ok((open()?, 0))
    }

    /// Reads to the end, or until the receiver is gone.
    pub(super) fn run(&self, before: Option<&Place>, batches: &mpsc::Sender<Batch>) {
        let mut buffer = Vec::new();
        let mut batch = Batch::default();
        let mut lines = match self.open(before) {
            Ok((lines, skipped)) => {
                batch.skipped = skipped;
                lines
            }
            Err(error) => {
                batch.failed = Some(error);
                drop(batches.blocking_send(batch));
                return;
            }
        };
        loop {
            match lines.next(&mut buffer) {
                Ok(Some(line)) => self.judge(&line, &buffer, &lines, &mut batch),
                Ok(None) => break,
                Err(error) => {
                    let what = format!("cannot be read on: {error}");
                    batch.unreadable.push(self.problem(lines.number() + 1, what));
                    break;
                }
            }
            if batch.stopped.is_some() {
                break;
            }
            if batch.events.len() >= BATCH_EVENTS || batch.bytes >= BATCH_BYTES {
                batch.last = (lines.number(), lines.mark());
                if batches.blocking_send(std::mem::take(&mut batch)).is_err() {
                    return;
                }
            }
        }
        if batch.stopped.is_none() {
            batch.last = (lines.number(), lines.mark());
        }
        // The receiver may have been interrupted.
        drop(batches.blocking_send(batch));
    }

    fn judge(&self, line: &Line, bytes: &[u8], lines: &Lines, batch: &mut Batch) {
        let (events, dead, unreadable) = match self.events(line, bytes, lines) {
            Ok(events) => {
                let dead = events.iter().find_map(|event| event.dead.as_ref());
                let dead = dead.map(|what| self.problem(lines.number(), what.text.clone()));
                (events, dead, None)
            }
            Err(what) => (Vec::new(), None, Some(self.problem(lines.number(), what))),
        };
        if self.strict && (dead.is_some() || unreadable.is_some()) {
            batch.stopped = dead.or(unreadable);
            return;
        }
        batch.bytes += bytes.len();
        batch.events.extend(events);
        batch.problems.extend(dead);
        batch.unreadable.extend(unreadable);
        batch.lines += 1;
        if self.strict {
            // The position to continue at if the next line stops the import.
            batch.last = (lines.number(), lines.mark());
        }
    }

    fn events(&self, line: &Line, bytes: &[u8], lines: &Lines) -> Result<Vec<NewEvent>, String> {
        if let Line::TooLong(long) = line {
            let limit = self.config.max_batch_bytes;
            return Err(format!(
                "has {long} bytes and may have {limit} ([ingest] max_batch_bytes); not read"
            ));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
        // A byte-order mark is not part of the text; ingest removes it too.
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let archive = Archive {
            source: &self.source,
            config: &self.config,
            garbage: &self.garbage,
            accept_unreadable_times: self.accept_unreadable_times,
        };
        let mut made_id = || format!("import-{}", lines.mark());
        archive
            .read(text, &mut made_id, SystemClock.now())
            .map_err(|error| error.to_string())
    }

    fn problem(&self, line: u64, what: String) -> Problem {
        Problem {
            file: self.file.display().to_string(),
            line,
            what,
        }
    }
}
