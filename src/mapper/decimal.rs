//! Amounts of money, multiplied as they are written: 19.99 × 3 is 59.97, as on the invoice, and not
//! 59.97 and a bit as in binary floating point.

use std::fmt;

use serde_json::{Number, Value};

use crate::segment::as_decimal;

/// A decimal number: `mantissa / 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    mantissa: i128,
    scale: i32,
}

/// Beyond this many places a number is written with an exponent: no amount of money gets here.
const MAX_PLAIN_PLACES: i32 = 18;

impl Decimal {
    /// The number that a value is or holds as text; `None` when it is none, or has more than 38 digits.
    pub(super) fn read(value: &Value) -> Option<Self> {
        Self::parse(&as_decimal(value)?)
    }

    /// Reads plain and exponent notation; an exponent beyond 32 bits is no amount.
    fn parse(text: &str) -> Option<Self> {
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mantissa = format!("{whole}{fraction}").parse().ok()?;
        let places = i32::try_from(fraction.len()).ok()?;
        let scale = places.checked_sub(exponent)?;
        Some(Self { mantissa, scale }.shortest())
    }

    /// The exact product; `None` when it has more digits than can be held.
    pub(super) fn times(self, other: Self) -> Option<Self> {
        let mantissa = self.mantissa.checked_mul(other.mantissa)?;
        let scale = self.scale.checked_add(other.scale)?;
        Some(Self { mantissa, scale }.shortest())
    }

    /// The number as JSON.
    pub(super) fn number(self) -> Option<Number> {
        self.to_string().parse().ok()
    }

    /// Without zeros at the end: 12.50 is 12.5.
    fn shortest(mut self) -> Self {
        if self.mantissa == 0 {
            self.scale = 0;
        }
        while self.scale > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mantissa, scale } = *self;
        if !(-MAX_PLAIN_PLACES..=MAX_PLAIN_PLACES).contains(&scale) {
            return write!(f, "{mantissa}e{}", -i64::from(scale));
        }
        let places = usize::try_from(scale).unwrap_or(0);
        let sign = if mantissa < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", mantissa.unsigned_abs(), width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        let zeros = "0".repeat(usize::try_from(-scale).unwrap_or(0));
        write!(f, "{sign}{whole}{zeros}")?;
        if fraction.is_empty() {
            Ok(())
        } else {
            write!(f, ".{fraction}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(a: &str, b: &str) -> Option<String> {
        let a: Value = serde_json::from_str(a).unwrap();
        let b: Value = serde_json::from_str(b).unwrap();
        let product = Decimal::read(&a)?.times(Decimal::read(&b)?)?;
        product.number().map(|number| number.to_string())
    }

    #[test]
    fn products_are_exact() {
        let cases = [
            ("0.1", "3", Some("0.3")),
            ("19.99", "3", Some("59.97")),
            ("1.10", "1.10", Some("1.21")),
            ("12.50", "2", Some("25")),
            ("-0.05", "1", Some("-0.05")),
            ("0", "-7", Some("0")),
            ("0.00", "2", Some("0")),
            ("\"$1,299.00\"", "\"2\"", Some("2598")),
            ("\".5\"", "3", Some("1.5")),
            ("\"+5.\"", "1", Some("5")),
            ("1e2", "3", Some("300")),
            ("1.5e-3", "2", Some("0.003")),
            ("1e300", "2", Some("2e+300")),
            ("99999999999999999999", "10", Some("999999999999999999990")),
            ("99999999999999999999", "99999999999999999999", None),
            ("\"abc\"", "1", None),
            ("1", "{}", None),
        ];
        for (a, b, expected) in cases {
            assert_eq!(product(a, b).as_deref(), expected, "{a} × {b}");
        }
    }
}
