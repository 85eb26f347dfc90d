//! The values of the filters: how each is parsed, listed and described, and what is wrong with an invalid one. Pure.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use schemars::{Schema, SchemaGenerator, json_schema};

use super::super::time_expr::NoTime;
use super::Filter;
use crate::model::{EventStatus, EventType, Identifier};
use crate::outbox::Selection;

/// Valid event numbers.
const NUMBERS: RangeInclusive<i64> = 1..=Filter::LARGEST_ID;

/// Why the value of a filter is invalid. The text continues a sentence that starts with the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It has no value, which may be a mistake: without the filter, more events would be selected.
    #[error("is empty; leave it out, or give it a value")]
    Empty,
    /// Its key is set already.
    #[error("is given twice; once is meant")]
    Twice,
    /// The key is none of [`Filter::KEYS`].
    #[error("is no filter; there are: {}", Filter::KEYS.join(", "))]
    Unknown,
    /// It is not the number of an event.
    #[error("is the number of an event, or several with commas between them")]
    Number,
    /// It is not a status.
    #[error(
        "is one of {}, or several with commas between them",
        words(EventStatus::ALL, EventStatus::word)
    )]
    Status,
    /// It is not a type of call.
    #[error("is one of {}", words(EventType::ALL, EventType::word))]
    Type,
    /// It is not a time.
    #[error(transparent)]
    Time(#[from] NoTime),
    /// It cannot name a person.
    #[error("names nobody; give a user id, an anonymous id, an e-mail or a phone")]
    Nobody,
    /// It cannot name an order.
    #[error("names no order; give the id of one")]
    NoOrder,
}

/// A person: a word, and the identifiers that it can mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileFilter {
    word: String,
    identifiers: Vec<Identifier>,
}

/// An order: the spellings of its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFilter(Vec<String>);

impl ProfileFilter {
    /// One at least.
    pub fn identifiers(&self) -> &[Identifier] {
        &self.identifiers
    }
}

impl fmt::Display for ProfileFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word)
    }
}

impl OrderFilter {
    /// One at least.
    pub(super) fn spellings(&self) -> &[String] {
        &self.0
    }
}

impl FromStr for ProfileFilter {
    type Err = FilterError;

    fn from_str(word: &str) -> Result<Self, FilterError> {
        let identifiers = Selection::people(word);
        if identifiers.is_empty() {
            return Err(FilterError::Nobody);
        }
        let word = word.to_owned();
        Ok(Self { word, identifiers })
    }
}

impl FromStr for OrderFilter {
    type Err = FilterError;

    fn from_str(word: &str) -> Result<Self, FilterError> {
        let orders = Selection::orders(word);
        if orders.is_empty() {
            return Err(FilterError::NoOrder);
        }
        Ok(Self(orders))
    }
}

/// Parses the number of an event.
pub fn event_number(text: &str) -> Result<i64, FilterError> {
    let number = text.trim().parse().ok();
    number
        .filter(|number| NUMBERS.contains(number))
        .ok_or(FilterError::Number)
}

pub(super) fn state(word: &str) -> Result<EventStatus, FilterError> {
    EventStatus::from_word(word).ok_or(FilterError::Status)
}

pub(super) fn status() -> impl TypedValueParser<Value = EventStatus> {
    one_of(
        EventStatus::ALL.iter().map(|status| status.word()),
        EventStatus::from_word,
    )
}

pub(super) fn kind() -> impl TypedValueParser<Value = EventType> {
    one_of(EventType::ALL.iter().map(|kind| kind.word()), EventType::from_word)
}

/// A parser that accepts only these words; help and completions list them.
pub fn one_of<T: Clone + Send + Sync + 'static>(
    words: impl Iterator<Item = &'static str>,
    read: fn(&str) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    let words = PossibleValuesParser::new(words.collect::<Vec<_>>());
    words.try_map(move |word| read(&word).ok_or("is none of these words"))
}

pub(super) fn status_schema(_: &mut SchemaGenerator) -> Schema {
    states_schema(EventStatus::ALL)
}

/// A list of some of these states, or one of them as a string.
pub fn states_schema(states: &[EventStatus]) -> Schema {
    let words: Vec<&str> = states.iter().map(|status| status.word()).collect();
    let one = format!("^({})$", words.join("|"));
    json_schema!({"type": ["array", "string"], "minItems": 1, "items": {"enum": words}, "pattern": one})
}

fn words<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str) -> String {
    let words: Vec<&str> = all.iter().map(|one| word(*one)).collect();
    words.join(", ")
}
