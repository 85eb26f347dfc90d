//! The people of a job: profiles to import, or people to subscribe to one list under one setting.
//!
//! Promises that nobody is in a job twice: which of two would win is not described.

use std::collections::HashMap;
use std::sync::Arc;

use super::DoesNotFit;
use super::item::{ConsentSettings, PersonItem};
use super::names::Name;
use crate::klaviyo::limits::{MAX_BULK_PROFILES, MAX_JOB_BYTES, MAX_SUBSCRIBE_PROFILES};
use crate::klaviyo::resource::text;
use crate::klaviyo::success::Success;
use crate::model::DeliveryKind;

const IMPORT_HEAD: &str = r#"{"data":{"type":"profile-bulk-import-job","attributes":{"profiles":{"data":["#;
const SUBSCRIBE_HEAD: &str = r#"{"data":{"type":"profile-subscription-bulk-create-job","attributes":{"#;

/// The people of a job.
#[derive(Debug, Clone)]
pub(super) struct People {
    pub(super) endpoint: &'static Endpoint,
    /// What the subscriptions have in common; `None` where profiles are imported. The list is the job's from its start,
    /// the first item brings the other settings.
    settings: Option<ConsentSettings>,
    /// The body before the profiles.
    head: String,
    profiles: Vec<Arc<PersonItem>>,
    /// The body after them.
    tail: String,
    bytes: usize,
    /// Who has this name, by the place among the items.
    by_name: HashMap<Name, usize>,
}

/// The endpoint of a job: its path, its success, its size.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) kind: DeliveryKind,
    pub(super) path: &'static str,
    pub(super) success: Success,
    /// Where the profile stands in the body of a single request.
    pub(super) single_pointer: &'static str,
    /// As many profiles as a job may have.
    most: usize,
}

static IMPORT: Endpoint = Endpoint {
    kind: DeliveryKind::Profile,
    path: "/api/profile-bulk-import-jobs",
    success: Success::JOB,
    single_pointer: "/data",
    most: MAX_BULK_PROFILES,
};

static SUBSCRIBE: Endpoint = Endpoint {
    kind: DeliveryKind::Subscription,
    path: "/api/profile-subscription-bulk-create-jobs",
    success: Success::ACCEPTED,
    single_pointer: "/data/attributes/profiles/data/0",
    most: MAX_SUBSCRIBE_PROFILES,
};

impl People {
    pub(super) fn imported() -> Self {
        Self::new(&IMPORT, None)
    }

    pub(super) fn subscribed(list_id: Option<&str>) -> Self {
        let settings = ConsentSettings {
            historical_import: false,
            custom_source: None,
            list_id: list_id.map(str::to_owned),
        };
        Self::new(&SUBSCRIBE, Some(settings))
    }

    fn new(endpoint: &'static Endpoint, settings: Option<ConsentSettings>) -> Self {
        let (head, tail) = frame(settings.as_ref());
        Self {
            endpoint,
            settings,
            bytes: head.len() + tail.len(),
            head,
            profiles: Vec::new(),
            tail,
            by_name: HashMap::new(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.profiles.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, item: &Arc<PersonItem>) -> Result<usize, DoesNotFit> {
        if self.settings.is_some() != item.consent.is_some() {
            return Err(DoesNotFit::NotBulk);
        }
        if self.profiles.len() == self.endpoint.most {
            return Err(DoesNotFit::Full);
        }
        if item.names.iter().any(|name| self.by_name.contains_key(name)) {
            return Err(DoesNotFit::OtherJob);
        }
        if let (Some(settings), Some(consent)) = (&self.settings, &item.consent) {
            let same = settings == consent;
            let first = self.profiles.is_empty() && settings.list_id == consent.list_id;
            if !same && !first {
                return Err(DoesNotFit::OtherJob);
            }
            if !same {
                *self = Self::new(self.endpoint, Some(consent.clone()));
            }
        }
        let comma = usize::from(!self.profiles.is_empty());
        let bytes = self.bytes + comma + item.profile.len();
        if bytes > MAX_JOB_BYTES {
            return Err(DoesNotFit::Full);
        }
        self.bytes = bytes;
        let place = self.profiles.len();
        self.profiles.push(Arc::clone(item));
        let names = item.names.iter().map(|name| (name.clone(), place));
        self.by_name.extend(names);
        Ok(place)
    }

    /// The item that has one of these names; `None` when nobody has, or when they belong to several.
    pub(super) fn who(&self, names: &[Name]) -> Option<usize> {
        let mut places = names.iter().filter_map(|name| self.by_name.get(name));
        let first = *places.next()?;
        places.all(|place| *place == first).then_some(first)
    }

    pub(super) fn body(&self) -> String {
        let profiles: Vec<&str> = self.profiles.iter().map(|item| &*item.profile).collect();
        [&self.head, &*profiles.join(","), &self.tail].concat()
    }
}

/// What stands before the profiles and what after them.
fn frame(settings: Option<&ConsentSettings>) -> (String, String) {
    let Some(settings) = settings else {
        return (IMPORT_HEAD.to_owned(), "]}}}}".to_owned());
    };
    let mut head = SUBSCRIBE_HEAD.to_owned();
    if settings.historical_import {
        head.push_str(r#""historical_import":true,"#);
    }
    if let Some(source) = &settings.custom_source {
        head.push_str(r#""custom_source":"#);
        head.push_str(source);
        head.push(',');
    }
    head.push_str(r#""profiles":{"data":["#);
    let mut tail = "]}}".to_owned();
    if let Some(list_id) = &settings.list_id {
        tail.push_str(r#","relationships":{"list":{"data":{"type":"list","id":"#);
        tail.push_str(&text(list_id));
        tail.push_str("}}}");
    }
    tail.push_str("}}");
    (head, tail)
}
