//! `[mapping]`: the settings of Segment's Klaviyo destination, with the meaning its page gives them.

use std::collections::BTreeMap;

use super::section::{Entry, Section};
use super::suggest::shown;
use super::values::not_blank;
use crate::model::GarbageIds;

/// The settings of Segment's Klaviyo destination.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the destination's settings are independent switches, named as its page names them"
)]
pub struct MappingConfig {
    /// "Enforce email as primary identifier". Default false.
    pub enforce_email: bool,
    /// "Fallback on Anonymous ID". Default false.
    pub fallback_to_anonymous_id: bool,
    /// The default list of identify calls. Default none.
    pub list_id: Option<String>,
    /// "Confirm opt in". Default true.
    pub confirm_optin: bool,
    /// "Send placed order events as order completed". Default false.
    pub order_completed_as_is: bool,
    /// Events of an order that happen once, whose `$event_id` is the order's id.
    pub order_id_events: Vec<String>,
    /// Further events whose `eventId` is their `$event_id`; `*` for all. Default none.
    pub event_id_events: Vec<String>,
    /// Products of an order that are sent as events of their own, at most. Default 500.
    pub max_products: u32,
    /// Whether a delete call also has Klaviyo delete the person. Default false.
    pub delete_profiles: bool,
    /// Personas audience key to list id.
    pub audience_lists: BTreeMap<String, String>,
    /// Ids that identify nobody.
    pub garbage_ids: GarbageIds,
}

impl Default for MappingConfig {
    fn default() -> Self {
        let order_id_events = [
            "Order Completed",
            "Order Refunded",
            "Order Cancelled",
            "Order Fulfilled",
        ];
        Self {
            enforce_email: false,
            fallback_to_anonymous_id: false,
            list_id: None,
            confirm_optin: true,
            order_completed_as_is: false,
            order_id_events: order_id_events.map(str::to_owned).to_vec(),
            event_id_events: Vec::new(),
            max_products: 500,
            delete_profiles: false,
            audience_lists: BTreeMap::new(),
            garbage_ids: GarbageIds::default(),
        }
    }
}

impl MappingConfig {
    pub(super) fn read(section: &Section<'_>) -> Self {
        let default = Self::default();
        let yes_or_no = |key, default| section.yes_or_no(key, default);
        Self {
            enforce_email: yes_or_no("enforce_email", default.enforce_email),
            fallback_to_anonymous_id: yes_or_no("fallback_to_anonymous_id", default.fallback_to_anonymous_id),
            list_id: section.value("list_id", LIST_ID, list_id),
            confirm_optin: yes_or_no("confirm_optin", default.confirm_optin),
            order_completed_as_is: yes_or_no("order_completed_as_is", default.order_completed_as_is),
            order_id_events: section
                .texts("order_id_events", "a list of event names, each in quotes")
                .unwrap_or(default.order_id_events),
            event_id_events: section
                .texts("event_id_events", "a list of event names, each in quotes, or [\"*\"]")
                .unwrap_or(default.event_id_events),
            max_products: section.count("max_products", default.max_products, 0..=4000),
            delete_profiles: yes_or_no("delete_profiles", default.delete_profiles),
            audience_lists: audience_lists(&section.words_section("audience_lists")),
            garbage_ids: section
                .texts("garbage_ids", "a list of ids, each in quotes")
                .map_or(default.garbage_ids, GarbageIds::new),
        }
    }
}

const LIST_ID: &str = "the id of a list in Klaviyo, letters and digits in quotes, such as \"baV129\"";

fn audience_lists(section: &Section<'_>) -> BTreeMap<String, String> {
    let pairs = section.words(LIST_ID, |audience, entry| Ok((audience.to_owned(), list_id(entry)?)));
    pairs.into_iter().collect()
}

/// A list's id stands in the address of requests, so that it must not hold what an address cannot.
fn list_id(entry: &Entry<'_>) -> Result<String, String> {
    let id = not_blank(entry)?;
    if id.len() > 64 || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(format!("is {}, not a list's id", shown(&id)));
    }
    Ok(id)
}
