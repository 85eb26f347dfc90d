//! Every malformed request of the table is answered with its status and code, and leaves nothing behind but the
//! dead calls of a batch.

use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use klaviyo_relay::model::EventStatus;
use serde_json::{Value, json};

use super::{Bench, gzip};

const REQUESTS: &str = include_str!("../../malformed/requests.jsonl");

fn request(row: &Value) -> Request<Body> {
    let mut request = Request::post(row["path"].as_str().unwrap_or("/v1/track"));
    let own = json!({"x-write-key": "dev"});
    let headers = if row["headers"].is_object() {
        &row["headers"]
    } else {
        &own
    };
    for (name, value) in headers.as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    let mut body = match row["base64"].as_str() {
        Some(encoded) => STANDARD.decode(encoded).unwrap(),
        None => row["body"].as_str().unwrap().as_bytes().to_vec(),
    };
    if let Some(mark) = row["fill"]["mark"].as_str() {
        let times = usize::try_from(row["fill"]["times"].as_u64().unwrap()).unwrap();
        let fill = row["fill"]["text"].as_str().unwrap().repeat(times);
        body = String::from_utf8(body).unwrap().replace(mark, &fill).into_bytes();
    }
    if row["gzip"] == true {
        body = gzip(&body);
    }
    request.body(Body::from(body)).unwrap()
}

#[tokio::test]
async fn every_malformed_request_gets_an_error_that_names_a_fix() {
    let bench = Bench::new().await;
    let rows: Vec<Value> = REQUESTS
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(rows.len() >= 50);
    let (mut dead, mut good) = (Vec::new(), 0);
    for row in &rows {
        let answer = bench.send(request(row)).await;
        let name = &row["name"];
        assert_eq!(answer.status.as_u16(), row["status"], "{name}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/json", "{name}");
        assert_eq!(answer.header("www-authenticate"), "", "{name}");
        if answer.status == 200 {
            assert_eq!(answer.text, r#"{"success":true}"#);
            for code in row["dead"].as_array().unwrap() {
                match code.as_str().unwrap() {
                    "" => good += 1,
                    code => dead.push(code),
                }
            }
            continue;
        }
        let body = answer.json();
        assert_eq!(body["success"], false, "{name}");
        assert_eq!(body["code"], row["code"], "{name}");
        assert_eq!(body["error"], body["message"], "{name}");
        let message = body["message"].as_str().unwrap();
        assert!(message.contains(row["text"].as_str().unwrap()), "{name}: {message}");
    }
    let stored = bench.stored(Some(EventStatus::Dead)).await;
    let reasons: Vec<&str> = stored
        .iter()
        .map(|event| event.reason.as_deref().unwrap().split(':').next().unwrap())
        .collect();
    assert_eq!(reasons, dead);
    assert!(dead.len() >= 10);
    assert_eq!(bench.stored(Some(EventStatus::Pending)).await.len(), good);
}
