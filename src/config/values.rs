//! The kinds of value a key can have: durations, sizes, numbers, addresses, words, and the ranges they keep to.
//!
//! Every kind reads one form, prints its range in that same form, and falls back to the default when the key is
//! absent. Uses no other module.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use hyper::http::uri::Authority;
use ipnet::IpNet;
use toml::de::DeValue;

use super::section::{Entry, Section};
use super::suggest::shown;

/// The units of a duration, the smallest first, in milliseconds.
const DURATION_UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// The units of a size, the smallest first, in bytes; those to print come first.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// How many of [`SIZE_UNITS`] are binary.
const BINARY_UNITS: usize = 5;

impl Section<'_> {
    /// A span of time: `"500ms"`, `"30s"`, `"10m"`, `"24h"`, `"30d"`.
    pub(super) fn duration(&self, key: &'static str, default: Duration, range: RangeInclusive<Duration>) -> Duration {
        let allowed = format!(
            "a duration in quotes from {:?} to {:?}, with the unit ms, s, m, h or d",
            duration_text(*range.start()),
            duration_text(*range.end())
        );
        self.value(key, &allowed, |entry| {
            let text = entry.text()?;
            let value = duration(text).map_err(|why| format!("is {}, {why}", shown(text)))?;
            within(entry, value, &range)
        })
        .unwrap_or(default)
    }

    /// A number of bytes: `262144`, `"256KiB"`, `"4MiB"`, `"1GB"`.
    pub(super) fn bytes(&self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let allowed = format!(
            "a number of bytes, or a size in quotes such as \"256KiB\", \"4MiB\" or \"1GB\", from {} to {}",
            size_text(*range.start()),
            size_text(*range.end())
        );
        self.value(key, &allowed, |entry| {
            let value = match entry.value().as_str() {
                Some(text) => size(text).map_err(|why| format!("is {}, {why}", shown(text)))?,
                None => whole_number(entry)?,
            };
            within(entry, value, &range)
        })
        .unwrap_or(default)
    }

    /// A whole number.
    pub(super) fn count(&self, key: &'static str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        self.value(key, &allowed, |entry| {
            let value = u32::try_from(whole_number(entry)?).unwrap_or(u32::MAX);
            within(entry, value, &range)
        })
        .unwrap_or(default)
    }

    /// A part of a whole: a number with a point, or 1.
    pub(super) fn part(&self, key: &'static str, default: f64, range: RangeInclusive<f64>) -> f64 {
        let allowed = format!("a number from {} to {}", range.start(), range.end());
        self.value(key, &allowed, |entry| within(entry, number(entry)?, &range))
            .unwrap_or(default)
    }

    /// `true` or `false`.
    pub(super) fn yes_or_no(&self, key: &'static str, default: bool) -> bool {
        self.value(key, "true or false, without quotes", |entry| {
            let value = entry.value().as_bool();
            value.ok_or_else(|| format!("{}, neither true nor false", entry.describe()))
        })
        .unwrap_or(default)
    }

    /// An IP address and a port to listen on. Port 0 lets the system choose one.
    pub(super) fn address(&self, key: &'static str, default: SocketAddr) -> SocketAddr {
        let allowed = "an IP address and a port in quotes, such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
        self.value(key, allowed, |entry| {
            let text = entry.text()?;
            text.parse().map_err(|_| format!("is {}, not an address", shown(text)))
        })
        .unwrap_or(default)
    }

    /// Networks, each by its address and the length of its prefix, or a single address.
    pub(super) fn networks(&self, key: &'static str, default: Vec<IpNet>) -> Vec<IpNet> {
        let allowed =
            "a list of addresses and networks in quotes, such as [\"10.0.0.7\", \"192.168.0.0/16\", \"fd00::/8\"]";
        let networks = self.list(key, allowed, |item| {
            let text = item.text()?;
            let address = text.parse::<IpAddr>().map(IpNet::from);
            let network = address.or_else(|_| text.parse::<IpNet>());
            network.map_err(|_| format!("is {}, neither an address nor a network", shown(text)))
        });
        networks.unwrap_or(default)
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(&self, key: &'static str, words: &[(&str, T)], default: T) -> T {
        let allowed: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        self.value(key, &allowed.join(" or "), |entry| {
            let text = entry.text()?;
            let found = words.iter().find(|(word, _)| *word == text);
            found
                .map(|(_, value)| *value)
                .ok_or_else(|| format!("is {}, none of its words", shown(text)))
        })
        .unwrap_or(default)
    }

    /// A list of texts, none of them blank.
    pub(super) fn texts(&self, key: &'static str, allowed: &str) -> Option<Vec<String>> {
        self.list(key, allowed, |item| not_blank(item))
    }
}

