//! Which names of a person Klaviyo takes. One bad phone number or address has the whole request refused.

/// The number in E.164 (`+` and 7 to 15 digits), its separators removed; `None` for what is no E.164 number however
/// it is written. A trunk zero in brackets, as in `+49 (0) 30`, is no part of the number: it is not guessed at.
pub fn e164(text: &str) -> Option<String> {
    let number = text.trim().strip_prefix('+')?;
    let separators = [' ', '\u{a0}', '-', '.', '/', '(', ')'];
    let digits: String = number.chars().filter(|c| !separators.contains(c)).collect();
    let bracketed_zero = number.contains("(0");
    let is_number = (7..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0');
    (is_number && !bracketed_zero).then(|| format!("+{digits}"))
}

/// Whether a text is an e-mail address as mail systems write them: one `@`, a domain with a dot, no characters that
/// need quoting. Klaviyo does not publish its own test; this refuses only what no shop's customer has.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let needs_quoting =
        |c: char| c.is_control() || c.is_whitespace() || "@,;:<>()[]\"\\".contains(c);
    let local_is_plain = !local.is_empty()
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && !local.contains(needs_quoting);
    let label_is_plain = |label: &str| {
        let inside = |c: char| c.is_alphanumeric() || c == '-';
        !label.is_empty()
            && label.chars().all(inside)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    local_is_plain && domain.contains('.') && domain.split('.').all(label_is_plain)
}

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
    fn a_number_in_e164_is_known_however_it_is_separated() {
        for text in ["+15550109999", "+1 (555) 010-9999", " +1.555.010.9999 "] {
            assert_eq!(e164(text).as_deref(), Some("+15550109999"), "{text}");
        }
        for text in [
            "5550109999",
            "0049301234567",
            "+49 (0) 30 1234567",
            "+0301234567",
            "+1555",
            "+1234567890123456",
            "+1555x0109999",
            "+",
            "",
        ] {
            assert_eq!(e164(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_is_plain_or_none() {
        for yes in [
            "a@b.co",
            "first.last+tag@mail.example.co.uk",
            "o'neil@shop-1.de",
            "jörg@müller.de",
        ] {
            assert!(is_email(yes), "{yes}");
        }
        for no in [
            "a@b",
            "a@b@c.de",
            "a..b@c.de",
            ".a@b.co",
            "a@-b.co",
            "a@b..co",
            "a,b@c.de",
            "<a@b.co>",
            "a b@c.de",
            "@b.co",
            "a@b.co\u{7}",
            "",
        ] {
            assert!(!is_email(no), "{no}");
        }
    }

    #[test]
    fn addresses_of_the_test_domains_are_known() {
        assert!(is_test_address("a@Example.com"));
        assert!(is_test_address("a@test.com"));
        assert!(!is_test_address("a@myexample.com"));
    }
}
