//! Calls that Segment and RudderStack forward, and people who ask to be erased, through the whole daemon.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::support::{Daemon, Klaviyo, count, eventually};

/// A second source, whose calls are signed.
const SIGNED: &str =
    "[[ingest.sources]]\nname = \"segment\"\nwrite_key = \"forwarded\"\nshared_secret = \"of segment\"\n";
const JANE: &str = "jane.wanted@klaviyo-demo.com";
const JOHN: &str = "john.other@klaviyo-demo.com";

async fn post(daemon: &Daemon, method: &str, key: &str, signature: Option<&str>, body: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/v1/webhook", daemon.ingest);
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = client.request(method, url).basic_auth(key, Some(""));
    if let Some(signature) = signature {
        request = request.header("X-Signature", signature);
    }
    let answer = request.body(body.to_owned()).send().await.unwrap();
    let allow = answer
        .headers()
        .get("allow")
        .map(|allow| allow.to_str().unwrap().to_owned());
    (answer.status().as_u16(), allow.unwrap_or_default())
}

fn signature(text: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(b"of segment").unwrap();
    mac.update(text.as_bytes());
    mac.finalize()
        .into_bytes()
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn forwarded(id: &str) -> Value {
    json!({"type": "track", "event": "Forwarded", "userId": "u", "messageId": id, "channel": "server",
        "timestamp": "2026-11-20T09:00:00.000Z", "originalTimestamp": "2026-11-20T05:00:00.000Z",
        "sentAt": "2026-11-20T05:00:01.000Z", "receivedAt": "2026-11-20T09:00:01.000Z"})
}

#[tokio::test(flavor = "multi_thread")]
async fn segment_and_rudderstack_forward_with_their_methods_forms_and_signatures() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, SIGNED).await;
    let single = forwarded("single").to_string();
    assert_eq!(post(&daemon, "POST", "dev", None, &single).await.0, 200);
    let mut rudder = forwarded("rudder");
    rudder["request_ip"] = json!("203.0.113.7");
    rudder.as_object_mut().unwrap().remove("timestamp");
    assert_eq!(post(&daemon, "PUT", "dev", None, &rudder.to_string()).await.0, 200);
    let array = format!("[{}, {}]", forwarded("first"), forwarded("second"));
    let right = signature(&forwarded("first").to_string());
    let wrong = signature(&array);
    assert_eq!(post(&daemon, "PATCH", "forwarded", Some(&right), &array).await.0, 200);
    assert_eq!(post(&daemon, "POST", "forwarded", Some(&wrong), &array).await.0, 401);
    assert_eq!(post(&daemon, "POST", "forwarded", None, &array).await.0, 401);
    let odd = json!({"type": "new_in_2027", "userId": "u", "messageId": "odd"}).to_string();
    assert_eq!(post(&daemon, "POST", "dev", None, &odd).await.0, 200);
    let (status, allow) = post(&daemon, "GET", "dev", None, "").await;
    let mut allow: Vec<&str> = allow.split(',').map(str::trim).collect();
    allow.sort_unstable();
    assert_eq!((status, allow), (405, vec!["OPTIONS", "PATCH", "POST", "PUT"]));

    let status = daemon.settled().await;
    assert_eq!((count(&status, "delivered"), count(&status, "dead")), (4, 1));
    let times: Vec<String> = klaviyo.events().iter().map(|event| event.time.to_string()).collect();
    assert_eq!(times, ["2026-11-20T09:00:00.000Z"; 4]);
    eventually("the rejected requests are logged", || async {
        let log = daemon.log();
        log.contains("requests were rejected").then_some(())
    })
    .await;
}

/// Jane browses, identifies herself and buys; John does in the same browser; Jane wants to be forgotten, and comes
/// back.
async fn two_people(daemon: &Daemon) {
    let browse = json!({"anonymousId": "browser", "event": "Viewed", "messageId": "b"});
    daemon.send("/v1/track", &browse).await;
    for (user, email) in [("jane", JANE), ("john", JOHN)] {
        let identify = json!({"userId": user, "anonymousId": "browser", "messageId": format!("i-{user}"),
            "traits": {"email": email, "firstName": user}});
        daemon.send("/v1/identify", &identify).await;
        let order = json!({"userId": user, "event": "Order Completed", "messageId": format!("o-{user}"),
            "context": {"traits": {"email": email}},
            "properties": {"orderId": format!("order-{user}"), "products": []}});
        daemon.send("/v1/track", &order).await;
    }
    let delete = json!({"type": "delete", "userId": "jane", "messageId": "d"}).to_string();
    assert_eq!(post(daemon, "POST", "dev", None, &delete).await.0, 200);
}

/// How often a file of the daemon has the text.
fn found(daemon: &Daemon, ending: &str, text: &str) -> usize {
    let path = format!("{}{ending}", daemon.database().display());
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes
        .windows(text.len())
        .filter(|part| *part == text.as_bytes())
        .count()
}

