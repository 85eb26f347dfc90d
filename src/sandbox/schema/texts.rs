//! The rules that strings of a request must keep: e-mails, phones, times, names.
//!
//! Pure. Source: Klaviyo's pages on events, profiles and dates; where they disagree the stricter reading holds.

use std::time::Duration;

use jiff::civil::{Date, date};
use serde_json::Value;

use super::Check;
use crate::model::Timestamp;

/// A string's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    /// Any string within the general limit.
    Any,
    /// A string that is not empty.
    Id,
    /// A shop's own id of a person: 1 to 255 characters.
    ExternalId,
    /// An e-mail address of at most 100 characters.
    Email,
    /// A phone number in E.164.
    Phone,
    /// An ISO 4217 code.
    Currency,
    /// An event's key: 1 to 255 characters.
    UniqueId,
    /// A metric's name: 1 to 127 characters.
    MetricName,
    /// A time an event may have.
    EventTime,
    /// A time that has passed.
    PastTime,
    /// A calendar date.
    Date,
}

/// Strings may have so many bytes.
pub(super) const MOST_TEXT_BYTES: usize = 100_000;
const MOST_EMAIL_CHARS: usize = 100;
const MOST_UNIQUE_ID_CHARS: usize = 255;
const MOST_EXTERNAL_ID_CHARS: usize = 255;
/// "Less than 128 characters."
const MOST_METRIC_CHARS: usize = 127;
/// From this revision on the earliest event is of 1990, before it of 2000.
const EARLIEST_1990_SINCE: Date = date(2026, 7, 15);
const LATEST_AFTER_NOW: Duration = Duration::from_hours(365 * 24);

impl Check {
    /// Compares a string with its rule.
    pub(super) fn text(&mut self, rule: Text, value: &Value, pointer: &str) {
        let Some(text) = value.as_str() else {
            return self.kind(false, "a string", pointer);
        };
        if text.len() > MOST_TEXT_BYTES {
            return self.refuse(pointer, "This string is larger than 100 KB.");
        }
        if let Some(detail) = self.broken(rule, text) {
            self.refuse(pointer, detail);
        }
    }

    fn broken(&self, rule: Text, text: &str) -> Option<&'static str> {
        let chars = text.chars().count();
        match rule {
            Text::Any => None,
            Text::Id => text.trim().is_empty().then_some("This must not be empty."),
            Text::ExternalId if text.trim().is_empty() => Some("This must not be empty."),
            Text::ExternalId => (chars > MOST_EXTERNAL_ID_CHARS).then_some("This must have at most 255 characters."),
            Text::Email if chars > MOST_EMAIL_CHARS => Some("An e-mail address has at most 100 characters."),
            Text::Email => (!is_email(text)).then_some("Invalid email address."),
            Text::Phone => {
                (!is_phone(text)).then_some("Invalid phone number format (Example of a valid format: +12345678901).")
            }
            Text::Currency => (!is_currency(text)).then_some("This must be an ISO 4217 code."),
            Text::UniqueId => {
                (chars == 0 || chars > MOST_UNIQUE_ID_CHARS).then_some("unique_id must have 1 to 255 characters.")
            }
            Text::MetricName => (text.trim().is_empty() || chars > MOST_METRIC_CHARS)
                .then_some("A metric's name must have 1 to 127 characters."),
            Text::EventTime => match read_time(text) {
                None => Some(NO_TIME),
                Some(time) => self.out_of_range(time),
            },
            Text::PastTime => match read_time(text) {
                None => Some(NO_TIME),
                Some(time) => (time >= self.now).then_some("This time must be in the past."),
            },
            Text::Date => (text.len() != 10 || read_time(text).is_none()).then_some("This must be a date, YYYY-MM-DD."),
        }
    }

    fn out_of_range(&self, time: Timestamp) -> Option<&'static str> {
        let (earliest, detail) = if self.revision >= EARLIEST_1990_SINCE {
            ("1990-01-01", "An event's time must be after 1990.")
        } else {
            ("2000-01-01", "An event's time must be after 2000.")
        };
        if read_time(earliest).is_some_and(|earliest| time <= earliest) {
            return Some(detail);
        }
        (time > self.now.plus(LATEST_AFTER_NOW)).then_some("An event's time must be at most one year from now.")
    }
}

const NO_TIME: &str = "This must be an ISO 8601 datetime; Unix timestamps are not accepted.";

/// Reads `2026-11-23`, or a date, `T`, a time of hours and perhaps minutes, seconds and a fraction, and perhaps `Z`
/// or an offset. What is missing is zero and UTC.
pub(crate) fn read_time(text: &str) -> Option<Timestamp> {
    let (date, clock) = match text.split_once('T') {
        Some((date, clock)) => (date, Some(clock)),
        None => (text, None),
    };
    let date_form = date.len() == 10 && date.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if !date_form {
        return None;
    }
    let Some(clock) = clock else {
        return Timestamp::parse(date);
    };
    let zone_at = clock.find(['Z', '+', '-']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(zone_at);
    let (whole, fraction) = match clock.split_once('.') {
        Some((whole, fraction)) => (whole, format!(".{fraction}")),
        None => (clock, String::new()),
    };
    let missing = match whole.len() {
        2 => ":00:00",
        5 => ":00",
        8 => "",
        _ => return None,
    };
    if !missing.is_empty() && !fraction.is_empty() {
        return None;
    }
    let zone = if zone.is_empty() { "Z" } else { zone };
    Timestamp::parse(&format!("{date}T{whole}{missing}{fraction}{zone}"))
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let odd = |c: char| c.is_whitespace() || c.is_control() || "()<>[]:;,\\\"".contains(c);
    let dots = |part: &str| part.starts_with('.') || part.ends_with('.') || part.contains("..");
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    !local.is_empty()
        && local.chars().count() <= 64
        && !local.contains('@')
        && !local.contains(odd)
        && !dots(local)
        && domain.contains('.')
        && domain.split('.').all(label)
        && domain
            .rsplit('.')
            .next()
            .is_some_and(|top| top.chars().count() >= 2 && !top.chars().all(|c| c.is_ascii_digit()))
}

fn is_phone(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_currency(text: &str) -> bool {
    iso_currency::Currency::from_code(text).is_some()
}
