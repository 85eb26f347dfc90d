//! Compares what was acknowledged with what is in effect at the double and with its status in the outbox.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::double::{Double, Effects};
use super::people::Call;

/// A call that was answered 200.
struct Acknowledged {
    call: Call,
    at: Instant,
}

/// Every acknowledgement, in its order.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Vec<Acknowledged>>);

impl Ledger {
    pub(super) fn enter(&self, calls: impl IntoIterator<Item = Call>) {
        let at = Instant::now();
        let calls = calls.into_iter().map(|call| Acknowledged { call, at });
        self.0.lock().unwrap().extend(calls);
    }

    /// How many good calls are not in effect yet.
    pub(super) fn missing(&self, double: &Double) -> usize {
        let effects = double.effects();
        let entries = self.0.lock().unwrap();
        let missing = entries
            .iter()
            .filter(|entry| !entry.call.bad && !effects.first.contains_key(&entry.call.message));
        missing.count()
    }
}

/// The status of each message in the outbox.
pub(super) type Stored = HashMap<String, String>;

/// What became of a scenario's calls; each count is of calls, `stale` of people.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) acknowledged: usize,
    /// Good calls: those in effect, and all.
    pub(super) arrived: usize,
    pub(super) good: usize,
    /// Not in effect, and the outbox has no row for it.
    pub(super) lost: usize,
    /// Events that Klaviyo holds under two keys.
    pub(super) twice: usize,
    /// In effect for the first time after a later call of the same person.
    pub(super) reordered: usize,
    /// People whose profile ends with other values than their newest identify had.
    pub(super) stale: usize,
    /// Good calls that were given up.
    pub(super) dead: usize,
    /// Delivered by the outbox, and not in effect.
    pub(super) falsely: usize,
    /// Good calls that wait still.
    pub(super) waiting: usize,
    /// The longest from an acknowledgement to the effect, of what is not patient; for what has none, until now.
    pub(super) worst: Duration,
    pub(super) copies: usize,
    pub(super) seconds: u64,
    /// Some of the good calls that are not in effect.
    missing: Vec<String>,
}

pub(super) const HEAD: &str = "\
| scenario | acknowledged | arrived | lost | twice | reordered | stale | dead | falsely delivered | waiting | worst delay ms | copies | s |
|---|---|---|---|---|---|---|---|---|---|---|---|---|";

/// Judges a scenario that began then.
pub(super) fn judge(name: &str, ledger: &Ledger, effects: &Effects, stored: &Stored, began: Instant) -> Row {
    let entries = ledger.0.lock().unwrap();
    let mut row = Row {
        name: name.to_owned(),
        acknowledged: entries.len(),
        copies: effects.copies,
        seconds: began.elapsed().as_secs(),
        ..Row::default()
    };
    let now = Instant::now();
    for Acknowledged { call, at } in entries.iter() {
        let effect = effects.first.get(&call.message).copied();
        let status = stored.get(&call.message).map(String::as_str);
        if effect.is_none() {
            match status {
                Some("delivered") => row.falsely += 1,
                Some(_) => {}
                None => row.lost += 1,
            }
        }
        if call.bad {
            continue;
        }
        row.good += 1;
        row.arrived += usize::from(effect.is_some());
        row.dead += usize::from(status == Some("dead"));
        let waits = effect.is_none() && matches!(status, Some("pending" | "held"));
        row.waiting += usize::from(waits);
        let delay = effect.unwrap_or(now).saturating_duration_since(*at);
        if !call.patient {
            row.worst = row.worst.max(delay);
        }
        if effect.is_none() && row.missing.len() < 10 {
            let status = status.unwrap_or("not in the outbox");
            row.missing.push(format!("{} ({status})", call.message));
        }
    }
    row.twice = twice(effects);
    row.reordered = reordered(&entries, effects);
    row.stale = stale(&entries, effects);
    row
}

fn twice(effects: &Effects) -> usize {
    let mut seen = HashSet::new();
    let again = effects.events.iter().filter(|event| !seen.insert(*event));
    again.count()
}

fn reordered(entries: &[Acknowledged], effects: &Effects) -> usize {
    let mut people: BTreeMap<&str, Vec<(Instant, u64)>> = BTreeMap::new();
    for Acknowledged { call, .. } in entries {
        if let Some(at) = effects.first.get(&call.message) {
            let person = people.entry(&call.person).or_default();
            person.push((*at, call.number));
        }
    }
    let late = people.into_values().map(|mut effects| {
        effects.sort_unstable();
        let mut newest = 0;
        let late = effects.iter().filter(|(_, number)| {
            let late = *number < newest;
            newest = newest.max(*number);
            late
        });
        late.count()
    });
    late.sum()
}

