//! Bulk jobs: many single requests as one, and what an answer to the whole means for each.
//!
//! A job is made of the bodies that single requests were frozen with, whose parts go over byte for byte: numbers keep
//! their digits and objects the order of their members. Promises that a job keeps Klaviyo's limits, repeats neither a
//! `unique_id` nor a person where Klaviyo forbids it or would lose something by it, and never means more or less than
//! its items sent one by one in the order they were added. Pure: nothing is sent here and nothing is decided.
//! Source: Klaviyo's published API description of the endpoints, and its guide to bulk imports.

mod events;
mod imports;
mod item;
mod names;
mod people;
mod refusal;
#[cfg(test)]
mod tests;

pub use imports::{
    ImportError, ImportJob, ImportStatus, import_errors, import_errors_route, import_job, import_job_route,
    import_jobs, import_jobs_route, item_of, next_page_route,
};
pub use refusal::{NamedItem, named_items};

use super::route::Route;
use super::success::Success;
use crate::model::DeliveryKind;
use events::Events;
use item::Item;
use people::People;

/// A single request's body, taken apart into what a job is made of. It is read once; a clone shares it.
#[derive(Debug, Clone)]
pub struct BulkItem(Item);

impl BulkItem {
    /// Reads a body; `None` if the request cannot be in any job, and has to be sent by itself:
    ///
    /// - a profile that erases something: the bulk import ignores `null`, wherever it stands, and what it makes of
    ///   `meta` beside it is not described well enough to rely on;
    /// - an event without a `unique_id`: an unclear job is taken apart, and only the key makes it safe to send again;
    /// - a body near the limits of one item, where Klaviyo's "KB" can be read in two ways: it is judged alone;
    /// - a body that has a member this program never sends.
    ///
    /// A profile whose answer must name Klaviyo's id of it (a list change follows) can be in one as far as this
    /// function knows: the caller knows the others.
    pub fn read(kind: DeliveryKind, body: &str) -> Option<Self> {
        Item::read(kind, body).map(Self)
    }
}

/// A job under construction: items are added until it is full. Its items are counted from 0 in the order they were
/// added.
#[derive(Debug, Clone)]
pub struct BulkJob {
    load: Load,
}

#[derive(Debug, Clone)]
enum Load {
    Events(Events),
    People(People),
}

/// Why an item was not added to a job. The job is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DoesNotFit {
    /// The job has no room for it: send the job, and add it to the next.
    #[error("the bulk job is full")]
    Full,
    /// It must be in another job, and where it repeats something it must be sent after this one: its `unique_id` or
    /// its person is in this job already, or its list or its consent settings are not this job's.
    #[error("the item belongs in another bulk job")]
    OtherJob,
    /// It cannot be in any job: see [`BulkItem::read`].
    #[error("the item has to be sent by itself")]
    NotBulk,
}

impl BulkJob {
    /// An empty job. `None` for what has no bulk endpoint: a list's members, deletions. `list_id` is the list that
    /// subscriptions are for and ignored for the others.
    pub fn new(kind: DeliveryKind, list_id: Option<&str>) -> Option<Self> {
        let load = match kind {
            DeliveryKind::Event => Load::Events(Events::new()),
            DeliveryKind::Profile => Load::People(People::imported()),
            DeliveryKind::Subscription => Load::People(People::subscribed(list_id)),
            DeliveryKind::ListAdd | DeliveryKind::ListRemove | DeliveryKind::Deletion => {
                return None;
            }
        };
        Some(Self { load })
    }

    /// Adds the frozen body of a single request; answers its place among the items.
    pub fn add(&mut self, body: &str) -> Result<usize, DoesNotFit> {
        let item = BulkItem::read(self.kind(), body).ok_or(DoesNotFit::NotBulk)?;
        self.add_item(&item)
    }

    /// As [`BulkJob::add`], of a body that was read before.
    pub fn add_item(&mut self, BulkItem(item): &BulkItem) -> Result<usize, DoesNotFit> {
        match (&mut self.load, item) {
            (Load::Events(events), Item::Event(event)) => events.add(event),
            (Load::People(people), Item::Person(person)) => people.add(person),
            (Load::Events(_), Item::Person(_)) | (Load::People(_), Item::Event(_)) => Err(DoesNotFit::NotBulk),
        }
    }

    /// The kind of its items.
    pub const fn kind(&self) -> DeliveryKind {
        match &self.load {
            Load::Events(_) => DeliveryKind::Event,
            Load::People(people) => people.endpoint.kind,
        }
    }

    /// How many items it has.
    pub const fn len(&self) -> usize {
        match &self.load {
            Load::Events(events) => events.len(),
            Load::People(people) => people.len(),
        }
    }

    /// Whether it has none: Klaviyo refuses such a job.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes its body has.
    pub const fn bytes(&self) -> usize {
        match &self.load {
            Load::Events(events) => events.bytes(),
            Load::People(people) => people.bytes(),
        }
    }

    /// The body's JSON text.
    pub fn body(&self) -> String {
        match &self.load {
            Load::Events(events) => events.body(),
            Load::People(people) => people.body(),
        }
    }

    /// Where it goes.
    pub fn route(&self) -> Route {
        let (path, success) = match &self.load {
            Load::Events(_) => ("/api/event-bulk-create-jobs", Success::ACCEPTED),
            Load::People(people) => (people.endpoint.path, people.endpoint.success),
        };
        Route {
            method: "POST",
            path: path.to_owned(),
            success,
        }
    }
}
