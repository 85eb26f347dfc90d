//! `POST /api/data-privacy-deletion-jobs`: forgetting a person.
//!
//! Promises that nothing of them is left in the account: profile, events, list membership. The request log keeps
//! the requests that named them, as a log of a trial.

use serde_json::Value;

use super::{Operation, Response, Result};
use crate::sandbox::log::Outcome;
use crate::sandbox::schema::DELETION;
use crate::sandbox::state::profiles::Names;

impl Operation<'_> {
    pub(super) fn request_deletion(&mut self, document: &Value) -> Result<Response> {
        let profile = &document["data"]["attributes"]["profile"]["data"];
        let names = Names::of(profile);
        self.check(&DELETION, document, |check| {
            if names.given.len() + usize::from(names.id.is_some()) != 1 {
                check.refuse(
                    "/data/attributes/profile/data",
                    "Exactly one of id, email and phone_number must name the person.",
                );
            }
        })?;
        let number = match &names.id {
            Some(id) => self.state.profiles.by_id(id),
            None => self.state.profiles.owners(&names).first().copied(),
        };
        let erased = number.is_some_and(|number| self.state.erase(number));
        let outcome = if erased { Outcome::Stored } else { Outcome::Dropped };
        Ok(Response {
            profile: number.as_ref().map(ToString::to_string),
            note: (!erased).then(|| "nobody has this identifier".to_owned()),
            ..Response::accepted(outcome)
        })
    }
}
