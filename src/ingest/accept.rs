//! Decides the result of a request: which events are stored, which of them as dead, or why none is.
//!
//! Pure: the time and the id generator are passed in; nothing is read or stored here.

use std::borrow::Cow;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::value::RawValue;

use super::answer::Rejection;
use super::auth::{self, Keys};
use super::batch::{self, Batch, Fields};
use super::check::{self, Flaw, MAX_MESSAGE_ID_CHARS};
use super::{signature, time};
use crate::config::{IngestConfig, SourceConfig};
use crate::model::{EventType, GarbageIds, NewEvent, Reason, Right, Timestamp};
use crate::segment::{Call, CallError, Envelope, as_text, repair_surrogates};

/// What a path accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// One call of this type. The path decides, whatever `type` the body has: SDKs leave it out.
    Call(EventType),
    /// Many calls, each with its `type`.
    Batch,
    /// Calls that another service forwards: one, an array, or a batch, each with its `type`.
    Webhook,
    /// Metrics that `analytics.js` sends about itself.
    Metrics,
}

/// A request with its decompressed body.
pub struct IngestRequest {
    pub(super) endpoint: Endpoint,
    pub(super) keys: Keys,
    /// The `Origin` header.
    pub(super) origin: Option<String>,
    /// The `X-Signature` header.
    pub(super) signature: Option<String>,
    /// The text of its body.
    pub body: String,
}

/// The configuration that the decision needs.
#[derive(Clone, Copy)]
pub struct Rules<'r> {
    /// `[ingest]`.
    pub config: &'r IngestConfig,
    /// The ids that identify nobody.
    pub garbage: &'r GarbageIds,
}

/// Events that must be stored before the client gets an answer of success.
#[derive(Debug)]
pub struct Accepted {
    /// The source's name.
    pub source: String,
    /// At least one. Those that can never be delivered have the reason in `dead`.
    pub events: Vec<NewEvent>,
}

/// Splits a request into events.
///
/// The call of a single request is rejected if it can never be delivered. The flawed calls of a batch are stored as
/// dead and the request succeeds, even if it contains no other call: SDKs drop a whole batch when it is rejected, and
/// an operator cannot fix what is not stored. The flawed call of a webhook is stored as dead too, alone or not: a
/// forwarding service drops a call after a 400, and nobody reads that answer. This includes call types that Segment may
/// add one day.
pub fn accept(
    request: &IngestRequest,
    rules: Rules<'_>,
    now: Timestamp,
    new_id: &mut dyn FnMut() -> String,
) -> Result<Accepted, Rejection> {
    let (source, body) = identify_source(request, rules.config)?;
    auth::check_origin(source, request.origin.as_deref())?;
    let webhook = request.endpoint == Endpoint::Webhook;
    // A client that knows only the key must not bypass the signature.
    if source.shared_secret.is_some() && !webhook {
        return Err(Rejection::WebhookOnly);
    }
    let body = body?;
    if webhook {
        let signed = body.signed_text(&request.body)?;
        signature::check(source, request.signature.as_deref(), signed)?;
    }
    let mut reader = Reader::new(source, rules, now, new_id);
    let events = match body {
        Body::Call { fields, .. } if webhook => vec![reader.read_outlined(&request.body, Ok(fields), None)],
        Body::Call { kind, fields } => vec![reader.read_or_reject(&request.body, fields, kind)?],
        Body::Batch(batch) => {
            let items = nonempty_items(&batch)?;
            reader.envelope = batch.envelope()?;
            reader.batch_sent_at = batch.sent_at();
            let mut events: Vec<NewEvent> = items.iter().map(|item| reader.read_item(item.get())).collect();
            if source.shared_secret.is_some() && batch.is_array && events.len() > 1 {
                mark_unsigned_as_dead(&mut events);
            }
            events
        }
    };
    Ok(Accepted {
        source: source.name.clone(),
        events,
    })
}

/// Rejects a request that has no source's write key, so that no work is spent on requests that anybody can send.
pub fn authenticate(request: &IngestRequest, config: &IngestConfig) -> Result<(), Rejection> {
    identify_source(request, config).map(drop)
}

