//! Addresses whose events Klaviyo does not keep.

/// Whether Klaviyo takes events of this address with a 202 and then drops them, as it does for the domains that are
/// set aside for examples and tests.
pub fn is_test_address(email: &str) -> bool {
    let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
    ["example.com", "example.org", "example.net", "test.com"]
        .iter()
        .any(|test| domain.trim().eq_ignore_ascii_case(test))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_test_domains_are_known() {
        assert!(is_test_address("a@Example.com"));
        assert!(is_test_address("a@test.com"));
        assert!(!is_test_address("a@myexample.com"));
    }
}
