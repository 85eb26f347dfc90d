//! Requests that cannot be taken, one a line in a file, each with what the sender is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{gzip, judge};

const REQUESTS: &str = include_str!("../../../tests/malformed/requests.jsonl");

fn rows() -> Vec<Value> {
    let rows: Vec<Value> = REQUESTS
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(rows.len() >= 50, "only {} rows", rows.len());
    rows
}

/// The body of a row: text or base64, with `fill.mark` replaced by `fill.times` copies of `fill.text`, and
/// compressed if the row says so.
fn body(row: &Value) -> Vec<u8> {
    let mut body = match row["base64"].as_str() {
        Some(encoded) => STANDARD.decode(encoded).unwrap(),
        None => row["body"].as_str().unwrap().as_bytes().to_vec(),
    };
    if let Some(mark) = row["fill"]["mark"].as_str() {
        let times = usize::try_from(row["fill"]["times"].as_u64().unwrap()).unwrap();
        let fill = row["fill"]["text"].as_str().unwrap().repeat(times);
        body = String::from_utf8(body)
            .unwrap()
            .replace(mark, &fill)
            .into_bytes();
    }
    if row["gzip"] == true {
        gzip(&body)
    } else {
        body
    }
}

#[test]
fn every_malformed_request_is_refused_with_its_code_and_a_way_out() {
    for row in rows() {
        let name = row["name"].as_str().unwrap();
        let mut headers = vec![("x-write-key", "dev")];
        if let Some(own) = row["headers"].as_object() {
            headers = own
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
                .collect();
        }
        let path = row["path"].as_str().unwrap_or("/v1/track");
        match judge(path, &headers, body(&row)) {
            Err(refusal) => {
                assert_eq!(
                    row["status"],
                    refusal.status().as_u16(),
                    "{name}: {refusal}"
                );
                assert_eq!(row["code"], refusal.code(), "{name}: {refusal}");
                let says = row["says"].as_str().unwrap();
                assert!(refusal.to_string().contains(says), "{name}: {refusal}");
            }
            Ok(accepted) => {
                assert_eq!(row["status"], 200, "{name} was accepted");
                let refused: Vec<String> = accepted
                    .events
                    .into_iter()
                    .map(|event| event.refused.unwrap_or_default())
                    .collect();
                let expected = row["refused"].as_array().unwrap();
                assert_eq!(refused.len(), expected.len(), "{name}: {refused:?}");
                for (refused, expected) in refused.iter().zip(expected) {
                    assert!(
                        refused.starts_with(expected.as_str().unwrap()),
                        "{name}: {refused}"
                    );
                    assert_eq!(refused.is_empty(), expected == "", "{name}: {refused}");
                }
            }
        }
    }
}
