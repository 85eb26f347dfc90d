//! `explain`: one call on stdin, its requests on stdout.

use expect_test::expect;
use serde_json::{Value, json};

use super::{Bench, SANDBOX};

const IDENTIFY: &str = r#"{"type":"identify","userId":"u1","traits":{"email":"a@b.co","plan":"Pro"}}"#;

fn explained(call: &str) -> Value {
    let ran = Bench::new().run_on(call, &["explain", "--json"]);
    assert_eq!((ran.code, &*ran.err), (0, ""), "{call}");
    ran.json()
}

#[test]
fn a_call_is_printed_as_its_requests_with_the_rule_of_each_field() {
    let output = Bench::new().run_on(IDENTIFY, &["explain"]).well();
    let expected = r#"identify on the server side

1. POST /api/profile-import
   {
     "data": {
       "type": "profile",
       "attributes": {
         "email": "a@b.co",
         "external_id": "u1",
         "properties": {
           "plan": "Pro"
         }
       }
     }
   }
   /data/attributes/email            <- traits.email
   /data/attributes/external_id      <- userId
   /data/attributes/properties/plan  <- traits.plan
"#;
    assert_eq!(output, expected);
}

#[test]
fn the_same_as_json() {
    let output = explained(IDENTIFY);
    assert_eq!(
        (&output["type"], &output["side"]),
        (&json!("identify"), &json!("server"))
    );
    let requests = output["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!(request["kind"], "profile");
    assert_eq!(request["method"], "POST");
    assert_eq!(request["path"], "/api/profile-import");
    assert_eq!(request["not_sent"], Value::Null);
    assert_eq!(request["body"]["data"]["attributes"]["external_id"], "u1");
    let rule = json!({"field": "/data/attributes/properties/plan", "from": "/traits/plan", "note": "as_sent",
        "rule": "traits.plan"});
    assert!(request["rules"].as_array().unwrap().contains(&rule));
}

#[test]
fn the_side_is_the_librarys_unless_it_is_given() {
    let call = r#"{"type":"track","userId":"u","event":"Order Completed","properties":{"orderId":"o"}}"#;
    let browser = call.replace(
        "\"userId\"",
        r#""context":{"library":{"name":"analytics.js"}},"userId""#,
    );
    let metric = |output: &Value| {
        let path = "/requests/0/body/data/attributes/metric/data/attributes/name";
        (output["side"].clone(), output.pointer(path).unwrap().clone())
    };
    let server = (json!("server"), json!("Placed Order"));
    let client = (json!("client"), json!("Order Completed"));
    assert_eq!(metric(&explained(call)), server);
    assert_eq!(metric(&explained(&browser)), client);
    for (call, side, expected) in [(call, "client", client), (&browser, "server", server)] {
        let ran = Bench::new().run_on(call, &["explain", "--json", "--side", side]);
        assert_eq!(metric(&ran.json()), expected);
    }
}

#[test]
fn the_time_is_the_one_the_event_would_be_stored_with() {
    let time = |call: Value| {
        let output = explained(&call.to_string());
        output["requests"][0]["body"]["data"]["attributes"]["time"].clone()
    };
    let track = json!({"type": "track", "userId": "u", "event": "e"});
    let with = |timestamp: Value| {
        let mut call = track.clone();
        call["timestamp"] = timestamp;
        call
    };
    let expected = json!("2024-02-29T12:00:00.000Z");
    assert_eq!(time(with(json!("2024-02-29T13:00:00+01:00"))), expected);
    assert_eq!(time(with(json!(1_709_208_000))), expected, "a number too");
}

#[test]
fn the_settings_are_those_of_the_configuration() {
    let call = r#"{"type":"identify","anonymousId":"a-1"}"#;
    let output = Bench::new().run_on(call, &["explain"]).well();
    expect![[r#"
        identify on the server side
        skipped: the call names its person by anonymousId alone: send a userId, an e-mail or a phone, or turn `fallback_to_anonymous_id` on
    "#]].assert_eq(&output);
    let config = format!("mapping.fallback_to_anonymous_id = true\n{SANDBOX}");
    let output = Bench::with(&config).run_on(call, &["explain"]).well();
    expect![[r#"
        identify on the server side

        1. POST /api/profile-import
           {
             "data": {
               "type": "profile",
               "attributes": {
                 "external_id": "a-1"
               }
             }
           }
           /data/attributes/external_id  <- anonymousId, since fallback_to_anonymous_id is on
    "#]]
    .assert_eq(&output);
}

#[test]
fn without_a_configuration_it_takes_the_defaults() {
    let bench = Bench::new();
    std::fs::remove_file(bench.path().join("config.toml")).unwrap();
    let output = bench.run_on(IDENTIFY, &["explain"]).well();
    assert!(output.contains("1. POST /api/profile-import"), "{output}");
}

#[test]
fn a_skipped_call_has_its_reason() {
    let call = r#"{"type":"page","userId":"u"}"#;
    let output = Bench::new().run_on(call, &["explain"]).well();
    expect![[r#"
        page on the server side
        skipped: page calls are not sent to Klaviyo: identify and track calls are
    "#]]
    .assert_eq(&output);
    let output = explained(call);
    assert!(output["skipped"].as_str().unwrap().starts_with("page calls"));
    assert_eq!(output.get("requests"), None);
}

#[test]
fn a_request_that_would_not_be_sent_is_marked() {
    let call = r#"{"type":"track","userId":"u","event":"Order Completed",
        "properties":{"orderId":"o","products":[{"name":"nameless"}]}}"#;
    let output = Bench::new().run_on(call, &["explain"]).well();
    assert!(
        output.contains("\n2. POST /api/events\n   NOT SENT: product 1 of the order "),
        "{output}"
    );
    assert_eq!(explained(call)["requests"][0]["not_sent"], Value::Null);
    assert!(explained(call)["requests"][1]["not_sent"].is_string());
}

#[test]
fn blank_ids_are_absent_ids_and_an_email_names_somebody() {
    for names in [
        r#""userId":"","anonymousId":"a-1""#,
        r#""userId":"u1","anonymousId":"""#,
        r#""userId":" ","properties":{"email":"guest@shop.co"}"#,
        r#""context":{"traits":{"phone":"+15550109999"}}"#,
    ] {
        let call = format!(r#"{{"type":"track","event":"e",{names}}}"#);
        let ran = Bench::new().run_on(&call, &["explain"]);
        assert!(!ran.out.starts_with("rejected: "), "{call}: {}", ran.out);
    }
}

#[test]
fn what_ingest_would_reject_is_rejected_with_its_code() {
    for (call, code) in [
        (r#"{"type":"track","userId":"u"}"#, "event_not_defined"),
        (r#"{"type":"track","event":"e"}"#, "no_user_anon_id"),
        (r#"{"type":"track","event":"e","userId":true}"#, "id_not_string"),
        (r#"{"userId":"u"}"#, "missing_type"),
        (r#"{"type":"buy","userId":"u"}"#, "invalid_type"),
        (r#"[{"type":"track","userId":"u","event":"e"}]"#, "bad_request"),
    ] {
        let ran = Bench::new().run_on(call, &["explain"]);
        assert_eq!((ran.code, &*ran.err), (1, ""), "{call}");
        assert!(ran.out.starts_with(&format!("rejected: {code}: ")), "{}", ran.out);
        let ran = Bench::new().run_on(call, &["explain", "--json"]);
        assert_eq!((ran.code, &*ran.err), (1, ""), "{call}");
        let output = ran.json();
        assert!(output["refused"].as_str().unwrap().starts_with(code), "{output}");
    }
    let config = format!("ingest.max_event_bytes = \"1KiB\"\n{SANDBOX}");
    let large = IDENTIFY.replace("Pro", &"x".repeat(2000));
    let ran = Bench::with(&config).run_on(&large, &["explain"]);
    assert!(ran.out.starts_with("rejected: event_too_large: "), "{}", ran.out);
}

#[test]
fn what_is_no_json_is_an_error() {
    for (stdin, error) in [
        ("", "error: there is no event on stdin"),
        (" \n", "error: there is no event on stdin"),
        ("nope", "error: what is on stdin is not JSON: "),
        ("{\"type\":", "error: what is on stdin is not JSON: "),
        ("{} {}", "error: what is on stdin is not JSON: "),
    ] {
        let ran = Bench::new().run_on(stdin, &["explain"]);
        assert_eq!((ran.code, &*ran.out), (1, ""), "{stdin}");
        assert!(ran.err.starts_with(error), "{}", ran.err);
    }
}

#[test]
fn a_byte_order_mark_and_half_a_surrogate_pair_are_read() {
    let call = "\u{feff}{\"type\":\"track\",\"userId\":\"u\",\"event\":\"Cut \\ud83d\"}\r\n";
    let output = explained(call);
    let path = "/requests/0/body/data/attributes/metric/data/attributes/name";
    assert_eq!(output.pointer(path), Some(&json!("Cut \u{fffd}")));
}

/// What `serde_json` calls numbers and texts among its own parts. Read by its `Value`, such an object becomes what it
/// says.
#[test]
fn an_object_with_a_key_that_a_json_library_uses_leaves_as_it_came() {
    for name in ["RawValue", "Number"] {
        let key = format!("$serde_json::private::{name}");
        let odd = format!(r#"{{"{key}":"1"}}"#);
        let call = format!(
            r#"{{"type":"track","userId":"u1","event":"E","messageId":"m","properties":{{"a":{odd},"{key}":"2"}}}}"#
        );
        let ran = Bench::new().run_on(&call, &["explain", "--json"]);
        let out = ran.well().replace(char::is_whitespace, "");
        let expected = format!(r#""properties":{{"a":{odd},"{key}":"2"}}"#);
        assert!(out.contains(&expected), "{out}");
    }
    let hidden = r#"{"$serde_json::private::RawValue":"{\"type\":\"track\",\"userId\":\"u1\"}"}"#;
    let ran = Bench::new().run_on(hidden, &["explain"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.starts_with("rejected: missing_type: "), "{ran:?}");
}
