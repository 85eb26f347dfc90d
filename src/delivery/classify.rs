//! What an answer means. Pure; never looks at an error's `detail`, which Klaviyo may reword at any time.

use crate::klaviyo;
use crate::model::{Outcome, OutcomeKind, Timestamp};

use super::limits::{rate, retry_after};

/// An answer as it came.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Whether it says it is JSON. Klaviyo's own answers are; Cloudflare's in front of it are not.
    pub(super) json: bool,
    /// Whether a sandbox gave it.
    pub(super) sandbox: bool,
    pub(super) retry_after: Option<String>,
    /// `RateLimit-Limit`, `-Remaining` and `-Reset`.
    pub(super) rate: [Option<String>; 3],
    pub(super) request_id: Option<String>,
    /// `Date`: the time where the answer was made.
    pub(super) date: Option<String>,
    /// `X-Klaviyo-Partial-Failure`.
    pub(super) left_out: Option<String>,
    pub(super) body: Vec<u8>,
}

/// The outcome of an answer; `now` is needed for headers that name a time.
pub(super) fn outcome(answer: &Answer, now: Timestamp) -> Outcome {
    let error = klaviyo::read_error(&answer.body);
    let code = error.as_ref().and_then(|error| error.code.as_deref());
    let kind = kind(answer.status, answer.json, code);
    let accepted = kind == OutcomeKind::Accepted;
    let words = match &error {
        Some(error) => error.to_string(),
        None if answer.json => "an error without Klaviyo's usual form".to_owned(),
        None => "not Klaviyo's own answer (a proxy, or Cloudflare in front of it)".to_owned(),
    };
    Outcome {
        kind,
        http_status: Some(answer.status),
        error: (!accepted).then_some(words),
        retry_after: answer
            .retry_after
            .as_deref()
            .and_then(|text| retry_after(text, now)),
        rate: rate(&answer.rate, now),
        request_id: error
            .and_then(|error| error.id)
            .or_else(|| answer.request_id.clone()),
        profile_id: if accepted {
            klaviyo::profile_id(&answer.body)
        } else {
            None
        },
        note: answer
            .left_out
            .as_deref()
            .filter(|_| accepted)
            .and_then(left_out),
    }
}

/// What Klaviyo left out of a request that it took.
fn left_out(header: &str) -> Option<String> {
    let names = klaviyo::headers::left_out(header);
    let names = names.join(", ");
    (!names.is_empty())
        .then(|| format!("Klaviyo took it without {names} (X-Klaviyo-Partial-Failure)"))
}

fn kind(status: u16, json: bool, code: Option<&str>) -> OutcomeKind {
    match status {
        200..=299 => OutcomeKind::Accepted,
        400 | 403 if !json => OutcomeKind::Retry,
        401 | 403 | 405 | 410 | 415 => OutcomeKind::Stopped,
        408 | 425 | 429 => OutcomeKind::Retry,
        409 if code == Some("duplicate_profile") => OutcomeKind::Conflict,
        400..=499 => OutcomeKind::Refused,
        // 5xx, Cloudflare's 520 to 526, and what should never come from an API (1xx, 3xx).
        _ => OutcomeKind::Retry,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::RateInfo;

    fn answer(status: u16, json: bool, body: &str) -> Answer {
        Answer {
            status,
            json,
            sandbox: false,
            retry_after: None,
            rate: [None, None, None],
            request_id: None,
            date: None,
            left_out: None,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn every_status_has_its_meaning() {
        use OutcomeKind::{Accepted, Conflict, Refused, Retry, Stopped};
        let duplicate =
            r#"{"errors":[{"id":"x","code":"duplicate_profile","title":"t","detail":"d"}]}"#;
        let cases = [
            (200, true, "", Accepted),
            (201, true, "", Accepted),
            (202, false, "", Accepted),
            (204, false, "", Accepted),
            (301, false, "", Retry),
            (400, true, "{}", Refused),
            (400, false, "<html>", Retry),
            (401, true, "{}", Stopped),
            (401, false, "", Stopped),
            (403, true, "{}", Stopped),
            (403, false, "<html>", Retry),
            (404, true, "{}", Refused),
            (405, true, "{}", Stopped),
            (408, true, "", Retry),
            (409, true, duplicate, Conflict),
            (409, true, "{}", Refused),
            (410, true, "{}", Stopped),
            (413, true, "{}", Refused),
            (415, true, "{}", Stopped),
            (425, true, "", Retry),
            (429, true, "", Retry),
            (500, true, "", Retry),
            (503, false, "", Retry),
            (524, false, "", Retry),
        ];
        for (status, json, body, expected) in cases {
            let outcome = outcome(&answer(status, json, body), Timestamp::from_millis(0));
            assert_eq!(outcome.kind, expected, "{status} json={json}");
            assert_eq!(outcome.error.is_none(), expected == Accepted, "{status}");
        }
    }

    #[test]
    fn what_is_left_of_the_limit_is_read_from_any_answer() {
        let rate = |status| {
            let mut answer = answer(status, true, "{}");
            answer.rate = ["3500", "12", "41"].map(|text| Some(text.to_owned()));
            outcome(&answer, Timestamp::from_millis(0)).rate
        };
        let read = RateInfo {
            limit: Some(3500),
            remaining: Some(12),
            reset: Some(Duration::from_secs(41)),
        };
        assert_eq!(rate(202), Some(read));
        assert_eq!(rate(400), Some(read), "a refusal has them too");
    }

    #[test]
    fn what_klaviyo_left_out_of_an_accepted_request_is_noted() {
        let noted = |status, header: &str| {
            let mut answer = answer(status, true, "");
            answer.left_out = Some(header.to_owned());
            outcome(&answer, Timestamp::from_millis(0)).note
        };
        let note = noted(202, "phone_number").unwrap();
        assert!(note.contains("without phone_number"), "{note}");
        assert_eq!(noted(400, "phone_number"), None);
        assert_eq!(noted(202, ""), None);
    }

    #[test]
    fn a_profile_id_is_read_from_an_accepted_answer_only() {
        let body =
            r#"{"data":{"type":"profile","id":"01GDDKASAP8TKDDA2GRZDSVP4H","attributes":{}}}"#;
        let id =
            |status| outcome(&answer(status, true, body), Timestamp::from_millis(0)).profile_id;
        assert_eq!(id(201).as_deref(), Some("01GDDKASAP8TKDDA2GRZDSVP4H"));
        assert_eq!(id(400), None);
    }
}
