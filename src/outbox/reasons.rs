//! The codes of the reasons that the outbox itself gives. Their texts are in the statements that write them, in `sql/`
//! of each folder; a test holds that this list has the code of each.

use crate::model::ReasonCode;

/// An operator discarded the event.
pub const DISCARDED: &str = "discarded";
/// The person was erased, and with it the reason.
pub const ERASED: &str = "erased";
/// Another call of the source has the event's `messageId`.
pub const REUSED: &str = "message_id_reused";
/// The event was pending when the backup was made.
pub(super) const RESTORED: &str = "restored_from_backup";
/// A finished delete call erased its person here.
pub(super) const PERSON_ERASED: &str = "person_erased";

/// The codes, and what each stands for.
pub const CODES: &[ReasonCode] = &[
    code(
        REUSED,
        "Another call of the source came before with the same `messageId`.",
    ),
    code("held", "An operator holds the event."),
    code(
        RESTORED,
        "It was pending when the backup was made, so that it may be delivered already.",
    ),
    code(DISCARDED, "An operator discarded the event."),
    code(ERASED, "The person was erased, and the call and the reason with them."),
    code(PERSON_ERASED, "The call erased its person from the outbox."),
    code(
        "delivered_before",
        "An earlier generation of the event delivered the same request.",
    ),
    code(
        "event_id_delivered",
        "Another event delivered its `$event_id` for the same person.",
    ),
    code("interrupted", "The daemon ended while the request was in flight."),
    code("not_recorded", "The answer came and could not be recorded."),
];

const fn code(code: &'static str, about: &'static str) -> ReasonCode {
    ReasonCode { code, about }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the SQL below `src/outbox` sets `reason_code` to.
    fn written() -> Vec<String> {
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/outbox")];
        let mut written = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "sql") {
                    let sql = std::fs::read_to_string(path).unwrap();
                    let set = sql
                        .split("reason_code = ")
                        .skip(1)
                        .filter_map(|rest| rest.lines().next());
                    let literals = set.filter_map(|set| set.split('\'').nth(1));
                    written.extend(literals.filter(|word| *word != "reason_code").map(str::to_owned));
                }
            }
        }
        written
    }

    #[test]
    fn the_list_has_each_code_that_a_statement_writes() {
        let written = written();
        assert!(written.len() >= 8, "{written:?}");
        for code in written {
            assert!(CODES.iter().any(|known| known.code == code), "{code}");
        }
    }
}
