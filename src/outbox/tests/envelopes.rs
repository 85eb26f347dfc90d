//! Envelopes: what a batch has around its calls.

use std::sync::Arc;

use super::{NOW, claim_all, count, event, files, finish};
use crate::model::{EventId, EventStatus, Identifier, IdentifierKind, NewEvent};

#[tokio::test]
async fn the_envelope_of_a_batch_is_stored_once_and_deleted_with_its_last_call() {
    let files = files();
    let outbox = files.open().await;
    let around = |text: &str, messages: &[&str]| {
        let envelope = Some(text.into());
        let with = |message: &&str| NewEvent {
            envelope: envelope.clone(),
            ..event(message, &[message])
        };
        messages.iter().map(with).collect::<Vec<_>>()
    };
    let first = around("{\"context\":1}", &["a", "b"]);
    let mut both = first.clone();
    both.push(event("alone", &["c"]));
    both.extend(around("{\"context\":2}", &["d"]));
    outbox.intake().append(both).await.unwrap();
    // A batch of copies only stores no envelope. A batch with one new call stores its envelope for that call.
    outbox.intake().append(first).await.unwrap();
    outbox
        .intake()
        .append(around("{\"context\":3}", &["a", "e"]))
        .await
        .unwrap();
    let stored: Vec<String> = sqlx::query_scalar("SELECT body FROM envelope ORDER BY id")
        .fetch_all(&outbox.store.readers)
        .await
        .unwrap();
    assert_eq!(stored, ["{\"context\":1}", "{\"context\":2}", "{\"context\":3}"]);
    let ids = claim_all(&outbox).await;
    let ids: Vec<EventId> = ids.into_iter().map(EventId).collect();
    let events = outbox.claimed(&ids).await.unwrap();
    let read: Vec<(&str, Option<&str>)> = events
        .iter()
        .map(|event| (event.message_id.as_str(), event.envelope.as_deref()))
        .collect();
    assert_eq!(
        read,
        [
            ("a", Some("{\"context\":1}")),
            ("b", Some("{\"context\":1}")),
            ("alone", None),
            ("d", Some("{\"context\":2}")),
            ("e", Some("{\"context\":3}")),
        ]
    );
    let shared: Vec<_> = events.iter().filter_map(|event| event.envelope.as_ref()).collect();
    assert!(Arc::ptr_eq(shared[0], shared[1]));
    for id in &ids {
        finish(&outbox, id.0, EventStatus::Delivered).await;
    }
    let user = |user: &str| Identifier::new(IdentifierKind::UserId, user).unwrap();
    outbox.erase(NOW, vec![user("a")]).await.unwrap();
    assert_eq!(count(&outbox, "SELECT count(*) FROM envelope").await, 3);
    outbox.erase(NOW, vec![user("b")]).await.unwrap();
    assert_eq!(count(&outbox, "SELECT count(*) FROM envelope").await, 2);
}
