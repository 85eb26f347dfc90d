//! `[mapping]`: the settings of Segment's Klaviyo destination, with the meaning its page gives them.

use std::collections::BTreeMap;

use super::declare::{Settings, settings};
use super::setting::{map, text};
use super::suggest::quoted;
use super::values::{boolean, count, not_blank, texts};
use crate::model::GarbageIds;

const LIST_ID: &str = "the id of a list in Klaviyo, letters and digits in quotes, such as \"baV129\"";
const ORDER_EVENTS: [&str; 4] = [
    "Order Completed",
    "Order Refunded",
    "Order Cancelled",
    "Order Fulfilled",
];

settings! {
    /// The settings of Segment's Klaviyo destination.
    pub struct MappingConfig {
        /// "Enforce email as primary identifier". true: the `userId` is not sent as the profile's external id but as
        /// the property `id`, the e-mail alone names the person, and an event without one is skipped.
        enforce_email: bool = false, boolean();

        /// "Fallback on Anonymous ID". false: an event without `userId`, e-mail or phone is skipped. true: the
        /// `anonymousId` stands in for the `userId`, which makes a profile of every visitor.
        fallback_to_anonymous_id: bool = false, boolean();

        /// The Klaviyo list that people with an e-mail are subscribed to when a server identifies them. A call can name
        /// another: `integrations.Klaviyo.listId`. Calls from browsers and Personas never use it.
        list_id: Option<String> = None, text(LIST_ID, list_id, String::clone).optional().examples(&["\"baV129\""]);

        /// "Confirm opt in". true: the list's own setting decides whether Klaviyo first mails a link to confirm. false
        /// subscribes at once: only with a consent you already have, or Klaviyo may close the account. A call can say
        /// otherwise: `integrations.Klaviyo.confirmOptin`.
        confirm_optin: bool = true, boolean();

        /// "Send placed order events as order completed". false: the server-side event Order Completed becomes
        /// Klaviyo's Placed Order. true keeps its name, as calls from browsers always do.
        order_completed_as_is: bool = false, boolean();

        /// Products of an order that are sent as events of their own ("Ordered Product"). Further ones are in the
        /// order's Items alone, with a warning: one order of thousands would keep Klaviyo's limits busy for minutes.
        max_products: u32 = 500, count(0..=4000);

        /// Events that happen once for each order: the order's id becomes their `$event_id`, by which Klaviyo drops a
        /// second one and ties a refund to its order. Other events take their message id.
        order_id_events: Vec<String> = ORDER_EVENTS.map(str::to_owned).to_vec(),
            texts("a list of event names, each in quotes");

        /// Further events whose `eventId` (`event_id`, …) becomes their `$event_id`, as it does for those above;
        /// `["*"]` for all. None by default, since an `event_id` may be a concert that many people look at.
        event_id_events: Vec<String> = Vec::new(), texts("a list of event names, each in quotes, or [\"*\"]");

        /// Ids that broken clients send for everybody, in any case. They identify nobody; without this, everybody who
        /// has one would become a single person in Klaviyo, and would wait in one queue. An identifier that many people
        /// share (the e-mail of a till) belongs here too: its events wait for each other otherwise, and it names nobody
        /// from then on. After a reload, what waits in the queue of such an id waits for its own people alone.
        garbage_ids: GarbageIds = GarbageIds::default(), texts("a list of ids, each in quotes")
            .map(GarbageIds::new, |ids: &GarbageIds| ids.words().map(str::to_owned).collect());

        /// Whether a call of type delete also deletes the person at Klaviyo, for good. false: it erases the person
        /// from the outbox alone. true needs the scope data-privacy:write: without it Klaviyo answers 403, and delivery
        /// pauses.
        delete_profiles: bool = false, boolean();

        /// Personas audiences and the Klaviyo list each one fills: its key in snake case, and the list's id. A person
        /// is added when the audience is true, and taken off when it is false.
        audience_lists: BTreeMap<String, String> = BTreeMap::new(), map(LIST_ID, |_, id| list_id(id), String::clone)
            .examples(&["order_completed_last_30days = \"baV129\""]);
    }
}

/// A list's id stands in the address of requests, so that it must not hold what an address cannot.
fn list_id(text: &str) -> Result<String, String> {
    let id = not_blank(text)?;
    if id.len() > 64 || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(format!("is {}, not a list's id", quoted(&id)));
    }
    Ok(id)
}
