//! The list of events: its filters, the search, its pages, and what it keeps to itself.

use expect_test::expect;
use klaviyo_relay::model::EventType;

use super::{Pages, event, hostile, listed, main_text, shows_as_text};

#[tokio::test]
async fn a_list_holds_the_events_of_all_filters_and_shows_the_filters() {
    let pages = Pages::filled().await;
    for (query, expected, title) in [
        ("", &[6, 5, 4, 3, 2, 1][..], "Events"),
        ("?status=dead", &[6, 5], "Dead events"),
        (
            "?status=dead,pending&type=track",
            &[6, 5, 3, 1],
            "Dead or pending events · track",
        ),
        ("?type=page", &[4], "Events · page"),
        ("?event=Order+Completed", &[3, 1], "Events · Order Completed"),
        (
            "?event=Order+Completed&source=app",
            &[3],
            "Events · Order Completed · from app",
        ),
        ("?profile=jane%40shop.example", &[1], "Events · of j•••@shop.example"),
        ("?profile=phone%3A%2B4917012345678", &[3], "Events · of phone:•••78"),
        (
            "?since=yesterday&type=track",
            &[6, 5, 3],
            "Events · track · since yesterday",
        ),
        ("?until=1d", &[1], "Events · until 1d"),
        ("?id=1,3,99", &[3, 1], "Events · numbers 1, 3, 99"),
        ("?reason=no+address", &[6, 5], "Events · reason has “no address”"),
    ] {
        let page = pages.get(&format!("/events{query}")).await.well();
        assert_eq!(listed(&page), expected, "{query}");
        assert!(page.contains(&format!("<h1>{title}</h1>")), "{query}: {page}");
    }
}

#[tokio::test]
async fn a_filter_in_force_is_shown_and_can_be_taken_away_alone() {
    let pages = Pages::filled().await;
    let page = pages.get("/events?status=dead&source=shop").await.well();
    assert!(
        page.contains("class=\"chip\" href=\"/events?source=shop\">dead"),
        "{page}"
    );
    assert!(
        page.contains("class=\"chip\" href=\"/events?status=dead\">from shop"),
        "{page}"
    );
    assert!(page.contains("<option value=\"dead\" selected>"), "{page}");
    // Of the changes only those that work on dead events.
    for (verb, offered) in [("replay", true), ("discard", true), ("hold", false), ("release", false)] {
        assert_eq!(page.contains(&format!("/change?do={verb}&amp;")), offered, "{verb}");
    }
    assert!(page.contains("href=\"/export?status=dead&amp;source=shop\""), "{page}");
    let both = pages.get("/events?status=dead,pending").await.well();
    assert!(
        both.contains("/change?do=discard") && !both.contains("/change?do=replay"),
        "only what works on both: {both}"
    );
    let all = pages.get("/events").await.well();
    assert!(!all.contains("/change?"), "nothing is done with all events at once");
}

