//! A change of many events: shown before it is done, done by a form of ours alone, and to the events that were counted.

use super::{FROM_HERE, Pages, event, form, hostile, listed, shows_as_text};
use klaviyo_relay::clock::{Clock as _, SystemClock};
use klaviyo_relay::model::{EventId, EventType, IdentifierKind};
use klaviyo_relay::outbox::Replay;

const BEFORE: [&str; 6] = ["pending", "pending", "pending", "pending", "dead", "dead"];

#[tokio::test]
async fn a_change_is_previewed_and_the_preview_changes_nothing() {
    let pages = Pages::filled().await;
    for (query, title, words) in [
        (
            "do=replay&status=dead",
            "Send 2 events again?",
            "the <code>$event_id</code> stays",
        ),
        ("do=hold&profile=u2", "Hold 2 events?", "until somebody releases them"),
        ("do=release&status=pending", "Release 4 events?", "are tried at once"),
        ("do=discard&id=1,99", "Discard 1 event for good?", "given up for good"),
        (
            "do=discard&status=pending,held",
            "Discard 4 events for good?",
            "given up for good",
        ),
        ("do=hold&order_id=o-9", "Nothing to do", "No event is meant"),
    ] {
        let page = pages.get(&format!("/change?{query}")).await.well();
        assert!(page.contains(&format!("<h1>{title}</h1>")), "{query}: {page}");
        assert!(page.to_lowercase().contains(&words.to_lowercase()), "{query}: {page}");
    }
    let page = pages.get("/change?do=discard&id=1,5,99").await.well();
    assert!(page.contains("99: no event has this number"), "{page}");
    let page = pages.get("/change?do=hold&id=1,5").await.well();
    assert!(page.contains("5: it is dead, not pending"), "{page}");
    assert_eq!(listed(&page), [1], "the sample");
    assert_eq!(pages.statuses().await, BEFORE);
}

