//! What a call becomes, before it is sent: the same functions parse, check and map it as at ingest and in the relay.

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::settings::ExplainSettings;
use super::stored_call::RequestView;
use crate::ingest;
use crate::mapper::{Mapped, Planned};
use crate::model::{EventType, Reason, Right, Side, SourceRules, Timestamp};
use crate::scheduler::{self, Explained};
use crate::segment::CallError;

/// What a call becomes.
#[derive(Debug)]
pub enum Explanation {
    /// Ingest would reject it.
    Rejected {
        /// The type of the call, if it has one.
        kind: Option<EventType>,
        /// Why.
        reason: Reason,
    },
    /// It becomes requests, or none and the reason.
    Becomes(Explained),
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
    if let Some(reason) = event.refused {
        let kind = event.kind;
        return Ok(Explanation::Rejected { kind, reason });
    }
    let allow = vec![Right::Delete];
    let explained = scheduler::explain(&event, &SourceRules { side, allow }, mapping).map_err(ExplainError::Call)?;
    Ok(Explanation::Becomes(explained))
}

/// What a call becomes, for a page.
#[derive(Debug)]
pub enum Preview {
    /// Ingest would reject it: the code and the sentence.
    Rejected(String),
    /// Nothing is sent, for this reason.
    Skipped(String),
    /// These requests; at least one.
    Requests(Vec<RequestView>),
}

impl Explanation {
    /// What the call becomes.
    pub fn preview(&self) -> Preview {
        match self {
            Self::Rejected { reason, .. } => Preview::Rejected(reason.text.clone()),
            Self::Becomes(explained) => match &explained.mapped {
                Mapped::Skipped(reason) => Preview::Skipped(reason.to_string()),
                Mapped::Requests(planned) => Preview::Requests(planned.iter().map(RequestView::of).collect()),
            },
        }
    }

    /// The call's type and the side that it is mapped as, one word each; `None` when it is rejected.
    pub fn mapped_as(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Rejected { .. } => None,
            Self::Becomes(explained) => Some((explained.kind.word(), explained.side.word())),
        }
    }

    /// The JSON that `explain --json` prints.
    pub fn json(&self) -> Value {
        match self {
            Self::Rejected { kind, reason } => {
                json!({"type": kind.map(EventType::word), "refused": reason.text, "reason_code": reason.code})
            }
            Self::Becomes(explained) => becomes_json(explained),
        }
    }
}

fn becomes_json(explained: &Explained) -> Value {
    let (kind, side) = (explained.kind.word(), explained.side.word());
    match &explained.mapped {
        Mapped::Skipped(skip) => {
            json!({"type": kind, "side": side, "skipped": skip.to_string(), "reason_code": skip.code()})
        }
        Mapped::Requests(planned) => {
            let requests: Vec<Value> = planned.iter().map(request_json).collect();
            json!({"type": kind, "side": side, "requests": requests})
        }
    }
}

fn request_json(planned: &Planned) -> Value {
    let RequestView {
        kind,
        route: (method, path),
        metric: _,
        body,
        not_sent,
        warnings,
        rules,
    } = RequestView::of(planned);
    let body = body.and_then(|body| crate::json::from_str(&body).ok());
    json!({
        "kind": kind, "method": method, "path": path, "body": body,
        "not_sent": not_sent, "warnings": warnings, "rules": rules,
    })
}