#[tokio::test]
async fn an_unreadable_filter_is_reported_at_its_field_and_nothing_is_listed() {
    let pages = Pages::filled().await;
    for (query, field, words) in [
        ("status=lost", "status", "is one of pending"),
        ("type=buy", "type", "is one of identify"),
        ("since=soon", "since", "is no time"),
        ("since=1h&until=2h", "until", "is not after"),
        ("profile=+", "profile", "names nobody"),
        ("stauts=dead", "", "is no filter"),
        ("before=x", "", "is the number of an event"),
    ] {
        let answer = pages.get(&format!("/events?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(listed(&answer.text), [0; 0], "{query}");
        assert!(answer.text.contains(words), "{query}: {}", answer.text);
        if !field.is_empty() {
            let output = format!("<p class=\"wrong\" id=\"wrong-{field}\">");
            assert!(answer.text.contains(&output), "{query}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn an_address_holds_what_was_filled_in_and_no_more() {
    let pages = Pages::filled().await;
    let answer = pages.get("/events?status=&type=track&event=&since=&q=").await;
    assert_eq!(answer.sent_on(), "/events?type=track");
}

#[tokio::test]
async fn one_word_leads_to_an_event_by_each_of_its_ids() {
    let pages = Pages::filled().await;
    pages.deliver(&[(1, "o-1001"), (3, "o-1002")]).await;
    for (word, event) in [("3", 3), ("m-2", 2), ("o-1001", 1), (" o-1002 ", 3)] {
        let query = serde_urlencoded::to_string([("q", word)]).unwrap();
        let answer = pages.get(&format!("/events?{query}")).await;
        assert_eq!(answer.sent_on(), format!("/events/{event}"), "{word}");
    }
    let page = pages.get("/events?order_id=o-1001").await.well();
    assert_eq!(listed(&page), [1]);
    let page = pages.get("/events?order_id=o-9").await.well();
    assert_eq!(listed(&page), [0; 0], "an order that nobody knows is not all orders");
}

#[tokio::test]
async fn one_word_leads_to_a_persons_events_by_each_of_their_ids() {
    let pages = Pages::filled().await;
    for (word, expected) in [
        ("jane@shop.example", &[1][..]),
        ("JANE@shop.example", &[1]),
        ("+49 170 12345678", &[3]),
        ("u2", &[4, 2]),
        ("user:u3", &[6, 5]),
    ] {
        let query = serde_urlencoded::to_string([("q", word)]).unwrap();
        let answer = pages.get(&format!("/events?{query}")).await;
        let page = pages.get(answer.sent_on()).await.well();
        assert!(answer.sent_on().starts_with("/events?profile="), "{answer:?}");
        assert_eq!(listed(&page), expected, "{word}");
    }
}

#[tokio::test]
async fn a_word_that_may_be_several_lists_them_with_how_they_were_found() {
    let pages = Pages::filled().await;
    // The message id of an event is the number of another, and somebody's user id.
    let mut same = event(
        7,
        EventType::Track,
        &[(klaviyo_relay::model::IdentifierKind::UserId, "2")],
    );
    same.message_id = "2".to_owned();
    pages.outbox.intake().append(vec![same]).await.unwrap();
    let page = pages.get("/events?q=2").await.well();
    assert_eq!(listed(&page), [2, 7]);
    for words in ["number", "message id"] {
        assert!(
            page.contains(&format!("<td data-label=\"Found by its\">{words}</td>")),
            "{page}"
        );
    }
    // What is done with them is done with these, and no others.
    assert!(!page.contains("/change?do=replay"), "both are pending: {page}");
    assert!(page.contains("id=2%2C7"), "{page}");
    let page = pages.get("/events?q=2&type=identify").await.well();
    assert_eq!(listed(&page), [2]);
}

#[tokio::test]
async fn a_list_without_events_shows_what_to_do_next() {
    let pages = Pages::new().await;
    let page = pages.get("/events").await.well();
    let shown = main_text(&page);
    let (_form, shown) = shown.split_once("in UTC.\n").unwrap();
    expect![[r#"
        No event has arrived yet.
        Point an SDK at the ingest port, or send one from a terminal: curl -u dev: -d '{"userId":"u1","event":"Order Completed","properties":{"orderId":"1001"}}' http://127.0.0.1:8080/v1/track Look again , or try an event here.
    "#]]
    .assert_eq(shown);
    pages.fill().await;
    let page = pages.get("/events?event=Order").await.well();
    assert!(page.contains("No event meets all of these filters"), "{page}");
    let page = pages.get("/events?q=nowhere%40shop.example").await.well();
    assert!(page.contains("Nothing is known by “n•••@shop.example”"), "{page}");
    let page = pages.get("/events?before=1").await.well();
    assert!(page.contains("There are no older ones"), "{page}");
}

#[tokio::test]
async fn pages_hold_every_event_once_and_show_where_they_ended() {
    let pages = Pages::new().await;
    let events = (1..=130).map(|number| event(number, EventType::Track, &[]));
    pages.outbox.intake().append(events.collect()).await.unwrap();
    let (mut found, mut path, mut looked_at) = (Vec::new(), "/events?type=track".to_owned(), 0);
    loop {
        let page = pages.get(&path).await.well();
        found.extend(listed(&page));
        looked_at += 1;
        assert_eq!(page.contains(">Newest</a>"), looked_at > 1);
        let Some((_, link)) = page.split_once("rel=\"next\" href=\"") else {
            assert!(page.contains("These are all."), "{page}");
            break;
        };
        path = super::unescaped(link.split_once('"').unwrap().0);
    }
    assert_eq!((looked_at, found), (3, (1..=130).rev().collect()));
}

#[tokio::test]
async fn who_searches_for_a_name_is_shown_the_way_to_its_events() {
    let pages = Pages::filled().await;
    let page = pages.get("/events?q=Order+Completed").await.well();
    let way = "/events?event=Order+Completed";
    assert!(page.contains(&format!("href=\"{way}\"")), "{page}");
    assert_eq!(listed(&pages.get(way).await.well()), [3, 1]);
}

#[tokio::test]
async fn personal_data_is_masked_in_the_list_unless_it_may_be_shown() {
    let masked = Pages::filled().await;
    let page = masked.get("/events").await.well();
    for (whole, shown) in [
        ("jane@shop.example", "email:<wbr>j•••@shop.example"),
        ("+4917012345678", "phone:<wbr>•••78"),
        ("joe@shop.example", "&#39;j•••@shop.example&#39;"),
    ] {
        assert!(!page.contains(whole), "{page}");
        assert!(page.contains(&shown.replace("&#39;", "'")), "{shown} in {page}");
    }
    let whole = Pages::with(|admin| admin.show_personal_data = true).await;
    whole.fill().await;
    let page = whole.get("/events").await.well();
    assert!(page.contains("email:<wbr>jane@shop.example"), "{page}");
}

#[tokio::test]
async fn an_event_full_of_markup_is_text() {
    let pages = Pages::new().await;
    pages
        .outbox
        .intake()
        .append(vec![hostile(1), hostile(2)])
        .await
        .unwrap();
    let word = super::HOSTILE.join(" ");
    for key in ["event", "source", "profile", "reason", "q"] {
        let query = serde_urlencoded::to_string([(key, &word)]).unwrap();
        let mut answer = pages.get(&format!("/events?{query}")).await;
        if answer.status == 303 {
            answer = pages.get(answer.sent_on()).await;
        }
        shows_as_text(&answer.well());
    }
    for query in [
        "?",
        "?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "?type=track&order_id=%3Cscript%3Ealert(1)%3C/script%3E",
    ] {
        shows_as_text(&pages.get(&format!("/events{query}")).await.well());
    }
    let wrong = pages
        .get("/events?%3Cscript%3Ealert(1)%3C/script%3E=1&status=%22%3E%3Cimg+src=x%3E")
        .await;
    assert_eq!(wrong.status, 400);
    shows_as_text(&wrong.text);
}
