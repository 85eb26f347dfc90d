//! An active event: claimed, mapped, and at one of its requests.
//!
//! The number of active events is bounded by `[delivery] window`, so memory is bounded by configuration and not by the
//! backlog. An event that owes hundreds of requests is active with the bodies of the next [`BODIES`]; after these it is
//! requeued in the outbox, behind the events that are due already.

use crate::klaviyo::bulk::BulkItem;
use crate::model::{DeliveryId, DeliveryKind, DeliveryStatus, EventId, Outcome, OutcomeKind, Timestamp};
use crate::outbox::{BODIES, ClaimedEvent, Copied, Next, Settlement, StoredDelivery};
use crate::scheduler::policy::{Decision, reason_of};

use super::context::{Context, End, request_id};
use super::deaths::Refusal;

/// A mapped event at one of its deliveries. `event` is as the outbox has it.
#[derive(Debug)]
pub(super) struct ActiveEvent {
    pub(super) event: ClaimedEvent,
    /// The index of its current delivery, which is not final.
    pub(super) place: usize,
    /// The first of its deliveries whose body stays in the outbox.
    until: usize,
    /// How much of the window it uses.
    pub(super) held: Held,
    /// The bodies of its deliveries that may be in a job, as read once.
    items: Vec<Option<BulkItem>>,
    /// The current delivery may be sent in a bulk job.
    pub(super) bulkable: bool,
    /// The first event of its run: the earlier events of the run are sent before it, or in the same job before it.
    pub(super) run: Option<EventId>,
    /// Its deliveries that were settled and are not counted in the metrics yet.
    pub(super) settled: Vec<usize>,
    /// The first answer that refused one of its deliveries for good since it became active.
    refusal: Option<Refusal>,
    /// The largest size of a job that may contain it: a refused job is sent again in halves.
    pub(super) largest_job: usize,
}

impl ActiveEvent {
    /// Makes an active event. The flag is whether it still owes a request.
    pub(super) fn new(mut event: ClaimedEvent) -> (Self, bool) {
        let deliveries = event.deliveries.iter().enumerate();
        let mut open = deliveries.filter(|(_, delivery)| !delivery.status.is_final());
        let requests = open.by_ref().take(BODIES).count();
        let until = open.next().map_or(event.deliveries.len(), |(at, _)| at);
        for delivery in &mut event.deliveries[until..] {
            delivery.request = None;
        }
        let mut active = Self {
            held: Held {
                requests: requests.max(1),
                replayed: if event.generation > 1 { requests.max(1) } else { 0 },
            },
            event,
            place: 0,
            until,
            items: Vec::new(),
            bulkable: false,
            run: None,
            settled: Vec::new(),
            refusal: None,
            largest_job: usize::MAX,
        };
        let owes = active.advance();
        (active, owes)
    }

    /// Continues with the next delivery that is not final; `false` when there is none.
    pub(super) fn advance(&mut self) -> bool {
        let next = self
            .event
            .deliveries
            .iter()
            .position(|delivery| !delivery.status.is_final());
        let Some(next) = next else { return false };
        if next != self.place {
            self.largest_job = usize::MAX;
        }
        self.place = next;
        self.bulkable = self.largest_job > 1 && self.may_be_in_a_job() && self.read_item(next).is_some();
        true
    }

    /// Whether the current delivery may be sent in a bulk job. Excluded are: requests that were sent without an answer
    /// (Klaviyo is known to de-duplicate single requests only), requests that have failed alone (they may fail every
    /// job that contains them), and profiles whose id is needed by a later list change or deletion (a job does not
    /// return ids).
    fn may_be_in_a_job(&self) -> bool {
        let delivery = self.delivery();
        let needs_id = |other: &StoredDelivery| {
            matches!(
                other.kind,
                DeliveryKind::ListAdd | DeliveryKind::ListRemove | DeliveryKind::Deletion
            )
        };
        delivery.status == DeliveryStatus::Pending
            && delivery.failures == 0
            && !(delivery.kind == DeliveryKind::Profile && self.event.deliveries.iter().any(needs_id))
    }

    /// The body of a delivery as an item of a job, read at the first call; `None` if it cannot be in one.
    fn read_item(&mut self, place: usize) -> Option<&BulkItem> {
        if self.items.len() <= place {
            self.items.resize(place + 1, None);
        }
        let item = &mut self.items[place];
        if item.is_none() {
            let delivery = &self.event.deliveries[place];
            *item = BulkItem::read(delivery.kind, delivery.request.as_deref()?);
        }
        item.as_ref()
    }

    /// The body of a delivery in a job, as it was read when the job was filled.
    pub(super) fn item(&self, place: usize) -> Option<&BulkItem> {
        self.items.get(place)?.as_ref()
    }

    /// The delivery after the one at `place`, if it may be in the same job: the requests of one event keep their order
    /// in a job too.
    pub(super) fn next_in_job(&mut self, place: usize) -> Option<&BulkItem> {
        let next = self.event.deliveries[..self.until].get(place + 1)?;
        let fits = next.kind == DeliveryKind::Event && next.status == DeliveryStatus::Pending && next.failures == 0;
        if fits { self.read_item(place + 1) } else { None }
    }

    /// Whether nothing is owed after the delivery at `place`.
    pub(super) fn ends_with(&self, place: usize) -> bool {
        let mut after = self.event.deliveries[place + 1..].iter();
        after.all(|delivery| delivery.status.is_final())
    }

    /// Whether this is the current delivery, and not final.
    pub(super) fn stands_at(&self, delivery: DeliveryId) -> bool {
        let at = self.delivery();
        at.id == delivery && !at.status.is_final()
    }

    pub(super) fn delivery(&self) -> &StoredDelivery {
        &self.event.deliveries[self.place]
    }

