//! Takes in a call that an operator typed: checked by ingest's own code, and refused for what ingest refuses.

use serde::de::IgnoredAny;

use super::settings::ExplainSettings;
use crate::clock::Clock;
use crate::ingest;
use crate::model::EventId;
use crate::outbox::{AppendError, Outbox, ReadError, Selection};

/// Where a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The event that it is.
    pub event: EventId,
    /// Whether it was stored before, under the same message id: then nothing is stored now.
    pub known: bool,
}

/// Why a call was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// It is no JSON.
    #[error("the call is not JSON")]
    Json(#[source] serde_json::Error),
    /// No source has this name.
    #[error("no source has this name; [[ingest.sources]] lists them")]
    NoSource,
    /// Ingest answers 400 to it: the code and the sentence.
    #[error("{0}")]
    Refused(String),
    /// It could not be stored.
    #[error("failed to store the call")]
    Store(#[source] AppendError),
    /// What is stored could not be read.
    #[error("failed to find the stored call")]
    Read(#[source] ReadError),
    /// It was stored once, and is no longer kept.
    #[error(
        "a call with this messageId was taken before, and is no longer kept; give it another messageId"
    )]
    Gone,
    /// Its `messageId` is another call's.
    #[error(
        "another call was taken before with this messageId; give this one a messageId of its own"
    )]
    Other,
}

/// Stores a call as one of this source that arrives now.
pub async fn take(
    call: &str,
    source: &str,
    settings: &ExplainSettings,
    outbox: &Outbox,
    clock: &dyn Clock,
) -> Result<Taken, TakeError> {
    serde_json::from_str::<IgnoredAny>(call).map_err(TakeError::Json)?;
    let source = settings.source(source).ok_or(TakeError::NoSource)?;
    let garbage = &settings.mapping().garbage_ids;
    let event = ingest::typed(call, source, settings.ingest(), garbage, clock);
    if let Some(reason) = event.refused {
        return Err(TakeError::Refused(reason));
    }
    let (source, message_id) = (event.source.clone(), event.message_id.clone());
    let known = outbox.known(&source, std::slice::from_ref(&event)).await;
    let is_copy = known.map_err(TakeError::Read)?.contains(&true);
    let stored = async || {
        let found = outbox.event_of_message(&source, &message_id).await;
        found.map_err(TakeError::Read)
    };
    if let Some(event) = stored().await? {
        if !is_copy {
            return Err(TakeError::Other);
        }
        // Message ids are known longer than events are kept.
        let there = outbox.briefs(&Selection::of(vec![event]), 1).await;
        let there = there.map_err(TakeError::Read)?;
        let taken = Taken { event, known: true };
        return if there.is_empty() {
            Err(TakeError::Gone)
        } else {
            Ok(taken)
        };
    }
    let appended = outbox.append(vec![event]).await;
    appended.map_err(TakeError::Store)?;
    let event = stored().await?.ok_or(TakeError::Gone)?;
    Ok(Taken {
        event,
        known: false,
    })
}
