//! The labels of the metrics. Every value is one of our own words or codes, a status that we answer, or a source's name from
//! the configuration: nothing that a sender or Klaviyo chooses.

use prometheus_client::encoding::EncodeLabelSet;

use crate::model::{DeliveryKind, DeliveryStatus, EventStatus, EventType, Family};

/// The result of storing an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventResult {
    /// It is in the outbox.
    Stored,
    /// It is in the outbox as dead: it can never be delivered and came in a batch, or another call has its `messageId`.
    Dead,
    /// The same call was stored before; this one is not.
    Copy,
    /// It could not be stored now; its sender was asked to retry.
    Rejected,
}

impl EventResult {
    const fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Dead => "dead",
            Self::Copy => "copy",
            Self::Rejected => "turned_away",
        }
    }
}

/// Klaviyo's answers, in the classes that an operator needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerClass {
    /// 2xx.
    Accepted,
    /// 429.
    RateLimited,
    /// Other 4xx.
    Refused,
    /// 5xx.
    Failed,
    /// Any other status.
    Other,
    /// No answer came.
    None,
}

impl AnswerClass {
    pub(super) const ALL: &'static [Self] = &[
        Self::Accepted,
        Self::RateLimited,
        Self::Refused,
        Self::Failed,
        Self::Other,
        Self::None,
    ];

    /// The class of an HTTP status; `None` where no answer came.
    pub const fn of(http_status: Option<u16>) -> Self {
        match http_status {
            None => Self::None,
            Some(200..=299) => Self::Accepted,
            Some(429) => Self::RateLimited,
            Some(400..=499) => Self::Refused,
            Some(500..=599) => Self::Failed,
            Some(_) => Self::Other,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "2xx",
            Self::RateLimited => "429",
            Self::Refused => "4xx",
            Self::Failed => "5xx",
            Self::Other => "other",
            Self::None => "none",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestInLabels {
    pub(super) status: u16,
    pub(super) code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct EventLabels {
    source: String,
    r#type: &'static str,
    answer: &'static str,
}

impl EventLabels {
    pub(super) fn new(source: &str, kind: Option<EventType>, result: EventResult) -> Self {
        Self {
            source: source.to_owned(),
            r#type: kind.map_or("other", EventType::word),
            answer: result.word(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct AttemptLabels {
    pub(super) outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DeliveryLabels {
    kind: &'static str,
    status: &'static str,
}

impl DeliveryLabels {
    pub(super) const fn new(kind: DeliveryKind, status: DeliveryStatus) -> Self {
        Self {
            kind: kind.word(),
            status: status.word(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FinishedLabels {
    status: &'static str,
    reason: String,
}

impl FinishedLabels {
    pub(super) fn new(status: EventStatus, reason: &str) -> Self {
        Self {
            status: status.word(),
            reason: reason.to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DeadLabels {
    source: String,
    reason: String,
}

impl DeadLabels {
    pub(super) fn new(source: &str, reason: &str) -> Self {
        Self {
            source: source.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestOutLabels {
    family: &'static str,
    status: &'static str,
}

impl RequestOutLabels {
    pub(super) const fn new(family: Family, class: AnswerClass) -> Self {
        Self {
            family: family.word(),
            status: class.word(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FamilyLabels {
    family: &'static str,
}

impl FamilyLabels {
    pub(super) const fn of(family: Family) -> Self {
        Self { family: family.word() }
    }
}
