//! An event with its call as one line of JSON that `import` can read: the format of `export` and the page's download.

use serde_json::json;

use crate::escape;
use crate::ingest::EXPORTED;
use crate::outbox::ExportedEvent;
use crate::segment::redact_write_key;

/// An event as the body of a batch with one call and the batch's own fields. The relay's own data about the event is in
/// separate members. Values are those of the call. Control characters that a terminal would execute are written as JSON
/// escapes.
pub fn exported_line(event: &ExportedEvent) -> String {
    let known = json!(event);
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
    // Line breaks here are between tokens: inside a string JSON writes them as escapes.
    escape::json(&line.replace(['\n', '\r'], " ")).into_owned() + "\n"
}
