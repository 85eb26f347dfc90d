//! Klaviyo's `filter` parameter, as far as the sandbox answers it: `equals`, `any`, and `and` of those.
//!
//! Pure.

use serde_json::Value;

use super::Result;
use crate::sandbox::answer::Refusal;

/// A field and the values it may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) field: String,
    pub(super) values: Vec<String>,
}

/// Reads a filter over the given fields; all conditions must hold.
pub(super) fn read(text: &str, fields: &[&str]) -> Result<Vec<Condition>> {
    let Some(conditions) = all(text) else {
        let detail = "The sandbox reads equals(field,\"value\"), any(field,[\"value\"]) and and(..) of those.";
        return Err(vec![Refusal::parameter("filter", detail)]);
    };
    match conditions.iter().find(|one| !fields.contains(&one.field.as_str())) {
        Some(other) => {
            let detail = format!("'{}' cannot be filtered by; use {}.", other.field, fields.join(", "));
            Err(vec![Refusal::parameter("filter", detail)])
        }
        None => Ok(conditions),
    }
}

fn all(text: &str) -> Option<Vec<Condition>> {
    let mut found = Vec::new();
    let rest = several(text, &mut found)?;
    rest.is_empty().then_some(found)
}

/// One expression after another, separated by commas.
fn several<'a>(text: &'a str, found: &mut Vec<Condition>) -> Option<&'a str> {
    let mut rest = one(text.trim_start(), found)?;
    while let Some(next) = rest.trim_start().strip_prefix(',') {
        rest = one(next.trim_start(), found)?;
    }
    Some(rest.trim_start())
}

fn one<'a>(text: &'a str, found: &mut Vec<Condition>) -> Option<&'a str> {
    if let Some(inner) = text.strip_prefix("and(") {
        // An `and` in an `and` means no more than one alone; refused, so that depth stays bounded.
        if inner.trim_start().starts_with("and(") {
            return None;
        }
        return several(inner, found)?.strip_prefix(')');
    }
    let inner = text.strip_prefix("equals(").or_else(|| text.strip_prefix("any("))?;
    let (field, rest) = inner.split_once(',')?;
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    let value = values.next()?.ok()?;
    let rest = rest.get(values.byte_offset()..)?;
    let items = match value {
        Value::Array(items) => items,
        single @ (Value::String(_) | Value::Number(_) | Value::Bool(_)) => vec![single],
        Value::Null | Value::Object(_) => return None,
    };
    found.push(Condition {
        field: field.trim().to_owned(),
        values: items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect::<Option<_>>()?,
    });
    rest.trim_start().strip_prefix(')')
}
