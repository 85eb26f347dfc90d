//! What a call becomes, before it is sent: the same functions parse, check and map it as at ingest and in the relay.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::IgnoredAny;

use super::settings::ExplainSettings;
use super::stored_call::RequestView;
use crate::ingest;
use crate::mapper::Mapped;
use crate::model::{EventType, Right, Side, SourceRules, Timestamp};
use crate::scheduler::{self, Explained};
use crate::segment::CallError;

/// What a call becomes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Explained")]
pub enum Explanation {
    /// Ingest would reject it: alone it is answered 400, in a batch it is kept as dead.
    Rejected {
        /// The type of the call, if it has one.
        #[serde(rename = "type")]
        kind: Option<EventType>,
        /// Why.
        refused: String,
        /// The code of that reason.
        reason_code: Cow<'static, str>,
    },
    /// Nothing is sent.
    Skipped {
        /// The type of the call.
        #[serde(rename = "type")]
        kind: EventType,
        /// The side that it is mapped as.
        side: Side,
        /// Why.
        skipped: String,
        /// The code of that reason.
        reason_code: &'static str,
    },
    /// Requests are sent.
    Requests {
        /// The type of the call.
        #[serde(rename = "type")]
        kind: EventType,
        /// The side that it is mapped as.
        side: Side,
        /// Its requests.
        #[schemars(length(min = 1))]
        requests: Vec<RequestView>,
    },
}

/// Why there is nothing to explain.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The call is not JSON.
    #[error("the call is not JSON; send one Segment call with its `type`")]
    Json(#[source] serde_json::Error),
    /// The call passed ingest's checks and still cannot be read.
    #[error("the call cannot be read")]
    Call(#[source] CallError),
}

/// Maps a call that is received at `now`. `side` overrides the side; otherwise the call's library decides. Deletions
/// are allowed, because the source of the call is not known.
pub fn explain(
    call: &str,
    side: Option<Side>,
    settings: &ExplainSettings,
    now: Timestamp,
) -> Result<Explanation, ExplainError> {
    serde_json::from_str::<IgnoredAny>(call).map_err(ExplainError::Json)?;
    let (ingest, mapping) = (settings.ingest(), settings.mapping());
    let mut event = ingest::preview(call, ingest, &mapping.garbage_ids, now);
    if event.message_id.is_empty() {
        "made-at-ingest".clone_into(&mut event.message_id);
    }
    if let Some(reason) = event.dead {
        let kind = event.kind;
        return Ok(Explanation::Rejected {
            kind,
            refused: reason.text,
            reason_code: reason.code,
        });
    }
    let allow = vec![Right::Delete];
    let explained = scheduler::explain(&event, &SourceRules { side, allow }, mapping).map_err(ExplainError::Call)?;
    Ok(explained.into())
}

impl From<Explained> for Explanation {
    fn from(explained: Explained) -> Self {
        let Explained { kind, side, mapped } = explained;
        match mapped {
            Mapped::Skipped(skip) => Self::Skipped {
                kind,
                side,
                skipped: skip.to_string(),
                reason_code: skip.code(),
            },
            Mapped::Requests(planned) => Self::Requests {
                kind,
                side,
                requests: planned.iter().map(RequestView::of).collect(),
            },
        }
    }
}
