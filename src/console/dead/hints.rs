//! Advice for a group of dead events, derived from the text of its reason.
//!
//! Pure. It matches the program's own texts (`ingest`, the mapper, the relay) and the codes and pointers of Klaviyo's
//! errors. Klaviyo's sentences may change at any time: they are matched only where a list or a profile does not exist,
//! for which there is no code. An unknown reason gets no advice.

/// Advice, and when to give it: one of these texts occurs in the reason.
struct Hint {
    any: &'static [&'static str],
    todo: &'static str,
    /// Whether the call itself is wrong, so that a corrected copy of it helps.
    call: bool,
}

/// The codes with which ingest refuses a call: Segment's, and the program's own in the same style. A code is at the
/// start of the reason, before a colon.
const OF_THE_SENDER: [&str; 12] = [
    "bad_request",
    "missing_type",
    "invalid_type",
    "message_id_too_long",
    "no_user_anon_id",
    "id_not_string",
    "event_not_defined",
    "event_not_string",
    "properties_not_object",
    "traits_not_object",
    "name_not_string",
    "category_not_string",
];
const SENDER: &str = "What sends these calls has to be corrected, as the sentence says. A stored call cannot be changed: a \
                      replay maps those here as they stand, with whatever in them can be used. Try one first, or edit a copy \
                      and send that.";
const TOO_LARGE: &str = "Have less sent, or raise [ingest] max_event_bytes so that such calls are taken. Those here are \
                         kept whole: a replay sends them, within Klaviyo's own limits.";
const ERASED: &str = "The person was erased. There is nothing left to send.";

/// The first match is used.
const HINTS: [Hint; 11] = [
    Hint {
        any: &["list does not exist", "A list with id", "/relationships/list"],
        todo: "Klaviyo has no such list. Correct mapping.list_id or mapping.audience_lists in config.toml, or the listId \
               that the calls name, then replay these: they are mapped anew.",
        call: false,
    },
    Hint {
        any: &["A profile with id"],
        todo: "Klaviyo no longer has the person under the id it gave. Replay these: the profile is sent first, and gets \
               its id anew.",
        call: false,
    },
    Hint {
        any: &["duplicate_profile:"],
        todo: "The ids in the call belong to two profiles at Klaviyo. Merge the two there, then replay these; or correct \
               the ids where the calls are sent.",
        call: true,
    },
    Hint {
        any: &["/phone_number)"],
        todo: "Klaviyo does not take the phone number. Have numbers sent as E.164 (+ and the country code). A replay \
               sends those here as they stand.",
        call: true,
    },
    Hint {
        any: &["/email)"],
        todo: "Klaviyo does not take the e-mail address. Correct it where the calls are sent. A replay sends those here as \
               they stand.",
        call: true,
    },
    Hint {
        any: &["the call names its person by"],
        todo: SENDER,
        call: true,
    },
    Hint {
        any: &["Klaviyo takes", "Klaviyo's limit", "which Klaviyo refuses"],
        todo: "A limit of Klaviyo's, so the request was not sent. Mend what sends the calls, as the sentence says; those \
               here end the same way again.",
        call: true,
    },
    Hint {
        any: &["gave up after"],
        todo: "They were tried as often and as long as [delivery] max_attempts and max_age say. Replay them once Klaviyo \
               answers again.",
        call: false,
    },
    Hint {
        any: &["the answer to this subscription was lost"],
        todo: "Klaviyo may have taken it. Look there first: subscribing again lifts an unsubscribe that came since. \
               Replay those that are not there.",
        call: false,
    },
    Hint {
        any: &["discarded by an operator"],
        todo: "An operator gave these up. Nothing is to be done, unless that was a mistake: then replay them.",
        call: false,
    },
    Hint {
        any: &["which is a bug"],
        todo: "A mistake in klaviyo-relay: please report it. Replay these after an update.",
        call: false,
    },
];

/// The advice for events that are dead for this reason, or `None`; `words` is the outbox's group text.
pub(super) fn hint(words: &str) -> Option<&'static str> {
    if words == "erased" || words.starts_with("its payload was erased") {
        return Some(ERASED);
    }
    match code(words) {
        Some("event_too_large") => return Some(TOO_LARGE),
        Some(code) if OF_THE_SENDER.contains(&code) => return Some(SENDER),
        Some(_) | None => {}
    }
    of_words(words).map(|hint| hint.todo)
}

/// The code at the start of the reason.
fn code(words: &str) -> Option<&str> {
    words.split_once(':').map(|(code, _)| code)
}

/// The first hint that matches this reason.
fn of_words(words: &str) -> Option<&'static Hint> {
    let fits = |hint: &&Hint| hint.any.iter().any(|part| words.contains(part));
    HINTS.iter().find(fits)
}

