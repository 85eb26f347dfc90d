//! How answers are classified, as tables, and how they are read from a connection.

mod answers;
mod headers;
mod wire;

use super::classify::{Answer, End, outcome};
use crate::klaviyo::Success;
use crate::model::{Outcome, Timestamp};

const JSON: &str = "application/vnd.api+json";
const HTML: &str = "text/html; charset=UTF-8";
const PAGE: &str = "<!DOCTYPE html><html><body>Sign in</body></html>";
const PROFILE: &str = r#"{"data":{"type":"profile","id":"01GDDKASAP8TKDDA2GRZDSVP4H","attributes":{}}}"#;
const ERRORS: &str = r#"{"errors":[{"id":"e1","code":"invalid","title":"Invalid input.","detail":"d"}]}"#;
const DUPLICATE: &str = r#"{"errors":[{"id":"e1","code":"duplicate_profile","title":"t","detail":"d"}]}"#;
const RETIRED: &str = r#"{"message":"This API has been retired"}"#;

fn answer(status: u16, content_type: &str, body: &str) -> Answer {
    Answer {
        status,
        content_type: content_type.to_owned(),
        sandbox: false,
        retry_after: None,
        rate: [None, None, None],
        request_id: None,
        date: None,
        left_out: None,
        body: body.as_bytes().to_vec(),
        end: End::Whole,
    }
}

fn judged(answer: &Answer, success: Success) -> Outcome {
    outcome(answer, success, Timestamp::from_millis(0))
}
