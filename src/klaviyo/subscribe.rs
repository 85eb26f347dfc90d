//! `profile-subscription-bulk-create-jobs`: subscribe one person to e-mail, answered with 202 and nothing else.
//!
//! Klaviyo cannot de-duplicate it, and it lifts an unsubscribe that came earlier: it must never arrive late.

use serde::Serialize;

use super::resource::{Data, as_text, text};
use crate::model::Timestamp;

/// One person's consent to marketing by e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscribeJob {
    /// The list to subscribe to; `None` leaves it to the account.
    pub list_id: Option<String>,
    /// The person's e-mail address.
    pub email: String,
    /// Whether the person is asked to confirm.
    pub opt_in: OptIn,
}

/// Whether a person is asked before the subscription counts. Klaviyo takes `consented_at` with `historical_import`
/// and only with it, so the two are one value here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptIn {
    /// The list's opt-in process decides: with double opt-in the person gets a message first.
    ByList,
    /// The person consented at this time, which must be in the past, and is not asked (`historical_import`).
    GivenAt(Timestamp),
}

impl SubscribeJob {
    /// The body's JSON text.
    pub fn body(&self) -> String {
        let consented_at = match self.opt_in {
            OptIn::ByList => None,
            OptIn::GivenAt(time) => Some(ConsentedAt(time)),
        };
        text(&Data {
            data: Job {
                kind: "profile-subscription-bulk-create-job",
                attributes: Attributes {
                    historical_import: consented_at.is_some(),
                    profiles: Data {
                        data: [Profile::of(&self.email, consented_at)],
                    },
                },
                relationships: self.list_id.as_deref().map(Relationships::of),
            },
        })
    }
}

#[derive(Serialize)]
struct Job<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    attributes: Attributes<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relationships: Option<Relationships<'a>>,
}

#[derive(Serialize)]
struct Attributes<'a> {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    historical_import: bool,
    profiles: Data<[Profile<'a>; 1]>,
}

#[derive(Serialize)]
struct Profile<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    attributes: Person<'a>,
}

impl<'a> Profile<'a> {
    const fn of(email: &'a str, consented_at: Option<ConsentedAt>) -> Self {
        let marketing = Marketing {
            consent: "SUBSCRIBED",
            consented_at,
        };
        Self {
            kind: "profile",
            attributes: Person {
                email,
                subscriptions: Subscriptions {
                    email: Channel { marketing },
                },
            },
        }
    }
}

#[derive(Serialize)]
struct Person<'a> {
    email: &'a str,
    subscriptions: Subscriptions,
}

#[derive(Serialize)]
struct Subscriptions {
    email: Channel,
}

#[derive(Serialize)]
struct Channel {
    marketing: Marketing,
}

#[derive(Serialize)]
struct Marketing {
    consent: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    consented_at: Option<ConsentedAt>,
}

#[derive(Serialize)]
struct ConsentedAt(#[serde(serialize_with = "as_text")] Timestamp);

#[derive(Serialize)]
struct Relationships<'a> {
    list: Data<List<'a>>,
}

impl<'a> Relationships<'a> {
    const fn of(id: &'a str) -> Self {
        let list = List { kind: "list", id };
        Self {
            list: Data { data: list },
        }
    }
}

#[derive(Serialize)]
struct List<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
}
