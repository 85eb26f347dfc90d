//! What real SDKs send is accepted, whole. The recordings say of themselves how they were made.

use serde_json::Value;

use super::{gzip, judge};

const CAPTURES: &str = include_str!("../../../tests/captures/segment-captures.jsonl");

fn posts() -> Vec<Value> {
    let posts: Vec<Value> = CAPTURES
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|capture| capture["method"] == "POST" && capture["path"] != "/v1/m")
        .collect();
    assert!(posts.len() >= 35, "only {} recordings", posts.len());
    posts
}

#[test]
fn every_recorded_request_is_accepted_with_its_calls_byte_for_byte() {
    for capture in posts() {
        let name = format!("{} ({})", capture["label"], capture["n"]);
        let body = capture["bodyText"].as_str().unwrap();
        let headers: Vec<(&str, &str)> = capture["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
            .collect();
        let sent = match capture["contentEncoding"].as_str() {
            Some("gzip") => gzip(body.as_bytes()),
            Some(other) => panic!("{name}: {other}"),
            None => body.as_bytes().to_vec(),
        };
        let path = capture["path"].as_str().unwrap();
        let accepted = judge(path, &headers, sent).unwrap_or_else(|e| panic!("{name}: {e}"));

        let parsed: Value = serde_json::from_str(body).unwrap();
        let calls = parsed["batch"].as_array().map_or(1, Vec::len);
        assert_eq!(accepted.events.len(), calls, "{name}");
        let mut rest = body;
        for (position, event) in accepted.events.iter().enumerate() {
            assert_eq!(event.refused, None, "{name}");
            assert!(!event.identifiers.is_empty(), "{name}");
            let sent = parsed["batch"].get(position).unwrap_or(&parsed);
            assert_eq!(
                &serde_json::from_str::<Value>(&event.payload).unwrap(),
                sent
            );
            // Byte for byte, and in the order sent.
            let at = rest
                .find(&event.payload)
                .unwrap_or_else(|| panic!("{name}"));
            rest = &rest[at + event.payload.len()..];
            match sent["messageId"].as_str() {
                Some(id) => assert_eq!(event.message_id, id, "{name}"),
                None => assert!(event.message_id.starts_with("made-"), "{name}"),
            }
        }
    }
}

#[test]
fn the_recordings_have_every_place_for_a_write_key() {
    let mut sources: Vec<String> = posts()
        .iter()
        .map(|capture| {
            let headers: Vec<(&str, &str)> = capture["headers"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
                .filter(|(name, _)| *name != "content-encoding")
                .collect();
            let body = capture["bodyText"].as_str().unwrap();
            let path = capture["path"].as_str().unwrap();
            judge(path, &headers, body.into()).unwrap().source
        })
        .collect();
    sources.sort();
    sources.dedup();
    assert_eq!(
        sources,
        [
            "jitsu",
            "source-wk_browser",
            "source-wk_node",
            "source-wk_php",
            "source-wk_py",
            "source-wk_ruby",
            "source-wk_rudder",
            "source-wk_rust",
            "source-wk_snip"
        ]
    );
}
