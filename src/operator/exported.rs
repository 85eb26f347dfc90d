//! An event with its call as one line of JSON, such that `import` reads it back: what `export` writes and the page hands
//! out.

use serde_json::json;

use crate::escape;
use crate::ingest::EXPORTED;
use crate::outbox::ExportedEvent;
use crate::segment::redact_write_key;

/// An event as the body of a batch of one, with what its batch said around it; what the relay knows of it stands beside.
/// Its values are those of the call. What a terminal would obey is written as an escape of JSON.
pub fn exported_line(event: &ExportedEvent) -> String {
    let known = json!({
        "id": event.id.0, "source": event.source, "messageId": event.message_id, "type": event.kind,
        "at": event.at.to_string(), "status": event.status, "reason": event.reason,
    });
    let around = event.envelope.as_deref().map(str::trim);
    let around = around.and_then(|text| text.strip_prefix('{')?.strip_suffix('}'));
    let around = match around.map(str::trim) {
        None | Some("") => String::new(),
        Some(fields) => format!(",{fields}"),
    };
    let line = format!(
        "{{\"{EXPORTED}\":{known},\"receivedAt\":\"{}\"{around},\"batch\":[{}]}}",
        event.received_at,
        redact_write_key(&event.payload)
    );
    // Inside of a string JSON writes them as escapes: these stand between its parts.
    escape::json(&line.replace(['\n', '\r'], " ")).into_owned() + "\n"
}
