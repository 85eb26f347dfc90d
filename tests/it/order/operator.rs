//! What an operator does to events in a history: in the outbox, and in the model as it should come out.

use klaviyo_relay::model::{EventId, EventStatus};
use klaviyo_relay::outbox::Replay;

use super::History;
use super::model::State;

impl History {
    /// Replays some events, unfinished ones among them, which are left alone.
    pub(super) async fn replay(&mut self) {
        let all = self.model.ids(|_| true);
        let chosen = self.chance.some(all, 8);
        for id in &chosen {
            self.model.last += 1;
            let (place, now) = (self.model.last, self.now);
            let event = self.model.get(*id);
            if event.is_unfinished() {
                continue;
            }
            // A dead event that kept its place in its queues still has it.
            event.place = if event.holds { event.place } else { place };
            (event.state, event.due) = (State::Waiting, now);
            (event.replayed, event.holds) = (true, false);
            event.owes = None;
            self.totals.replayed += 1;
        }
        let chosen = chosen.into_iter().map(EventId).collect();
        let how = Replay::default();
        self.outbox().replay(self.now, chosen, how).await.unwrap();
    }

    /// An operator gives some events up; those with a request in flight are left alone.
    pub(super) async fn discard(&mut self) {
        let all = self.model.ids(|_| true);
        let chosen = self.chance.some(all, 3);
        for id in &chosen {
            let event = self.model.get(*id);
            let idle = event.state == State::Active && event.in_job.is_none();
            if idle || matches!(event.state, State::Waiting | State::Held) {
                event.state = State::Ended(EventStatus::Dead);
            }
            event.holds = false;
        }
        let chosen = chosen.into_iter().map(EventId).collect();
        self.outbox().discard(self.now, chosen).await.unwrap();
    }

    /// An operator stops some events; those with a request in flight are left alone.
    pub(super) async fn hold(&mut self) {
        let all = self.model.ids(|_| true);
        let chosen = self.chance.some(all, 3);
        for id in &chosen {
            let event = self.model.get(*id);
            let idle = event.state == State::Active && event.in_job.is_none();
            if idle || event.state == State::Waiting {
                event.state = State::Held;
                self.totals.held += 1;
            }
        }
        let chosen = chosen.into_iter().map(EventId).collect();
        self.outbox().hold(chosen).await.unwrap();
    }

    /// An operator lets held events go again, and others try at once.
    pub(super) async fn let_go_again(&mut self) {
        let unfinished = self.model.ids(|state| !matches!(state, State::Ended(_)));
        let chosen = self.chance.some(unfinished, 6);
        self.release_all(chosen).await;
    }

    pub(super) async fn release_all(&mut self, chosen: Vec<i64>) {
        let now = self.now;
        for id in &chosen {
            let event = self.model.get(*id);
            if matches!(event.state, State::Waiting | State::Held) {
                (event.state, event.due) = (State::Waiting, event.due.min(now));
            }
        }
        let chosen = chosen.into_iter().map(EventId).collect();
        self.outbox().release(now, chosen).await.unwrap();
    }

    /// An operator discards the dead events that hold up others; answers how many.
    pub(super) async fn let_go(&mut self) -> usize {
        let holding = self.model.events.iter().filter(|event| event.holds);
        let holding: Vec<i64> = holding.map(|event| event.id).collect();
        let count = holding.len();
        for id in &holding {
            self.model.get(*id).holds = false;
        }
        let holding = holding.into_iter().map(EventId).collect();
        self.outbox().discard(self.now, holding).await.unwrap();
        count
    }
}
