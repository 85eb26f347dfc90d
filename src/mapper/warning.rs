//! Warnings about a request that is sent: a code, and a sentence. The sentences name places and limits, never the value
//! at a place.

use std::fmt;

use super::rule::Origin;
use crate::klaviyo::limits;
use crate::model::reasons;
use crate::segment::Pointer;

reasons! {
    /// Warnings about a request that is sent all the same.
    Warning {
        /// `traits` is no object.
        #[error("`traits` is no object: nothing of it is sent")]
        TraitsNotObject = "traits_not_object";
        /// `properties` is no object.
        #[error("`properties` is no object: nothing of it is sent")]
        PropertiesNotObject = "properties_not_object";
        /// A trait that is `null` erases a field of the profile.
        #[error("`{from}` is null: the profile's {field} is erased at Klaviyo")]
        FieldErased {
            /// The trait.
            from: Pointer,
            /// The field, as Klaviyo calls it.
            field: &'static str,
        } = "field_erased";
        /// A standard trait is a blank text.
        #[error("`{0}` is blank and not sent: null would clear the field")]
        BlankTrait(Pointer) = "blank_trait";
        /// A standard trait holds what its field cannot.
        #[error("`{0}` is neither a text nor a number: it stays a custom property")]
        TraitNotText(Pointer) = "trait_not_text";
        /// The trait `id` and the userId would be one property.
        #[error("`{0}` gives way to the userId, which enforce_email sends as the property `id`")]
        TraitIdReplaced(Pointer) = "trait_id_replaced";
        /// The userId is longer than an id of Klaviyo's may be.
        #[error(
            "`userId` has {0} characters, more than Klaviyo's {limit}: it names nobody at Klaviyo",
            limit = limits::MAX_EXTERNAL_ID_CHARS
        )]
        UserIdTooLong(usize) = "user_id_not_used";
        /// An e-mail or phone is on the garbage list.
        #[error("`{0}` is in `mapping.garbage_ids`: it names nobody at Klaviyo")]
        GarbageContact(Pointer) = "garbage_contact";
        /// What should be an e-mail address is none.
        #[error("`{0}` is no e-mail address: it names nobody at Klaviyo")]
        NotAnEmail(Pointer) = "email_not_used";
        /// What should be a phone number is none.
        #[error("`{0}` is no E.164 phone number (+ and country code): it names nobody at Klaviyo")]
        NotAPhone(Pointer) = "phone_not_used";
        /// The e-mail address is of a domain whose events Klaviyo drops.
        #[error("the e-mail address is of a test domain: Klaviyo accepts such people's events and drops them")]
        TestAddress = "test_address";
        /// A time of the call cannot be read.
        #[error("`{field}` cannot be read: {counts} counts")]
        TimeNotReadable {
            /// The field that cannot be read.
            field: &'static str,
            /// What counts instead.
            counts: Origin,
        } = "time_not_readable";
        /// What should be the `$event_id` is no id.
        #[error("`{0}` is no usable id (blank, garbage, or neither text nor number): it is not the $event_id")]
        EventIdNotUsable(Pointer) = "event_id_not_usable";
        /// The `$event_id` is longer than Klaviyo takes.
        #[error(
            "the $event_id has {0} characters, more than Klaviyo's {limit}: its SHA-256 is sent instead",
            limit = limits::MAX_UNIQUE_ID_CHARS
        )]
        EventIdHashed(usize) = "event_id_hashed";
        /// What should be the value is no number.
        #[error("`{0}` is no number: it is not the event's value")]
        ValueNotNumber(Pointer) = "value_not_number";
        /// What should be the value's currency is none.
        #[error("`{0}` is no currency code of ISO 4217: the event's value goes without a currency")]
        NotACurrency(Pointer) = "currency_unknown";
        /// Properties that Klaviyo does not keep.
        #[error("Klaviyo ignores event properties that are 0, null or empty: {0}")]
        PropertiesIgnored(Names) = "properties_ignored";
        /// An order has more products than are sent as events.
        #[error(
            "the order has {products} products, of which the first {most} are sent as events of their own \
             (`max_products`): the others are in its `Items` alone"
        )]
        TooManyProducts {
            /// How many it has.
            products: usize,
            /// `max_products`.
            most: usize,
        } = "too_many_products";
        /// The products of an order are no list.
        #[error("`{0}` is no array: the order goes without products")]
        ProductsNotArray(Pointer) = "products_not_array";
        /// Products of an order are no objects.
        #[error("{0} of the order's products are no objects: they are not sent")]
        ProductsNotObjects(usize) = "products_not_objects";
        /// A product's id is on the garbage list.
        #[error("`{0}` is in `mapping.garbage_ids`: it names no product")]
        GarbageProductId(Pointer) = "garbage_product_id";
        /// A product's quantity is no number.
        #[error("`{0}` is no number: the product goes without a value")]
        QuantityNotNumber(Pointer) = "quantity_not_number";
        /// A product's price is no number.
        #[error("`{0}` is no number: it is not the product's price")]
        PriceNotNumber(Pointer) = "price_not_number";
        /// A product's price × quantity cannot be held exactly.
        #[error("price × quantity of `{0}` has too many digits: the product goes without a value")]
        RowTotalTooLong(Pointer) = "row_total_too_long";
        /// There is a list, and no e-mail for it.
        #[error("nobody is subscribed to the list, because the call has no e-mail address")]
        ListWithoutEmail = "list_without_email";
        /// The call names a list, and its source may not.
        #[error("`{0}` is for server-side calls: nobody is subscribed")]
        ListNotAllowed(Pointer) = "list_not_allowed";
        /// What should be a list id is none.
        #[error("`{0}` is no list id (a text such as \"baV129\"): nobody is subscribed")]
        NotAListId(Pointer) = "list_id_not_readable";
        /// What should be a list id is none, and another place has one.
        #[error("`{place}` is no list id: `{used}` counts")]
        OtherListId {
            /// The place without an id.
            place: Pointer,
            /// The place that counts.
            used: Pointer,
        } = "list_id_passed_over";
        /// The call has the option whether to confirm, and its source may not use it.
        #[error("`{0}` does not count: the source may not say it (`allow`)")]
        OptInNotAllowed(Pointer) = "opt_in_not_allowed";
        /// Whether to confirm cannot be read.
        #[error("`{0}` is neither true nor false: the person is asked to confirm")]
        OptInNotReadable(Pointer) = "opt_in_not_readable";
        /// Consent of a time that is still to come.
        #[error("the call's timestamp is ahead of its arrival: the consent counts from the arrival")]
        ConsentAhead = "consent_ahead";
        /// An audience's trait cannot be read.
        #[error("`{0}` is neither true nor false: the audience's list stays as it is")]
        AudienceNotReadable(Pointer) = "audience_not_readable";
    }
}

/// The first of some names, and how many there are besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The first names.
    pub first: Vec<String>,
    /// How many follow.
    pub more: usize,
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, more } = self;
        for (at, name) in first.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}`{name}`")?;
        }
        if *more == 0 {
            Ok(())
        } else {
            write!(f, " and {more} more")
        }
    }
}
