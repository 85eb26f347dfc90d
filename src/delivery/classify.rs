//! What an answer means. Pure; never looks at an error's `detail`, which Klaviyo may reword at any time.

use std::time::Duration;

use crate::klaviyo;
use crate::model::{Outcome, OutcomeKind, RateInfo, Timestamp};

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

/// The outcome of an answer; `now` is needed for a `Retry-After` that names a date.
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
        rate: rate(&answer.rate),
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

/// `Retry-After` as seconds or as an HTTP date; at most a day, so that a broken header cannot park an event.
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let longest = Duration::from_hours(24);
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(longest));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    let at = Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).ok()?);
    Some(at.since(now).min(longest))
}

/// The `RateLimit-*` headers; `None` when there was none that could be read. A list of policies after the number, as
/// the headers' draft standard allows, is passed over.
fn rate(headers: &[Option<String>; 3]) -> Option<RateInfo> {
    let [limit, remaining, reset] = headers.each_ref().map(|header| {
        let number = header.as_deref()?.split([',', ';']).next()?;
        number.trim().parse::<u32>().ok()
    });
    let reset = reset.map(|seconds| Duration::from_secs(u64::from(seconds)));
    let rate = RateInfo {
        limit,
        remaining,
        reset,
    };
    (rate != RateInfo::default()).then_some(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn retry_after_is_seconds_or_a_date_and_never_more_than_a_day() {
        let now = Timestamp::parse("2026-11-23T10:00:00Z").unwrap();
        let cases = [
            ("3", Some(3)),
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("Mon, 23 Nov 2026 10:01:00 GMT", Some(60)),
            ("Mon, 23 Nov 2026 09:00:00 GMT", Some(0)),
            ("99999999", Some(86_400)),
            ("soon", None),
            ("-1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(
                retry_after(text, now).map(|d| d.as_secs()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_left_of_the_limit_is_read_from_any_answer() {
        let rate = |status, headers: [&str; 3]| {
            let mut answer = answer(status, true, "{}");
            answer.rate = headers.map(|text| (!text.is_empty()).then(|| text.to_owned()));
            outcome(&answer, Timestamp::from_millis(0)).rate
        };
        let full = RateInfo {
            limit: Some(3500),
            remaining: Some(12),
            reset: Some(Duration::from_secs(41)),
        };
        assert_eq!(rate(202, ["3500", " 12", "41"]), Some(full));
        assert_eq!(
            rate(400, ["3500, 3500;w=60", "12;x", "41"]),
            Some(full),
            "a refusal has them too"
        );
        let half = RateInfo {
            remaining: Some(0),
            ..RateInfo::default()
        };
        assert_eq!(rate(202, ["", "0", "soon"]), Some(half));
        assert_eq!(rate(202, ["", "-1", "4.5"]), None);
        assert_eq!(rate(429, ["", "", ""]), None);
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
