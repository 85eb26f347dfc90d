//! Calls from an archive, line by line: the same checks as for calls that arrive, by the times they were archived with.
//!
//! A line is a call, as Segment's and RudderStack's object storage keeps it; the body of a batch; or a line of
//! RudderStack's own archive, which has such a body in `payload` (rudder-server, `archiver/worker.go`). Pure.

use serde_json::value::RawValue;

use super::accept::{Came, Reader, Rules};
use super::batch::{self, Batch, Fields};
use super::time;
use crate::config::{IngestConfig, SourceConfig};
use crate::model::{GarbageIds, NewEvent, Timestamp};
use crate::segment::readable;

/// What archived calls are read by.
#[derive(Debug, Clone, Copy)]
pub struct Archive<'a> {
    /// The source that they are stored under.
    pub source: &'a SourceConfig,
    /// The limits.
    pub config: &'a IngestConfig,
    /// The ids that identify nobody (`[mapping]`).
    pub garbage: &'a GarbageIds,
}

/// A line that is not JSON at all: nothing of it can be kept.
#[derive(Debug, thiserror::Error)]
#[error("not JSON: {0}")]
pub struct NotJson(String);

impl Archive<'_> {
    /// The calls of a line, in order; those that can never be delivered say so in `refused`. A call without a
    /// `messageId` gets `made_id`, and where a line has several, their number in it behind.
    pub fn read(
        &self,
        line: &str,
        made_id: &mut dyn FnMut() -> String,
        now: Timestamp,
    ) -> Result<Vec<NewEvent>, NotJson> {
        let whole: &RawValue = serde_json::from_str(line).map_err(|error| {
            let what = batch::detail(&error);
            // A line is its caller's to number.
            NotJson(what.replace(" at line 1 column ", " at column "))
        })?;
        let fields = batch::fields(whole.get()).unwrap_or_default();
        let body = unwrapped(&fields).unwrap_or(whole.get());
        let batch = if fields.contains_key("type") {
            Batch::default()
        } else {
            Batch::read(body).unwrap_or_default()
        };
        let mut number = 0;
        let mut numbered = || {
            number += 1;
            if number == 1 {
                made_id()
            } else {
                format!("{}-{number}", made_id())
            }
        };
        let mut reader = Reader {
            source: self.source,
            rules: Rules {
                config: self.config,
                garbage: self.garbage,
            },
            now,
            // One that cannot be read is none: the calls are worth more than what surrounds them.
            envelope: batch.envelope().ok().flatten(),
            batch_sent_at: batch.sent_at(),
            came: Came::FromArchive {
                received_at: received_at(&batch.fields),
            },
            new_id: &mut numbered,
        };
        Ok(match batch.items {
            Some(calls) => calls.iter().map(|call| reader.kept(call.get())).collect(),
            None => vec![reader.kept(body)],
        })
    }
}

/// The `payload` of a line that is no call itself.
fn unwrapped<'a>(fields: &Fields<'a>) -> Option<&'a str> {
    if fields.contains_key("type") || fields.contains_key("batch") {
        return None;
    }
    let payload = fields.get("payload")?.get();
    payload.starts_with('{').then_some(payload)
}

fn received_at(fields: &Fields<'_>) -> Option<Timestamp> {
    let text = fields.get("receivedAt")?.get();
    time::parse(&serde_json::from_str(&readable(text)).ok()?)
}
