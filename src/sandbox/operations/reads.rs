//! The questions: `GET /api/accounts`, `/api/lists`, `/api/lists/{id}`, `/api/profiles`, `/api/events`, page by page.
//!
//! Promises to change nothing. A cursor is the number of entries passed, which holds while nothing new comes.

use serde_json::{Map, Value, json};

use super::imports::document_of;
use super::paging::Page;
use super::{Operation, Query, Response, Result, no_such_list, unknown_parameter};
use crate::sandbox::answer::resource;
use crate::sandbox::state::events::{Event, metric_id};
use crate::sandbox::state::lists::List;
use crate::sandbox::state::profiles::Profile;

/// The account's id and public key: six characters, as Klaviyo's are.
const ACCOUNT: &str = "SANDBX";

impl Operation<'_> {
    #[expect(clippy::unused_self, reason = "every operation is a method of its operation")]
    pub(super) fn get_accounts(&self) -> Response {
        let attributes = json!({
            "test_account": true,
            "contact_information": {
                "organization_name": "klaviyo-relay sandbox",
                "default_sender_name": "klaviyo-relay sandbox",
                "default_sender_email": "sandbox@klaviyo-relay.invalid",
            },
            "industry": null,
            "timezone": "UTC",
            "preferred_currency": "USD",
            "public_api_key": ACCOUNT,
            "locale": "en-US",
        });
        Response::read(&json!({ "data": [resource("account", ACCOUNT, attributes)] }))
    }

    pub(super) fn get_lists(&self, query: &Query) -> Result<Response> {
        let page = Page::read(query, &["id", "name"], 10, 10)?;
        let lists = self.state.lists.iter();
        let wanted = lists.filter(|list| page.wants("id", Some(&list.id)) && page.wants("name", Some(&list.name)));
        Ok(page.answer(wanted.map(document_of_list)))
    }

    /// One list. Where the account has any list, this is as good a first use as another.
    pub(super) fn get_list(&mut self, id: &str, query: &Query) -> Result<Response> {
        let narrows = |name: &String| name.starts_with("fields[") || name.starts_with("additional-fields[");
        if let Some((name, _)) = query.iter().find(|(name, _)| !narrows(name)) {
            return Err(unknown_parameter(name));
        }
        let Some(list) = self.state.lists.get_mut(id, self.now) else {
            return Err(no_such_list(id));
        };
        Ok(Response::read(&json!({ "data": document_of_list(list) })))
    }

    pub(super) fn get_profiles(&self, query: &Query) -> Result<Response> {
        const FIELDS: [&str; 4] = ["id", "email", "phone_number", "external_id"];
        let page = Page::read(query, &FIELDS, 20, 100)?;
        let wanted = |profile: &&Profile| {
            let name = |field: &str| profile.identifiers.get(field).map(String::as_str);
            page.wants("id", Some(&profile.id.to_string()))
                && FIELDS[1..].iter().all(|field| page.wants(field, name(field)))
        };
        let profiles = self.state.profiles.iter().filter(wanted);
        Ok(page.answer(profiles.map(document_of)))
    }

    /// The newest accepted first, unless it is sorted upwards.
    pub(super) fn get_events(&self, query: &Query) -> Result<Response> {
        let page = Page::read(query, &["profile_id", "metric_id"], 200, 1_000)?;
        let events = self.state.events.after(0).filter(|event| {
            page.wants("profile_id", Some(&event.profile.to_string()))
                && page.wants("metric_id", Some(&metric_id(&event.metric)))
        });
        Ok(if page.ascending {
            page.answer(events.map(document_of_event))
        } else {
            page.answer(events.rev().map(document_of_event))
        })
    }
}

fn document_of_list(list: &List) -> Value {
    let attributes = json!({
        "name": list.name, "created": list.created, "updated": list.created, "opt_in_process": list.opt_in_process,
    });
    resource("list", &list.id, attributes)
}

/// An event as Klaviyo shows it: its key and value among the properties, under their classic names.
fn document_of_event(event: &Event) -> Value {
    let properties = crate::json::from_str(event.properties.get()).ok();
    let mut properties = match properties {
        Some(Value::Object(properties)) => properties,
        Some(_) | None => Map::new(),
    };
    let second = event.time.as_millis() / 1000;
    let key = event.unique_id.clone().unwrap_or_else(|| second.to_string());
    properties.insert("$event_id".to_owned(), Value::String(key));
    if let Some(value) = &event.value {
        let number: Option<serde_json::Number> = value.get().parse().ok();
        properties.insert("$value".to_owned(), json!(number));
    }
    if let Some(currency) = &event.value_currency {
        properties.insert("$currency_code".to_owned(), json!(currency));
    }
    let uuid = event.uuid.to_string();
    let attributes = json!({
        "timestamp": second, "event_properties": properties, "datetime": event.time, "uuid": uuid,
    });
    let mut document = resource("event", &uuid, attributes);
    document["relationships"] = json!({
        "profile": { "data": { "type": "profile", "id": event.profile } },
        "metric": { "data": { "type": "metric", "id": metric_id(&event.metric) } },
    });
    document
}
