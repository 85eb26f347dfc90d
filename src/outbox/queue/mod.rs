//! The database side of the scheduler: claim, plan, begin and settle, and what stops deliveries, such as pauses.

pub(in crate::outbox) mod begin;
pub(in crate::outbox) mod claim;
pub(in crate::outbox) mod import_job;
pub(in crate::outbox) mod limits;
pub(in crate::outbox) mod pause;
pub(in crate::outbox) mod plan;
pub(in crate::outbox) mod recovery;
pub(in crate::outbox) mod run;
pub(in crate::outbox) mod settle;
pub(in crate::outbox) mod transition;
pub(in crate::outbox) mod waiting;
pub(in crate::outbox) mod work;

use std::collections::HashMap;

use self::begin::Begin;
use self::claim::Claim;
use self::pause::{Pause, SetPauses};
use self::plan::Plan;
use self::run::Claimed;
use self::settle::Settle;
use self::transition::{Begun, PlannedDelivery, Start, Transition};
use self::waiting::{BringDue, Waiting};
use super::error::WriteError;
use super::handles::Queue;
use crate::model::{DeliveryId, EventId, Family, Timestamp};

impl Queue {
    /// Claims events that are first in all their queues and due, oldest first: at most `live` that were never replayed
    /// and `replayed` that were. In addition, at most `followers` tracks that wait only for these events and for each
    /// other. They stay active until they are requeued or finished.
    pub async fn claim(
        &self,
        now: Timestamp,
        live: usize,
        replayed: usize,
        followers: usize,
    ) -> Result<Vec<Claimed>, WriteError> {
        self.store
            .execute(Claim {
                now,
                live,
                replayed,
                followers,
            })
            .await
    }

    /// Stores the deliveries of events; the ids are in the order of each event's deliveries.
    pub async fn plan(
        &self,
        events: Vec<(EventId, Vec<PlannedDelivery>)>,
    ) -> Result<HashMap<EventId, Vec<DeliveryId>>, WriteError> {
        self.store.execute_grouped(Plan(events)).await
    }

    /// Stores the start of attempts; the result for each is whether it may be sent. No request may be sent before this
    /// returns.
    pub async fn begin(&self, starts: Vec<Start>) -> Result<Vec<Begun>, WriteError> {
        self.store.execute_grouped(Begin(starts)).await
    }

    /// Stores the outcomes of attempts and the new states of their events, in one commit.
    pub async fn settle(&self, steps: Vec<Transition>) -> Result<(), WriteError> {
        self.store.execute_grouped(Settle(steps)).await
    }

    /// Replaces the set of pauses; an empty set ends all pauses.
    pub async fn set_pauses(&self, pauses: Vec<Pause>) -> Result<(), WriteError> {
        self.store.execute(SetPauses(pauses)).await
    }

    /// Makes a limited number of events that wait for the pause of this family due now; the result is whether there are
    /// more.
    pub async fn unpark(&self, family: Family, now: Timestamp) -> Result<bool, WriteError> {
        let what = Waiting::Parked(family);
        self.store.execute(BringDue { what, now }).await
    }

    /// Makes a limited number of events due `now` that are first in all their queues and due later than `beyond`; the
    /// result is whether there are more.
    pub async fn bring_forward(&self, beyond: Timestamp, now: Timestamp) -> Result<bool, WriteError> {
        let what = Waiting::Beyond(beyond);
        self.store.execute(BringDue { what, now }).await
    }
}
