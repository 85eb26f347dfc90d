//! The part of a list that a request selects, by filter, size and cursor, and the answer with its next link.
//!
//! A cursor is the number of entries passed, which holds while nothing new is added.

use serde_json::{Value, json};

use super::filter::{self, Condition};
use super::{Query, Response, Result, unknown_parameter};
use crate::sandbox::answer::Refusal;

/// Which part of an answer is requested, and of what.
pub(super) struct Page {
    size: usize,
    passed: usize,
    conditions: Vec<Condition>,
    pub(super) ascending: bool,
}

impl Page {
    /// Reads the parameters of a list, filtered by some of `fields`, in pages of `size` and at most `most`.
    pub(super) fn read(query: &Query, fields: &[&str], size: usize, most: usize) -> Result<Self> {
        let mut page = Self {
            size,
            passed: 0,
            conditions: Vec::new(),
            ascending: false,
        };
        for (name, value) in query {
            match name.as_str() {
                "filter" => page.conditions = filter::read(value, fields)?,
                "page[size]" => {
                    let fits = value.parse().ok().filter(|size| (1..=most).contains(size));
                    let detail = format!("page[size] must be from 1 to {most}.");
                    page.size = fits.ok_or_else(|| vec![Refusal::parameter("page[size]", detail)])?;
                }
                "page[cursor]" => {
                    let detail = "This is no cursor of an earlier answer.";
                    page.passed = value
                        .parse()
                        .map_err(|_| vec![Refusal::parameter("page[cursor]", detail)])?;
                }
                "sort" => page.ascending = !value.starts_with('-'),
                // What narrows or widens the attributes shown is ignored: all of them are shown.
                "include" => {}
                name if name.starts_with("fields[") || name.starts_with("additional-fields[") => {}
                _ => return Err(unknown_parameter(name)),
            }
        }
        Ok(page)
    }

    /// Whether `value` of a field is selected.
    pub(super) fn wants(&self, field: &str, value: Option<&str>) -> bool {
        self.conditions
            .iter()
            .filter(|condition| condition.field == field)
            .all(|condition| value.is_some_and(|value| condition.values.iter().any(|v| v == value)))
    }

    /// The page as an answer, with the link to the next.
    pub(super) fn answer(&self, entries: impl Iterator<Item = Value>) -> Response {
        let mut entries = entries.skip(self.passed);
        let data: Vec<Value> = entries.by_ref().take(self.size).collect();
        let next = entries
            .next()
            .map(|_| format!("?page[cursor]={}", self.passed + self.size));
        Response::read(&json!({ "data": data, "links": { "next": next, "prev": null } }))
    }
}
