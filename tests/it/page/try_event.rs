//! Trying a call: what it becomes before it is sent, and sending it where it can only go to the sandbox.

use klaviyo_relay::model::EventId;
use klaviyo_relay::outbox::Selection;

use super::{Answer, FROM_HERE, Pages};

const TRACK: &str = r#"{"type":"track","userId":"u1","event":"Item Added","properties":{"price":1.50}}"#;

/// What the forms of this visitor carry.
async fn csrf(pages: &Pages) -> String {
    let page = pages.get("/try").await.well();
    let (_, after) = page.split_once("name=\"csrf\" value=\"").unwrap();
    after.split_once('"').unwrap().0.to_owned()
}

async fn post(pages: &Pages, path: &str, fields: &[(&str, &str)]) -> Answer {
    let csrf = csrf(pages).await;
    let mut fields = fields.to_vec();
    fields.push(("csrf", &csrf));
    let body = serde_urlencoded::to_string(fields).unwrap();
    pages.request("POST", path, &[FROM_HERE], &body).await
}

async fn stored(pages: &Pages) -> Vec<EventId> {
    pages.outbox.select(&Selection::default()).await.unwrap()
}

#[tokio::test]
async fn the_form_begins_with_an_example_and_what_becomes_of_it() {
    let pages = Pages::new().await;
    for (path, words) in [
        ("/try", "Order Completed"),
        ("/try?example=identify", "/api/profile-import"),
        ("/try?example=consent", "/api/profile-subscription-bulk-create-jobs"),
        ("/try?example=none-of-them", "Order Completed"),
    ] {
        let page = pages.get(path).await.well();
        assert!(page.contains(words), "{path}: {page}");
        assert!(page.contains("It becomes "), "{path}: {page}");
        assert!(!page.contains("Warning: "), "{path}: {page}");
    }
    assert_eq!(stored(&pages).await, []);
}

#[tokio::test]
async fn a_call_is_explained_with_the_rule_of_each_field_and_not_stored() {
    let pages = Pages::new().await;
    let page = post(&pages, "/try", &[("call", TRACK)]).await.well();
    assert!(page.contains("It becomes 1 request."), "{page}");
    assert!(page.contains("properties.price</span>"), "{page}");
    assert!(page.contains("made on the server side"), "{page}");
    assert!(
        page.contains("&quot;price&quot;:1.50"),
        "what was typed is kept: {page}"
    );
    let fields = [("call", TRACK), ("side", "client")];
    let page = post(&pages, "/try", &fields).await.well();
    assert!(page.contains("made on the client side"), "{page}");
    assert_eq!(stored(&pages).await, []);
}

#[tokio::test]
async fn what_ingest_rejects_or_the_mapper_skips_is_shown() {
    let pages = Pages::new().await;
    for (call, words) in [
        (r#"{"type":"track","userId":"u1"}"#, "Ingest rejects it."),
        ("[1]", "Ingest rejects it."),
        (r#"{"type":"page","userId":"u1"}"#, "Nothing is sent to Klaviyo for it."),
        ("", "There is no call."),
        ("{\n  \"type\": <b>", "Line 2, column 11: expected value."),
    ] {
        let page = post(&pages, "/try", &[("call", call)]).await.well();
        assert!(page.contains(words), "{call}: {page}");
        assert!(!page.contains("<b>"), "{page}");
    }
}

#[tokio::test]
async fn a_sent_call_is_stored_once_and_its_page_follows() {
    let pages = Pages::new().await;
    let call = r#"{"type":"track","userId":"u1","event":"Item Added","messageId":"m1"}"#;
    for reported in [false, true] {
        let answer = post(&pages, "/try/send", &[("call", call)]).await;
        assert_eq!(answer.sent_on(), "/events/1");
        let cookie = answer.header("set-cookie").unwrap();
        let cookie = cookie.split_once(';').unwrap().0;
        let page = pages.request("GET", "/events/1", &[("cookie", cookie)], "").await;
        let page = page.well();
        assert_eq!(page.contains("was accepted before"), reported, "{page}");
        assert!(page.contains("data-follow"), "{page}");
    }
    assert_eq!(stored(&pages).await, [EventId(1)]);
}

#[tokio::test]
async fn a_call_without_a_message_id_is_another_each_time() {
    let pages = Pages::new().await;
    for number in ["/events/1", "/events/2"] {
        let answer = post(&pages, "/try/send", &[("call", TRACK)]).await;
        assert_eq!(answer.sent_on(), number);
    }
    let source = pages.outbox.report(EventId(2)).await.unwrap().unwrap();
    assert_eq!(source.source, "dev");
}

#[tokio::test]
async fn what_cannot_be_taken_in_is_not_stored_and_stays_typed() {
    let pages = Pages::new().await;
    for (fields, status, words) in [
        (
            [("call", r#"{"type":"track","userId":"u1"}"#), ("source", "")],
            400,
            "Ingest rejects it.",
        ),
        ([("call", "{"), ("source", "")], 400, "This is not JSON."),
        ([("call", TRACK), ("source", "no-such")], 503, "No source has this name"),
    ] {
        let answer = post(&pages, "/try/send", &fields).await;
        assert_eq!(answer.status, status, "{fields:?}");
        assert!(answer.text.contains(words), "{fields:?}: {}", answer.text);
    }
    assert_eq!(stored(&pages).await, []);
}

#[tokio::test]
async fn nothing_is_sent_without_the_sandbox() {
    let pages = Pages::with(|admin| admin.sandbox = None).await;
    let page = pages.get("/try").await.well();
    assert!(!page.contains("/try/send"), "{page}");
    let answer = post(&pages, "/try/send", &[("call", TRACK)]).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text.contains("to the sandbox alone"), "{}", answer.text);
    assert_eq!(stored(&pages).await, []);
}

#[tokio::test]
async fn nothing_is_sent_from_elsewhere_or_without_a_seal() {
    let pages = Pages::new().await;
    let csrf = csrf(&pages).await;
    let body = |csrf: &str| serde_urlencoded::to_string([("call", TRACK), ("csrf", csrf)]).unwrap();
    for (headers, body) in [
        (&[FROM_HERE][..], body("")),
        (&[FROM_HERE], body("0123")),
        (&[("sec-fetch-site", "cross-site")], body(&csrf)),
        (&[], body(&csrf)),
    ] {
        let answer = pages.request("POST", "/try/send", headers, &body).await;
        assert_eq!(answer.status, 403, "{headers:?}");
    }
    assert_eq!(pages.get("/try/send").await.status, 405);
    assert_eq!(stored(&pages).await, []);
}
