//! The document of consent: `profile-subscription-bulk-create-jobs`.
//!
//! Source: Klaviyo's `OpenAPI` description of 2026-07-15 and the models of its SDK for 2026-10-15.

use jiff::civil::{Date, date};

use super::profiles::LIST;
use super::texts::Text;
use super::{Shape, Span, object};

const SUBSCRIPTIONS_REQUIRED_SINCE: Date = date(2025, 1, 15);
const PUSH_SINCE: Date = date(2026, 1, 15);
const CLICK_TRACKING_SINCE: Date = date(2026, 10, 15);
const MOST_PROFILES: usize = 1_000;

static CONSENT: Shape = object! {
    Must "consent": Shape::OneOf(&["SUBSCRIBED"]);
    May "consented_at": Shape::Text(Text::PastTime);
};

static EMAIL: Shape = object! {
    Some "marketing": CONSENT;
    May "open_tracking": Shape::Anything;
    May "click_tracking": Shape::Anything, Span::From(CLICK_TRACKING_SINCE);
};

static SMS: Shape = object! {
    Some "marketing": CONSENT;
    Some "transactional": CONSENT;
};

static PUSH: Shape = object! {
    Some "marketing": CONSENT;
    May "tokens": Shape::List { of: &Shape::Anything, least: 0, most: 1_000 };
    May "anonymous_id": Shape::Text(Text::Id);
};

static CHANNELS: Shape = object! {
    Some "email": EMAIL;
    Some "sms": SMS;
    Some "whatsapp": SMS;
    Some "push": PUSH, Span::From(PUSH_SINCE);
};

static PROFILE: Shape = object! {
    Must "type": Shape::Word("profile");
    May "id": Shape::Text(Text::Id);
    Must "attributes": object! {
        May "email": Shape::Text(Text::Email);
        May "phone_number": Shape::Text(Text::Phone);
        May "age_gated_date_of_birth": Shape::Text(Text::Date);
        Must "subscriptions": CHANNELS, Span::RequiredFrom(SUBSCRIPTIONS_REQUIRED_SINCE);
    };
};

/// `POST /api/profile-subscription-bulk-create-jobs`.
pub(crate) static SUBSCRIPTIONS: Shape = object! {
    Must "data": object! {
        Must "type": Shape::Word("profile-subscription-bulk-create-job");
        Must "attributes": object! {
            May "custom_source": Shape::Text(Text::Any);
            Must "profiles": object! {
                Must "data": Shape::List { of: &PROFILE, least: 1, most: MOST_PROFILES };
            };
            May "historical_import": Shape::Bool;
        };
        Some "relationships": object! {
            Some "list": object! { Must "data": LIST; };
        };
    };
};
