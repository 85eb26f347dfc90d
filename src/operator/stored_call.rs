//! The stored call of an event, and what it becomes by the present rules.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::settings::ExplainSettings;
use crate::json;
use crate::klaviyo;
use crate::mapper::{Mapped, Planned, Rule};
use crate::model::{DeliveryKind, NewEvent, Timestamp};
use crate::outbox::{AttemptReport, ClaimedEvent, DeliveryReport, EventReport, ReadError, Reader};
use crate::scheduler;
use crate::segment::{self, Pointer};

/// A stored call.
#[derive(Debug)]
pub struct StoredCall {
    /// Its text as received, with the write key masked.
    pub call: String,
    /// The fields of its batch, as one JSON object.
    pub envelope: Option<Arc<str>>,
    /// The order that it names, in any spelling of `properties.orderId`.
    pub order: Option<String>,
    /// The present generation of the event: 1 for the first time it is sent.
    pub generation: i64,
    /// When the present generation began.
    pub generation_began: Timestamp,
    /// What it becomes now.
    pub remapped: Remapped,
}

/// What a stored call becomes by the present rules.
#[derive(Debug)]
pub enum Remapped {
    /// These requests.
    Requests(Vec<Planned>),
    /// Nothing, for this reason.
    Nothing(String),
    /// The call was deleted or cannot be read.
    Unknown,
}

/// A planned request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Request")]
pub struct RequestView {
    /// The kind of request.
    pub kind: DeliveryKind,
    /// Its method.
    #[schemars(extend("enum" = ["POST", "DELETE"]))]
    pub method: &'static str,
    /// Its path.
    pub path: String,
    /// For an event: its name at Klaviyo.
    #[serde(skip)]
    pub metric: Option<String>,
    /// Its body; null if it needs the answer to an earlier request.
    #[serde(serialize_with = "as_json")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub body: Option<String>,
    /// Why it is not sent; null if it is sent.
    pub not_sent: Option<String>,
    /// Warnings for the sender, one sentence each.
    pub warnings: Vec<String>,
    /// The origin of each of its fields.
    pub rules: Vec<FieldRule>,
}

/// A field of a request and its origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct FieldRule {
    /// The field, as a JSON pointer into the body.
    pub field: String,
    /// Its source in the call, as a JSON pointer; null if it comes from a setting or the time of arrival.
    pub from: Option<String>,
    /// The code of the rule that made it.
    pub note: &'static str,
    /// The rule as text.
    pub rule: String,
}

/// The call of an event, mapped as the relay would now; `None` when it was deleted.
pub async fn stored_call(
    outbox: &Reader,
    settings: &ExplainSettings,
    report: &EventReport,
) -> Result<Option<StoredCall>, ReadError> {
    let event = outbox.claimed(&[report.id]).await?.pop();
    Ok(event.map(|event| StoredCall {
        call: segment::redact_write_key(&event.payload).into_owned(),
        order: report.order_id.clone(),
        envelope: event.envelope.clone(),
        generation: event.generation,
        generation_began: event.generation_began,
        remapped: Remapped::of(event, settings),
    }))
}

/// The method and path of a stored delivery's request.
pub fn route(delivery: &DeliveryReport) -> (&'static str, String) {
    let route = klaviyo::route(delivery.kind, delivery.list_id.as_deref());
    (route.method, route.path)
}

impl Remapped {
    /// Maps a stored call as the relay would now.
    fn of(event: ClaimedEvent, settings: &ExplainSettings) -> Self {
        let rules = settings.rules_of(&event.source);
        let event = NewEvent {
            traceparent: None,
            source: event.source,
            message_id: event.message_id,
            kind: event.kind,
            name: event.name,
            at: event.at,
            received_at: event.received_at,
            order_id: None,
            identifiers: Vec::new(),
            payload: event.payload,
            envelope: event.envelope,
            dead: None,
        };
        match scheduler::explain(&event, &rules, settings.mapping()) {
            Ok(explained) => match explained.mapped {
                Mapped::Requests(planned) => Self::Requests(planned),
                Mapped::Skipped(reason) => Self::Nothing(reason.to_string()),
            },
            Err(_) => Self::Unknown,
        }
    }

    /// The rules for a stored request of the event's last mapped generation: those of the planned request at the same
    /// position, if it still has the same kind.
    pub fn for_stored(&self, report: &EventReport, delivery: &DeliveryReport) -> Option<&Planned> {
        let Self::Requests(planned) = self else {
            return None;
        };
        let last = report.deliveries.last()?;
        let planned = planned.get(usize::try_from(delivery.position).ok()?)?;
        let is_same = last.generation == delivery.generation && planned.request.kind() == delivery.kind;
        is_same.then_some(planned)
    }
}

impl RequestView {
    /// Converts a planned request to texts.
    pub fn of(planned: &Planned) -> Self {
        let request = &planned.request;
        let route = klaviyo::route(request.kind(), request.list_id());
        Self {
            kind: request.kind(),
            method: route.method,
            path: route.path,
            metric: request.metric().map(str::to_owned),
            body: planned.body.clone(),
            not_sent: planned.rejected.as_ref().map(ToString::to_string),
            warnings: planned.warnings.iter().map(ToString::to_string).collect(),
            rules: planned.rules.iter().map(FieldRule::of).collect(),
        }
    }
}

/// A request's body, which is JSON, as a value.
#[expect(clippy::ref_option, reason = "as serde calls it")]
fn as_json<S: Serializer>(body: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let body = body.as_deref().and_then(|body| json::from_str(body).ok());
    body.serialize(serializer)
}

impl FieldRule {
    fn of(rule: &Rule) -> Self {
        Self {
            field: rule.field.clone(),
            from: rule.origin.from.as_ref().map(Pointer::json),
            note: rule.origin.note.code(),
            rule: rule.origin.to_string(),
        }
    }
}

/// What an attempt without an outcome waits for: an answer, or the end of an import job that Klaviyo still processes.
pub fn awaited(attempt: &AttemptReport) -> String {
    match (attempt.import_job, &attempt.klaviyo_job_id) {
        (_, Some(id)) => format!("waits for import job {id}"),
        (Some(_), None) => "waits for an import job whose id is not known".to_owned(),
        (None, None) => "in flight".to_owned(),
    }
}