#[tokio::test]
async fn what_could_mean_more_than_was_meant_is_refused_with_what_to_do() {
    let pages = Pages::filled().await;
    for (query, words) in [
        ("do=explode&id=1", "replay, hold, release or discard"),
        ("id=1", "replay, hold, release or discard"),
        ("do=hold", "by one filter at least"),
        ("do=hold&status=", "is empty; leave it out"),
        ("do=hold&profile=&status=pending", "is empty; leave it out"),
        ("do=hold&stauts=pending", "is no filter"),
        ("do=hold&status=dead", "it works on pending"),
        ("do=hold&status=pending,held", "it works on pending"),
        ("do=hold&profile=+", "names nobody"),
        ("do=hold&q=u1", "is no filter"),
    ] {
        let answer = pages.get(&format!("/change?{query}")).await;
        assert!((400..500).contains(&answer.status), "{query}: {answer:?}");
        assert!(answer.text.contains(words), "{query}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_change_is_made_of_the_counted_events_and_reported() {
    let pages = Pages::filled().await;
    for (query, after, reported) in [
        (
            "do=hold&profile=u2",
            ["pending", "held", "pending", "held", "dead", "dead"],
            "2 events are held now.",
        ),
        ("do=release&status=held", BEFORE, "2 events were released."),
        (
            "do=discard&id=1%2C99",
            ["dead", "pending", "pending", "pending", "dead", "dead"],
            "1 event was discarded; 1 was left out because it was in flight, in another state, or gone: 99.",
        ),
        (
            "do=replay&status=dead&since=1h",
            ["dead", "pending", "pending", "pending", "pending", "pending"],
            "2 events will be sent again.",
        ),
    ] {
        let page = pages
            .get(&format!("/change?{query}&back=/events%3Ftype%3Dtrack"))
            .await
            .well();
        let answer = pages.send(&page, "/change", &[]).await;
        assert_eq!(answer.sent_on(), "/events?type=track", "{query}");
        assert_eq!(pages.statuses().await, after, "{query}");
        let next = pages.follow(&answer).await;
        assert!(
            next.contains(&format!("role=\"status\">{reported}<")),
            "{query}: {next}"
        );
    }
    assert!(pages.outbox.audit(false).await.unwrap().holds);
}

#[tokio::test]
async fn a_form_that_is_not_ours_changes_nothing() {
    let pages = Pages::filled().await;
    let page = pages.get("/change?do=discard&status=pending").await.well();
    let ours = form(&page, "/change");
    let body = |csrf: Option<&str>| {
        let mut fields = ours.clone();
        fields.retain(|(name, _)| name != "csrf");
        fields.extend(csrf.map(|csrf| ("csrf".to_owned(), csrf.to_owned())));
        serde_urlencoded::to_string(fields).unwrap()
    };
    let csrf = ours.iter().find(|(name, _)| name == "csrf").unwrap().1.clone();
    let host = ("host", "127.0.0.1:8081");
    for (headers, csrf, why) in [
        (&[FROM_HERE][..], None, "no csrf"),
        (&[FROM_HERE], Some("0000"), "another csrf"),
        (&[("sec-fetch-site", "cross-site")], Some(&*csrf), "from elsewhere"),
        (&[("sec-fetch-site", "same-site")], Some(&csrf), "from a neighbour"),
        (&[host], Some(&csrf), "from nobody knows where"),
        (
            &[host, ("origin", "http://shop.example")],
            Some(&csrf),
            "from another origin",
        ),
        (&[host, ("origin", "null")], Some(&csrf), "from a frame without origin"),
    ] {
        let answer = pages.request("POST", "/change", headers, &body(csrf)).await;
        assert_eq!(answer.status, 403, "{why}");
        assert_eq!(pages.statuses().await, BEFORE, "{why}");
    }
    let headers = [host, ("origin", "http://127.0.0.1:8081")];
    let answer = pages.request("POST", "/change", &headers, &body(Some(&csrf))).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(pages.statuses().await, ["dead"; 6]);
}

#[tokio::test]
async fn nothing_is_changed_when_the_filters_mean_other_events_by_then() {
    let pages = Pages::filled().await;
    let page = pages.get("/change?do=replay&type=track").await.well();
    assert!(page.contains("<h1>Send 2 events again?</h1>"), "{page}");
    let now = SystemClock.now();
    pages.outbox.discard(now, vec![EventId(3)]).await.unwrap();
    let answer = pages.send(&page, "/change", &[]).await;
    assert_eq!(answer.status, 409);
    for words in [
        "Nothing was changed.",
        "2 events were meant",
        "it is 3 events now",
        "Send 3 events again",
    ] {
        assert!(answer.text.contains(words), "{words}: {}", answer.text);
    }
    assert_eq!(
        pages.statuses().await,
        ["pending", "pending", "dead", "pending", "dead", "dead"]
    );
    // What it shows now can be confirmed.
    assert_eq!(pages.send(&answer.text, "/change", &[]).await.status, 303);
    assert_eq!(pages.statuses().await, ["pending"; 6]);
}

#[tokio::test]
async fn what_arrives_after_the_page_was_made_is_not_touched() {
    let pages = Pages::filled().await;
    let page = pages.get("/change?do=hold&source=shop").await.well();
    let late = event(7, EventType::Track, &[(IdentifierKind::UserId, "u9")]);
    pages.outbox.intake().append(vec![late]).await.unwrap();
    assert_eq!(pages.send(&page, "/change", &[]).await.status, 303);
    let after = ["held", "held", "pending", "held", "dead", "dead", "pending"];
    assert_eq!(pages.statuses().await, after);
}

#[tokio::test]
async fn fewer_events_than_were_shown_are_changed_only_if_requested() {
    let pages = Pages::filled().await;
    let page = pages.get("/change?do=hold&status=pending").await.well();
    pages.deliver(&[(1, "o-1")]).await;
    assert_eq!(pages.send(&page, "/change", &[]).await.status, 409);
    assert!(!pages.statuses().await.contains(&"held".to_owned()));
    let answer = pages.send(&page, "/change", &[("fewer", "1")]).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!(
        pages.statuses().await,
        ["delivered", "held", "held", "held", "dead", "dead"]
    );
}

#[tokio::test]
async fn options_of_a_replay_are_kept_and_exclusive_ones_are_reported() {
    let pages = Pages::filled().await;
    let page = pages.get("/change?do=replay&id=5&backfill=1").await.well();
    assert!(
        page.contains("id=\"backfill\" name=\"backfill\" value=\"1\" checked"),
        "{page}"
    );
    let both = [("backfill", "1"), ("as_sent", "1")];
    let answer = pages.send(&page, "/change", &both).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.text.contains("Two options exclude each other"),
        "{}",
        answer.text
    );
    assert_eq!(pages.statuses().await, BEFORE);
    assert_eq!(pages.send(&page, "/change", &[("consent", "1")]).await.status, 303);
    assert_eq!(pages.statuses().await[4], "pending");
}

#[tokio::test]
async fn a_form_without_the_shown_counts_changes_nothing() {
    let pages = Pages::filled().await;
    let page = pages.get("/change?do=hold&status=pending").await.well();
    for (name, value) in [
        ("count", ""),
        ("count", "many"),
        ("highest", "0"),
        ("status", "dead"),
        ("count", "0"),
    ] {
        let answer = pages.send(&page, "/change", &[(name, value)]).await;
        assert!((400..500).contains(&answer.status), "{name}={value}: {answer:?}");
    }
    assert_eq!(pages.statuses().await, BEFORE);
}

#[tokio::test]
async fn nobody_is_sent_to_another_site_after_a_change() {
    let pages = Pages::filled().await;
    for back in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
    ] {
        let query = serde_urlencoded::to_string([("back", back), ("do", "release"), ("status", "pending")]);
        let page = pages.get(&format!("/change?{}", query.unwrap())).await.well();
        assert!(!page.contains("evil.example") && !page.contains("javascript"), "{page}");
        let answer = pages.send(&page, "/change", &[("back", back)]).await;
        assert_eq!(answer.sent_on(), "/events?status=pending", "{back}");
    }
}

#[tokio::test]
async fn an_event_full_of_markup_is_text() {
    let pages = Pages::new().await;
    pages.outbox.intake().append(vec![hostile(1)]).await.unwrap();
    let word = super::HOSTILE.join(" ");
    for verb in ["replay", "discard"] {
        let pairs = [
            ("do", verb),
            ("event", &word),
            ("reason", &word),
            ("back", "/events?q=\"><script>alert(1)</script>"),
        ];
        let query = serde_urlencoded::to_string(pairs).unwrap();
        let page = pages.get(&format!("/change?{query}")).await.well();
        shows_as_text(&page);
        assert_eq!(
            form(&page, "/change").iter().find(|(key, _)| key == "event").unwrap().1,
            word
        );
    }
    let how = Replay::default();
    pages
        .outbox
        .replay(SystemClock.now(), vec![EventId(1)], how)
        .await
        .unwrap();
    assert_eq!(pages.statuses().await, ["pending"]);
}
