//! Submits a call that an operator entered: ingest's own code checks it.

use serde::de::IgnoredAny;

use super::edited;
use super::explain::Explanation;
use super::settings::ExplainSettings;
use crate::clock::Clock;
use crate::ingest;
use crate::model::{EventId, Identifier, NewEvent};
use crate::outbox::{AppendError, Intake, ReadError, Reader};
use crate::scheduler;
use crate::segment::CallError;

/// The event that a submitted call became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Submitted {
    /// The event's number.
    pub event: EventId,
    /// Whether it was stored before, under the same message id: then nothing is stored now.
    pub known: bool,
}

/// A preview of a submission.
#[derive(Debug)]
pub struct SubmitPreview {
    /// What it becomes, by the rules of its source.
    pub explanation: Explanation,
    /// Everybody it may be about.
    pub people: Vec<Identifier>,
}

/// Why a call was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The call is not JSON.
    #[error("the call is not JSON")]
    Json(#[source] serde_json::Error),
    /// No source has this name.
    #[error("no source has this name; [[ingest.sources]] lists them")]
    NoSource,
    /// Ingest answers 400 to it: the code and the sentence.
    #[error("{0}")]
    Rejected(String),
    /// The call passed ingest's checks and still cannot be read.
    #[error("the call cannot be read")]
    Call(#[source] CallError),
    /// The call could not be stored.
    #[error("failed to store the call")]
    Store(#[source] AppendError),
    /// The stored event could not be read.
    #[error("failed to find the stored call")]
    Read(#[source] ReadError),
    /// An event with this message id was stored before, and was deleted since.
    #[error("a call with this messageId was accepted before, and is no longer kept; give it another messageId")]
    Gone,
    /// The `messageId` belongs to another call.
    #[error("another call was accepted before with this messageId; give this one a messageId of its own")]
    Other,
}

/// Previews [`submit`]: makes the same checks and stores nothing.
pub fn preview_submit(
    call: &str,
    source: &str,
    copy_of: Option<EventId>,
    settings: &ExplainSettings,
    clock: &dyn Clock,
) -> Result<SubmitPreview, SubmitError> {
    let event = event_of(call, source, copy_of, settings, clock)?;
    let rules = settings.rules_of(source);
    let explained = scheduler::explain(&event, &rules, settings.mapping()).map_err(SubmitError::Call)?;
    Ok(SubmitPreview {
        explanation: explained.into(),
        people: event.identifiers,
    })
}

/// The event of a call that arrives now from this source.
fn event_of(
    call: &str,
    source: &str,
    copy_of: Option<EventId>,
    settings: &ExplainSettings,
    clock: &dyn Clock,
) -> Result<NewEvent, SubmitError> {
    serde_json::from_str::<IgnoredAny>(call).map_err(SubmitError::Json)?;
    let source = settings.source(source).ok_or(SubmitError::NoSource)?;
    let garbage = &settings.mapping().garbage_ids;
    let id = copy_of.map(|of| edited::message_id(of, call));
    let event = ingest::submitted(call, source, settings.ingest(), garbage, clock, id.as_deref());
    match event.dead {
        Some(reason) => Err(SubmitError::Rejected(reason.text)),
        None => Ok(event),
    }
}

/// Stores a call as one of this source that arrives now. An edited copy of an event, without a `messageId` of its own,
/// gets one that [`super::edited_from`] can read.
pub async fn submit(
    call: &str,
    source: &str,
    copy_of: Option<EventId>,
    settings: &ExplainSettings,
    (outbox, intake): (&Reader, &Intake),
    clock: &dyn Clock,
) -> Result<Submitted, SubmitError> {
    let event = event_of(call, source, copy_of, settings, clock)?;
    let (source, message_id) = (event.source.clone(), event.message_id.clone());
    let known = outbox.known(&source, std::slice::from_ref(&event)).await;
    let is_copy = known.map_err(SubmitError::Read)?.contains(&true);
    let stored = async || {
        let found = outbox.event_of_message(&source, &message_id).await;
        found.map_err(SubmitError::Read)
    };
    if let Some(event) = stored().await? {
        if !is_copy {
            return Err(SubmitError::Other);
        }
        // Message ids are remembered longer than events are stored.
        let there = outbox.briefs_of(&[event]).await;
        let there = there.map_err(SubmitError::Read)?;
        let submitted = Submitted { event, known: true };
        return if there.is_empty() {
            Err(SubmitError::Gone)
        } else {
            Ok(submitted)
        };
    }
    let appended = intake.append(vec![event]).await;
    appended.map_err(SubmitError::Store)?;
    let event = stored().await?.ok_or(SubmitError::Gone)?;
    Ok(Submitted { event, known: false })
}