/// Whether the call of such an event is the cause: ingest, the mapping or Klaviyo refused its content, so that a replay
/// is refused again and a corrected copy is not.
pub(super) fn is_of_the_call(words: &str) -> bool {
    let code = code(words);
    if code.is_some_and(|code| OF_THE_SENDER.contains(&code)) {
        return true;
    }
    if let Some(hint) = of_words(words) {
        return hint.call;
    }
    // A status of Klaviyo's at the start, or the first error of a job's items.
    let is_status = |code: &str| code.len() == 3 && code.starts_with('4') && code.bytes().all(|b| b.is_ascii_digit());
    code.is_some_and(is_status) || words.contains("requests refused; the first: ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;
    use crate::model::Timestamp;
    use crate::operator::{ExplainSettings, Explanation, explain};

    fn explained(call: &Value) -> Explanation {
        let settings = ExplainSettings::of(&Config::default());
        let now = Timestamp::parse("2026-11-23T10:00:00Z").unwrap();
        explain(&call.to_string(), None, &settings, now).unwrap()
    }

    #[test]
    fn what_ingest_refuses_is_for_the_sender_to_mend() {
        let long = "x".repeat(300);
        for call in [
            json!([1]),
            json!({"userId": "u1"}),
            json!({"type": "jump", "userId": "u1"}),
            json!({"type": "identify", "userId": "u1", "messageId": long}),
            json!({"type": "track", "event": "A"}),
            json!({"type": "track", "event": "A", "userId": {}}),
            json!({"type": "track", "userId": "u1"}),
            json!({"type": "track", "userId": "u1", "event": 7}),
            json!({"type": "track", "userId": "u1", "event": "A", "properties": 7}),
            json!({"type": "identify", "userId": "u1", "traits": 7}),
            json!({"type": "page", "userId": "u1", "name": 7}),
            json!({"type": "page", "userId": "u1", "category": 7}),
        ] {
            let Explanation::Refused { reason, .. } = explained(&call) else {
                panic!("taken: {call}");
            };
            assert_eq!(hint(&reason), Some(SENDER), "{reason}");
        }
        let text = "x".repeat(1 << 20);
        let call = json!({"type": "track", "userId": "u1", "event": "A", "properties": {"text": text}});
        let Explanation::Refused { reason, .. } = explained(&call) else {
            panic!("taken, however large");
        };
        assert_eq!(hint(&reason), Some(TOO_LARGE), "{reason}");
    }

    #[test]
    fn what_klaviyo_would_refuse_is_known_as_its_limit() {
        let many: Value = (0..401).map(|n| (format!("p{n}"), json!(1))).collect();
        for call in [
            json!({"type": "track", "userId": "u1", "event": "A", "properties": many}),
            json!({"type": "track", "userId": "u1", "event": "A".repeat(200)}),
            json!({"type": "track", "userId": "u1", "event": "A", "timestamp": "1990-01-01T00:00:00Z"}),
            json!({"type": "track", "userId": "u1", "event": "A", "properties": {"list": vec![0; 4001]}}),
        ] {
            let explained = explained(&call).json();
            let requests = explained["requests"].as_array().unwrap();
            let reason = requests.iter().find_map(|request| request["not_sent"].as_str());
            let reason = reason.unwrap_or_else(|| panic!("sent: {explained}"));
            let todo = hint(reason).unwrap_or_else(|| panic!("no hint: {reason}"));
            assert!(todo.starts_with("A limit of Klaviyo's"), "{reason}");
        }
    }

    #[test]
    fn reasons_of_klaviyo_and_of_the_relay_have_their_hints() {
        for (words, part) in [
            (
                "…: not_found: Not found. A list with id … does not exist.",
                "mapping.list_id",
            ),
            (
                "… of … requests refused; the first: …: invalid: Invalid input. This list does not exist. \
                 (/data/relationships/list/data/id)",
                "mapping.list_id",
            ),
            (
                "…: not_found: Not found. A profile with id … does not exist.",
                "its id anew",
            ),
            (
                "…: duplicate_profile: Conflict. A profile already exists with one of these identifiers.",
                "Merge the two",
            ),
            (
                "…: invalid: Invalid input. Not a phone number. (/data/attributes/phone_number)",
                "E.164",
            ),
            ("gave up after … attempts; the last: …: busy", "max_age"),
            ("discarded by an operator", "a mistake"),
            ("its payload was erased before it was sent", "nothing left"),
            ("erased", "nothing left"),
        ] {
            let todo = hint(words).unwrap_or_default();
            assert!(todo.contains(part), "{words}: {todo}");
        }
    }

    #[test]
    fn a_copy_is_offered_where_the_call_is_what_is_wrong() {
        for (words, expected) in [
            ("400: invalid: Invalid input.", true),
            (
                "400: invalid: Not a phone number. (/data/attributes/phone_number)",
                true,
            ),
            ("… of … requests refused; the first: 400: invalid: Invalid input.", true),
            ("no_user_anon_id: nobody is named", true),
            ("404: not_found: A list with id … does not exist.", false),
            ("gave up after … attempts; the last: 503: busy", false),
            ("discarded by an operator", false),
            ("erased", false),
            ("teapot: …", false),
        ] {
            assert_eq!(is_of_the_call(words), expected, "{words}");
        }
    }

    #[test]
    fn what_is_not_known_gets_no_hint() {
        for words in ["", "…: invalid: Invalid input.", "teapot: …", "a list", "it was erased"] {
            assert_eq!(hint(words), None, "{words}");
        }
    }
}