/// The source of a request, and the outline of its body.
fn identify_source<'r, 'c>(
    request: &'r IngestRequest,
    config: &'c IngestConfig,
) -> Result<(&'c SourceConfig, Result<Body<'r>, Rejection>), Rejection> {
    let body = Body::read(request.endpoint, &request.body);
    let key = body.as_ref().ok().and_then(Body::write_key);
    match auth::source(&config.sources, &request.keys, key.as_deref()) {
        Ok(source) => Ok((source, body)),
        // The key may be in the body that cannot be read: that is the first thing to correct.
        Err(Rejection::NoKey) => Err(body.err().unwrap_or(Rejection::NoKey)),
        Err(rejection) => Err(rejection),
    }
}

/// The event that would be stored for a call that arrives now, with `dead` set when it could never be delivered: for
/// `explain`. The name of the source is empty, and so is a `messageId` that the relay would make.
pub fn preview(call: &str, config: &IngestConfig, garbage: &GarbageIds, now: Timestamp) -> NewEvent {
    let source = SourceConfig {
        name: String::new(),
        write_key: SecretString::from(""),
        side: None,
        allow: vec![Right::Delete],
        allowed_origins: Vec::new(),
        shared_secret: None,
    };
    let rules = Rules { config, garbage };
    read_single(call, &source, rules, now, &mut String::new)
}

/// The event that is stored for a call of this source that arrives alone.
pub(super) fn read_single(
    call: &str,
    source: &SourceConfig,
    rules: Rules<'_>,
    now: Timestamp,
    new_id: &mut dyn FnMut() -> String,
) -> NewEvent {
    Reader::new(source, rules, now, new_id).read_item(call)
}

/// The calls of a batch; at least one.
fn nonempty_items<'b, 'a>(batch: &'b Batch<'a>) -> Result<&'b [&'a RawValue], Rejection> {
    let items = batch.items.as_deref().ok_or(Rejection::NoBatch)?;
    if items.is_empty() {
        return Err(Rejection::EmptyBatch);
    }
    Ok(items)
}

/// A body, by its outline.
enum Body<'a> {
    Call {
        /// The type by the path.
        kind: Option<EventType>,
        fields: Fields<'a>,
    },
    Batch(Batch<'a>),
}

impl<'a> Body<'a> {
    fn read(endpoint: Endpoint, body: &'a str) -> Result<Self, Rejection> {
        if body.trim().is_empty() {
            return Err(Rejection::Empty);
        }
        if let Endpoint::Call(kind) = endpoint {
            return match batch::fields(body) {
                Ok(fields) => Ok(Self::Call {
                    kind: Some(kind),
                    fields,
                }),
                Err(error) if error.is_data() => Err(Rejection::NotAnObject),
                Err(error) => Err(Rejection::Json {
                    place: "the body".to_owned(),
                    detail: batch::detail(&error),
                }),
            };
        }
        let batch = Batch::read(body, batch::MAX_ITEMS)?;
        let is_call = endpoint == Endpoint::Webhook || batch.fields.has("type");
        if batch.items.is_none() && is_call {
            // One call where a batch was expected: webhooks post everything to one path.
            return Ok(Self::Call {
                kind: None,
                fields: batch.fields,
            });
        }
        Ok(Self::Batch(batch))
    }

    /// The part of the text that a webhook's signature covers: of a bare array its first call, otherwise the whole
    /// text.
    fn signed_text<'t>(&self, text: &'t str) -> Result<&'t str, Rejection>
    where
        'a: 't,
    {
        match self {
            Self::Batch(batch) if batch.is_array => Ok(nonempty_items(batch)?[0].get()),
            Self::Batch(_) | Self::Call { .. } => Ok(text),
        }
    }

    fn write_key(&self) -> Option<String> {
        let fields = match self {
            Self::Call { fields, .. } => fields,
            Self::Batch(batch) => &batch.fields,
        };
        batch::string(fields, "writeKey")
    }
}

/// How the calls arrived, which determines what their times mean.
#[derive(Clone, Copy)]
pub(super) enum ArrivalMode {
    /// They arrive from their sender.
    Live,
    /// They arrived elsewhere, long ago.
    Archive {
        /// The arrival time, where one is known for all of them.
        received_at: Option<Timestamp>,
        /// Whether a call is accepted whose own time cannot be read.
        accept_unreadable_times: bool,
    },
}

