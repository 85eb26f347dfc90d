//! Import jobs in a history: their events stay in flight until they are settled, whatever becomes of the daemon.

use klaviyo_relay::model::{DeliveryId, DeliveryKind, DeliveryStatus, Outcome, OutcomeKind};
use klaviyo_relay::outbox::{Begun, Next, Settlement, Start, Transition};

use super::History;
use super::model::State;
use crate::support::attempts;

impl History {
    /// Some events that are in flight go in one import job.
    pub(super) async fn import(&mut self) {
        let free = self.model.events.iter();
        let free = free.filter(|event| event.state == State::Active && event.in_job.is_none());
        let free = free.map(|event| event.id).collect();
        let chosen = self.chance.some(free, 8);
        if chosen.is_empty() {
            return;
        }
        let mut starts = Vec::new();
        for id in &chosen {
            starts.push(Start {
                delivery: self.owed(*id).await,
                sent_to: "sandbox".to_owned(),
                request: None,
                now: self.now,
            });
        }
        let (_, begun) = self.outbox().queue().begin_import(starts).await.unwrap();
        for (id, begun) in chosen.into_iter().zip(begun) {
            let Begun::Go { attempt } = begun else {
                panic!("{begun:?}");
            };
            self.model.get(id).in_job = Some(attempt);
        }
    }

    async fn owed(&mut self, id: i64) -> DeliveryId {
        if let Some(owed) = self.model.get(id).owes {
            return owed;
        }
        let owed = attempts::plan(self.outbox(), id, attempts::planned(DeliveryKind::Profile)).await;
        self.model.get(id).owes = Some(owed);
        owed
    }

    /// What becomes of an event, and of its attempt in a job.
    pub(super) fn settling(&mut self, id: i64, next: Next) -> Transition {
        let now = self.now;
        let event = self.model.get(id);
        let attempt = event.owes.zip(event.in_job.take());
        let settlement = attempt.map(|(delivery, attempt)| Settlement {
            delivery,
            attempt,
            outcome: Outcome::of(OutcomeKind::Unknown),
            status: DeliveryStatus::Unknown,
            reason: None,
            request: None,
            counts: false,
            failed: false,
            now,
        });
        Transition { settlement, next }
    }
}
