//! What a call becomes, before it is sent: read and checked as at ingest, mapped as by the relay. The same functions
//! decide.

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::config::{Config, IngestConfig, MappingConfig};
use crate::ingest;
use crate::klaviyo;
use crate::mapper::{Mapped, Planned};
use crate::model::{EventType, Side, Timestamp};
use crate::relay::{self, Explained};
use crate::segment::CallError;

/// The settings that decide what a call becomes.
#[derive(Debug, Clone)]
pub struct ExplainSettings {
    ingest: IngestConfig,
    mapping: MappingConfig,
}

impl ExplainSettings {
    /// Those of a configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            ingest: config.ingest.clone(),
            mapping: config.mapping.clone(),
        }
    }

    /// What ingest takes, and from whom.
    pub fn ingest(&self) -> &IngestConfig {
        &self.ingest
    }

    /// The largest call that ingest takes, in bytes.
    pub fn max_event_bytes(&self) -> usize {
        self.ingest.max_event_bytes
    }
}

/// What a call becomes.
#[derive(Debug)]
pub enum Explanation {
    /// Ingest would refuse it.
    Refused {
        /// Which call it is, if it says so.
        kind: Option<EventType>,
        /// The code and the sentence.
        reason: String,
    },
    /// It becomes requests, or nothing and why.
    Becomes(Explained),
}

/// Why there is nothing to explain.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// It is no JSON.
    #[error("the call is not JSON; send one Segment call with its `type`")]
    Json(#[source] serde_json::Error),
    /// It passed ingest's checks and cannot be read all the same.
    #[error("the call cannot be read")]
    Call(#[source] CallError),
}

/// Maps a call that arrives `now`; `side`: as made there, otherwise its library tells.
pub fn explain(
    call: &str,
    side: Option<Side>,
    settings: &ExplainSettings,
    now: Timestamp,
) -> Result<Explanation, ExplainError> {
    serde_json::from_str::<IgnoredAny>(call).map_err(ExplainError::Json)?;
    let ExplainSettings { ingest, mapping } = settings;
    let mut event = ingest::arriving(call, ingest, &mapping.garbage_ids, now);
    if event.message_id.is_empty() {
        "made-at-ingest".clone_into(&mut event.message_id);
    }
    if let Some(reason) = event.refused {
        let kind = event.kind;
        return Ok(Explanation::Refused { kind, reason });
    }
    let explained = relay::explain(&event, side, mapping).map_err(ExplainError::Call)?;
    Ok(Explanation::Becomes(explained))
}

impl Explanation {
    /// As `explain --json` prints it.
    pub fn json(&self) -> Value {
        match self {
            Self::Refused { kind, reason } => {
                json!({"type": kind.map(EventType::word), "refused": reason})
            }
            Self::Becomes(explained) => becomes_json(explained),
        }
    }
}

fn becomes_json(explained: &Explained) -> Value {
    let head = json!({"type": explained.kind.word(), "side": explained.side.word()});
    let (key, value) = match &explained.mapped {
        Mapped::Skipped(reason) => ("skipped", json!(reason.to_string())),
        Mapped::Requests(planned) => ("requests", planned.iter().map(request_json).collect()),
    };
    let mut explained = head;
    explained[key] = value;
    explained
}

fn request_json(planned: &Planned) -> Value {
    let request = &planned.request;
    let route = klaviyo::route(request.kind(), request.list_id());
    let body = request
        .body()
        .and_then(|body| serde_json::from_str::<Value>(&body).ok());
    let rules: Vec<Value> = planned
        .rules
        .iter()
        .map(|rule| json!({"field": rule.field, "rule": rule.rule}))
        .collect();
    json!({
        "kind": request.kind().word(), "method": route.method, "path": route.path, "body": body,
        "not_sent": planned.refused.as_ref().map(ToString::to_string),
        "warnings": planned.warnings, "rules": rules,
    })
}
