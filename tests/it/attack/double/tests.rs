//! That the double is what the attack takes it for.

use serde_json::{Value, json};

use super::*;

async fn request(double: &Double, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}{path}", double.address);
    let request = match body {
        Some(body) => client.post(url).body(body.to_string()),
        None => client.get(url),
    };
    let answer = request.send().await.ok()?;
    let status = answer.status().as_u16();
    let text = answer.text().await.ok()?;
    Some((status, serde_json::from_str(&text).unwrap_or_default()))
}

fn event(unique_id: &str) -> Value {
    json!({"data": {"type": "event", "attributes": {"properties": {"m": unique_id}, "unique_id": unique_id,
        "metric": {"data": {"type": "metric", "attributes": {"name": "Step"}}},
        "profile": {"data": {"type": "profile", "attributes": {"external_id": "u1"}}}}}})
}

fn import(person: &str) -> Value {
    let profile = json!({"type": "profile", "attributes": {"external_id": person, "properties": {"m": person}}});
    json!({"data": {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": [profile]}}}})
}

const JOBS: &str = "/api/profile-bulk-import-jobs";

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_in_effect_once_however_its_answers_are_lost() {
    let double = Double::start().await;
    double.script(|_| Answer::lost());
    assert_eq!(request(&double, "/api/events", Some(event("e1"))).await, None);
    double.behave();
    for _ in 0..2 {
        let answer = request(&double, "/api/events", Some(event("e1"))).await;
        assert_eq!(answer.unwrap().0, 202);
    }
    double.refuse();
    assert_eq!(request(&double, "/api/events", Some(event("e2"))).await, None);
    double.accept().await;
    assert_eq!(request(&double, "/api/accounts", None).await.unwrap().0, 200);
    let effects = double.effects();
    assert_eq!(
        (effects.events.as_slice(), effects.copies),
        (["e1".to_owned()].as_slice(), 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_executed_later_and_the_list_shows_the_newest_first() {
    let double = Double::start().await;
    double.fate(Fate::done(Duration::ZERO));
    let (status, first) = request(&double, JOBS, Some(import("p1"))).await.unwrap();
    assert_eq!(
        (status, &first["data"]["attributes"]["status"]),
        (202, &json!("processing"))
    );
    eventually("the job is executed", || async {
        (double.effects().writes == ["p1"]).then_some(())
    })
    .await;
    double.fate(Fate::ending(Duration::ZERO, End::Endless));
    request(&double, JOBS, Some(import("p2"))).await.unwrap();
    let (_, list) = request(&double, JOBS, None).await.unwrap();
    let shown = [&list["data"][0], &list["data"][1]].map(|job| {
        let status = job["attributes"]["status"].as_str().unwrap();
        (job["id"].as_str().unwrap().to_owned(), status.to_owned())
    });
    assert_eq!(shown[0], ("job-2".to_owned(), "processing".to_owned()));
    assert_eq!(shown[1], ("job-1".to_owned(), "complete".to_owned()));
    let (_, job) = request(&double, &format!("{JOBS}/job-1"), None).await.unwrap();
    assert_eq!(job["data"]["attributes"]["completed_count"], 1);
    assert_eq!(request(&double, &format!("{JOBS}/job-9"), None).await.unwrap().0, 404);
}
