//! The remote's vocabulary: the requests Klaviyo takes, one by one or in bulk, where they go, what it limits, and how
//! it refuses.
//!
//! Data and its reading only: nothing is sent here and nothing is decided. A request type has exactly the members
//! that Klaviyo's API has for it (revision 2026-10-15), so a request with an unknown attribute cannot be built.
//! Absent members are left out of the JSON, never sent as `null`: to Klaviyo `null` erases.
//! May use `model`. Source of the shapes: Klaviyo's published API description and SDK models of that revision.

mod answer;
pub mod bulk;
mod conflict;
mod currency;
mod deletion;
mod event;
pub mod headers;
mod identifier;
pub mod limits;
mod profile;
mod reason;
mod resource;
mod route;
mod subscribe;
mod success;

pub use answer::{ApiError, Form, first_error, profile_id};
pub use conflict::{without_attribute, without_weaker_identifier};
pub use currency::is_currency;
pub use deletion::DeletionJob;
pub use event::{CreateEvent, EventProfile};
pub use identifier::is_test_address;
pub use profile::{Field, Location, ProfileImport};
pub use reason::{FIELDS, answer_code};
pub use route::{Route, route};
pub use subscribe::{OptIn, SubscribeJob};
pub use success::{Success, SuccessBody};

use crate::model::DeliveryKind;

/// One request for Klaviyo.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Create or update a profile.
    Profile(ProfileImport),
    /// Record an event.
    Event(CreateEvent),
    /// Subscribe a person to e-mail.
    Subscribe(SubscribeJob),
    /// Put the profile that the same event's [`Request::Profile`] made on a list.
    ListAdd {
        /// The list's id.
        list_id: String,
    },
    /// Take that profile off a list.
    ListRemove {
        /// The list's id.
        list_id: String,
    },
    /// Delete a person's profiles.
    Delete(DeletionJob),
}

impl Request {
    /// Its kind.
    pub const fn kind(&self) -> DeliveryKind {
        match self {
            Self::Profile(_) => DeliveryKind::Profile,
            Self::Event(_) => DeliveryKind::Event,
            Self::Subscribe(_) => DeliveryKind::Subscription,
            Self::ListAdd { .. } => DeliveryKind::ListAdd,
            Self::ListRemove { .. } => DeliveryKind::ListRemove,
            Self::Delete(_) => DeliveryKind::Deletion,
        }
    }

    /// The metric's name, of an event.
    pub fn metric(&self) -> Option<&str> {
        self.event().map(|event| event.metric.as_str())
    }

    /// The `$event_id` (`unique_id` on the wire), of an event. Klaviyo records one event per profile, metric and
    /// such id.
    pub fn event_key(&self) -> Option<&str> {
        self.event()?.unique_id.as_deref()
    }

    /// The list it is about, if any.
    pub fn list_id(&self) -> Option<&str> {
        match self {
            Self::Subscribe(job) => job.list_id.as_deref(),
            Self::ListAdd { list_id } | Self::ListRemove { list_id } => Some(list_id),
            Self::Profile(_) | Self::Event(_) | Self::Delete(_) => None,
        }
    }

    /// The body's JSON text. `None` for those that name the profile by Klaviyo's id, which an earlier answer has: see
    /// [`body_for_profile`].
    pub fn body(&self) -> Option<String> {
        match self {
            Self::Profile(profile) => Some(profile.body()),
            Self::Event(event) => Some(event.body()),
            Self::Subscribe(job) => Some(job.body()),
            Self::Delete(job) => job.body(),
            Self::ListAdd { .. } | Self::ListRemove { .. } => None,
        }
    }

    const fn event(&self) -> Option<&CreateEvent> {
        let Self::Event(event) = self else {
            return None;
        };
        Some(event)
    }
}

/// The body of a request of this kind that names the profile by Klaviyo's own id, which `profile-import` answers with
/// (see [`profile_id`]): lists know no other, and a deletion takes no external id. `None` where the kind has none.
pub fn body_for_profile(kind: DeliveryKind, profile_id: &str) -> Option<String> {
    match kind {
        DeliveryKind::ListAdd | DeliveryKind::ListRemove => {
            let list = serde_json::json!({ "data": [{ "type": "profile", "id": profile_id }] });
            Some(list.to_string())
        }
        DeliveryKind::Deletion => Some(deletion::by_profile_id(profile_id)),
        DeliveryKind::Profile | DeliveryKind::Event | DeliveryKind::Subscription => None,
    }
}
