//! Where the fields of a request come from, as data: the place in the call, and a note of what was done with it. The
//! text for people is made here and nowhere else. Pure; uses `segment`.

use std::fmt;

use crate::segment::Pointer;

/// A field of a request, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The field's place in the body, as a JSON pointer: `/data/attributes/email`.
    pub field: String,
    /// What it was made of.
    pub origin: Origin,
}

/// Declares the notes: each a code, and its text, in which `{from}` is the place in the call.
macro_rules! notes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $text:literal;)+) => {
        /// How a field was made of the place in the call that gave it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Note { $($(#[$doc])* $variant),+ }

        impl Note {
            /// Every note.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The note's code: it stays the same when the text changes.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The note's text. `{from}` in it is the place in the call; without it no place gave the field.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

notes! {
    /// As it was sent.
    AsSent = "as_sent", "{from}";
    /// A user id that is an e-mail address.
    UserIdIsEmail = "user_id_is_email", "{from}, since it is an e-mail address";
    /// The user id, which `enforce_email` makes a property.
    EnforceEmail = "enforce_email", "{from}, since enforce_email is on";
    /// The anonymous id instead of a user id.
    AnonymousId = "fallback_to_anonymous_id", "{from}, since fallback_to_anonymous_id is on";
    /// A phone number without its separators.
    SeparatorsRemoved = "separators_removed", "{from}, its separators removed";
    /// A `null` that clears a standard field.
    NullClears = "null_clears", "{from} is null, which clears the field";
    /// A `null` that deletes a property.
    NullDeletes = "null_deletes", "{from} is null, which deletes the property";
    /// The first word of a name.
    FirstWord = "first_word", "first word of {from}";
    /// A name without its first word.
    AfterFirstWord = "after_first_word", "{from} after its first word";
    /// A time, corrected at ingest.
    ClockCorrected = "clock_corrected", "{from}, corrected for the sender's clock";
    /// The time at which the call arrived.
    ArrivalTime = "arrival_time", "the time of arrival";
    /// The name of an Order Completed of a browser.
    ClientSideOrder = "client_side_order", "{from}, as the client side always sends it";
    /// The name of an Order Completed, as it was sent.
    OrderCompletedAsIs = "order_completed_as_is", "{from}, since order_completed_as_is is on";
    /// The name `Placed Order`.
    OrderCompleted = "order_completed", "{from}, an Order Completed";
    /// The name `Ordered Product`.
    OrderedProduct = "ordered_product", "{from} of an Order Completed";
    /// The categories of an order's products.
    ProductCategories = "product_categories", "{from}, category";
    /// The names of an order's products.
    ProductNames = "product_names", "{from}, name";
    /// An order's products, under Klaviyo's names.
    ProductItems = "product_items", "{from}";
    /// The `$event_id` of a product.
    OrderAndProduct = "order_and_product", "{from}, and the productId, id or sku of the product";
    /// The value of a product.
    PriceTimesQuantity = "price_times_quantity", "price × quantity of {from}";
    /// The quantity of a product that has none.
    QuantityOne = "quantity_one", "1, since {from} has no quantity";
    /// Consent, by the list that the call names.
    ListOfCall = "list_of_call", "the list, {from}";
    /// Consent, by the list of the settings.
    ListOfSettings = "list_of_settings", "the list, list_id of [mapping]";
    /// The list of the settings.
    ListId = "list_id", "list_id of [mapping]";
    /// The call's option is `false`.
    OptInOff = "opt_in_off", "{from} is false";
    /// The setting is `false`.
    OptInOffBySettings = "opt_in_off_by_settings", "confirm_optin of [mapping] is false";
    /// A profile that joins the list of an audience.
    InAudience = "in_audience", "the profile's id at Klaviyo; audience_lists has the audience, and {from} is true";
    /// A profile that leaves the list of an audience.
    NotInAudience = "not_in_audience", "the profile's id at Klaviyo; audience_lists has the audience, and {from} is false";
    /// The id of a profile that is imported first.
    ImportedProfile = "imported_profile", "the profile's id at Klaviyo, which request 1 is answered with";
}

/// What a field was made of. It displays in words: `traits.email`, `userId, since it is an e-mail address`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The place in the call that gave it; `None` when a setting or the time of arrival did.
    pub from: Option<Pointer>,
    /// How it was made of that.
    pub note: Note,
}

impl Origin {
    /// What this place of the call gave.
    pub(super) const fn new(from: Pointer, note: Note) -> Self {
        let from = Some(from);
        Self { from, note }
    }

    /// The value at this place of the call, as it was sent.
    pub(super) const fn sent(from: Pointer) -> Self {
        Self::new(from, Note::AsSent)
    }

    /// What no place of the call gave.
    pub(super) const fn outside(note: Note) -> Self {
        Self { from: None, note }
    }
}

/// A value, and where it comes from if rules are wanted.
#[derive(Debug, Clone)]
pub(super) struct Sourced<T> {
    pub(super) value: T,
    pub(super) origin: Option<Origin>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, self.note.text().split_once("{from}")) {
            (Some(from), Some((before, after))) => write!(f, "{before}{from}{after}"),
            (_, None) | (None, Some(_)) => f.write_str(self.note.text()),
        }
    }
}