/// Reads the calls of one request, or of one line of an archive.
pub(super) struct Reader<'r> {
    pub(super) source: &'r SourceConfig,
    pub(super) rules: Rules<'r>,
    pub(super) now: Timestamp,
    pub(super) envelope: Option<Envelope>,
    pub(super) batch_sent_at: Option<Timestamp>,
    pub(super) mode: ArrivalMode,
    pub(super) new_id: &'r mut dyn FnMut() -> String,
}

/// The fields of a call, which are read once, or why there are none.
type Outline<'a> = Result<Fields<'a>, Flaw>;

fn outline(payload: &str) -> Outline<'_> {
    batch::fields(payload).map_err(|error| {
        if error.is_data() {
            Flaw::NotAnObject
        } else {
            Flaw::Unreadable(batch::detail(&error))
        }
    })
}

impl<'r> Reader<'r> {
    /// A reader of calls that arrive now, outside of a batch.
    pub(super) fn new(
        source: &'r SourceConfig,
        rules: Rules<'r>,
        now: Timestamp,
        new_id: &'r mut dyn FnMut() -> String,
    ) -> Self {
        Self {
            source,
            rules,
            now,
            envelope: None,
            batch_sent_at: None,
            mode: ArrivalMode::Live,
            new_id,
        }
    }

    /// Reads the only call of a request: if it is flawed, the request is rejected.
    fn read_or_reject(
        &mut self,
        payload: &str,
        fields: Fields<'_>,
        kind: Option<EventType>,
    ) -> Result<NewEvent, Rejection> {
        match self.event(payload, Ok(fields), kind) {
            (event, None) => Ok(event),
            (_, Some(flaw)) => Err(Rejection::Flawed(flaw)),
        }
    }

    /// Reads a call of a batch: if it is flawed, it is stored as dead.
    pub(super) fn read_item(&mut self, payload: &str) -> NewEvent {
        self.read_item_as(payload, None)
    }

    /// As [`Self::read_item`], for a known type: the call may leave it out.
    pub(super) fn read_item_as(&mut self, payload: &str, kind: Option<EventType>) -> NewEvent {
        self.read_outlined(payload, outline(payload), kind)
    }

    /// As [`Self::read_item_as`], of a call whose fields were read before.
    fn read_outlined(&mut self, payload: &str, fields: Outline<'_>, kind: Option<EventType>) -> NewEvent {
        let (event, flaw) = self.event(payload, fields, kind);
        let dead = flaw.as_ref().map(dead_reason);
        NewEvent { dead, ..event }
    }

    /// The call, with everything of it that can be read, and its flaw. A flawed call keeps its identifiers too: a
    /// deletion request must find the person in dead events as well.
    fn event(&mut self, payload: &str, fields: Outline<'_>, kind: Option<EventType>) -> (NewEvent, Option<Flaw>) {
        let mut event = NewEvent {
            traceparent: None,
            source: self.source.name.clone(),
            message_id: String::new(),
            kind,
            name: None,
            at: self.now,
            received_at: self.now,
            order_id: None,
            identifiers: Vec::new(),
            payload: payload.to_owned(),
            envelope: self.envelope.as_ref().map(|envelope| Arc::clone(envelope.text())),
            dead: None,
        };
        let flaw = fields.and_then(|fields| self.fill(&mut event, &fields)).err();
        if event.message_id.is_empty() {
            event.message_id = (self.new_id)();
        }
        (event, flaw)
    }

