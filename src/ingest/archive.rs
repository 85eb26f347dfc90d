//! Calls from an archive, line by line: the same checks as for calls that arrive, with the times of the archive.
//!
//! A line is one of these: a call, as Segment's and RudderStack's object storage keeps it; the body of a batch; or a
//! line of RudderStack's own archive, which has such a body in `payload` (rudder-server, `archiver/worker.go`). The
//! relay's own export writes the body of a batch too, with [`EXPORTED`] next to the call. Pure.

use serde_json::value::RawValue;

use super::accept::{ArrivalMode, Reader, Rules};
use super::batch::{self, Batch, EXPORTED, Fields};
use super::time;
use crate::config::{IngestConfig, SourceConfig};
use crate::model::{EventType, GarbageIds, NewEvent, Timestamp};
use crate::segment::repair_surrogates;

/// The settings for reading archived calls.
#[derive(Debug, Clone, Copy)]
pub struct Archive<'a> {
    /// The source that they are stored under.
    pub source: &'a SourceConfig,
    /// The limits.
    pub config: &'a IngestConfig,
    /// The ids that identify nobody (`[mapping]`).
    pub garbage: &'a GarbageIds,
    /// Whether a call is accepted whose own time cannot be read. It gets the time of its import.
    pub accept_unreadable_times: bool,
}

/// A line that is not JSON at all: nothing of it can be stored.
#[derive(Debug, thiserror::Error)]
#[error("not JSON: {0}")]
pub struct NotJson(String);

impl Archive<'_> {
    /// The calls of a line, in order; those that can never be delivered have the reason in `dead`. A call without a
    /// `messageId` gets `made_id`; where a line has several calls, their number is appended to it.
    pub fn read(
        &self,
        line: &str,
        made_id: &mut dyn FnMut() -> String,
        now: Timestamp,
    ) -> Result<Vec<NewEvent>, NotJson> {
        let whole: &RawValue = serde_json::from_str(line).map_err(|error| {
            let what = batch::detail(&error);
            // The caller numbers the lines.
            NotJson(what.replace(" at line 1 column ", " at column "))
        })?;
        let fields = batch::fields(whole.get()).unwrap_or_default();
        let body = inner_payload(&fields).unwrap_or(whole.get());
        let batch = if fields.has("type") {
            Batch::default()
        } else {
            Batch::read(body, usize::MAX).unwrap_or_default()
        };
        let exported = exported(&batch.fields);
        let mut number = 0;
        let mut numbered = || {
            if let Some(id) = exported.as_ref().and_then(|exported| exported.message_id.clone()) {
                return id;
            }
            number += 1;
            if number == 1 {
                made_id()
            } else {
                format!("{}-{number}", made_id())
            }
        };
        let rules = Rules {
            config: self.config,
            garbage: self.garbage,
        };
        let mut reader = Reader {
            // An unreadable envelope is dropped: the calls are worth more than what surrounds them.
            envelope: batch.envelope().ok().flatten(),
            batch_sent_at: batch.sent_at(),
            mode: ArrivalMode::Archive {
                received_at: received_at(&batch.fields),
                accept_unreadable_times: self.accept_unreadable_times || exported.is_some(),
            },
            ..Reader::new(self.source, rules, now, &mut numbered)
        };
        let mut events: Vec<NewEvent> = match batch.items {
            Some(calls) => {
                let kind = exported.as_ref().and_then(|exported| exported.kind);
                let items = calls.iter().map(|call| reader.read_item_as(call.get(), kind));
                items.collect()
            }
            None => vec![reader.read_item(body)],
        };
        if let Some(at) = exported.and_then(|exported| exported.at) {
            for event in &mut events {
                event.at = at;
            }
        }
        Ok(events)
    }
}

/// The `payload` of a line that is not itself a call.
fn inner_payload<'a>(fields: &Fields<'a>) -> Option<&'a str> {
    if fields.has("type") || fields.has("batch") {
        return None;
    }
    let payload = fields.get("payload")?.get();
    payload.starts_with('{').then_some(payload)
}

/// What the relay's own export records about its one call, in case the call itself does not contain it.
struct Exported {
    kind: Option<EventType>,
    message_id: Option<String>,
    at: Option<Timestamp>,
}

fn exported(fields: &Fields<'_>) -> Option<Exported> {
    let fields = batch::fields(fields.get(EXPORTED)?.get()).ok()?;
    let kind = batch::string(&fields, "type");
    Some(Exported {
        kind: kind.and_then(|word| EventType::from_word(&word)),
        message_id: batch::string(&fields, "messageId"),
        at: time_of(&fields, "at"),
    })
}

fn received_at(fields: &Fields<'_>) -> Option<Timestamp> {
    time_of(fields, "receivedAt")
}

fn time_of(fields: &Fields<'_>, name: &str) -> Option<Timestamp> {
    let text = fields.get(name)?.get();
    time::parse(&crate::json::from_str(&repair_surrogates(text)).ok()?)
}
