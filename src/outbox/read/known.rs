//! Which calls were stored before.

use serde_json::json;

use crate::model::NewEvent;
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;
use crate::outbox::intake::fingerprint::{fingerprint, other_id};
use crate::outbox::rows::storable;

/// The positions of the events that are copies, with one lookup in the primary key for each id. CROSS JOIN fixes the
/// join order: otherwise SQLite reads all messages of the source. ?1: the source; ?2: JSON array of (message id, new
/// id, fingerprint) of each event.
pub(in crate::outbox) const KNOWN: &str = "
    SELECT j.key FROM json_each(?2) AS j CROSS JOIN message AS m
    ON m.source = ?1 AND m.message_id IN (j.value ->> 0, j.value ->> 1)
    WHERE coalesce(m.fingerprint = j.value ->> 2, 1)";

impl Reader {
    /// Whether each of these events of one source is a copy of a stored event.
    pub async fn known(&self, source: &str, events: &[NewEvent]) -> Result<Vec<bool>, ReadError> {
        let ids = events.iter().map(|event| {
            let (id, fingerprint) = (&event.message_id, fingerprint(event));
            let id = storable(id);
            json!([id, other_id(&id, fingerprint), fingerprint])
        });
        let ids: Vec<_> = ids.collect();
        let known = sqlx::query_scalar(KNOWN).bind(source).bind(json!(ids).to_string());
        let known: Vec<i64> = self.store.values("known message ids", known).await?;
        let mut is_known = vec![false; events.len()];
        for place in known.into_iter().filter_map(|place| usize::try_from(place).ok()) {
            is_known[place] = true;
        }
        Ok(is_known)
    }
}