fn shown(daemon: &Daemon, event: &str) -> String {
    String::from_utf8(daemon.command(&["show", event]).stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_call_erases_its_person_from_the_files_and_nobody_else() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "").await;
    two_people(&daemon).await;
    let status = daemon.settled().await;
    assert_eq!((count(&status, "skipped"), count(&status, "difference")), (2, 0));
    let delete = shown(&daemon, "d");
    assert!(
        delete.contains("the person is not deleted at Klaviyo")
            && delete.contains("with 3 earlier events of the person"),
        "{delete}"
    );
    assert_eq!(klaviyo.snapshot().profiles.len(), 2, "no request was sent");
    eventually("no file has her name", || async {
        let left = found(&daemon, "", JANE) + found(&daemon, "-wal", JANE);
        (left == 0).then_some(())
    })
    .await;
    assert!(found(&daemon, "", JOHN) > 3, "he is as he was");
    let order = shown(&daemon, "o-jane");
    assert!(order.contains("erased") && order.contains("order-jane"), "{order}");

    // There is nothing to send again, and nothing left by which a later order of the person would be known.
    let before = klaviyo.request_count();
    let replay = daemon.command(&["replay", "--id", "2", "3", "6"]);
    let words = String::from_utf8_lossy(&replay.stderr).into_owned();
    assert!(
        !replay.status.success() && words.contains("were erased: 2, 3, 6"),
        "{words}"
    );
    daemon.settled().await;
    assert_eq!(klaviyo.request_count(), before);
    let again = json!({"userId": "jane", "event": "Order Completed", "messageId": "again",
        "properties": {"orderId": "order-jane", "products": []}});
    daemon.send("/v1/track", &again).await;
    daemon.settled().await;
    assert!(shown(&daemon, "again").contains("delivered"));
    assert!(klaviyo.request_count() > before);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_are_requested_of_klaviyo_in_the_persons_order() {
    let klaviyo = Klaviyo::start().await;
    klaviyo
        .fault(json!({"status": 503, "next": 1, "match": "order-jane"}))
        .await;
    let settings = "[mapping]\ndelete_profiles = true\n[delivery]\nfirst_retry = \"10ms\"";
    let daemon = Daemon::start(&klaviyo, settings).await;
    two_people(&daemon).await;
    let back = json!({"userId": "jane", "event": "Back again", "messageId": "back"});
    daemon.send("/v1/track", &back).await;
    let status = daemon.settled().await;
    assert_eq!((count(&status, "dead"), count(&status, "difference")), (0, 0));
    let requests = klaviyo.requests().await;
    let accepted = |text: &str| {
        let with = requests.iter().rposition(|request| request.body.get().contains(text));
        with.unwrap_or_else(|| panic!("no request has {text}"))
    };
    let deleted = requests
        .iter()
        .position(|request| request.path.contains("data-privacy"))
        .unwrap();
    assert!(accepted("order-jane") < deleted && deleted < accepted("Back again"));
    let held = klaviyo.snapshot();
    let metrics: Vec<&str> = held.events.iter().map(|event| event.metric.as_str()).collect();
    assert_eq!(metrics, ["Placed Order", "Back again"], "John's, and what came after");
    let delete = shown(&daemon, "d");
    assert!(delete.contains("deletion") && delete.contains("delivered"), "{delete}");
    eventually("no file has her name", || async {
        let left = found(&daemon, "", JANE) + found(&daemon, "-wal", JANE);
        (left == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_klaviyo_refuses_stays_for_the_operator_to_replay() {
    let klaviyo = Klaviyo::start().await;
    klaviyo
        .fault(json!({"status": 400, "next": 1, "path": "/api/data-privacy-deletion-jobs"}))
        .await;
    let daemon = Daemon::start(&klaviyo, "[mapping]\ndelete_profiles = true").await;
    two_people(&daemon).await;
    assert_eq!(count(&daemon.settled().await, "dead"), 1);
    let delete = shown(&daemon, "d");
    assert!(
        delete.contains("user:jane") && delete.contains("kept, to be replayed"),
        "{delete}"
    );
    assert!(!shown(&daemon, "o-jane").contains(JANE));
    assert!(daemon.command(&["replay", "--status", "dead"]).status.success());
    assert_eq!(count(&daemon.settled().await, "dead"), 0);
    assert!(!shown(&daemon, "d").contains("user:jane"));
    assert_eq!(klaviyo.snapshot().profiles.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_web_pages_deletes_nobody_not_even_by_a_replay() {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, "[mapping]\ndelete_profiles = true\n").await;
    two_people(&daemon).await;
    daemon.settled().await;
    let site = "name = \"shop\"\nwrite_key = \"dev\"\nallowed_origins = [\"https://shop.example\"]";
    daemon
        .reload("name = \"shop\"\nwrite_key = \"dev\"\nallow = [\"delete\"]", site)
        .await;
    let before = klaviyo.request_count();
    let delete = json!({"type": "delete", "userId": "john", "messageId": "attack",
        "context": {"traits": {"email": JOHN}}});
    daemon.send("/v1/batch", &json!({ "batch": [delete] })).await;
    for _ in 0..2 {
        let status = daemon.settled().await;
        assert_eq!(count(&status, "dead"), 1);
        let attack = shown(&daemon, "attack");
        assert!(attack.contains("delete_not_allowed"), "{attack}");
        assert!(found(&daemon, "", JOHN) > 3, "he is as he was");
        assert!(shown(&daemon, "o-john").contains(JOHN));
        let replay = daemon.command(&["replay", "--status", "dead"]);
        assert!(replay.status.success());
    }
    daemon.settled().await;
    assert_eq!(klaviyo.request_count(), before, "no request was sent");
}
