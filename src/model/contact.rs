//! Which e-mail addresses and phone numbers Klaviyo accepts. One invalid value makes Klaviyo refuse the whole request,
//! so an invalid value here names nobody. Klaviyo does not publish its rules: these exclude only values that no shop's
//! customer has.

/// The number in E.164 (`+` and 7 to 15 digits) without separators; `None` if it is not an E.164 number. A trunk zero
/// in brackets, as in `+49 (0) 30`, is not part of the number and is not removed by guessing: the result is `None`.
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

/// The longest address, in characters. Klaviyo's pages differ by one; this is the larger value.
pub const MAX_EMAIL_CHARS: usize = 100;

/// The longest local part, in characters. Source: RFC 5321, 4.5.3.1.1.
const MAX_LOCAL_CHARS: usize = 64;

/// Whether a text is an e-mail address as mail systems write them: one `@`, a domain with a dot and a top-level domain
/// of two characters or more that is not a number, nothing that needs quoting and no invisible characters.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let odd = |c: char| c.is_control() || c.is_whitespace() || is_invisible(c) || "@,;:<>()[]\"\\".contains(c);
    let local_is_plain = !local.is_empty()
        && local.chars().count() <= MAX_LOCAL_CHARS
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && !local.contains(odd);
    let label_is_plain = |label: &str| {
        let inside = |c: char| c.is_alphanumeric() || c == '-';
        !label.is_empty() && label.chars().all(inside) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_top = |label: &str| label.chars().count() >= 2 && !label.bytes().all(|byte| byte.is_ascii_digit());
    text.chars().count() <= MAX_EMAIL_CHARS
        && local_is_plain
        && domain.split('.').all(label_is_plain)
        && domain.rsplit_once('.').is_some_and(|(_, top)| is_top(top))
}

/// A format character: soft hyphen, zero-width space, byte order mark and the like. Source: Unicode 16, category Cf.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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
        let longest = format!("{}@shop.co", "a".repeat(MAX_LOCAL_CHARS));
        for yes in [
            "a@b.co",
            "first.last+tag@mail.example.co.uk",
            "o'neil@shop-1.de",
            "jörg@müller.de",
            "a@1.2.co",
            "a@b.c2",
            &longest,
        ] {
            assert!(is_email(yes), "{yes}");
        }
        let too_long = format!("a{longest}");
        let over_all = format!("a@{}.co", "b".repeat(96));
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
            "ann@gmail.c",
            "ann@mail.123",
            "ann@10.0.0.1",
            "\u{feff}ann@shop.co",
            "ann\u{200b}@shop.co",
            "\u{ad}ann@shop.co",
            "ann@shop.c\u{2060}o",
            &too_long,
            &over_all,
        ] {
            assert!(!is_email(no), "{no}");
        }
    }
}
