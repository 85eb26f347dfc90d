//! What to do about a reason, by its code: the page of dead letters and the reference of codes show it.
//!
//! Pure. A code that this program does not give has no advice.

use crate::model::KLAVIYO;

/// What to do about events with a reason of one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// What to do, in a sentence or two.
    pub todo: &'static str,
    /// Whether the call itself is wrong, so that a replay ends the same way again and a corrected copy does not.
    pub call: bool,
}

const SENDER: Advice = of_call(
    "What sends these calls has to be corrected, as the reason says. A stored call cannot be changed: a replay maps \
     those here as they stand, with whatever in them can be used. Try one first, or edit a copy and send that.",
);
const LIMIT: Advice = of_call(
    "A limit of Klaviyo's, so the request was not sent. Correct what sends the calls, as the reason says; those here \
     end the same way again.",
);
const BY_ITSELF: Advice = other("Nothing: it is tried again by itself.");
const ALREADY: Advice = other("Nothing: Klaviyo has it already.");
const ERASED: Advice = other("The person was erased. There is nothing left to send.");

const fn of_call(todo: &'static str) -> Advice {
    Advice { todo, call: true }
}

const fn other(todo: &'static str) -> Advice {
    Advice { todo, call: false }
}

/// The advice for a code.
pub fn advice(code: &str) -> Option<Advice> {
    match code.strip_prefix(KLAVIYO) {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => Some(of_klaviyo(rest)),
        Some(_) | None => of_arrival(code)
            .or_else(|| of_mapping(code))
            .or_else(|| of_delivery(code))
            .or_else(|| of_operator(code)),
    }
}

/// Of an answer of Klaviyo's; `rest` is its status, with the code and the field of its error.
fn of_klaviyo(rest: &str) -> Advice {
    match rest {
        "404_not_found" => other(
            "Klaviyo has no such list, or no longer has the person under the id it gave; the reason says which. Correct \
             mapping.list_id, mapping.audience_lists or the listId of the calls, then replay these: they are mapped \
             again, and the profile is sent first.",
        ),
        list if list.ends_with("_list") => other(
            "Klaviyo has no such list. Correct mapping.list_id or mapping.audience_lists in config.toml, or the listId \
             that the calls name, then replay these: they are mapped again.",
        ),
        "429_throttled" => BY_ITSELF,
        phone if phone.ends_with("_phone_number") => of_call(
            "Klaviyo does not take the phone number. Have numbers sent as E.164 (+ and the country code). A replay \
             sends those here as they stand.",
        ),
        email if email.ends_with("_email") => of_call(
            "Klaviyo does not take the e-mail address. Correct it where the calls are sent. A replay sends those here \
             as they stand.",
        ),
        two if two.contains("duplicate_profile") => of_call(
            "The ids in the call belong to two profiles at Klaviyo. Merge the two there, then replay these; or correct \
             the ids where the calls are sent.",
        ),
        key if ["401", "403", "405", "410", "415"]
            .iter()
            .any(|status| key.starts_with(status)) =>
        {
            other(
                "Klaviyo takes nothing with this key, its scopes or this revision: `klaviyo-relay status` says what to \
             correct. Nothing is lost, events wait.",
            )
        }
        later if ["408", "425", "429"].iter().any(|status| later.starts_with(status)) => BY_ITSELF,
        refused if refused.starts_with('4') => of_call(
            "Klaviyo refused what the request says, for the reason that is shown. Correct it where the calls are sent; a \
             replay sends those here as they stand.",
        ),
        _ => BY_ITSELF,
    }
}

