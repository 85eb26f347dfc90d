//! Daemons whose outbox has something to show on every page, and who is in it.

use serde_json::{Value, json};

use crate::support::{Daemon, count, eventually};

/// Orders that are delivered, of a person each.
pub(super) const ORDERS: u64 = 60;
/// Events that Klaviyo refuses, of a person each.
pub(super) const REFUSED: u64 = 3;
/// The event that others of its person wait behind.
pub(super) const BLOCKER: u64 = ORDERS + REFUSED + 1;

/// A daemon in front of the sandbox in the program, with events in every state.
pub(super) async fn open(settings: &str) -> Daemon {
    let settings = format!("{settings}\n[delivery.after_dead_for]\n\"Parcel Lost\" = \"hold\"");
    let daemon = Daemon::start_alone(&settings).await;
    let mut batch: Vec<Value> = (1..=ORDERS).map(order).collect();
    batch.extend((1..=REFUSED).map(refused));
    batch.push(refused_as("waiting", "Parcel Lost", "w-0"));
    for number in 1..=3 {
        batch.push(json!({
            "type": "track", "messageId": format!("w-{number}"), "userId": "waiting", "event": "Parcel Found",
            "properties": { "number": number },
        }));
    }
    batch.push(json!({
        "type": "identify", "messageId": "i-1", "userId": "u1",
        "traits": { "email": "person1@klaviyo-demo.com", "firstName": "Ada", "phone": "+4915112345678", "plan": "gold" },
    }));
    batch.push(json!({ "type": "page", "messageId": "p-1", "anonymousId": "nobody", "name": "Home" }));
    daemon.send("/v1/batch", &json!({ "batch": batch })).await;
    let outbox = daemon.outbox().await;
    eventually("all is done that can be", || async {
        let status = outbox.counts().await.unwrap();
        let counts = ["dead", "pending"].map(|name| count(&status, name));
        (counts == [i64::try_from(REFUSED).unwrap() + 1, 3]).then_some(())
    })
    .await;
    let last = BLOCKER + 3;
    let held = daemon.command(&["hold", "--id", &last.to_string()]);
    assert!(held.status.success(), "{held:?}");
    daemon
}

/// An order of a person of its own, whose number is A-1001 and so on.
pub(super) fn order(number: u64) -> Value {
    json!({
        "type": "track", "messageId": format!("m-{number}"), "userId": format!("u{number}"), "event": "Order Completed",
        "context": { "traits": { "email": format!("person{number}@klaviyo-demo.com") } },
        "properties": {
            "order_id": format!("A-10{number:02}"), "total": 39.95, "currency": "EUR",
            "products": [{ "name": "Kettle", "product_id": "P-1", "price": 39.95, "quantity": 1 }],
        },
    })
}

/// Another event of an order.
pub(super) fn refund(number: u64) -> Value {
    json!({
        "type": "track", "messageId": format!("r-{number}"), "userId": format!("u{number}"), "event": "Order Refunded",
        "properties": { "order_id": format!("A-10{number:02}"), "total": 39.95, "currency": "EUR" },
    })
}

/// Somebody who is to be put on a list.
pub(super) fn subscriber(number: i64) -> Value {
    json!({
        "type": "identify", "messageId": format!("s-{number}"), "userId": format!("s{number}"),
        "traits": { "email": format!("subscriber{number}@klaviyo-demo.com") },
    })
}

/// What no page may take for markup.
pub(super) const SCRIPT: &str = "<script>window.hacked=1</script>";

/// An event that is made of markup and script; refused, it is with words that are too.
pub(super) fn hostile(message: &str, refused: bool) -> Value {
    let all = format!("{SCRIPT}<img src=x onerror=window.hacked=1>\"'></textarea></title><svg onload=window.hacked=1>");
    let link = "javascript:window.hacked=1";
    let mut call = json!({
        "type": "track", "messageId": format!("{message}{all}"), "userId": format!("{all}{refused}"), "event": SCRIPT,
        "context": { "page": { "url": link, "title": all }, "traits": { "firstName": all, "website": link } },
        "properties": { all.as_str(): all, "order_id": format!("{message}{all}"), "url": link, "image_url": link },
    });
    if refused {
        let words = json!({ "errors": [{
            "id": all, "status": 400, "code": SCRIPT, "title": SCRIPT, "detail": SCRIPT, "source": { "pointer": all },
        }]});
        call["properties"]["sandbox_script"] = json!([{ "status": 400, "body": words }]);
    }
    call
}

fn refused(number: u64) -> Value {
    refused_as(&format!("coupon{number}"), "Coupon Used", &format!("c-{number}"))
}

/// An event that the sandbox refuses once.
fn refused_as(user: &str, event: &str, message: &str) -> Value {
    json!({
        "type": "track", "messageId": message, "userId": user, "event": event,
        "properties": { "sandbox_script": [400], "code": message },
    })
}
