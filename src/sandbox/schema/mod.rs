//! The strict check of a request's document, on the raw JSON: an independent reading of Klaviyo's description, which
//! shares no type and no limit with the program's own requests, so that a mistake in those cannot hide here.
//!
//! Promises that every unknown attribute, wrong type and broken limit is found, with a pointer to its place. Pure.

mod events;
mod profiles;
mod subscriptions;
mod texts;
mod values;

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::answer::Refusal;
use crate::json::member;
use crate::model::Timestamp;

pub(crate) use events::{BULK_EVENTS, EVENT};
pub(crate) use profiles::{BULK_IMPORT, DELETION, IDENTIFIERS, IMPORT, LIST_MEMBERS};
pub(crate) use subscriptions::SUBSCRIPTIONS;
pub(crate) use texts::read_time;

use texts::Text;

/// The most errors that one request is answered with.
const MOST_REFUSALS: usize = 100;

/// What a JSON value must look like.
pub(crate) enum Shape {
    /// An object of exactly these members.
    Object(&'static [Field]),
    /// An object of any members: custom properties, within the limits on values.
    Open {
        /// Whether the limit on the number of event properties holds for it.
        event: bool,
    },
    /// An object of any members and no limits: what no page describes.
    Anything,
    /// An array.
    List {
        of: &'static Shape,
        least: usize,
        most: usize,
    },
    /// A string under a rule.
    Text(Text),
    /// A number; a numeric string is none.
    Number,
    /// A number or a string: latitudes and longitudes.
    NumberOrText,
    /// A string or an array of strings.
    TextOrTexts,
    /// true or false.
    Bool,
    /// This very string.
    Word(&'static str),
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A shape that takes at most so many bytes as compact JSON.
    Sized {
        what: &'static str,
        bytes: usize,
        shape: &'static Shape,
    },
}

/// A member of an object.
pub(crate) struct Field {
    name: &'static str,
    need: Need,
    span: Span,
    shape: &'static Shape,
}

/// Whether a member must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// It must be there and not be null.
    Must,
    /// It may be absent or null.
    May,
    /// It may be absent, and must not be null.
    Some,
}

/// The revisions that know a member.
#[derive(Clone, Copy)]
enum Span {
    Always,
    From(Date),
    Before(Date),
    Between(Date, Date),
    /// It was optional before this revision and is required from it on.
    RequiredFrom(Date),
}

impl Span {
    fn covers(self, revision: Date) -> bool {
        match self {
            Self::Always | Self::RequiredFrom(_) => true,
            Self::From(first) => revision >= first,
            Self::Before(end) => revision < end,
            Self::Between(first, end) => revision >= first && revision < end,
        }
    }
}

/// `Must "name": SHAPE; May "other": SHAPE, span;` as an object shape.
macro_rules! object {
    ($($need:ident $name:literal : $shape:expr $(, $span:expr)?;)*) => {
        $crate::sandbox::schema::Shape::Object(&[$($crate::sandbox::schema::Field {
            name: $name,
            need: $crate::sandbox::schema::Need::$need,
            span: object!(@span $($span)?),
            shape: &$shape,
        }),*])
    };
    (@span) => { $crate::sandbox::schema::Span::Always };
    (@span $span:expr) => { $span };
}
use object;

/// A walk over one document.
pub(crate) struct Check {
    /// The revision whose shapes hold.
    pub(crate) revision: Date,
    /// The time that limits on times are measured from.
    pub(crate) now: Timestamp,
    refusals: Vec<Refusal>,
}

impl Check {
    /// A check that has found nothing yet.
    pub(crate) const fn new(revision: Date, now: Timestamp) -> Self {
        Self {
            revision,
            now,
            refusals: Vec::new(),
        }
    }

    /// Notes that something is wrong.
    pub(crate) fn refuse(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.refusals.len() < MOST_REFUSALS {
            self.refusals.push(Refusal::invalid(pointer, detail));
        }
    }

