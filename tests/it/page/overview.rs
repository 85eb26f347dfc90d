//! The overview: what is wrong first and in words, what flows, and that the page is kept up to date.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::Request;
use expect_test::expect;
use futures_util::StreamExt as _;
use klaviyo_relay::clock::{Clock as _, SystemClock};
use klaviyo_relay::model::{EventId, EventType, IdentifierKind, PauseKind};
use klaviyo_relay::outbox::{LimitInUse, Pause};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::{Pages, event, text};

/// The text of a page in one line.
fn words(page: &str) -> String {
    text(page).trim_end().replace('\n', " ")
}

/// The text of one part of a page, which is not its last.
fn part(page: &str, name: &str) -> String {
    let (_, part) = page.split_once(&format!("data-part=\"{name}\">")).unwrap();
    let (part, _) = part.split_once("data-part=").unwrap();
    text(part.rsplit_once("<div").unwrap().0)
}

#[tokio::test]
async fn before_the_first_event_the_page_shows_how_to_send_one() {
    let pages = Pages::new().await;
    let page = pages.get("/").await.well();
    let output = words(&page);
    assert!(output.contains("All is well. No event has come yet."), "{output}");
    assert!(page.contains("href=\"/try\""), "{page}");
    assert!(output.contains("dev 0 silent"), "a source that sends nothing: {output}");
}

#[tokio::test]
async fn a_refused_key_is_shown_first_with_what_waits_and_that_nothing_is_lost() {
    let pages = Pages::filled().await;
    let now = SystemClock.now();
    let reason = "401: the private key is wrong; set `klaviyo.private_key`".to_owned();
    let probe = now.plus(Duration::from_mins(1));
    let pause = Pause {
        family: None,
        kind: PauseKind::Refused,
        since: now,
        reason,
        reason_code: "klaviyo_401".to_owned(),
        probe_at: probe,
    };
    pages.outbox.queue().set_pauses(vec![pause]).await.unwrap();
    let page = pages.get("/").await.well();
    expect![[r#"
        Wrong: Delivery is paused since TIME : Klaviyo refuses what is sent.
        401: the private key is wrong; set `klaviyo.private_key`; the next probe is at TIME ; nothing is lost, events wait.
        Wrong: 2 events died in the last hour.
        See why, by reason , correct the cause, and send them again.
    "#]]
    .assert_eq(&part(&page, "wrong"));
    let output = words(&page);
    assert!(
        output.find("Klaviyo refuses").unwrap() < output.find("Waiting 4").unwrap(),
        "{output}"
    );
    pages.outbox.queue().set_pauses(Vec::new()).await.unwrap();
    pages.outbox.hold(vec![EventId(2)]).await.unwrap();
    // What was read a moment ago is used again for a moment.
    let is_over = async || {
        let output = words(&pages.get("/").await.well());
        output.contains("1 event held by an operator.").then_some(output)
    };
    let output = crate::support::eventually("the pause is over", is_over).await;
    assert!(!output.contains("Klaviyo refuses"), "{output}");
}

#[tokio::test]
async fn the_page_and_the_status_show_the_same_numbers() {
    // Event 1 is of two days ago, and arrived within the hour all the same.
    let pages = Pages::filled().await;
    let output = words(&pages.get("/").await.well());
    let status: serde_json::Value = serde_json::from_str(&pages.get("/api/v1/status").await.text).unwrap();
    assert_eq!(status["flow"]["came"]["hour"], 6, "{status:#}");
    assert!(output.contains("Came 6 in the last hour"), "{output}");
    for source in status["sources"].as_array().unwrap() {
        let row = [&source["source"], &source["last_hour"], &source["last_day"]];
        let [name, hour, day] = row.map(|cell| cell.to_string().replace('"', ""));
        assert!(output.contains(&format!("{name} {hour} {day}")), "{name}: {output}");
    }
    assert_eq!(status["audit"]["accepted"], 6, "{status:#}");
    assert!(output.contains("Accepted 6"), "{output}");
}

#[tokio::test]
async fn the_limits_show_how_full_they_are_and_a_429_is_shown() {
    let pages = Pages::new().await;
    let used = |family: &str, used, closed| LimitInUse {
        family: family.to_owned(),
        second: [3, 280],
        minute: [used, 2800],
        closed,
    };
    let limits = vec![used("event", 1200, false), used("profile", 0, true)];
    let now = SystemClock.now();
    pages.outbox.queue().report_limits(now, limits).await.unwrap();
    let page = pages.get("/").await.well();
    expect![[r#"
        Look at this: Rate limited by Klaviyo (429): profile.
        It goes on by itself after the time that Klaviyo named. If it happens often, another program uses the same account: lower delivery.limit_share .
    "#]]
    .assert_eq(&part(&page, "wrong"));
    expect![[r#"
        Klaviyo's limits
        Requests Second Minute
        event 3 of 280 1,200 of 2,800
        profile 429 3 of 280 0 of 2,800
        As the relay last counted, at most half a minute ago.
    "#]]
    .assert_eq(&part(&page, "limits"));
    assert!(page.contains("<meter min=\"0\" max=\"2800\" value=\"1200\""), "{page}");
}

#[tokio::test]
async fn the_drawings_hold_the_numbers_of_each_minute() {
    let pages = Pages::filled().await;
    for (over, steps) in [("hour", 60), ("day", 144)] {
        let page = pages.get(&format!("/?over={over}")).await.well();
        let (_, came) = page.split_once("data-name=\"came\" data-values=\"").unwrap();
        let values: Vec<&str> = came.split_once('"').unwrap().0.split(',').collect();
        assert_eq!(values.len(), steps, "{over}");
        // Event 1 is of two days ago, and arrived now all the same.
        assert_eq!(values.last(), Some(&"6"), "{values:?}");
        let current = format!("href=\"/?over={over}\" aria-current=\"true\"");
        assert!(page.contains(&current), "{page}");
    }
}

/// The stream of a page that has just been loaded.
async fn stream(pages: &Pages) -> BodyDataStream {
    let page = pages.get("/").await.well();
    let (_, address) = page.split_once("data-live=\"").unwrap();
    let address = super::unescaped(address.split_once('"').unwrap().0);
    let request = Request::get(address).body(Body::empty()).unwrap();
    let answer = pages.routes.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    answer.into_body().into_data_stream()
}

#[tokio::test]
async fn an_open_page_is_sent_what_changed_and_nothing_that_it_has() {
    let pages = Pages::new().await;
    let mut stream = stream(&pages).await;
    let new = event(1, EventType::Track, &[(IdentifierKind::UserId, "u1")]);
    pages.outbox.intake().append(vec![new]).await.unwrap();
    let mut sent = String::new();
    while !sent.contains("event: wrong") {
        let more = tokio::time::timeout(Duration::from_mins(1), stream.next());
        let more = more.await.expect("something is sent").unwrap().unwrap();
        sent.push_str(std::str::from_utf8(&more).unwrap());
    }
    // Of one moment, the last part first; the limits did not change.
    assert!(
        sent.contains("event: figures") && sent.contains("event: sources"),
        "{sent}"
    );
    assert!(!sent.contains("event: limits"), "{sent}");
    assert!(sent.contains("1 event came in the last hour"), "{sent}");
}

#[tokio::test]
async fn an_open_page_does_not_keep_the_daemon_from_stopping() {
    let stop = CancellationToken::new();
    let pages = Pages::with(|admin| admin.stop = stop.clone()).await;
    let mut stream = stream(&pages).await;
    stop.cancel();
    let end = async { while stream.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_mins(1), end)
        .await
        .expect("the stream ends");
}