    fn fill(&self, event: &mut NewEvent, fields: &Fields<'_>) -> Result<(), Flaw> {
        let message_id = message_id(fields);
        if let Ok(Some(id)) = &message_id {
            event.message_id.clone_from(id);
        }
        let kind = match event.kind {
            Some(kind) => kind,
            None => call_type(fields)?,
        };
        event.kind = Some(kind);
        let limit = self.rules.config.max_event_bytes;
        let bytes = event.payload.len();
        // Checked before it is parsed: in memory it takes many times its length.
        let read = if bytes > limit { Call::brief } else { Call::read };
        let call = read(&event.payload, self.envelope.as_ref(), Some(kind)).map_err(|error| flaw_of(&error))?;
        event.name = name(&call);
        event.at = match self.mode {
            ArrivalMode::Live => time::happened_at(&call, self.batch_sent_at, self.now),
            ArrivalMode::Archive { received_at, .. } => {
                time::archived_at(&call, self.batch_sent_at, received_at, self.now)
            }
        };
        event.identifiers = call.identifiers(self.rules.garbage);
        event.order_id = call.order_id(self.rules.garbage);
        if bytes > limit {
            return Err(Flaw::TooLarge { bytes, limit });
        }
        message_id?;
        check::check(&call)?;
        let has_time = match self.mode {
            ArrivalMode::Live => true,
            ArrivalMode::Archive {
                received_at,
                accept_unreadable_times,
            } => {
                let arrived = received_at.is_some() || time::has_arrival_time(&call);
                arrived || accept_unreadable_times || !time::has_unreadable_time(&call)
            }
        };
        if !has_time {
            return Err(Flaw::TimeUnreadable);
        }
        let may_delete = || self.source.rules().allow.contains(&Right::Delete);
        if kind == EventType::Delete && !may_delete() {
            return Err(Flaw::DeleteNotAllowed);
        }
        Ok(())
    }
}

/// Rejects the calls of an array that its one signature does not cover: otherwise anybody could add calls behind one
/// signed call of somebody else.
fn mark_unsigned_as_dead(events: &mut [NewEvent]) {
    let Some(signed) = events.first().map(|event| event.kind) else {
        return;
    };
    for event in events {
        if event.dead.is_none() && (event.kind == Some(EventType::Delete) || event.kind != signed) {
            event.dead = Some(dead_reason(&Flaw::NotSigned));
        }
    }
}

/// The reason of a dead event.
fn dead_reason(flaw: &Flaw) -> Reason {
    Reason::new(flaw.code(), format!("{}: {flaw}", flaw.code()))
}

/// The source of a request and the key in its body, as far as they can be read.
pub(super) fn identify_sender<'c>(
    request: &IngestRequest,
    config: &'c IngestConfig,
) -> (Option<&'c SourceConfig>, Option<String>) {
    let body = Body::read(request.endpoint, &request.body);
    let key = body.as_ref().ok().and_then(Body::write_key);
    let source = auth::source(&config.sources, &request.keys, key.as_deref());
    (source.ok(), key)
}

/// The client's `messageId`. Without one (or with a value that is no id) the relay makes one, as Segment does.
fn message_id(fields: &Fields<'_>) -> Result<Option<String>, Flaw> {
    let id = fields.get("messageId").and_then(|id| id_text(id.get()));
    let chars = id.as_deref().map_or(0, |id| id.chars().count());
    if chars > MAX_MESSAGE_ID_CHARS {
        return Err(Flaw::MessageIdTooLong { chars });
    }
    Ok(id)
}

/// An id as JSON. An id that must be repaired to be read is kept as it was written: otherwise two ids could become one,
/// and the second message would be lost.
fn id_text(json: &str) -> Option<String> {
    if matches!(repair_surrogates(json), Cow::Owned(_)) {
        let written = json.strip_prefix('"')?.strip_suffix('"')?;
        return Some(written.to_owned());
    }
    as_text(&crate::json::from_str(json).ok()?)
}

fn call_type(fields: &Fields<'_>) -> Result<EventType, Flaw> {
    let stated = fields.get("type").filter(|kind| kind.get() != "null");
    if stated.is_none() {
        return Err(Flaw::MissingType);
    }
    batch::string(fields, "type")
        .and_then(|word| EventType::read(&word))
        .ok_or(Flaw::InvalidType)
}

fn flaw_of(error: &CallError) -> Flaw {
    match error {
        CallError::Json(error) => Flaw::Unreadable(batch::detail(error)),
        CallError::NotAnObject => Flaw::NotAnObject,
        CallError::UnknownType => Flaw::InvalidType,
    }
}

fn name(call: &Call) -> Option<String> {
    let field = match call.kind {
        EventType::Track => "event",
        EventType::Page | EventType::Screen => "name",
        EventType::Identify | EventType::Group | EventType::Alias | EventType::Delete => {
            return None;
        }
    };
    Some(call.field(field)?.as_str()?.to_owned())
}