/// Of a call that is dead on arrival.
fn of_arrival(code: &str) -> Option<Advice> {
    Some(match code {
        "bad_request"
        | "missing_type"
        | "invalid_type"
        | "message_id_too_long"
        | "no_user_anon_id"
        | "id_not_string"
        | "event_not_defined"
        | "event_not_string"
        | "properties_not_object"
        | "traits_not_object"
        | "name_not_string"
        | "category_not_string" => SENDER,
        "event_too_large" => other(
            "Have less sent, or raise [ingest] max_event_bytes so that such calls are accepted. Those here are kept whole: \
             a replay sends them, within Klaviyo's own limits.",
        ),
        "delete_not_allowed" => other(
            "Where the source may delete people, allow it with `allow` under [[ingest.sources]], then replay these.",
        ),
        "not_signed" => other("Have each of these calls sent and signed alone."),
        "time_unreadable" => {
            other("Correct the timestamps and import again, or import with `--accept-unreadable-times`.")
        }
        "message_id_reused" => other("Have each call get its own `messageId`. A replay sends those here."),
        _ => return None,
    })
}

/// Of a call or a request that the mapping skips or rejects.
fn of_mapping(code: &str) -> Option<Advice> {
    Some(match code {
        "klaviyo_disabled" | "type_not_mapped" => {
            other("Nothing, unless it was meant to be sent: the reason says how.")
        }
        "delete_profiles_off" | "no_email" | "anonymous_id_only" => other(
            "Nothing, unless it was meant to be sent: change the setting or the calls, as the reason says, and replay.",
        ),
        "no_identifier" => other("Have an id sent with these calls, as the reason says."),
        "payload_too_large"
        | "profile_too_large"
        | "event_profile_too_large"
        | "too_many_properties"
        | "string_too_long"
        | "array_too_long"
        | "nested_too_deep"
        | "integer_too_large"
        | "number_too_large"
        | "event_name_too_long"
        | "user_id_too_long"
        | "time_too_early"
        | "time_too_late" => LIMIT,
        "event_name_missing" | "event_id_missing" | "product_without_id" | "email_invalid" | "phone_invalid"
        | "call_unreadable" => SENDER,
        "profile_refused" => of_call("Correct the profile: its own request has the reason why it is rejected."),
        "mapping_failed" => other("A mistake in klaviyo-relay: please report it. Replay these after an update."),
        "consent_not_recent" => other("`replay --consent` sends them: first make sure that nobody unsubscribed since."),
        _ => return None,
    })
}

/// Of a request that was sent, or is to be sent again.
fn of_delivery(code: &str) -> Option<Advice> {
    Some(match code {
        "gave_up" => other(
            "They were tried as often and as long as [delivery] max_attempts and max_age say. Replay them once Klaviyo \
             answers again.",
        ),
        "gave_up_alone" => other(
            "They were tried as often as [delivery] max_attempts says, and failed while Klaviyo accepted other requests. \
             Look at what is special about them before you replay them.",
        ),
        "subscription_answer_lost" => other(
            "Klaviyo may have accepted it. Look there first: subscribing again lifts an unsubscribe that came since. \
             Replay those that are not there.",
        ),
        "profile_not_accepted" => other("Correct why the profile was rejected, then replay these."),
        "copy" | "delivered_before" | "event_id_delivered" => ALREADY,
        "sent_without_refused"
        | "import_event_changed"
        | "import_job_unclear"
        | "no_answer"
        | "not_reached"
        | "interrupted"
        | "not_recorded" => BY_ITSELF,
        "not_klaviyo" => other("It is tried again by itself. Check the proxy or the network if it lasts."),
        "key_refused" => other("Correct the key, its scopes or the revision. Nothing is lost, events wait."),
        _ => return None,
    })
}

/// Of what an operator did, or an accident.
fn of_operator(code: &str) -> Option<Advice> {
    Some(match code {
        "held" => other("`release` sends it, `discard` gives it up."),
        "restored_from_backup" => other(
            "Look at Klaviyo which of them it has. `release` sends the others, `discard` gives up those that it has.",
        ),
        "discarded" => {
            other("An operator gave these up. Nothing is to be done, unless that was a mistake: then replay them.")
        }
        "erased" | "payload_erased" | "person_erased" => ERASED,
        "file_damaged" => other("Restore the outbox from a backup, and import what is not in it."),
        _ => return None,
    })
}
