//! The page in headless Chromium. Each test plays a scenario of `tests/page`, which reports what a person sees, and
//! asserts it, and the results in the outbox and at Klaviyo. On every page that a scenario opens, no script fails,
//! nothing is blocked, and only this daemon is requested.

mod scenario;
mod shop;

use klaviyo_relay::sandbox::{AccountLists, ListOption, OptIn, Options};
use serde_json::{Value, json};

use crate::support::{Daemon, Klaviyo, count, eventually};
use scenario::{can_be_played, play};

const TOKEN: &str = "a-token-of-32-random-characters!";
/// The only list of the account.
const LIST: &str = "Xy12Z9";
/// People who are to be put on it.
const SUBSCRIBERS: i64 = 5;
/// The pages that are there whatever the outbox holds.
const EMPTY: [&str; 9] = [
    "/",
    "/events",
    "/dead",
    "/blocked",
    "/try",
    "/sandbox?show=requests",
    "/sandbox?show=profiles",
    "/sandbox?show=events",
    "/sandbox?show=lists",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_found_by_its_number_and_its_page_shows_its_delivery() {
    if !can_be_played() {
        return;
    }
    let daemon = shop::open("").await;
    let refund = shop::refund(1);
    daemon.send("/v1/track", &refund).await;
    for (number, several) in [(3, false), (1, true)] {
        let email = format!("person{number}@klaviyo-demo.com");
        let params = json!({ "order": format!("A-100{number}"), "email": email, "several": several });
        let found = play("minute", &daemon, params).await;
        assert_eq!(found["path"], format!("/events/{number}"));
        assert!(contains(&found["heading"], "Order Completed"), "{found}");
        let timeline = found["timeline"].as_array().unwrap();
        assert!(timeline.iter().any(|entry| contains(entry, "202")), "{found}");
        for fact in [&*format!("A-100{number}"), &email, "/api/events", "Placed Order"] {
            assert!(contains(&found["text"], fact), "{fact} in {found}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_killed_by_a_wrong_list_id_is_replayed_and_arrives() {
    if !can_be_played() {
        return;
    }
    for script in [true, false] {
        let klaviyo = Klaviyo::with(Options {
            lists: AccountLists::Only(vec![ListOption {
                id: LIST.to_owned(),
                name: "Newsletter".to_owned(),
                opt_in: OptIn::Single,
            }]),
            ..Options::default()
        })
        .await;
        let wrong = "[mapping]\nlist_id = \"Wr0ng1\"";
        let daemon = Daemon::start(&klaviyo, wrong).await;
        let batch: Vec<_> = (1..=SUBSCRIBERS).map(shop::subscriber).collect();
        daemon.send("/v1/batch", &json!({ "batch": batch })).await;
        let status = daemon.settled().await;
        assert_eq!(count(&status, "dead"), SUBSCRIBERS);
        assert_eq!(on_the_list(&klaviyo), 0);

        let ids: Vec<_> = (1..=SUBSCRIBERS).collect();
        let params = json!({ "count": SUBSCRIBERS, "ids": ids, "script": script });
        let seen = play("dead", &daemon, params.clone()).await;
        let groups = seen["groups"].as_array().unwrap();
        assert_eq!(groups.len(), 1, "they died of one reason: {seen}");
        for text in ["This list does not exist", "5 events of 5 people"] {
            assert!(contains(&groups[0], text), "{text} in {seen}");
        }
        assert_eq!(seen["rows"], SUBSCRIBERS);
        daemon.reload("Wr0ng1", LIST).await;
        let seen = play("replay", &daemon, params).await;
        assert!(contains(&seen["question"], "Send 5 events again?"), "{seen}");
        assert_eq!(seen["rows"], SUBSCRIBERS, "the events concerned are shown");
        assert_eq!(seen["groups_after_cancel"], 1, "nothing is done before it is confirmed");
        assert_eq!(on_the_list(&klaviyo), ids.len());
        let status = daemon.settled().await;
        assert_eq!(count(&status, "delivered"), SUBSCRIBERS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_markup_and_script_is_text_on_every_page() {
    if !can_be_played() {
        return;
    }
    let daemon = Daemon::start_alone("[delivery]\nafter_dead = \"hold\"").await;
    let batch = [
        shop::hostile("h-1", true),
        shop::hostile("h-2", true),
        shop::hostile("h-3", false),
    ];
    daemon.send("/v1/batch", &json!({ "batch": batch })).await;
    let outbox = daemon.outbox().await;
    eventually("one is dead, one behind it, and one there", || async {
        let status = outbox.counts().await.unwrap();
        let counts = ["dead", "pending", "delivered"].map(|name| count(&status, name));
        (counts == [1, 1, 1]).then_some(())
    })
    .await;
    let query = serde_urlencoded::to_string([("q", shop::SCRIPT)]).unwrap();
    let name = serde_urlencoded::to_string([("event", shop::SCRIPT)]).unwrap();
    let paths = [
        "/events".to_owned(),
        format!("/events?{query}"),
        format!("/events?{name}"),
        "/events/1".to_owned(),
        "/events/2".to_owned(),
        "/events/3".to_owned(),
        "/change?do=replay&id=1&back=/dead".to_owned(),
        "/dead".to_owned(),
        "/blocked".to_owned(),
        "/sandbox?show=requests".to_owned(),
        "/sandbox?show=profiles".to_owned(),
    ];
    let call = batch[0].to_string();
    let params = json!({ "paths": paths, "texts": [shop::SCRIPT, "<img src=x"], "call": call });
    assert_eq!(play("hostile", &daemon, params).await["found"], json!([]));
    assert_accessible(&daemon, json!({ "paths": paths })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_tab_sends_no_requests() {
    if !can_be_played() {
        return;
    }
    let daemon = shop::open("").await;
    let ingest = format!("http://{}", daemon.ingest);
    let seen = play("live", &daemon, json!({ "ingest": ingest })).await;
    assert_eq!(seen["tabs"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_daemon_is_gone_shows_it() {
    if !can_be_played() {
        return;
    }
    let mut daemon = shop::open("").await;
    let pid = daemon.pid();
    let seen = play("gone", &daemon, json!({ "pid": pid })).await;
    assert_ne!(seen["errors"], 0, "the browser reports the lost connection");
    daemon.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_opens_the_page_until_its_visitor_logs_out() {
    if !can_be_played() {
        return;
    }
    let daemon = Daemon::start_alone(&format!("token = \"{TOKEN}\"")).await;
    let seen = play("login", &daemon, json!({ "token": TOKEN })).await;
    for visit in ["without_token", "after_logout"] {
        assert!(contains(&seen[visit], "/login?"), "{visit} in {seen}");
    }
    assert!(contains(&seen["alert"], "not the token"), "{seen}");
    assert_ne!(seen["rejected"], 0, "a wrong token gets a 401");
    for when in ["cookies_after_wrong_token", "cookies_after_logout"] {
        assert_eq!(seen[when], json!([]), "{when}");
    }
    let [cookie] = &seen["cookies"].as_array().unwrap()[..] else {
        panic!("one cookie: {seen}");
    };
    let expected = [json!(true), json!("Strict"), json!("/")];
    assert_eq!(
        ["httpOnly", "sameSite", "path"].map(|key| cookie[key].clone()),
        expected
    );
    assert!(!contains(&cookie["value"], TOKEN));
    assert_eq!(seen["readable_by_script"], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_website_can_link_to_the_page_and_no_more() {
    if !can_be_played() {
        return;
    }
    for (setting, params) in [
        (format!("token = \"{TOKEN}\""), json!({ "token": TOKEN })),
        (String::new(), json!({})),
    ] {
        let klaviyo = Klaviyo::start().await;
        klaviyo.fault(json!({"status": 400, "path": "/api/events"})).await;
        let daemon = Daemon::start(&klaviyo, &setting).await;
        daemon.send("/v1/track", &shop::order(1)).await;
        let before = daemon.settled().await;
        assert_eq!(count(&before, "dead"), 1);
        let seen = play("stranger", &daemon, params).await;
        assert_eq!(seen["path"], seen["wanted"], "still logged in");
        let rejected = seen["rejected"].as_object().unwrap();
        assert!(
            rejected.len() == 3 && rejected.values().all(|errors| errors != 0),
            "{seen}"
        );
        let after = daemon.outbox().await.counts().await.unwrap();
        assert_eq!(after, before.overview.counts, "nothing changed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_in_both_themes_and_both_widths() {
    if !can_be_played() {
        return;
    }
    let daemon = shop::open("").await;
    let looked = assert_accessible(&daemon, json!({ "paths": full() })).await;
    assert_eq!(looked, full().len() * 4);
    let missing = json!({ "paths": ["/nothing", "/events/999999"], "status": 404 });
    assert_accessible(&daemon, missing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_with_nothing_on_it() {
    if !can_be_played() {
        return;
    }
    let daemon = Daemon::start_alone(&format!("token = \"{TOKEN}\"")).await;
    let params = json!({ "paths": EMPTY, "token": TOKEN });
    assert_accessible(&daemon, params).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_reaches_every_control() {
    if !can_be_played() {
        return;
    }
    let daemon = shop::open("").await;
    let seen = play("keyboard", &daemon, json!({})).await;
    let expected = [
        "Skip to the content",
        "klaviyo-relay",
        "Overview",
        "Events",
        "Dead letters",
        "Blocked",
        "Try an event",
        "Sandbox",
        "Find an event",
    ];
    assert_eq!(seen["names"], json!(expected));
    assert_eq!(seen["unseen"], json!([]), "the focus is visible");
    assert_eq!(
        (&seen["skipped_to"], &seen["stays_inside"]),
        (&json!("main"), &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_script_every_page_shows_the_same() {
    if !can_be_played() {
        return;
    }
    let daemon = shop::open("").await;
    let seen = play("scriptless", &daemon, json!({ "paths": full() })).await;
    assert_eq!(seen["different"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_view_of_any_page_weighs_less_than_100_kb() {
    if !can_be_played() {
        return;
    }
    let daemon = shop::open("").await;
    let weights = play("weight", &daemon, json!({ "paths": full() })).await;
    let weights: Vec<(String, u64)> = full()
        .into_iter()
        .map(|path| (path.clone(), weights[&path].as_u64().unwrap()))
        .collect();
    // A page without its style weighs less.
    let wrong = |(_, weight): &&(String, u64)| !(10_000..100_000).contains(weight);
    let wrong: Vec<_> = weights.iter().filter(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:?} of {weights:?}");
}

/// Whether a text that a scenario reports contains this one.
fn contains(text: &Value, part: &str) -> bool {
    text.as_str().unwrap().contains(part)
}

/// Asserts that axe-core finds nothing on these pages, in both themes and both widths; returns how many it looked at.
async fn assert_accessible(daemon: &Daemon, params: Value) -> Value {
    let mut seen = play("matrix", daemon, params).await;
    assert_eq!(seen["found"], json!([]));
    seen["looked"].take()
}

/// People on the list.
fn on_the_list(klaviyo: &Klaviyo) -> usize {
    let lists = klaviyo.snapshot().lists;
    lists.iter().map(|list| list.members.len()).sum()
}

/// Every page of a daemon that has something to show.
fn full() -> Vec<String> {
    let more = [
        "/events?status=dead".to_owned(),
        "/events?q=person3@klaviyo-demo.com".to_owned(),
        "/events?q=nobody-has-this".to_owned(),
        "/events/1".to_owned(),
        format!("/events/{}", shop::BLOCKER),
        format!("/events/{}", shop::BLOCKER + 1),
        format!("/change?do=replay&id={}&back=/dead", shop::BLOCKER),
        "/change?do=discard&status=dead&back=/dead".to_owned(),
        "/change?do=hold&id=1&back=/".to_owned(),
    ];
    EMPTY.map(str::to_owned).into_iter().chain(more).collect()
}
