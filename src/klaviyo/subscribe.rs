//! `profile-subscription-bulk-create-jobs`: subscribe one person to e-mail, answered with 202 and nothing else.
//!
//! Klaviyo cannot de-duplicate it, and it lifts an unsubscribe that came earlier: it must never arrive late.

use serde_json::json;

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
        let mut attributes = json!({});
        let mut marketing = json!({ "consent": "SUBSCRIBED" });
        if let OptIn::GivenAt(time) = self.opt_in {
            attributes["historical_import"] = json!(true);
            marketing["consented_at"] = json!(time);
        }
        let person = json!({ "email": self.email, "subscriptions": { "email": { "marketing": marketing } } });
        attributes["profiles"] = json!({ "data": [{ "type": "profile", "attributes": person }] });
        let mut job = json!({ "type": "profile-subscription-bulk-create-job", "attributes": attributes });
        if let Some(id) = &self.list_id {
            job["relationships"] = json!({ "list": { "data": { "type": "list", "id": id } } });
        }
        json!({ "data": job }).to_string()
    }
}