    pub(super) fn delivery_mut(&mut self) -> &mut StoredDelivery {
        &mut self.event.deliveries[self.place]
    }

    /// Marks the current delivery as delivered before.
    pub(super) fn copied(&mut self, copied: Copied) {
        let delivery = self.delivery_mut();
        delivery.status = DeliveryStatus::Duplicate;
        delivery.copy_of = Some(copied.event);
        delivery.profile_id = copied.profile_id;
    }

    /// The event of which this one is a copy: all its requests were delivered before, none of them by itself.
    fn copy_of(&self) -> Option<EventId> {
        let of = |delivery: &StoredDelivery| delivery.copy_of.filter(|of| *of != self.event.id);
        let all: Option<Vec<EventId>> = self.event.deliveries.iter().map(of).collect();
        all?.first().copied()
    }

    /// Applies the result of an attempt to the active event, and returns it as the outbox takes it.
    /// `smaller`: the request without its weaker identifier, where Klaviyo's answer requires that.
    pub(super) fn settle(
        &mut self,
        attempt: i64,
        outcome: Outcome,
        decision: Decision,
        smaller: Option<String>,
        now: Timestamp,
    ) -> Settlement {
        let event = self.event.id;
        self.settled.push(self.place);
        let delivery = self.delivery_mut();
        delivery.status = decision.status;
        delivery.reason.clone_from(&decision.reason);
        delivery.tries += u32::from(decision.counts);
        delivery.failures += u32::from(decision.failed);
        if let Some(profile) = &outcome.profile_id {
            delivery.profile_id = Some(profile.clone());
        }
        if let Some(smaller) = &smaller {
            delivery.request = Some(smaller.clone());
        }
        let refusal = (decision.status == DeliveryStatus::Rejected).then(|| Refusal {
            status: outcome.http_status,
            request_id: request_id(&outcome).map(str::to_owned),
        });
        tracing::debug!(
            event = %event,
            delivery = %delivery.id,
            kind = %delivery.kind,
            attempt,
            http.status = outcome.http_status,
            outcome = %outcome.kind,
            status = %decision.status,
            klaviyo.request_id = request_id(&outcome),
            "attempt"
        );
        let delivery = delivery.id;
        self.refusal = self.refusal.take().or(refusal);
        if smaller.is_some()
            && let Some(item) = self.items.get_mut(self.place)
        {
            *item = None;
        }
        Settlement {
            delivery,
            attempt,
            outcome,
            status: decision.status,
            reason: decision.reason,
            request: smaller,
            counts: decision.counts,
            failed: decision.failed,
            now,
        }
    }

    /// The end of the event, when all its deliveries are final. Otherwise it stays active, or is requeued when the body
    /// of the next delivery is in the outbox.
    pub(super) fn end(&self, context: &Context) -> Next {
        let deliveries = &self.event.deliveries;
        let owed = |delivery: &StoredDelivery| !delivery.status.is_final();
        match deliveries.iter().position(owed) {
            Some(next) if next < self.until => return Next::Continue,
            Some(_) => return self.release(context.now()),
            None => {}
        }
        let refused = deliveries.iter().filter(|d| d.status == DeliveryStatus::Rejected);
        let refused: Vec<&StoredDelivery> = refused.collect();
        let Some(first) = refused.first() else {
            let end = self.copy_of().map_or(End::Delivered, End::Copy);
            return context.finish(&self.event, end);
        };
        let unknown = || reason_of(&Outcome::of(OutcomeKind::Refused));
        let reason = first.reason.clone().unwrap_or_else(unknown);
        let text = with_list(&reason.text, first);
        let text = match (refused.len(), deliveries.len()) {
            (1, 1) => text,
            (refused, all) => format!("{refused} of {all} requests refused; the first: {text}"),
        };
        let reason = reason.with_text(text);
        let refusal = self.refusal.clone().unwrap_or_default();
        context.finish(&self.event, End::Refused(first.kind, reason, refusal))
    }

    /// Requeues the event in the outbox, not due before `due`.
    pub(super) fn release(&self, due: Timestamp) -> Next {
        Next::Reschedule {
            event: self.event.id,
            due,
            parked: None,
        }
    }

    /// Parks the event until its family resumes. It is due at `due` if the resumption is never noticed.
    pub(super) fn park(&self, due: Timestamp) -> Next {
        Next::Reschedule {
            event: self.event.id,
            due,
            parked: Some(self.delivery().kind.family()),
        }
    }

    /// How often the current request has failed.
    pub(super) fn failures(&self) -> u32 {
        self.delivery().failures
    }

    /// Whether the event is replayed.
    pub(super) fn replayed(&self) -> bool {
        self.event.generation > 1
    }
}

/// Adds the list to the reason, because Klaviyo's error text seldom names it.
fn with_list(words: &str, refused: &StoredDelivery) -> String {
    match &refused.list_id {
        Some(list) if !words.contains(list.as_str()) => {
            format!("{words} ({}, list {list})", refused.kind)
        }
        Some(_) | None => words.to_owned(),
    }
}

/// How much of the window active events use.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    /// Requests whose bodies are in memory.
    pub(super) requests: usize,
    /// How many of these belong to replayed events.
    pub(super) replayed: usize,
}

impl Held {
    /// The sum over these events.
    pub(super) fn by<'a>(batch: impl IntoIterator<Item = &'a ActiveEvent>) -> Self {
        let mut all = Self::default();
        for active in batch {
            all.add(active.held);
        }
        all
    }

    pub(super) const fn add(&mut self, more: Self) {
        self.requests += more.requests;
        self.replayed += more.replayed;
    }

    pub(super) const fn remove(&mut self, less: Self) {
        self.requests -= less.requests;
        self.replayed -= less.replayed;
    }
}
