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
    what: What,
    /// The body before the profiles.
    head: String,
    profiles: Vec<Arc<PersonItem>>,
    /// The body after them.
    tail: String,
    bytes: usize,
    /// Who has this name, by the place among the items.
    by_name: HashMap<Name, usize>,
}

/// What is to happen to the people.
#[derive(Debug, Clone)]
enum What {
    Import,
    /// The list is the job's from its start; the first item brings the other settings.
    Subscribe(ConsentSettings),
}

impl People {
    pub(super) fn imported() -> Self {
        Self::new(What::Import)
    }

    pub(super) fn subscribed(list_id: Option<&str>) -> Self {
        Self::new(What::Subscribe(ConsentSettings {
            historical_import: false,
            custom_source: None,
            list_id: list_id.map(str::to_owned),
        }))
    }

    fn new(what: What) -> Self {
        let (head, tail) = what.frame();
        Self {
            bytes: head.len() + tail.len(),
            what,
            head,
            profiles: Vec::new(),
            tail,
            by_name: HashMap::new(),
        }
    }

    pub(super) const fn kind(&self) -> DeliveryKind {
        match self.what {
            What::Import => DeliveryKind::Profile,
            What::Subscribe(_) => DeliveryKind::Subscription,
        }
    }

    pub(super) const fn path(&self) -> &'static str {
        match self.what {
            What::Import => "/api/profile-bulk-import-jobs",
            What::Subscribe(_) => "/api/profile-subscription-bulk-create-jobs",
        }
    }

    pub(super) const fn success(&self) -> Success {
        match self.what {
            What::Import => Success::JOB,
            What::Subscribe(_) => Success::ACCEPTED,
        }
    }

    /// Where the profile stands in the body of a single request.
    pub(super) const fn single_pointer(&self) -> &'static str {
        match self.what {
            What::Import => "/data",
            What::Subscribe(_) => "/data/attributes/profiles/data/0",
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.profiles.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, item: &Arc<PersonItem>) -> Result<usize, DoesNotFit> {
        let most = match self.what {
            What::Import => MAX_BULK_PROFILES,
            What::Subscribe(_) => MAX_SUBSCRIBE_PROFILES,
        };
        if matches!(self.what, What::Subscribe(_)) != item.consent.is_some() {
            return Err(DoesNotFit::NotBulk);
        }
        if self.profiles.len() == most {
            return Err(DoesNotFit::Full);
        }
        if item.names.iter().any(|name| self.by_name.contains_key(name)) {
            return Err(DoesNotFit::OtherJob);
        }
        if let (What::Subscribe(settings), Some(consent)) = (&self.what, &item.consent) {
            let same = settings == consent;
            let first = self.profiles.is_empty() && settings.list_id == consent.list_id;
            if !same && !first {
                return Err(DoesNotFit::OtherJob);
            }
            if !same {
                *self = Self::new(What::Subscribe(consent.clone()));
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
        let mut body = String::with_capacity(self.bytes);
        body.push_str(&self.head);
        for (at, profile) in self.profiles.iter().enumerate() {
            if at > 0 {
                body.push(',');
            }
            body.push_str(&profile.profile);
        }
        body.push_str(&self.tail);
        body
    }
}

impl What {
    /// What stands before the profiles and what after them.
    fn frame(&self) -> (String, String) {
        let settings = match self {
            Self::Import => return (IMPORT_HEAD.to_owned(), "]}}}}".to_owned()),
            Self::Subscribe(settings) => settings,
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
}
