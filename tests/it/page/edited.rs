//! A stored call that is always refused: a copy of it is edited on the page, confirmed, and sent.

use expect_test::expect;
use klaviyo_relay::model::{EventId, Identifier, IdentifierKind};
use klaviyo_relay::outbox::Selection;
use serde_json::{Value, json};

use super::{FROM_HERE, Pages, event, form, main_text, unescaped};
use crate::support::{Daemon, Klaviyo, count, eventually};
use klaviyo_relay::model::EventType;

/// A browser at the daemon's page.
struct Browser<'d> {
    daemon: &'d Daemon,
    client: reqwest::Client,
}

impl Browser<'_> {
    fn at(daemon: &Daemon) -> Browser<'_> {
        let client = reqwest::Client::builder().no_proxy();
        let client = client.redirect(reqwest::redirect::Policy::none());
        Browser {
            daemon,
            client: client.build().unwrap(),
        }
    }

    /// Sends the form of a page, changed so; answers the status, where it leads on to, and the page.
    async fn send(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> (u16, String, String) {
        let shown = if page.contains(&format!("action=\"{action}\">")) {
            action
        } else {
            "/try"
        };
        let mut form = form(page, shown);
        for (name, value) in fields {
            form.retain(|(known, _)| known != name);
            form.push(((*name).to_owned(), (*value).to_owned()));
        }
        let url = format!("http://{}{action}", self.daemon.admin);
        let request = self.client.post(url).header(FROM_HERE.0, FROM_HERE.1);
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(serde_urlencoded::to_string(form).unwrap());
        let answer = request.send().await.unwrap();
        let on = answer.headers().get("location");
        let on = on.map_or_else(String::new, |on| on.to_str().unwrap().to_owned());
        (answer.status().as_u16(), on, answer.text().await.unwrap())
    }

    /// Where an event stands, by the path of its page.
    async fn status(&self, page: &str) -> String {
        let (_, event) = self.daemon.look(&format!("/api/v1{page}")).await;
        event["status"].as_str().unwrap_or_default().to_owned()
    }
}

/// The call in the form of a page.
fn typed(page: &str) -> Value {
    let (_, text) = page.split_once("<textarea").unwrap();
    let (_, text) = text.split_once('>').unwrap();
    let (text, _) = text.split_once("</textarea>").unwrap();
    serde_json::from_str(&unescaped(text)).unwrap()
}

/// A daemon with an order that Klaviyo refuses each time: event 1, dead.
async fn poisoned(settings: &str) -> (Klaviyo, Daemon) {
    let klaviyo = Klaviyo::start().await;
    let daemon = Daemon::start(&klaviyo, settings).await;
    let fault = json!({"status": 400, "match": "poison", "path": "/api/events"});
    klaviyo.fault(fault).await;
    let order = json!({"messageId": "m1", "userId": "ann", "event": "Order Completed",
        "timestamp": "2026-01-05T10:00:00.000Z",
        "properties": {"orderId": "o-1", "total": 30.5, "note": "poison"}});
    daemon.send("/v1/track", &order).await;
    daemon.settled().await;
    let dead = daemon.command(&["replay", "--id", "1"]);
    assert!(dead.status.success());
    let status = daemon.settled().await;
    assert_eq!(count(&status, "dead"), 1, "a replay is refused again");
    (klaviyo, daemon)
}

