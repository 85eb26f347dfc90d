//! Why nothing is sent for a call, and why a request is not sent: a code, and a sentence for the shop's developer. The
//! sentences name fields and limits, never what a field held.

use crate::klaviyo::limits;
use crate::model::{EventType, Timestamp, reasons};
use crate::segment::Pointer;

reasons! {
    /// Why a call owes Klaviyo nothing.
    #[derive(Copy)]
    Skip {
        /// Its `integrations` switch Klaviyo off.
        #[error("the call's `integrations` switch Klaviyo off: leave `Klaviyo` out or set it to true to send the call")]
        Disabled = "klaviyo_disabled";
        /// Calls of its type have no counterpart at Klaviyo.
        #[error("{0} calls are not sent to Klaviyo: identify and track calls are")]
        NotMapped(EventType) = "type_not_mapped";
        /// `delete_profiles` is off.
        #[error("`delete_profiles` is off: the person is not deleted at Klaviyo")]
        NotDeleted = "delete_profiles_off";
        /// `enforce_email` is on and there is no e-mail.
        #[error(
            "`enforce_email` is on and the call has no e-mail address: send one as email or as userId, or turn the setting off"
        )]
        NoEmail = "no_email";
        /// It has an `anonymousId` and nothing else.
        #[error(
            "the call names its person by anonymousId alone: send a userId, an e-mail or a phone, or turn `fallback_to_anonymous_id` on"
        )]
        Anonymous = "anonymous_id_only";
        /// It has no id at all, or known garbage ids only.
        #[error(
            "the call names nobody: send a userId, an e-mail or a phone (ids on the garbage list, such as null or undefined, name nobody)"
        )]
        Nobody = "no_identifier";
    }
}

reasons! {
    /// Why Klaviyo would never take a request.
    Rejection {
        /// The body is over Klaviyo's limit.
        #[error(
            "the request has {0} bytes, Klaviyo takes {limit}: send less with the event",
            limit = limits::MAX_PAYLOAD_BYTES
        )]
        PayloadTooLarge(usize) = "payload_too_large";
        /// The profile is over Klaviyo's limit.
        #[error(
            "the profile has {0} bytes, Klaviyo takes {limit}: send fewer or shorter traits",
            limit = limits::MAX_PROFILE_BYTES
        )]
        ProfileTooLarge(usize) = "profile_too_large";
        /// The person's names within an event are over Klaviyo's limit.
        #[error(
            "the event's profile has {0} bytes, Klaviyo takes {limit}: send a shorter userId",
            limit = limits::MAX_EVENT_PROFILE_BYTES
        )]
        EventProfileTooLarge(usize) = "event_profile_too_large";
        /// An event has too many properties.
        #[error(
            "the event has {0} properties, Klaviyo takes {limit}: send fewer",
            limit = limits::MAX_EVENT_PROPERTIES
        )]
        TooManyProperties(usize) = "too_many_properties";
        /// A string is too long.
        #[error(
            "`{field}` holds a text of {bytes} bytes, Klaviyo takes {limit}: shorten it",
            limit = limits::MAX_STRING_BYTES
        )]
        StringTooLong {
            /// The property it is in.
            field: String,
            /// Its length.
            bytes: usize,
        } = "string_too_long";
        /// An array is too long.
        #[error(
            "`{field}` holds an array of {items} items, Klaviyo takes {limit}: send fewer",
            limit = limits::MAX_ARRAY_ITEMS
        )]
        ArrayTooLong {
            /// The property it is in.
            field: String,
            /// Its length.
            items: usize,
        } = "array_too_long";
        /// Objects and arrays in one another, too deep.
        #[error(
            "`{field}` nests deeper than {limit} levels, Klaviyo's limit: flatten it",
            limit = limits::MAX_NESTING
        )]
        TooDeep {
            /// The property it is in.
            field: String,
        } = "nested_too_deep";
        /// A whole number beyond 64 bits.
        #[error(
            "`{field}` holds a whole number outside of {low} to {high}, Klaviyo's limits: send it as a text",
            low = limits::MIN_INTEGER,
            high = limits::MAX_INTEGER
        )]
        IntegerTooLarge {
            /// The property it is in.
            field: String,
        } = "integer_too_large";
        /// A number that no double can hold.
        #[error("`{field}` holds a number larger than a 64-bit float can be: send it as a text")]
        NumberTooLarge {
            /// The property it is in.
            field: String,
        } = "number_too_large";
        /// A track without a usable event name.
        #[error("the track call's `event` is missing, blank or no text: name the event")]
        MetricMissing = "event_name_missing";
        /// The metric's name is too long.
        #[error(
            "the event's name has {0} characters, Klaviyo takes {limit}: shorten it",
            limit = limits::MAX_METRIC_CHARS
        )]
        MetricTooLong(usize) = "event_name_too_long";
        /// There is nothing to make an `$event_id` of.
        #[error("the event has no `$event_id`, eventId or messageId: send a messageId")]
        EventIdMissing = "event_id_missing";
        /// A product of an order without an id.
        #[error("product {0} of the order has no productId, id or sku, of which its `$event_id` is made: send one of them")]
        ProductWithoutId(usize) = "product_without_id";
        /// The person is named by a user id alone, which is too long.
        #[error(
            "the userId has {0} characters, Klaviyo takes {limit}: shorten it, or send an e-mail or a phone",
            limit = limits::MAX_EXTERNAL_ID_CHARS
        )]
        UserIdTooLong(usize) = "user_id_too_long";
        /// The person is named by something that should be an e-mail and is none.
        #[error("the call names its person by `{0}` alone, which is no e-mail address: correct it or send a userId")]
        EmailAlone(Pointer) = "email_invalid";
        /// The person is named by something that should be a phone number and is none.
        #[error(
            "the call names its person by `{0}` alone, which is no E.164 phone number (+ and country code): correct it or send a userId"
        )]
        PhoneAlone(Pointer) = "phone_invalid";
        /// The event happened before what Klaviyo takes.
        #[error("the event's time is {0}, Klaviyo takes none before the year 2000: correct its timestamp")]
        TimeTooEarly(Timestamp) = "time_too_early";
        /// The event is to happen after what Klaviyo takes.
        #[error("the event's time is {0}, more than a year ahead, which Klaviyo refuses: correct its timestamp")]
        TimeTooLate(Timestamp) = "time_too_late";
        /// A list cannot be changed, nor a person deleted, by the id of a profile that is not sent.
        #[error("the event's profile is rejected, and the list needs the id that Klaviyo would answer for it")]
        ProfileRejected = "profile_refused";
    }
}
