//! `POST /api/profile-subscription-bulk-create-jobs`: consent to messages.
//!
//! Promises the rules between the fields that no shape can express: `consented_at` and `historical_import` go together,
//! a channel needs its identifier. A list with double opt-in keeps people waiting, unless the import is historical.

use serde_json::Value;

use super::{Operation, Response, Result, items, require_names, text};
use crate::model::Timestamp;
use crate::sandbox::log::Outcome;
use crate::sandbox::options::OptIn;
use crate::sandbox::schema::{Check, SUBSCRIPTIONS, read_time};
use crate::sandbox::state::lists::Membership;
use crate::sandbox::state::profiles::{Consent, Names, ProfileNumber};

const PROFILES: &str = "/data/attributes/profiles/data";
const LIST: &str = "/data/relationships/list/data/id";
/// The kinds of message a channel knows.
const PURPOSES: [&str; 2] = ["marketing", "transactional"];

impl Operation<'_> {
    pub(super) fn subscribe(&mut self, document: &Value) -> Result<Response> {
        let historical = document["data"]["attributes"]["historical_import"] == true;
        let list = text(document, LIST);
        let profiles = items(document, PROFILES);
        self.check(&SUBSCRIPTIONS, document, |check| {
            for (at, profile) in profiles.iter().enumerate() {
                check_profile(check, profile, historical, &format!("{PROFILES}/{at}"));
            }
            if list.is_some_and(|list| !self.state.lists.knows(list)) {
                check.refuse(LIST, "This list does not exist.");
            }
        })?;
        let waits = !historical && self.opt_in(list) == OptIn::Double;
        let mut subscribed = None;
        let mut unknown = 0_usize;
        for profile in profiles {
            match self.subscriber(profile) {
                Some(number) => {
                    self.note_consent(number, profile, list, (historical, waits));
                    subscribed = Some(number);
                }
                None => unknown += 1,
            }
        }
        let outcome = if subscribed.is_some() {
            Outcome::Stored
        } else {
            Outcome::Dropped
        };
        Ok(Response {
            profile: subscribed
                .filter(|_| profiles.len() == 1)
                .map(|number| number.to_string()),
            note: (unknown > 0).then(|| format!("{unknown} dropped: no profile has their id")),
            ..Response::accepted(outcome)
        })
    }

    /// What subscribing takes: the list's process, or without a list the account's.
    fn opt_in(&mut self, list: Option<&str>) -> OptIn {
        let account = self.state.lists.opt_in();
        let list = list.and_then(|id| self.state.lists.get_mut(id, self.now));
        list.map_or(account, |list| list.opt_in_process)
    }

    /// The person, created now when new; none for an unknown id.
    fn subscriber(&mut self, profile: &Value) -> Option<ProfileNumber> {
        let names = Names::of(profile);
        let known = match &names.id {
            Some(id) => Some(self.state.profiles.by_id(id)?),
            None => self.state.profiles.owners(&names).first().copied(),
        };
        let number = known.unwrap_or_else(|| self.state.profiles.create(self.now));
        self.state.add_names(number, &names);
        Some(number)
    }

    fn note_consent(
        &mut self,
        number: ProfileNumber,
        profile: &Value,
        list: Option<&str>,
        (historical, waits): (bool, bool),
    ) {
        let now = self.now;
        let state = if waits { "AWAITING_CONFIRMATION" } else { "SUBSCRIBED" };
        self.state.profiles.change(number, now, |held| {
            for (channel, at) in channels(profile, now) {
                let consent = Consent {
                    state,
                    at,
                    list: list.map(str::to_owned),
                    historical_import: historical,
                };
                let subscribed = held
                    .consent
                    .get(&channel)
                    .is_some_and(|former| former.state == "SUBSCRIBED");
                // Asking again for a confirmation takes nothing back.
                if !(waits && subscribed) {
                    held.consent.insert(channel, consent);
                }
            }
        });
        if let Some(list) = list.and_then(|id| self.state.lists.get_mut(id, now)) {
            let member = list.members.entry(number).or_insert(Membership::AwaitingConfirmation);
            if !waits {
                *member = Membership::Subscribed;
            }
        }
    }
}

/// The channels a profile subscribes to, as `email.marketing`, each with its time. Without any, which only old
/// revisions allow, it is those whose identifier is there.
fn channels(profile: &Value, now: Timestamp) -> Vec<(String, Timestamp)> {
    let attributes = &profile["attributes"];
    let Some(subscriptions) = attributes["subscriptions"].as_object() else {
        return [("email", "email.marketing"), ("phone_number", "sms.marketing")]
            .into_iter()
            .filter(|(name, _)| attributes[*name].is_string())
            .map(|(_, channel)| (channel.to_owned(), now))
            .collect();
    };
    let mut found = Vec::new();
    for (channel, purposes) in subscriptions {
        for purpose in PURPOSES {
            if let Some(consent) = purposes.get(purpose) {
                let at = text(consent, "/consented_at").and_then(read_time);
                found.push((format!("{channel}.{purpose}"), at.unwrap_or(now)));
            }
        }
    }
    found
}

fn check_profile(check: &mut Check, profile: &Value, historical: bool, pointer: &str) {
    let attributes = &profile["attributes"];
    let names = Names::of(profile);
    let at = format!("{pointer}/attributes");
    if !require_names(check, profile, pointer) {
        return;
    }
    let Some(subscriptions) = attributes["subscriptions"].as_object() else {
        return;
    };
    for (channel, purposes) in subscriptions {
        let needed = match channel.as_str() {
            "email" if names.id.is_none() => Some("email"),
            "sms" | "whatsapp" => Some("phone_number"),
            _ => None,
        };
        if let Some(name) = needed
            && names.get(name).is_none()
        {
            let detail =
                format!("'{name}' must not be empty when the {channel} channel is included in 'subscriptions'.");
            check.refuse(format!("{at}/{name}"), detail);
        }
        for purpose in PURPOSES {
            let Some(consent) = purposes.get(purpose) else {
                continue;
            };
            let pointer = format!("{at}/subscriptions/{channel}/{purpose}/consented_at");
            match (historical, consent["consented_at"].is_string()) {
                (true, false) => {
                    check.refuse(pointer, "A historical import needs the time of the consent.");
                }
                (false, true) => {
                    check.refuse(pointer, "Only a historical import may say when consent was given.");
                }
                (true, true) | (false, false) => {}
            }
        }
    }
}
