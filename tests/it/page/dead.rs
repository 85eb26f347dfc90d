//! Dead letters by reason.

use expect_test::expect;
use klaviyo_relay::clock::{Clock as _, SystemClock};
use klaviyo_relay::model::{NewEvent, Timestamp};

use super::main_text;
use super::shelf::{Shelf, dead, event, links};

/// The value of a query's first parameter of this name.
fn value(link: &str, name: &str) -> Option<String> {
    let (_, query) = link.split_once('?')?;
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query).unwrap();
    let mut pairs = pairs.into_iter();
    pairs.find_map(|(known, value)| (known == name).then_some(value))
}

#[tokio::test]
async fn dead_events_of_one_code_are_one_group() {
    let shelf = Shelf::new().await;
    let list = |user, number, id| {
        let reason = format!("400: invalid: The list {id} does not exist.");
        dead(user, number, "klaviyo_400_invalid_list", &reason)
    };
    let events = vec![
        list("u1", 1, "Xy12Z9"),
        list("u2", 2, "Ab7"),
        list("u2", 3, "Xy12Z9"),
        dead("u3", 4, "no_user_anon_id", "no_user_anon_id: nobody is named"),
        event("u4", 5),
    ];
    shelf.outbox.intake().append(events).await.unwrap();
    let page = shelf.page("/dead").await;
    // What died last is first. How many died in the last days depends on today.
    let shown = main_text(&page);
    let lines = shown
        .split_inclusive('\n')
        .filter(|line| !line.contains(" died in the last"));
    expect![[r#"
        Dead letters
        4 events are dead, for 2 reasons. They are kept, and not sent again unless you replay them.
        no_user_anon_id
        no_user_anon_id: nobody is named
        1 event of 1 person arrived TIME Step from shop for example event 4
        What to do: What sends these calls has to be corrected, as the reason says. A stored call cannot be changed: a replay maps those here as they stand, with whatever in them can be used. Try one first, or edit a copy and send that.
        Replay 1 event … Discard … Edit a copy of event 4 See it Export with personal data
        klaviyo_400_invalid_list
        400: invalid: The list Xy12Z9 does not exist.
        3 events of 2 people first arrived TIME last TIME Step from shop for example event 3
        What to do: Klaviyo has no such list. Correct mapping.list_id or mapping.audience_lists in config.toml, or the listId that the calls name, then replay these: they are mapped again.
        Replay 3 events … Discard … See them Export with personal data
    "#]]
    .assert_eq(&lines.collect::<String>());
    assert!(
        page.contains("2026-11-23T13:20:00.001Z"),
        "the first of the lists: {page}"
    );
    assert!(page.contains("2026-11-23T13:20:00.003Z"), "the last of them: {page}");
    assert!(page.contains("href=\"/events/3\""), "{page}");
}

#[tokio::test]
async fn links_select_exactly_the_group_they_stand_in() {
    let shelf = Shelf::new().await;
    let codes = ["klaviyo_400_invalid", "no_email", "time_too_late"];
    let events = codes.iter().zip(1..);
    let events = events.map(|(code, number)| dead("u1", number, code, "because"));
    shelf.outbox.intake().append(events.collect()).await.unwrap();
    let links = links(&shelf.page("/dead").await);
    for path in ["/events?", "/change?do=replay&", "/change?do=discard&", "/export?"] {
        let groups = links
            .iter()
            .filter(|link| link.starts_with(path) && value(link, "code").is_some());
        let mut selected = Vec::new();
        for link in groups {
            assert_eq!(value(link, "status").as_deref(), Some("dead"), "{link}");
            selected.extend(value(link, "code"));
        }
        selected.sort();
        assert_eq!(selected, codes, "{path}");
    }
    let changes = links.iter().filter(|link| link.starts_with("/change?"));
    for link in changes {
        assert_eq!(value(link, "back").as_deref(), Some("/dead"), "{link}");
    }
}

#[tokio::test]
async fn a_reason_full_of_markup_is_text_and_names_nobody() {
    let shelf = Shelf::new().await;
    let reason = "400: <script>alert(1)</script><img src=x onerror=alert(2)> jane@shop.example or +4917012345678";
    let events = vec![dead("u1", 1, "klaviyo_400", reason)];
    shelf.outbox.intake().append(events).await.unwrap();
    let page = shelf.page("/dead").await;
    for text in ["<script>", "<img src=x", "jane@shop.example", "4917012345678"] {
        assert!(!page.contains(text), "{text}: {page}");
    }
    assert!(page.contains("&lt;"), "{page}");
}

#[tokio::test]
async fn without_dead_events_the_page_shows_what_that_means() {
    let shelf = Shelf::new().await;
    shelf.outbox.intake().append(vec![event("u1", 1)]).await.unwrap();
    let page = shelf.page("/dead").await;
    assert!(page.contains("Nothing is dead."), "{page}");
    assert!(!page.contains("/change?"), "{page}");
}

/// One that died so many hours ago, sent by this library, as its call or its batch states.
fn sent_by(number: u64, hours_ago: i64, context: &str, of_batch: bool) -> NewEvent {
    let context = format!(r#"{{"context":{context}}}"#);
    let at = SystemClock.now().as_millis() - hours_ago * 3_600_000;
    NewEvent {
        at: Timestamp::from_millis(at),
        received_at: Timestamp::from_millis(at),
        payload: if of_batch { "{}".to_owned() } else { context.clone() },
        envelope: of_batch.then(|| context.into()),
        ..dead("u1", number, "klaviyo_400_invalid", "400: invalid: Invalid input.")
    }
}

#[tokio::test]
async fn a_group_has_the_library_of_its_newest_events_and_when_they_died() {
    let shelf = Shelf::new().await;
    let node = r#"{"library":{"name":"analytics-node","version":"2.1.0"}}"#;
    let mut events = vec![
        sent_by(1, 30, r#"{"library":{"name":"old <b>"}}"#, false),
        sent_by(2, 30, "7", false),
        sent_by(3, 3, r#"{"library":{"name":"analytics-go","version":3}}"#, true),
        sent_by(4, 2, node, false),
        sent_by(5, 1, node, true),
    ];
    events[1].payload = "no JSON".to_owned();
    shelf.outbox.intake().append(events).await.unwrap();
    let page = shelf.page("/dead").await;
    expect![[r#"
        Dead letters
        5 events are dead, for 1 reason. They are kept, and not sent again unless you replay them.
        klaviyo_400_invalid
        400: invalid: Invalid input.
        5 events of 1 person first arrived TIME last TIME Step from shop newest from analytics-node 2.1.0 and 2 others for example event 5
        3 died in the last 24 hours
        What to do: Klaviyo refused what the request says, for the reason that is shown. Correct it where the calls are sent; a replay sends those here as they stand.
        Replay 5 events … Discard … Edit a copy of event 5 See them Export with personal data
    "#]]
    .assert_eq(&main_text(&page));
    let words = "aria-label=\"Died in the last 24 hours: 3, at most 1 in one hour, 0 in the newest\"";
    assert!(page.contains(words), "{page}");
    assert!(page.contains("<path class=\"plot-line\" d=\"M"), "{page}");
    assert!(page.contains("href=\"/try?event=5\""), "{page}");
    // The sixth pushes the oldest out of those whose library is looked up.
    let sixth = vec![sent_by(6, 1, node, false)];
    shelf.outbox.intake().append(sixth).await.unwrap();
    let page = shelf.page("/dead").await;
    assert!(page.contains("newest from analytics-node 2.1.0 and 1 other<"), "{page}");
}

#[tokio::test]
async fn a_group_that_is_days_old_has_its_deaths_by_day() {
    let shelf = Shelf::new().await;
    let events = [(1, 30), (2, 31), (3, 100), (4, 300)];
    let events = events.map(|(number, hours_ago)| sent_by(number, hours_ago, "{}", false));
    shelf.outbox.intake().append(events.to_vec()).await.unwrap();
    let page = shelf.page("/dead").await;
    assert!(page.contains("3 died in the last 8 days"), "{page}");
    assert!(!page.contains("newest from"), "{page}");
}
