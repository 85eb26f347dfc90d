//! Which currency an event's value may be in.

/// Whether this is a code of ISO 4217, in capitals: Klaviyo refuses an event with another. Codes that were replaced
/// lately, such as HRK, are: orders of then are imported.
pub fn is_currency(code: &str) -> bool {
    iso_currency::Currency::from_code(code).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_iso_4217_is_known_and_what_shops_write_for_one_is_not() {
        for yes in ["EUR", "USD", "JPY", "CNY", "VES", "HRK"] {
            assert!(is_currency(yes), "{yes}");
        }
        for no in [
            "RMB", "NIS", "BTC", "XBT", "BYR", "TRL", "VEF", "STD", "eur", "Euro", "",
        ] {
            assert!(!is_currency(no), "{no}");
        }
    }
}
