//! The reasons that the scheduler gives: its own, and what an answer, or its absence, is as a reason. Pure.

use std::borrow::Cow;

use crate::model::{EventId, KLAVIYO, Outcome, OutcomeKind, Reason, reasons};

reasons! {
    /// Why the scheduler ends an event or a request, or sends it later.
    Cause {
        /// The stored call cannot be read.
        #[error("{0}")]
        Unreadable(String) = "call_unreadable";
        /// Its source may not delete people any more.
        #[error("delete_not_allowed: its source may not delete people; see `allow` under [[ingest.sources]]")]
        DeleteNotAllowed = "delete_not_allowed";
        /// klaviyo-relay failed to map it, which is a bug.
        #[error("klaviyo-relay failed on it, which is a bug; replay it after an update")]
        Bug = "mapping_failed";
        /// A replay or an import of a subscription that is not recent.
        #[error("neither a replay nor an import subscribes people again; see `replay --consent`")]
        OldConsent = "consent_not_recent";
        /// The outbox's file is damaged where the event is stored.
        #[error("the outbox's file is damaged where this event is stored, and it cannot be read")]
        Damaged = "file_damaged";
        /// Its call was erased before it was sent.
        #[error("its payload was erased before it was sent")]
        PayloadErased = "payload_erased";
        /// All its requests were delivered before, for another event.
        #[error("a copy of event {0}: that one was delivered with the same `$event_id` for the same person")]
        Copy(EventId) = "copy";
        /// It is sent once more without the part that Klaviyo refused.
        #[error("sent again without what Klaviyo refused of it")]
        WithoutRefused = "sent_without_refused";
        /// The answer to a subscription was lost, and `resend_unknown_subscriptions` is off.
        #[error(
            "the answer to this subscription was lost, so it may have been accepted; it is not sent again, since \
             `delivery.resend_unknown_subscriptions` is false; replay it to send it again"
        )]
        SubscriptionLost = "subscription_answer_lost";
        /// The request needs the id of a profile that Klaviyo did not accept.
        #[error("the profile was not accepted, so there is no profile id to name it by")]
        NoProfile = "profile_not_accepted";
        /// It failed as often and as long as `max_attempts` and `max_age` allow.
        #[error("gave up after {tries} attempts; the last: {last}")]
        GaveUp {
            /// How often it was tried.
            tries: u32,
            /// The last answer.
            last: String,
        } = "gave_up";
        /// It failed as often as `max_attempts` allows, while Klaviyo accepted other requests of its kind.
        #[error("gave up after {tries} attempts; while other requests of its kind were accepted; the last: {last}")]
        GaveUpAlone {
            /// How often it was tried.
            tries: u32,
            /// The last answer.
            last: String,
        } = "gave_up_alone";
        /// Its event changed while it was in an import job.
        #[error("its event changed while it was in an import job")]
        ImportChanged = "import_event_changed";
        /// The result of its import job is not known.
        #[error("{0}")]
        ImportUnclear(&'static str) = "import_job_unclear";
        /// The request was sent, and no complete answer came.
        #[error("{0}")]
        NoAnswer(String) = "no_answer";
        /// No connection could be made, so that nothing was sent.
        #[error("{0}")]
        NotReached(String) = "not_reached";
        /// The answer was not Klaviyo's but a proxy's, a portal's or Cloudflare's.
        #[error("{0}")]
        Foreign(String) = "not_klaviyo";
        /// Klaviyo refused the key before, and has not answered since.
        #[error("{0}")]
        KeyRefused(String) = "key_refused";
    }
}

/// The outcome of a request that was not accepted, as a reason: the status, then the error text of Klaviyo or of the
/// transport.
pub fn reason_of(outcome: &Outcome) -> Reason {
    let text = match (outcome.http_status, outcome.error.as_deref()) {
        (Some(status), Some(error)) => format!("{status}: {error}"),
        (Some(status), None) => format!("{status}, without a word"),
        (None, Some(error)) => error.to_owned(),
        (None, None) => "no answer".to_owned(),
    };
    Reason::new(code_of(outcome), text)
}

/// The code of such an outcome.
pub fn code_of(outcome: &Outcome) -> Cow<'static, str> {
    let text = String::new;
    match (outcome.reason_code.as_ref(), outcome.http_status) {
        (Some(code), _) => code.clone(),
        (None, _) if outcome.foreign => Cow::Borrowed(Cause::Foreign(text()).code()),
        (None, Some(status)) if outcome.kind != OutcomeKind::Unknown => Cow::Owned(format!("{KLAVIYO}{status}")),
        (None, None) if outcome.kind == OutcomeKind::Retry => Cow::Borrowed(Cause::NotReached(text()).code()),
        (None, _) => Cow::Borrowed(Cause::NoAnswer(text()).code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_without_klaviyos_error_has_the_code_of_what_happened() {
        let outcome = |kind, http_status, foreign| Outcome {
            http_status,
            foreign,
            ..Outcome::of(kind)
        };
        for (outcome, code) in [
            (outcome(OutcomeKind::Retry, None, false), "not_reached"),
            (outcome(OutcomeKind::Unknown, None, false), "no_answer"),
            (outcome(OutcomeKind::Unknown, Some(202), false), "no_answer"),
            (outcome(OutcomeKind::Retry, Some(502), true), "not_klaviyo"),
            (outcome(OutcomeKind::Retry, Some(503), false), "klaviyo_503"),
        ] {
            assert_eq!(code_of(&outcome), code, "{outcome:?}");
        }
    }
}
