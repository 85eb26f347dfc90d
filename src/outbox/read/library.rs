//! The library that sent an event: `context.library` of its call, or else of its batch.

use std::collections::HashMap;

use crate::model::EventId;
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;
use crate::outbox::rows;

/// The longest text that is parsed, in bytes. Ingest accepts larger calls and stores them as dead.
const LONGEST: i64 = 1 << 17;

/// ?1: JSON array of event ids; ?2: the longest text. SQLite parses one text at a time and loads none into this
/// program.
const LIBRARIES: &str = "
    SELECT event_id, substr(CAST(library ->> '$.name' AS TEXT), 1, 100) AS name,
           substr(CAST(library ->> '$.version' AS TEXT), 1, 40) AS version
    FROM (SELECT p.event_id,
                 coalesce(CASE WHEN octet_length(p.body) <= ?2 AND json_valid(p.body) THEN p.body -> '$.context.library' END,
                          CASE WHEN octet_length(e.body) <= ?2 AND json_valid(e.body) THEN e.body -> '$.context.library' END) AS library
          FROM json_each(?1) AS j
          JOIN payload AS p ON p.event_id = j.value
          LEFT JOIN envelope AS e ON e.id = p.envelope_id)
    WHERE name IS NOT NULL";

impl Reader {
    /// The libraries that sent these events, each as `name version`. Left out: an event whose call was deleted, is very
    /// long or names no library.
    pub async fn libraries(&self, events: &[EventId]) -> Result<HashMap<EventId, String>, ReadError> {
        let libraries = sqlx::query_as(LIBRARIES).bind(rows::ids(events)).bind(LONGEST);
        let libraries: Vec<(EventId, String, Option<String>)> =
            self.store.all("the libraries of events", libraries).await?;
        let named = libraries.into_iter().map(|(event, name, version)| match version {
            Some(version) => (event, format!("{name} {version}")),
            None => (event, name),
        });
        Ok(named.collect())
    }
}