fn stale(entries: &[Acknowledged], effects: &Effects) -> usize {
    let mut newest: BTreeMap<&str, &Call> = BTreeMap::new();
    for Acknowledged { call, .. } in entries.iter().filter(|entry| entry.call.identify) {
        let held = newest.entry(&call.person).or_insert(call);
        if call.number > held.number {
            *held = call;
        }
    }
    let mut last: HashMap<&str, &str> = HashMap::new();
    for write in &effects.writes {
        if let Some((person, _)) = write.rsplit_once('#') {
            last.insert(person, write);
        }
    }
    let stale = newest.iter().filter(|(person, call)| {
        // What is not in effect at all is counted elsewhere.
        effects.first.contains_key(&call.message) && last.get(*person).is_some_and(|last| *last != call.message)
    });
    stale.count()
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            acknowledged,
            arrived,
            good,
            lost,
            twice,
            reordered,
            stale,
            dead,
            falsely,
            waiting,
            worst,
            copies,
            seconds,
            missing: _,
        } = self;
        let worst = worst.as_millis();
        write!(
            f,
            "| {name} | {acknowledged} | {arrived}/{good} | {lost} | {twice} | {reordered} | {stale} | {dead} | \
             {falsely} | {waiting} | {worst} | {copies} | {seconds} |"
        )
    }
}

impl Row {
    /// What is not as it must be: everything in effect once, in order, within `bound`.
    pub(super) fn faults(&self, bound: Option<Duration>) -> Vec<String> {
        let mut faults: Vec<String> = [
            (self.lost, "lost"),
            (self.twice, "twice in effect"),
            (self.reordered, "reordered"),
            (self.stale, "stale"),
            (self.dead, "dead"),
            (self.falsely, "falsely delivered"),
            (self.good - self.arrived, "not in effect"),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        if !self.missing.is_empty() {
            faults.push(format!("missing: {}, …", self.missing.join(", ")));
        }
        if let Some(bound) = bound.filter(|bound| self.worst > *bound) {
            let (worst, bound) = (self.worst.as_millis(), bound.as_millis());
            faults.push(format!("the worst delay is {worst} ms, the bound {bound} ms"));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What became of calls: their effects as events and writes in order, and their status in the outbox.
    fn judged(calls: Vec<Call>, events: &[&str], writes: &[&str], stored: &[(&str, &str)]) -> Row {
        let ledger = Ledger::default();
        ledger.enter(calls);
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut effects = Effects::default();
        (effects.events, effects.writes) = (owned(events), owned(writes));
        for (at, message) in (1..).zip(events.iter().chain(writes)) {
            let at = Instant::now() + Duration::from_millis(at);
            effects.first.entry((*message).to_owned()).or_insert(at);
        }
        let stored = stored.iter();
        let stored = stored.map(|(message, status)| ((*message).to_owned(), (*status).to_owned()));
        judge("", &ledger, &effects, &stored.collect(), Instant::now())
    }

    #[test]
    fn what_arrived_once_and_in_order_has_no_fault() {
        let calls = vec![Call::track("a", 1), Call::identify("a", 2)];
        let stored = [("a#1", "delivered"), ("a#2", "delivered")];
        let row = judged(calls, &["a#1"], &["a#2"], &stored);
        assert_eq!(row.faults(Some(Duration::from_secs(1))), [""; 0]);
        assert_eq!(row.faults(Some(Duration::ZERO)).len(), 1);
    }

    #[test]
    fn what_is_not_in_effect_is_lost_dead_falsely_delivered_or_waiting() {
        let calls: Vec<Call> = ["a", "b", "c", "d"].map(|person| Call::track(person, 1)).into();
        let stored = [("b#1", "dead"), ("c#1", "delivered"), ("d#1", "pending")];
        let row = judged(calls, &[], &[], &stored);
        assert_eq!((row.lost, row.dead, row.falsely, row.waiting), (1, 1, 1, 1));
        assert_eq!((row.arrived, row.good), (0, 4));
    }

    #[test]
    fn copies_under_another_key_late_effects_and_older_values_are_found() {
        let calls = (1..=2).map(|number| Call::track("a", number));
        let row = judged(calls.collect(), &["a#2", "a#1", "a#2"], &[], &[]);
        assert_eq!((row.twice, row.reordered), (1, 1));
        let calls = (1..=2).map(|number| Call::identify("a", number));
        let row = judged(calls.collect(), &[], &["a#1", "a#2", "a#1"], &[]);
        assert_eq!((row.stale, row.reordered), (1, 0));
    }

    #[test]
    fn a_bad_call_need_not_arrive_and_must_not_be_delivered_falsely() {
        let row = judged(vec![Call::track("a", 1).bad()], &[], &[], &[("a#1", "dead")]);
        assert_eq!(row.faults(None), [""; 0]);
        let row = judged(vec![Call::track("a", 1).bad()], &[], &[], &[("a#1", "delivered")]);
        assert_eq!(row.falsely, 1);
    }
}