/// The copy of event 1 without what Klaviyo refuses.
async fn corrected(daemon: &Daemon) -> (String, String) {
    let page = daemon.page("/events/1").await;
    assert!(page.contains("href=\"/try?event=1\""), "{page}");
    let page = daemon.page("/try?event=1").await;
    let mut call = typed(&page);
    assert_eq!(call["type"], "track", "{call}");
    assert_eq!(call["messageId"], Value::Null, "{call}");
    assert_eq!(call["timestamp"], "2026-01-05T10:00:00.000Z", "{call}");
    let properties = call["properties"].as_object_mut().unwrap();
    properties.remove("note").unwrap();
    (page, call.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_order_is_edited_confirmed_and_delivered_under_its_event_id() {
    let (klaviyo, daemon) = poisoned("").await;
    let browser = Browser::at(&daemon);
    let (page, call) = corrected(&daemon).await;
    let (status, _, explained) = browser.send(&page, "/try", &[("call", &call)]).await;
    assert_eq!(status, 200, "{explained}");
    assert!(explained.contains("It becomes 1 request."), "{explained}");
    let (status, _, confirm) = browser.send(&page, "/try/send", &[("call", &call)]).await;
    assert_eq!(status, 200, "{confirm}");
    let shown = main_text(&confirm);
    let (shown, _requests) = shown.split_once("1. POST").unwrap();
    expect![[r#"
        Send the copy to the sandbox?
        What will happen
        1 request to the sandbox for user:ann: 1 event “Placed Order”.
        The call is accepted as an event of its own, behind whatever its person still waits for.
        Event 1 stays dead. Where [delivery] after_dead has such events keep their place, the copy waits until you discard event 1; its page has the link.
        Send it to the sandbox Edit it further Begin with the original again
    "#]]
    .assert_eq(shown);
    assert_eq!(klaviyo.events().len(), 0, "nothing is sent before it is confirmed");
    let (status, copy, page) = browser.send(&confirm, "/try/send", &[]).await;
    assert_eq!(status, 303, "{page}");
    let (_, second_click, _) = browser.send(&confirm, "/try/send", &[]).await;
    assert_eq!(second_click, copy);
    let status = daemon.settled().await;
    assert_eq!((count(&status, "delivered"), count(&status, "dead")), (1, 1));
    let events = klaviyo.events();
    let requests = klaviyo.requests().await;
    let sent = requests.iter().find(|request| request.status == Some(202)).unwrap();
    assert_eq!(sent.unique_id.as_deref(), Some("o-1"));
    assert!(sent.body.get().contains("2026-01-05T10:00:00"), "{}", sent.body.get());
    assert_eq!(events.len(), 1);

    let page = daemon.page(&copy).await;
    assert!(
        page.contains("An edited copy of <a href=\"/events/1\">event 1</a>"),
        "{page}"
    );
    let back = copy.replace('/', "%2F");
    let discard = format!("/change?do=discard&amp;id=1&amp;back={back}");
    assert!(page.contains(&discard), "{page}");
    let discard = daemon.page(&unescaped(&discard)).await;
    let (status, on, page) = browser.send(&discard, "/change", &[]).await;
    assert_eq!((status, on), (303, copy), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_waits_for_an_original_that_holds_its_place_and_goes_once_that_is_discarded() {
    let (klaviyo, daemon) = poisoned("[delivery]\nafter_dead = \"hold\"").await;
    let browser = Browser::at(&daemon);
    let (page, call) = corrected(&daemon).await;
    let (_, _, confirm) = browser.send(&page, "/try/send", &[("call", &call)]).await;
    assert!(confirm.contains("until you discard event 1"), "{confirm}");
    let (status, copy, page) = browser.send(&confirm, "/try/send", &[]).await;
    assert_eq!(status, 303, "{page}");
    let (_, event) = daemon.look(&format!("/api/v1{copy}")).await;
    assert_eq!(event["status"], "pending", "{event}");
    assert_eq!(event["waits_for"], json!([1]), "{event}");
    let page = daemon.page(&copy).await;
    assert!(page.contains("this one among them"), "{page}");
    let discard = format!("/change?do=discard&id=1&back={copy}");
    let discard = daemon.page(&discard).await;
    browser.send(&discard, "/change", &[]).await;
    eventually("the copy is delivered", || async {
        (browser.status(&copy).await == "delivered").then_some(())
    })
    .await;
    assert_eq!(klaviyo.events().len(), 1);
}

async fn stored(pages: &Pages) -> usize {
    let all = Selection::default();
    pages.outbox.select(&all).await.unwrap().len()
}

const CALL: &str = r#"{"type":"track","userId":"u1","event":"Item Added"}"#;

/// Pages without a sandbox, with an event of Jane's.
async fn without_sandbox() -> Pages {
    let pages = Pages::with(|admin| admin.sandbox = None).await;
    let jane = [(IdentifierKind::Email, "jane@shop.example")];
    let event = event(1, EventType::Track, &jane);
    pages.outbox.intake().append(vec![event]).await.unwrap();
    pages
}

#[tokio::test]
async fn a_copy_is_not_sent_from_elsewhere_without_a_seal_or_unconfirmed() {
    let pages = without_sandbox().await;
    let page = pages.get("/try?event=1").await.well();
    let form = form(&page, "/try");
    let (_, csrf) = form.iter().find(|(name, _)| name == "csrf").unwrap();
    let body = |csrf: &str, requests: &str| {
        let fields = [("call", CALL), ("event", "1"), ("requests", requests), ("csrf", csrf)];
        serde_urlencoded::to_string(fields).unwrap()
    };
    for (headers, body, status) in [
        (&[FROM_HERE][..], body("", "1"), 403),
        (&[FROM_HERE], body("0123", "1"), 403),
        (&[("sec-fetch-site", "cross-site")], body(csrf, "1"), 403),
        (&[], body(csrf, "1"), 403),
        (&[FROM_HERE], body(csrf, ""), 200),
        (&[FROM_HERE], body(csrf, "2"), 409),
    ] {
        let answer = pages.request("POST", "/try/send", headers, &body).await;
        assert_eq!(answer.status, status, "{headers:?} {body}");
        assert_eq!(stored(&pages).await, 1, "{headers:?} {body}");
    }
    let answer = pages.request("POST", "/try/send", &[FROM_HERE], &body(csrf, "1")).await;
    assert_eq!(answer.sent_on(), "/events/2");
    let copy = pages.outbox.report(EventId(2)).await.unwrap().unwrap();
    let message_id = &copy.message_id;
    assert!(message_id.starts_with("edited-from-1-"), "{message_id}");
}

#[tokio::test]
async fn what_becomes_no_request_is_not_sent_and_stays_typed() {
    let pages = without_sandbox().await;
    let page = pages.get("/try?event=1").await.well();
    let mut fields = form(&page, "/try");
    fields.push(("call".to_owned(), String::new()));
    for (call, words) in [
        (r#"{"type":"page","userId":"u1"}"#, "Nothing is sent to Klaviyo for it."),
        (r#"{"type":"track","userId":"u1"}"#, "Ingest rejects it."),
        ("{", "This is not JSON."),
    ] {
        call.clone_into(&mut fields.last_mut().unwrap().1);
        let body = serde_urlencoded::to_string(&fields).unwrap();
        let answer = pages.request("POST", "/try/send", &[FROM_HERE], &body).await;
        assert_eq!(answer.status, 400, "{call}");
        assert!(answer.text.contains(words), "{call}: {}", answer.text);
        assert!(answer.text.contains("Edit a copy of event 1"), "{}", answer.text);
    }
    assert_eq!(stored(&pages).await, 1);
}

#[tokio::test]
async fn of_an_erased_event_there_is_no_copy_to_edit() {
    let pages = Pages::filled().await;
    pages.deliver(&[(1, "o-1001")]).await;
    let page = pages.get("/events/1").await.well();
    assert!(page.contains("/try?event=1"), "{page}");
    let jane = Identifier::new(IdentifierKind::Email, "jane@shop.example").unwrap();
    let now = klaviyo_relay::clock::Clock::now(&klaviyo_relay::clock::SystemClock);
    pages.outbox.erase(now, vec![jane]).await.unwrap();
    let page = pages.get("/events/1").await.well();
    assert!(!page.contains("/try?event="), "{page}");
    for (path, status) in [("/try?event=1", 410), ("/try?event=99", 404), ("/try?event=x", 404)] {
        assert_eq!(pages.get(path).await.status, status, "{path}");
    }
}
