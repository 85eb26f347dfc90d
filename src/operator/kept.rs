//! What is kept of an event's call, and what it becomes by the rules as they are now.

use std::sync::Arc;

use serde::Serialize;

use super::settings::ExplainSettings;
use crate::klaviyo;
use crate::mapper::{Mapped, Planned, Rule};
use crate::model::{DeliveryKind, NewEvent, Timestamp};
use crate::outbox::{AttemptReport, ClaimedEvent, DeliveryReport, EventReport, Outbox, ReadError};
use crate::relay;
use crate::segment::{self, Pointer};

/// A call that is still there.
#[derive(Debug)]
pub struct Kept {
    /// Its text as received, a write key in it masked.
    pub call: String,
    /// What its batch said around it, as one JSON object.
    pub envelope: Option<Arc<str>>,
    /// The order that it names, in any spelling of `properties.orderId`.
    pub order: Option<String>,
    /// Which sending of the event is the present one: 1 the first time.
    pub generation: i64,
    /// When the present one began.
    pub generation_began: Timestamp,
    /// What it becomes now.
    pub rules: Rules,
}

/// What a stored call becomes by the rules as they are now.
#[derive(Debug)]
pub enum Rules {
    /// These requests.
    Requests(Vec<Planned>),
    /// Nothing, for this reason.
    Nothing(String),
    /// The call is not there any more, or cannot be read.
    Unknown,
}

/// A planned request, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// What it asks of Klaviyo, in a word.
    pub kind: &'static str,
    /// Its method and path.
    pub route: (&'static str, String),
    /// The event's name at Klaviyo, of an event.
    pub metric: Option<String>,
    /// Its body; `None` where the answer to an earlier request goes in.
    pub body: Option<String>,
    /// Why it is not sent.
    pub not_sent: Option<String>,
    /// What the sender may want to know, one sentence each.
    pub warnings: Vec<String>,
    /// Where each of its fields comes from.
    pub rules: Vec<FieldRule>,
}

/// A field of a request, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldRule {
    /// The field, as a JSON pointer into the body.
    pub field: String,
    /// The place in the call that gave it, as a JSON pointer; `None` when a setting or the time of arrival did.
    pub from: Option<String>,
    /// The code of how it was made of that.
    pub note: &'static str,
    /// The same in words.
    pub rule: String,
}

/// The call of an event, mapped as the relay would now; `None` when it is not there any more.
pub async fn kept(
    outbox: &Outbox,
    settings: &ExplainSettings,
    report: &EventReport,
) -> Result<Option<Kept>, ReadError> {
    let event = outbox.claimed(&[report.id]).await?.pop();
    Ok(event.map(|event| Kept {
        call: segment::redact_write_key(&event.payload).into_owned(),
        order: report.column("order_id").map(str::to_owned),
        envelope: event.envelope.clone(),
        generation: event.generation,
        generation_began: event.generation_began,
        rules: Rules::of(event, settings),
    }))
}

/// The method and path of a stored delivery's request.
pub fn route(delivery: &DeliveryReport) -> Option<(&'static str, String)> {
    let kind = DeliveryKind::from_word(delivery.column("kind")?)?;
    let route = klaviyo::route(kind, delivery.column("list_id"));
    Some((route.method, route.path))
}

impl Rules {
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
            refused: None,
        };
        match relay::explain(&event, &rules, settings.mapping()) {
            Ok(explained) => match explained.mapped {
                Mapped::Requests(planned) => Self::Requests(planned),
                Mapped::Skipped(reason) => Self::Nothing(reason.to_string()),
            },
            Err(_) => Self::Unknown,
        }
    }

    /// The rules for a stored request, of the event's last mapped generation: those of the same place, if it still has that
    /// kind.
    pub fn for_stored(&self, report: &EventReport, delivery: &DeliveryReport) -> Option<&Planned> {
        let Self::Requests(planned) = self else {
            return None;
        };
        let last = report.deliveries.last()?;
        if last.column("generation") != delivery.column("generation") {
            return None;
        }
        let place: usize = delivery.column("position")?.parse().ok()?;
        let kind = delivery.column("kind");
        let planned = planned.get(place)?;
        (Some(planned.request.kind().word()) == kind).then_some(planned)
    }
}

impl Owed {
    /// A planned request in words and texts.
    pub fn of(planned: &Planned) -> Self {
        let request = &planned.request;
        let route = klaviyo::route(request.kind(), request.list_id());
        Self {
            kind: request.kind().word(),
            route: (route.method, route.path),
            metric: request.metric().map(str::to_owned),
            body: request.body(),
            not_sent: planned.refused.as_ref().map(ToString::to_string),
            warnings: planned.warnings.iter().map(ToString::to_string).collect(),
            rules: planned.rules.iter().map(FieldRule::of).collect(),
        }
    }
}

impl FieldRule {
    fn of(rule: &Rule) -> Self {
        Self {
            field: rule.field.clone(),
            from: rule.from.as_ref().map(Pointer::json),
            note: rule.note.code(),
            rule: rule.to_string(),
        }
    }
}

/// What an attempt without an outcome waits for: an answer, or the end of an import job on which Klaviyo still works.
pub fn awaited(attempt: &AttemptReport) -> String {
    let of = |name: &str| {
        let found = attempt.iter().find(|(column, _)| column == name)?;
        found.1.as_deref()
    };
    match (of("import_job"), of("klaviyo_job_id")) {
        (_, Some(id)) => format!("waits for import job {id}"),
        (Some(_), None) => "waits for an import job whose id is not known".to_owned(),
        (None, None) => "in the air".to_owned(),
    }
}
