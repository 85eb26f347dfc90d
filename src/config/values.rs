//! The kinds of value a key can have: durations, sizes, numbers, addresses, words, and the ranges they keep to.
//!
//! Every kind reads one form, and prints its range and its values in that same form. Uses no other module.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use toml::de::{DeFloat, DeInteger};

use super::section::Entry;
use super::setting::{Setting, list, scalar, text};
use super::suggest::quoted;

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

/// A span of time: `"500ms"`, `"30s"`, `"10m"`, `"24h"`, `"30d"`.
pub(super) fn duration(range: RangeInclusive<Duration>) -> Setting<Duration> {
    let span = format!(
        "from {:?} to {:?}",
        duration_text(*range.start()),
        duration_text(*range.end())
    );
    let allowed = format!("a duration in quotes {span}, with the unit ms, s, m, h or d");
    let read = move |entry: &Entry<'_>| {
        let text = entry.text()?;
        let value = parse_duration(text).map_err(|why| format!("is {}, {why}", quoted(text)))?;
        within(entry, value, &range)
    };
    let literal = |value: &Duration| format!("{:?}", duration_text(*value));
    scalar(allowed, read, literal).form(format!("a duration {span}"))
}

/// An unsigned integer type that fits between 0 and [`u64::MAX`].
pub(super) trait UnsignedInteger: Copy + Display + TryFrom<u64> + TryInto<u64> + 'static {}

impl<N: Copy + Display + TryFrom<u64> + TryInto<u64> + 'static> UnsignedInteger for N {}

/// A number of bytes: `262144`, `"256KiB"`, `"4MiB"`, `"1GB"`.
pub(super) fn bytes<N: UnsignedInteger>(range: RangeInclusive<u64>) -> Setting<N> {
    let span = format!("from {} to {}", size_text(*range.start()), size_text(*range.end()));
    let allowed = format!("a number of bytes, or a size in quotes such as \"256KiB\", \"4MiB\" or \"1GB\", {span}");
    let read = move |entry: &Entry<'_>| {
        let value = match entry.value.as_str() {
            Some(text) => parse_size(text).map_err(|why| format!("is {}, {why}", quoted(text)))?,
            None => whole_number(entry)?,
        };
        fitting(entry, value, &range)
    };
    let literal = |value: &N| match (*value).try_into().unwrap_or(u64::MAX) {
        0 => "0".to_owned(),
        bytes => format!("{:?}", size_text(bytes)),
    };
    scalar(allowed, read, literal).form(format!("a size {span}"))
}

/// A whole number.
pub(super) fn count<N: UnsignedInteger>(range: RangeInclusive<u64>) -> Setting<N> {
    let allowed = format!("a whole number from {} to {}", range.start(), range.end());
    let read = move |entry: &Entry<'_>| fitting(entry, whole_number(entry)?, &range);
    scalar(allowed, read, N::to_string)
}

/// A part of a whole: a number with a point, or 1.
pub(super) fn fraction(range: RangeInclusive<f64>) -> Setting<f64> {
    let allowed = format!("a number from {} to {}", range.start(), range.end());
    scalar(
        allowed,
        move |entry| within(entry, number(entry)?, &range),
        f64::to_string,
    )
}

/// `true` or `false`.
pub(super) fn boolean() -> Setting<bool> {
    let read = |entry: &Entry<'_>| {
        let value = entry.value.as_bool();
        value.ok_or_else(|| format!("{}, neither true nor false", entry.describe()))
    };
    scalar("true or false, without quotes", read, bool::to_string).form("true or false")
}

/// An IP address and a port to listen on. Port 0 lets the system choose one.
pub(super) fn address() -> Setting<SocketAddr> {
    let allowed = "an IP address and a port in quotes, such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
    let read = |text: &str| text.parse().map_err(|_| format!("is {}, not an address", quoted(text)));
    text(allowed, read, SocketAddr::to_string)
}

/// Networks, each by its address and the length of its prefix, or a single address.
pub(super) fn networks() -> Setting<Vec<IpNet>> {
    let allowed =
        "a list of addresses and networks in quotes, such as [\"10.0.0.7\", \"192.168.0.0/16\", \"fd00::/8\"]";
    let read = |text: &str| {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        let network = address.or_else(|_| text.parse::<IpNet>());
        network.map_err(|_| format!("is {}, neither an address nor a network", quoted(text)))
    };
    list(allowed, read, |network: &IpNet| match network.prefix_len() {
        whole if whole == network.max_prefix_len() => network.addr().to_string(),
        _ => network.to_string(),
    })
}

/// The networks of proxies on this machine.
pub(super) fn this_machine() -> Vec<IpNet> {
    let v4 = Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8);
    let v6 = Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128);
    vec![v4.into(), v6.into()]
}