    /// Whether nothing was found wrong so far.
    pub(crate) fn is_clean(&self) -> bool {
        self.refusals.is_empty()
    }

    /// Everything found wrong, or nothing.
    pub(crate) fn finish(self) -> Result<(), Vec<Refusal>> {
        if self.refusals.is_empty() {
            Ok(())
        } else {
            Err(self.refusals)
        }
    }

    /// Compares `value` at `pointer` with `shape`.
    pub(crate) fn shape(&mut self, shape: &Shape, value: &Value, pointer: &str) {
        match shape {
            Shape::Object(fields) => self.object(fields, value, pointer),
            Shape::Open { event } => self.open(*event, value, pointer),
            Shape::Anything => self.kind(value.is_object(), "an object", pointer),
            Shape::List { of, least, most } => self.list(of, (*least, *most), value, pointer),
            Shape::Text(rule) => self.text(*rule, value, pointer),
            Shape::Number => self.number(value, pointer),
            Shape::NumberOrText => {
                if value.is_number() {
                    self.number(value, pointer);
                } else {
                    self.kind(value.is_string(), "a number or a string", pointer);
                }
            }
            Shape::TextOrTexts => {
                let texts = value.as_array().is_some_and(|items| items.iter().all(Value::is_string));
                let right = texts || value.is_string();
                self.kind(right, "a string or an array of strings", pointer);
            }
            Shape::Bool => self.kind(value.is_boolean(), "a boolean", pointer),
            Shape::Word(word) => {
                if value.as_str() != Some(word) {
                    self.refuse(pointer, format!("This must be '{word}'."));
                }
            }
            Shape::OneOf(words) => {
                if !value.as_str().is_some_and(|text| words.contains(&text)) {
                    self.refuse(pointer, format!("This must be one of: {}.", words.join(", ")));
                }
            }
            Shape::Sized { what, bytes, shape } => {
                if value.to_string().len() > *bytes {
                    self.refuse(pointer, format!("{what} is larger than {bytes} bytes."));
                }
                self.shape(shape, value, pointer);
            }
        }
    }

    fn object(&mut self, fields: &[Field], value: &Value, pointer: &str) {
        let Some(members) = value.as_object() else {
            return self.kind(false, "an object", pointer);
        };
        for (name, value) in members {
            let field = fields
                .iter()
                .find(|field| field.name == name && field.span.covers(self.revision));
            let pointer = member(pointer, name);
            match field {
                None => self.refuse(pointer, format!("'{name}' is not a valid field here.")),
                Some(field) if value.is_null() => {
                    if field.need != Need::May {
                        self.refuse(pointer, "This field may not be null.");
                    }
                }
                Some(field) => self.shape(field.shape, value, &pointer),
            }
        }
        self.absent(fields, members, pointer);
    }

    fn absent(&mut self, fields: &[Field], members: &Map<String, Value>, pointer: &str) {
        for field in fields {
            let since = match field.span {
                Span::RequiredFrom(first) => self.revision >= first,
                Span::Always | Span::From(_) | Span::Before(_) | Span::Between(..) => field.span.covers(self.revision),
            };
            if field.need == Need::Must && since && !members.contains_key(field.name) {
                self.refuse(member(pointer, field.name), "This field is required.");
            }
        }
    }

    fn list(&mut self, of: &Shape, bounds: (usize, usize), value: &Value, pointer: &str) {
        let Some(items) = value.as_array() else {
            return self.kind(false, "an array", pointer);
        };
        let (least, most) = bounds;
        if items.len() < least || items.len() > most {
            let detail = format!("This must have {least} to {most} items, and has {}.", items.len());
            return self.refuse(pointer, detail);
        }
        for (at, item) in items.iter().enumerate() {
            self.shape(of, item, &format!("{pointer}/{at}"));
        }
    }

    fn kind(&mut self, right: bool, expected: &str, pointer: &str) {
        if !right {
            self.refuse(pointer, format!("This must be {expected}."));
        }
    }
}
