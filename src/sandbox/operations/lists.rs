//! `POST` and `DELETE /api/lists/{id}/relationships/profiles`: who is on a list.
//!
//! Promises that a request is taken whole or not at all, and that only Klaviyo's own profile ids name a member.

use axum::http::StatusCode;
use serde_json::Value;

use super::{Operation, Response, Result, items, no_such_list, text};
use crate::sandbox::answer::{Place, Refusal, empty};
use crate::sandbox::log::Outcome;
use crate::sandbox::schema::LIST_MEMBERS;
use crate::sandbox::state::lists::Membership;
use crate::sandbox::state::profiles::ProfileNumber;

impl Operation<'_> {
    pub(super) fn add_to_list(&mut self, id: &str, document: &Value) -> Result<Response> {
        let members = self.members(id, document)?;
        if let Some(list) = self.state.lists.get_mut(id, self.now) {
            for member in &members {
                let how = list.members.entry(*member).or_insert(Membership::Added);
                if *how == Membership::AwaitingConfirmation {
                    *how = Membership::Added;
                }
            }
        }
        Ok(response(&members))
    }

    pub(super) fn remove_from_list(&mut self, id: &str, document: &Value) -> Result<Response> {
        let members = self.members(id, document)?;
        if let Some(list) = self.state.lists.get_mut(id, self.now) {
            for member in &members {
                list.members.remove(member);
            }
        }
        Ok(response(&members))
    }

    /// The profiles a document names; refused when the list or one of them does not exist.
    fn members(&self, list: &str, document: &Value) -> Result<Vec<ProfileNumber>> {
        self.check(&LIST_MEMBERS, document, |_| {})?;
        if !self.state.lists.knows(list) {
            return Err(no_such_list(list));
        }
        let mut found = Vec::new();
        let mut refusals = Vec::new();
        for (at, member) in items(document, "/data").iter().enumerate() {
            let id = text(member, "/id").unwrap_or_default();
            match self.state.profiles.by_id(id) {
                Some(number) => found.push(number),
                None => refusals.push(Refusal::not_found(
                    Place::Pointer(format!("/data/{at}/id")),
                    format!("A profile with id {id} does not exist."),
                )),
            }
        }
        if refusals.is_empty() { Ok(found) } else { Err(refusals) }
    }
}

fn response(members: &[ProfileNumber]) -> Response {
    let profile = match members {
        [one] => Some(one.to_string()),
        _ => None,
    };
    Response {
        profile,
        ..Response::new(empty(StatusCode::NO_CONTENT), Outcome::Stored)
    }
}
