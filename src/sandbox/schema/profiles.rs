//! The documents about people: `profile-import`, its bulk job, deletion, list members, and the profile in an event.
//!
//! Source: Klaviyo's `OpenAPI` description of 2026-07-15 and the models of its SDK for 2026-10-15.

use jiff::civil::{Date, date};

use super::texts::Text;
use super::{Shape, Span, object};

/// `anonymous_id` left everything but events with this revision.
const NO_ANONYMOUS_ID_SINCE: Date = date(2025, 10, 15);
const PATCH_IDENTIFIERS_SINCE: Date = date(2026, 4, 15);
/// `meta` was first a sibling of the attributes of an event's profile, then one of them, then a sibling again.
const META_BESIDE_FROM: Date = date(2023, 7, 15);
const META_INSIDE_FROM: Date = date(2024, 2, 15);
const META_BESIDE_AGAIN_FROM: Date = date(2026, 10, 15);

/// Bytes of a profile sent on its own, and of one inside an event.
const MOST_PROFILE_BYTES: usize = 100_000;
const MOST_EVENT_PROFILE_BYTES: usize = 95_000;
const MOST_BULK_PROFILES: usize = 10_000;
const MOST_LIST_MEMBERS: usize = 1_000;

/// The names a profile can have, strongest first, `id` apart.
pub(crate) const IDENTIFIERS: [&str; 5] = ["email", "phone_number", "external_id", "anonymous_id", "_kx"];

static LOCATION: Shape = object! {
    May "address1": Shape::Text(Text::Any);
    May "address2": Shape::Text(Text::Any);
    May "city": Shape::Text(Text::Any);
    May "country": Shape::Text(Text::Any);
    May "region": Shape::Text(Text::Any);
    May "zip": Shape::Text(Text::Any);
    May "latitude": Shape::NumberOrText;
    May "longitude": Shape::NumberOrText;
    May "timezone": Shape::Text(Text::Any);
    May "ip": Shape::Text(Text::Any);
};

static META: Shape = object! {
    Some "patch_properties": object! {
        May "append": Shape::Open { event: false };
        May "unappend": Shape::Open { event: false };
        May "unset": Shape::TextOrTexts;
    };
    Some "patch_identifiers": object! {
        May "append": Shape::Anything;
        May "unappend": Shape::Anything;
    }, Span::From(PATCH_IDENTIFIERS_SINCE);
};

/// What every profile's attributes can have, and then what only some can.
macro_rules! person {
    ($($more:tt)*) => { object! {
        May "email": Shape::Text(Text::Email);
        May "phone_number": Shape::Text(Text::Phone);
        May "external_id": Shape::Text(Text::ExternalId);
        May "_kx": Shape::Text(Text::Id);
        May "first_name": Shape::Text(Text::Any);
        May "last_name": Shape::Text(Text::Any);
        May "organization": Shape::Text(Text::Any);
        May "locale": Shape::Text(Text::Any);
        May "title": Shape::Text(Text::Any);
        May "image": Shape::Text(Text::Any);
        May "location": LOCATION;
        May "properties": Shape::Open { event: false };
        $($more)*
    } };
}

static IMPORT_ATTRIBUTES: Shape = person! {
    May "anonymous_id": Shape::Text(Text::Id), Span::Before(NO_ANONYMOUS_ID_SINCE);
};

static EVENT_ATTRIBUTES: Shape = person! { May "anonymous_id": Shape::Text(Text::Id); };

static EVENT_ATTRIBUTES_WITH_META: Shape = person! {
    May "anonymous_id": Shape::Text(Text::Id);
    Some "meta": META, Span::From(META_INSIDE_FROM);
};

static PROFILE: Shape = Shape::Sized {
    what: "A profile",
    bytes: MOST_PROFILE_BYTES,
    shape: &object! {
        Must "type": Shape::Word("profile");
        May "id": Shape::Text(Text::Id);
        Must "attributes": IMPORT_ATTRIBUTES;
        Some "meta": META;
    },
};

/// The profile of a single event: where its `meta` stands depends on the revision.
pub(super) static EVENT_PROFILE: Shape = object! {
    Must "data": Shape::Sized {
        what: "The profile of an event",
        bytes: MOST_EVENT_PROFILE_BYTES,
        shape: &object! {
            Must "type": Shape::Word("profile");
            May "id": Shape::Text(Text::Id);
            Must "attributes": EVENT_ATTRIBUTES_WITH_META;
            Some "meta": META, Span::Between(META_BESIDE_FROM, META_INSIDE_FROM);
        },
    }, Span::Before(META_BESIDE_AGAIN_FROM);
    Must "data": EVENT_PROFILE_DATA, Span::From(META_BESIDE_AGAIN_FROM);
};

static EVENT_PROFILE_DATA: Shape = Shape::Sized {
    what: "The profile of an event",
    bytes: MOST_EVENT_PROFILE_BYTES,
    shape: &object! {
        Must "type": Shape::Word("profile");
        May "id": Shape::Text(Text::Id);
        Must "attributes": EVENT_ATTRIBUTES;
        Some "meta": META;
    },
};

/// The profile of a bulk job's events: its `meta` is always a sibling of the attributes.
pub(super) static BULK_EVENT_PROFILE: Shape = object! { Must "data": EVENT_PROFILE_DATA; };

/// `POST /api/profile-import`.
pub(crate) static IMPORT: Shape = object! { Must "data": PROFILE; };

/// `POST /api/profile-bulk-import-jobs`.
pub(crate) static BULK_IMPORT: Shape = object! {
    Must "data": object! {
        Must "type": Shape::Word("profile-bulk-import-job");
        Must "attributes": object! {
            Must "profiles": object! {
                Must "data": Shape::List { of: &PROFILE, least: 1, most: MOST_BULK_PROFILES };
            };
        };
        Some "relationships": object! {
            Some "lists": object! {
                Must "data": Shape::List { of: &LIST, least: 0, most: 1 };
            };
        };
    };
};

/// A list by its id.
pub(super) static LIST: Shape = object! {
    Must "type": Shape::Word("list");
    Must "id": Shape::Text(Text::Id);
};

/// `POST` and `DELETE /api/lists/{id}/relationships/profiles`: Klaviyo's own profile ids, nothing else.
pub(crate) static LIST_MEMBERS: Shape = object! {
    Must "data": Shape::List {
        of: &object! {
            Must "type": Shape::Word("profile");
            Must "id": Shape::Text(Text::Id);
        },
        least: 1,
        most: MOST_LIST_MEMBERS,
    };
};

/// `POST /api/data-privacy-deletion-jobs`.
pub(crate) static DELETION: Shape = object! {
    Must "data": object! {
        Must "type": Shape::Word("data-privacy-deletion-job");
        Must "attributes": object! {
            Must "profile": object! {
                Must "data": object! {
                    Must "type": Shape::Word("profile");
                    May "id": Shape::Text(Text::Id);
                    Must "attributes": object! {
                        May "email": Shape::Text(Text::Any);
                        May "phone_number": Shape::Text(Text::Any);
                    };
                };
            };
        };
    };
};
