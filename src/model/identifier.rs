//! The identifiers of a person on an event; the event is queued for each of them.

use std::fmt;

words! {
    /// The kinds of identifiers on a Segment call.
    IdentifierKind {
        /// `userId`: the shop's own id; Klaviyo's `external_id`.
        UserId = "user",
        /// `anonymousId`: a browser's or device's id from before the person was known.
        AnonymousId = "anonymous",
        /// An e-mail address, compared in lower case.
        Email = "email",
        /// A phone number, compared by its digits.
        Phone = "phone",
    }
}

/// One identifier of a person. Two events that share one are sent in the order in which they arrived.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identifier {
    kind: IdentifierKind,
    value: String,
}

impl Identifier {
    /// An identifier, normalised so that two spellings compare equal: e-mails trimmed and in lower case, phones reduced
    /// to `+` and digits, ids trimmed. `None` when nothing is left.
    pub fn new(kind: IdentifierKind, value: &str) -> Option<Self> {
        let value = match kind {
            IdentifierKind::Email => value.trim().to_lowercase(),
            IdentifierKind::Phone => value.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect(),
            IdentifierKind::UserId | IdentifierKind::AnonymousId => value.trim().to_owned(),
        };
        (!value.is_empty()).then_some(Self { kind, value })
    }

    /// Reads the form in which identifiers are written, such as `user:019mr8mf4r`.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, value) = text.split_once(':')?;
        Self::new(IdentifierKind::from_word(kind)?, value)
    }

    /// The kind of identifier.
    pub const fn kind(&self) -> IdentifierKind {
        self.kind
    }

    /// The normalised value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl fmt::Display for Identifier {
    /// `user:019mr8mf4r`: the form in which the outbox stores it and `--profile` takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.value)
    }
}

/// Ids that broken clients send for everybody (`null`, `undefined`, `0`, …). They identify nobody: they neither order
/// events nor name a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GarbageIds(Vec<String>);

impl GarbageIds {
    /// The values that broken clients are known to send; compared case-insensitively.
    pub const DEFAULT: [&'static str; 12] = [
        "null",
        "nil",
        "none",
        "undefined",
        "[object object]",
        "nan",
        "0",
        "-1",
        "false",
        "true",
        "anonymous",
        "00000000-0000-0000-0000-000000000000",
    ];

    /// A list of ids that identify nobody.
    pub fn new(ids: impl IntoIterator<Item = String>) -> Self {
        Self(ids.into_iter().map(|id| id.trim().to_lowercase()).collect())
    }

    /// The list, in lower case.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether this id identifies nobody: it is on the list, or blank.
    pub fn contains(&self, id: &str) -> bool {
        let id = id.trim().to_lowercase();
        id.is_empty() || self.0.contains(&id)
    }
}

impl Default for GarbageIds {
    fn default() -> Self {
        Self::new(Self::DEFAULT.map(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_one_name_are_one_identifier() {
        let email = |text| Identifier::new(IdentifierKind::Email, text);
        assert_eq!(email(" A@Example.com"), email("a@example.com"));
        let phone = |text| Identifier::new(IdentifierKind::Phone, text);
        assert_eq!(phone("+1 (555) 010-9999"), phone("+15550109999"));
        assert_eq!(Identifier::new(IdentifierKind::UserId, "  "), None);
    }

    #[test]
    fn an_identifier_is_written_with_its_kind() {
        let written = |kind| Identifier::new(kind, "7").unwrap().to_string();
        let all = IdentifierKind::ALL.iter().map(|kind| written(*kind));
        assert_eq!(all.collect::<Vec<_>>(), ["user:7", "anonymous:7", "email:7", "phone:7"]);
    }

    #[test]
    fn garbage_is_known_in_any_case() {
        let garbage = GarbageIds::default();
        for id in ["null", "NULL", " undefined ", "0", "", "[object Object]"] {
            assert!(garbage.contains(id), "{id}");
        }
        assert!(!garbage.contains("019mr8mf4r"));
    }
}
