//! The manual's cookbook: each of its queries answers, on an outbox as a daemon left it that met all of it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::docs::Page;
use crate::support::{Daemon, Klaviyo, eventually, require};

/// The questions, each with its SQL.
fn recipes() -> Vec<(String, String)> {
    let page = Page::read("docs/operate/cookbook.md").text;
    let below = page.split_once("\n## Questions\n").unwrap().1;
    let section = below.split_once("\n## ").unwrap().0;
    let recipe = |part: &str| {
        let (question, rest) = part.split_once("\n\n```sql\n")?;
        let (sql, _) = rest.split_once("\n```")?;
        Some((question.to_owned(), sql.to_owned()))
    };
    section
        .split("\n**")
        .skip(1)
        .map(|part| recipe(part).expect(part))
        .collect()
}

/// Rows as `sqlite3` prints them; `None` where it is absent.
fn answer(database: &Path, sql: &str) -> Option<Vec<Value>> {
    let mut command = Command::new("sqlite3");
    let command = command.args(["-readonly", "-bail", "-json"]).arg(database).arg(sql);
    let ran = require("the sqlite3 command", command.output().ok())?;
    let complaint = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && complaint.is_empty(), "{sql}\n{complaint}");
    let rows = String::from_utf8(ran.stdout).unwrap();
    if rows.trim().is_empty() {
        return Some(Vec::new());
    }
    Some(serde_json::from_str(&rows).unwrap())
}

/// A daemon that has met everything that the questions are about.
async fn daemon(klaviyo: &Klaviyo) -> Daemon {
    let words = json!({"errors": [{"id": "e", "status": 400, "code": "invalid", "title": "Invalid input.",
        "detail": "This metric is not wanted.", "source": {"pointer": "/data"}}]});
    for fault in [
        json!({"status": 400, "body": words, "path": "/api/events", "match": "Refuse Me"}),
        json!({"status": 503, "path": "/api/events", "match": "Placed Order", "next": 1}),
        json!({"hang": true, "path": "/api/events", "match": "Stuck"}),
    ] {
        klaviyo.fault(fault).await;
    }
    let daemon = Daemon::start(
        klaviyo,
        "[mapping]\nlist_id = \"Xy12Z9\"\n\n[delivery]\nfirst_retry = \"100ms\"",
    )
    .await;
    let order = json!({"type": "track", "userId": "ann", "event": "Order Completed",
        "properties": {"orderId": "50314b8e9bcf000000000000", "revenue": 25}});
    let identify = json!({"type": "identify", "userId": "ann", "traits": {"email": "ann@shop.example"}});
    let track = |name: &str, user: &str| json!({"type": "track", "userId": user, "event": name});
    let page = json!({"type": "page", "userId": "ann", "name": "Home"});
    let calls = [
        identify,
        order,
        page,
        track("Refuse Me", "bob"),
        track("Stuck", "eve"),
        track("Behind", "eve"),
    ];
    daemon.send("/v1/batch", &json!({"batch": calls})).await;
    eventually("all but the stuck ones are done", || async {
        let outbox = daemon.outbox().await;
        let waiting = outbox.pending().await.unwrap();
        outbox.close().await;
        (waiting == 2).then_some(())
    })
    .await;
    daemon
}

#[tokio::test]
async fn every_question_of_the_cookbook_is_answered() {
    let klaviyo = Klaviyo::start().await;
    let daemon = daemon(&klaviyo).await;
    let recipes = recipes();
    assert!(recipes.len() >= 10, "{recipes:?}");
    let mut answers = Vec::new();
    for (question, sql) in &recipes {
        let Some(rows) = answer(&daemon.database(), sql) else {
            return;
        };
        assert!(!rows.is_empty(), "{question}\n{sql}");
        answers.push((question.as_str(), rows));
    }
    let of = |start: &str| {
        let found = answers.iter().find(|(question, _)| question.starts_with(start));
        &found.unwrap_or_else(|| panic!("{start}")).1
    };
    assert_eq!(of("Which people are blocked")[0]["profile"], "user:eve");
    assert_eq!(of("What died in the last hour")[0]["events"], 1);
    let order = of("Did an order reach Klaviyo");
    assert_eq!(
        (&order[0]["status"], &order[0]["attempts"]),
        (&json!("delivered"), &json!(2))
    );
    assert_eq!(of("How late are we")[0]["delivered"], 2);
    assert_eq!(of("How many retries")[0]["http_status"], 503);
    let refused = of("What did Klaviyo refuse")[0]["error"].as_str().unwrap();
    assert!(refused.contains("This metric is not wanted."), "{refused}");
    let list = &of("Who was subscribed")[0];
    assert_eq!(
        (&list["list"], &list["profile"]),
        (&json!("Xy12Z9"), &json!("user:ann"))
    );
    assert_eq!(of("What was skipped")[0]["type"], "page");
    klaviyo.behave().await;
}
