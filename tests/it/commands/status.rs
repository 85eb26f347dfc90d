//! `status` on an outbox without a daemon.

use serde_json::json;

use super::Bench;

#[tokio::test]
async fn everything_is_counted_and_the_dead_have_their_reasons() {
    let bench = Bench::prepared().await;
    let said = bench.run(&["status"]).well();
    let expected = "\
requests go to the sandbox: NOTHING REACHES KLAVIYO

accepted             6
delivered            1
skipped              1
dead                 2
pending              2
held                 0
difference           0

waiting
  pending  track            2  oldest 2026-11-24T15:33:20.000Z

dead, by reason
         1  400 invalid: Invalid email address
         1  event_not_defined: the track call has no `event`; send the event's name

look: klaviyo-relay show EVENT   send again: klaviyo-relay replay --status dead
";
    assert_eq!(said, expected);
}

#[tokio::test]
async fn the_same_as_json() {
    let bench = Bench::prepared().await;
    let status = bench.run(&["status", "--json"]).json();
    assert_eq!(status["sandbox"], true);
    assert_eq!(status["paused"], json!(null));
    assert_eq!(
        status["audit"],
        json!({"accepted": 6, "delivered": 1, "skipped": 1, "dead": 2, "pending": 2, "held": 0, "difference": 0})
    );
    assert_eq!(
        status["backlog"],
        json!([{"status": "pending", "type": "track", "count": 2, "oldest": "2026-11-24T15:33:20.000Z"}])
    );
    assert_eq!(status["dead"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn subscriptions_whose_answer_never_came_are_told() {
    let bench = Bench::prepared().await;
    let said = bench.run(&["status"]).well();
    assert!(!said.contains("never answered"), "{said}");
    let status = bench.run(&["status", "--json"]).json();
    assert_eq!(status["unknown_subscriptions"], 0);

    bench.lose_an_answer().await;
    let said = bench.run(&["status"]).well();
    assert!(said.contains("sent and never answered"), "{said}");
    assert!(said.contains("Klaviyo may have taken them"), "{said}");
    let status = bench.run(&["status", "--json"]).json();
    assert_eq!(status["unknown_subscriptions"], 1);
}

#[test]
fn without_an_outbox_it_says_where_it_looked() {
    let ran = Bench::new().run(&["status"]);
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert_eq!(
        ran.err,
        "error: there is no outbox at outbox.db; `klaviyo-relay serve` makes one, or `--config` names another\n"
    );
}
