//! The metrics' series by reason, made before anything is counted: a rate over a series that begins with its first
//! event does not see that event.

use crate::ingest::Flaw;
use crate::mapper::{Rejection, Skip};
use crate::metrics::Metrics;
use crate::model::{EventStatus, ReasonCode};
use crate::outbox::reasons::REUSED;
use crate::scheduler::policy::Cause;

/// The labels of Klaviyo's refusals ([`crate::model::Reason::label`]).
const OF_KLAVIYO: [&str; 4] = ["klaviyo_400", "klaviyo_404", "klaviyo_409", "klaviyo_4xx"];

/// Makes the series of all reasons for which events come in dead, and for which they end skipped or dead.
pub(super) fn create_series<'a>(metrics: &Metrics, sources: impl IntoIterator<Item = &'a str>) {
    let codes = |codes: &'static [ReasonCode]| codes.iter().map(|known| known.code);
    let on_arrival: Vec<&str> = codes(Flaw::CODES).chain([REUSED]).collect();
    let (consent, copy) = (Cause::OldConsent.code(), "copy");
    let skipped = codes(Skip::CODES).chain([consent, copy]);
    let own = codes(Cause::CODES).filter(|code| !is_passing(code) && ![consent, copy].contains(code));
    let dead = codes(Rejection::CODES).chain(own).chain(OF_KLAVIYO);
    let ended = skipped.map(|code| (EventStatus::Skipped, code));
    metrics.create_series(
        sources,
        &on_arrival,
        ended.chain(dead.map(|code| (EventStatus::Dead, code))),
    );
}

/// Whether an event never ends for the reason with this code: it is tried again.
fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "no_answer"
            | "not_reached"
            | "not_klaviyo"
            | "key_refused"
            | "sent_without_refused"
            | "import_event_changed"
            | "import_job_unclear"
    )
}