/// One of a few words.
pub(super) fn one_of<T: Copy + PartialEq + 'static>(words: &'static [(&'static str, T)]) -> Setting<T> {
    let allowed: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
    let read = |text: &str| {
        let found = words.iter().find(|(word, _)| *word == text);
        let value = found.map(|(_, value)| *value);
        value.ok_or_else(|| format!("is {}, none of its words", quoted(text)))
    };
    let word = |value: &T| {
        let found = words.iter().find(|(_, other)| other == value);
        found.map_or("", |(word, _)| word).to_owned()
    };
    text(allowed.join(" or "), read, word)
}

/// A list of texts, none of them blank.
pub(super) fn texts(allowed: &str) -> Setting<Vec<String>> {
    list(allowed, not_blank, String::clone)
}

/// The path of a file.
pub(super) fn file(allowed: &str) -> Setting<PathBuf> {
    let read = |text: &str| not_blank(text).map(PathBuf::from);
    text(allowed, read, |path| path.display().to_string())
}

/// Text with something in it.
pub(super) fn not_blank(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    Ok(text.to_owned())
}

fn whole_number(entry: &Entry<'_>) -> Result<u64, String> {
    let number = entry.value.as_integer();
    let number = number.and_then(|number| i128::from_str_radix(number.as_str(), number.radix()).ok());
    let number = number.ok_or_else(|| format!("{}, not a whole number", entry.describe()))?;
    u64::try_from(number).map_err(|_| format!("{}, out of range", entry.describe()))
}

fn number(entry: &Entry<'_>) -> Result<f64, String> {
    let whole = entry.value.as_integer().filter(|number| number.radix() == 10);
    let digits = entry
        .value
        .as_float()
        .map(DeFloat::as_str)
        .or(whole.map(DeInteger::as_str));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| format!("{}, not a number", entry.describe()))
}

fn within<T: PartialOrd>(entry: &Entry<'_>, value: T, range: &RangeInclusive<T>) -> Result<T, String> {
    let in_range = range.contains(&value).then_some(value);
    in_range.ok_or_else(|| format!("{}, out of range", entry.describe()))
}

fn fitting<N: UnsignedInteger>(entry: &Entry<'_>, value: u64, range: &RangeInclusive<u64>) -> Result<N, String> {
    let value = within(entry, value, range)?;
    N::try_from(value).map_err(|_| format!("{}, out of range", entry.describe()))
}

fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    scaled(text, &DURATION_UNITS, "which is too long").map(Duration::from_millis)
}

fn parse_size(text: &str) -> Result<u64, &'static str> {
    scaled(text, &SIZE_UNITS, "which is too large")
}

/// A whole number and its unit.
fn scaled(text: &str, units: &[(&str, u64)], too_large: &'static str) -> Result<u64, &'static str> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("which does not begin with a whole number");
    }
    let unit = units.iter().find(|(name, _)| *name == unit.trim());
    let (_, factor) = unit.ok_or("which has no unit that is known")?;
    let number = number.parse::<u64>().ok();
    number.and_then(|number| number.checked_mul(*factor)).ok_or(too_large)
}

/// A duration in the largest unit that leaves no rest: the form the file takes.
pub(super) fn duration_text(duration: Duration) -> String {
    match u64::try_from(duration.as_millis()).unwrap_or(u64::MAX) {
        0 => "0s".to_owned(),
        millis => in_largest_unit(millis, &DURATION_UNITS),
    }
}

/// A size in the largest binary unit that leaves no rest.
pub(super) fn size_text(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        bytes => in_largest_unit(bytes, &SIZE_UNITS[..BINARY_UNITS]),
    }
}

fn in_largest_unit(value: u64, units: &[(&str, u64)]) -> String {
    let mut fitting = units.iter().rev().filter(|(_, factor)| value.is_multiple_of(*factor));
    let (unit, factor) = fitting.next().copied().unwrap_or(("", 1));
    format!("{}{unit}", value / factor)
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
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
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
            assert!(parse_duration(text).is_err(), "{text}");
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
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KiB", "4", "4M", "4mib", "0.5GB", "18446744073709551615TB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_is_printed_in_the_form_that_is_read() {
        for text in ["1ms", "90s", "10m", "36h", "30d"] {
            assert_eq!(parse_duration(text).map(duration_text).as_deref(), Ok(text));
        }
        for text in ["1000B", "256KiB", "5GiB"] {
            assert_eq!(parse_size(text).map(size_text).as_deref(), Ok(text));
        }
        assert_eq!(duration_text(Duration::ZERO), "0s");
    }
}
