//! What the sandbox in the program was sent, and what it holds.

use serde_json::{Value, json};

use super::shelf::{Shelf, Shown, links, times};

fn track(email: &str, number: usize) -> String {
    let event = json!({ "data": { "type": "event", "attributes": {
        "properties": { "Order": format!("order-{number}"), "By": email, "Note": "<script>alert(1)</script>" },
        "unique_id": format!("key-{number}"),
        "metric": { "data": { "type": "metric", "attributes": { "name": "Placed Order" } } },
        "profile": { "data": { "type": "profile", "attributes": { "email": email } } },
    } } });
    event.to_string()
}

fn subscription(email: &str) -> String {
    let subscription = json!({ "data": {
        "type": "profile-subscription-bulk-create-job",
        "attributes": { "profiles": { "data": [{ "type": "profile", "attributes": {
            "email": email,
            "subscriptions": { "email": { "marketing": { "consent": "SUBSCRIBED" } } },
        } }] } },
        "relationships": { "list": { "data": { "type": "list", "id": "baV129" } } },
    } });
    subscription.to_string()
}

async fn track_some(shelf: &Shelf, email: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let status = shelf.klaviyo("/api/events", track(email, number)).await;
        assert_eq!(status, 202);
    }
}

fn link<'a>(links: &'a [String], start: &str) -> Option<&'a str> {
    let mut links = links.iter().map(|link| &**link);
    links.find(|link| link.starts_with(start))
}

#[tokio::test]
async fn requests_and_events_come_page_by_page_the_newest_first() {
    for show in ["requests", "events"] {
        let shelf = Shelf::new().await;
        track_some(&shelf, "jane@shop.example", 0..35).await;
        let start = format!("/sandbox?show={show}&before=");
        let first = shelf.page(&format!("/sandbox?show={show}")).await;
        assert_eq!(times(&first, "unique_id <span"), 25, "{show}");
        assert!(first.contains(">key-34<") && first.contains(">key-10<"), "{show}");
        assert!(!first.contains(">key-9<"), "{show}");
        let first_links = links(&first);
        let next = link(&first_links, &start).unwrap();
        // What comes meanwhile moves nothing.
        shelf.klaviyo("/api/events", track("joe@shop.example", 35)).await;
        let second = shelf.page(next).await;
        assert_eq!(times(&second, "unique_id <span"), 10, "{show}");
        assert!(second.contains(">key-9<") && second.contains(">key-0<"), "{show}");
        assert_eq!(link(&links(&second), &start), None, "{show}");
    }
}

#[tokio::test]
async fn a_profile_leads_to_its_events_and_a_list_to_its_people() {
    let shelf = Shelf::new().await;
    track_some(&shelf, "jane@shop.example", 0..2).await;
    track_some(&shelf, "joe@shop.example", 2..3).await;
    let path = "/api/profile-subscription-bulk-create-jobs";
    assert_eq!(shelf.klaviyo(path, subscription("joe@shop.example")).await, 202);
    let profiles = shelf.page("/sandbox?show=profiles").await;
    let profiles = links(&profiles);
    let events = link(&profiles, "/sandbox?show=events&profile=").unwrap();
    let events = shelf.page(events).await;
    assert!(
        events.contains(">key-2<") && !events.contains(">key-1<"),
        "joe was made last: {events}"
    );
    assert!(events.contains("j•••@shop.example"), "{events}");
    let lists = shelf.page("/sandbox?show=lists").await;
    assert!(
        lists.contains("baV129") && lists.contains("awaiting confirmation"),
        "{lists}"
    );
    let lists = links(&lists);
    let members = link(&lists, "/sandbox?show=profiles&list=").unwrap();
    let members = shelf.page(members).await;
    assert_eq!(times(&members, "Its events"), 1, "{members}");
}

#[tokio::test]
async fn bodies_are_text_and_name_nobody_unless_that_is_asked_for() {
    for personal_data in [false, true] {
        let shelf = Shelf::with(Shown {
            sandbox: true,
            personal_data,
        })
        .await;
        track_some(&shelf, "jane@shop.example", 0..1).await;
        // An escape is the same address.
        let escaped = track("jane@shop.example", 1).replace('@', "\\u0040");
        assert_eq!(shelf.klaviyo("/api/events?by=jane%40shop.example", escaped).await, 202);
        for show in ["requests", "events", "profiles"] {
            let page = shelf.page(&format!("/sandbox?show={show}")).await;
            assert_eq!(page.contains("jane@shop.example"), personal_data, "{show}: {page}");
            assert!(
                !page.contains("jane%40") && !page.contains("jane\\u0040"),
                "{show}: {page}"
            );
            assert!(page.contains("@shop.example"), "{show}: {page}");
            assert!(!page.contains("<script>alert"), "{show}: {page}");
        }
    }
}

#[tokio::test]
async fn what_was_refused_says_why_and_what_cannot_be_read_is_shown_as_it_came() {
    let shelf = Shelf::new().await;
    assert_eq!(shelf.klaviyo("/api/events", "{\"no\": <json>".to_owned()).await, 400);
    let page = shelf.page("/sandbox").await;
    assert!(page.contains("refused") && page.contains("400"), "{page}");
    assert!(page.contains("&lt;json&gt;"), "{page}");
    let fault: Value = json!({ "status": 503, "next": 1 });
    assert_eq!(shelf.klaviyo("/sandbox/faults", fault.to_string()).await, 201);
    assert_eq!(shelf.klaviyo("/api/events", track("jane@shop.example", 1)).await, 503);
    let page = shelf.page("/sandbox?show=nonsense&before=x").await;
    assert!(page.contains("Fault: "), "{page}");
}

#[tokio::test]
async fn an_empty_sandbox_says_how_to_send_something() {
    let shelf = Shelf::new().await;
    let page = shelf.page("/sandbox").await;
    assert!(
        page.contains("curl -u dev:") && page.contains("href=\"/try\""),
        "{page}"
    );
    for show in [
        "profiles",
        "events",
        "lists",
        "events&profile=01SANDBOX00000000000000009",
        "profiles&list=none",
    ] {
        let page = shelf.page(&format!("/sandbox?show={show}")).await;
        assert!(page.contains("is here."), "{show}: {page}");
    }
}

#[tokio::test]
async fn without_the_sandbox_the_page_says_where_requests_go() {
    let shelf = Shelf::with(Shown {
        sandbox: false,
        personal_data: false,
    })
    .await;
    let page = shelf.page("/sandbox?show=events").await;
    assert!(page.contains("[klaviyo] endpoint"), "{page}");
    assert!(!page.contains("show=requests"), "{page}");
}
