//! The actions for one event in its present state. Each button links to the page that describes the action in full.

use maud::{Markup, html};

use super::super::format;
use super::super::urls::address;
use super::{ShownEvent, path};
use crate::model::EventStatus;

/// The action that leads to another page than a change.
const EDIT: &str = "edit";

/// The buttons, each with its effect.
pub(super) fn list(shown: &ShownEvent) -> Markup {
    let actions = actions(shown);
    html! {
        @if actions.is_empty() { p.soft { "Nothing: its call is gone, and nobody waits for it." } }
        ul.acts { @for action in &actions { (action) } }
    }
}

/// The button of an action, and its effect.
fn action(shown: &ShownEvent, name: &str, word: &str, class: &str, effect: &str) -> Markup {
    let id = shown.report.id;
    let number = id.to_string();
    let link = match word {
        EDIT => address("/try", &[("event", &number)]),
        change => address("/change", &[("do", change), ("id", &number), ("back", &path(id))]),
    };
    html! {
        li {
            a class={ "button " (class) } href=(link) aria-describedby={ "does-" (word) } { (name) }
            p.hint id={ "does-" (word) } { (effect) }
        }
    }
}

fn actions(shown: &ShownEvent) -> Vec<Markup> {
    let given_up = format!(
        "Gives it up: it is never sent, unless you replay it.{}",
        effect_on_waiting(shown)
    );
    let discard = |effect: &str| action(shown, "Discard", "discard", "danger", effect);
    let release = |effect: &str| action(shown, "Release", "release", "primary", effect);
    let replay = |effect: &str| replay(shown, effect).into_iter().chain(edit(shown));
    match shown.report.status {
        EventStatus::Pending => {
            let at_once = "Tries it at once, without waiting for the time it is set to.";
            let stops = "Stops it where it stands, until you release it. Later events of the same person wait behind it.";
            let waits = shown.tried_again_at().is_some();
            let release = waits.then(|| release(at_once)).into_iter();
            let hold = action(shown, "Hold", "hold", "plainly", stops);
            release.chain([hold, discard(&given_up)]).collect()
        }
        EventStatus::Held => vec![
            release("Lets it go on, in its place in its person's order."),
            discard(&given_up),
        ],
        EventStatus::Dead => {
            let behind = shown.report.waited_for_by.count;
            let leaves = format!("Leaves it dead.{}", effect_on_waiting(shown));
            let discard = (behind > 0).then(|| discard(&leaves));
            replay("Sends it again, mapped by the rules of now.").chain(discard).collect()
        }
        EventStatus::Skipped => {
            replay("Maps it again by the rules of now, and sends what comes of that.").collect()
        }
        EventStatus::Delivered => replay(
            "Sends it again. What Klaviyo has under the same $event_id is not sent twice; traits of a profile are, over \
             newer ones.",
        )
        .collect(),
    }
}

/// What discarding the event means for those behind it.
fn effect_on_waiting(shown: &ShownEvent) -> String {
    match shown.report.waited_for_by.count {
        0 => String::new(),
        1 => " The event behind it goes on.".to_owned(),
        behind => format!(" The {} events behind it go on.", format::count(behind)),
    }
}

/// Edits a copy; the stored call does not change.
fn edit(shown: &ShownEvent) -> Option<Markup> {
    shown.stored.as_ref()?;
    let effect = "Opens its call, to be changed and sent as an event of its own. This one stays as it is.";
    Some(action(shown, "Edit a copy", EDIT, "plainly", effect))
}

/// A call that was deleted cannot be sent.
fn replay(shown: &ShownEvent, effect: &str) -> Option<Markup> {
    let delivered = shown.report.status == EventStatus::Delivered;
    let class = if delivered { "plainly" } else { "primary" };
    shown.stored.as_ref()?;
    Some(action(shown, "Replay", "replay", class, effect))
}