/// Text with something in it.
pub(super) fn not_blank(entry: &Entry<'_>) -> Result<String, String> {
    let text = entry.text()?.trim();
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(text.to_owned())
}

fn whole_number(entry: &Entry<'_>) -> Result<u64, String> {
    let number = match entry.value() {
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix()).ok(),
        DeValue::String(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    };
    let number = number.ok_or_else(|| format!("{}, not a whole number", entry.describe()))?;
    u64::try_from(number).map_err(|_| format!("{}, out of range", entry.describe()))
}

fn number(entry: &Entry<'_>) -> Result<f64, String> {
    let number = match entry.value() {
        DeValue::Float(number) => number.as_str().parse().ok(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
        DeValue::Integer(_)
        | DeValue::String(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    };
    number.ok_or_else(|| format!("{}, not a number", entry.describe()))
}

fn within<T: PartialOrd>(entry: &Entry<'_>, value: T, range: &RangeInclusive<T>) -> Result<T, String> {
    if range.contains(&value) {
        Ok(value)
    } else {
        Err(format!("{}, out of range", entry.describe()))
    }
}

fn duration(text: &str) -> Result<Duration, &'static str> {
    scaled(text, &DURATION_UNITS)
        .map(Duration::from_millis)
        .map_err(|fault| match fault {
            Fault::NoNumber => "which does not begin with a whole number",
            Fault::NoUnit => "which has no unit that is known",
            Fault::TooLarge => "which is too long",
        })
}

fn size(text: &str) -> Result<u64, &'static str> {
    scaled(text, &SIZE_UNITS).map_err(|fault| match fault {
        Fault::NoNumber => "which does not begin with a whole number",
        Fault::NoUnit => "which has no unit that is known",
        Fault::TooLarge => "which is too large",
    })
}

enum Fault {
    NoNumber,
    NoUnit,
    TooLarge,
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Result<u64, Fault> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(Fault::NoNumber);
    }
    let unit = unit.trim();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or(Fault::NoUnit)?;
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(*factor))
        .ok_or(Fault::TooLarge)
}

/// A duration in the largest unit that leaves no rest: the form the file takes.
pub(super) fn duration_text(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    in_largest_unit(millis, &DURATION_UNITS)
}

/// A size in the largest binary unit that leaves no rest.
pub(super) fn size_text(bytes: u64) -> String {
    if bytes == 0 {
        return "0".to_owned();
    }
    in_largest_unit(bytes, &SIZE_UNITS[..BINARY_UNITS])
}

fn in_largest_unit(value: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| value.is_multiple_of(*factor);
    match units.iter().rev().find(fits) {
        Some((unit, factor)) => join(value / factor, unit),
        None => value.to_string(),
    }
}

fn join(number: impl Display, unit: &str) -> String {
    format!("{number}{unit}")
}

/// Host and port, or the host alone: no user name, no colon without a port, no port over 65535.
pub(crate) fn has_plain_port(authority: &Authority) -> bool {
    authority.port_u16().is_some() || authority.as_str() == authority.host()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_whole_number_and_a_unit() {
        for (text, millis) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("10m", 600_000),
            ("24h", 86_400_000),
            ("30d", 2_592_000_000),
            (" 5 s ", 5_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "s",
            "30",
            "1.5h",
            "-1s",
            "10 min",
            "30S",
            "1h30m",
            "99999999999999999999d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_is_binary_or_decimal_by_its_unit() {
        for (text, bytes) in [
            ("256KiB", 262_144),
            ("4MiB", 4_194_304),
            ("1GB", 1_000_000_000),
            ("12 B", 12),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "4", "4M", "4mib", "0.5GB", "18446744073709551615TB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_is_printed_in_the_form_that_is_read() {
        for text in ["1ms", "90s", "10m", "36h", "30d"] {
            assert_eq!(duration(text).map(duration_text).as_deref(), Ok(text));
        }
        for text in ["1000B", "256KiB", "5GiB"] {
            assert_eq!(size(text).map(size_text).as_deref(), Ok(text));
        }
        assert_eq!(duration_text(Duration::ZERO), "0s");
    }
}
