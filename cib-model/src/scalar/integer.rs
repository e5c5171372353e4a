//! Integer text.

use super::skip_spaces;

/// What reading an integer from the front of a text gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan<'t> {
    /// The number, clipped to the 64-bit range.
    pub value: i64,
    /// Whether it had to be clipped.
    pub clipped: bool,
    /// The text behind the digits.
    pub rest: &'t str,
}

/// Reads optional white space, an optional sign and decimal digits; `None` without digits. What follows
/// the digits is left in [`Scan::rest`].
pub fn scan_integer(text: &str) -> Option<Scan<'_>> {
    let text = skip_spaces(text);
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let len = digits.bytes().take_while(u8::is_ascii_digit).count();
    if len == 0 {
        return None;
    }
    let (digits, rest) = digits.split_at(len);
    let sign = if negative { -1 } else { 1 };
    let value = digits.bytes().try_fold(0i64, |value, digit| {
        value.checked_mul(10)?.checked_add(sign * i64::from(digit - b'0'))
    });
    let limit = if negative { i64::MIN } else { i64::MAX };
    Some(Scan { value: value.unwrap_or(limit), clipped: value.is_none(), rest })
}

/// An integer with anything behind it ignored (`12abc` is 12), clipped to the 64-bit range; `None`
/// without digits.
pub fn parse_integer(text: &str) -> Option<i64> {
    scan_integer(text).map(|scan| scan.value)
}

/// An integer with a minimum: absent, invalid and smaller values count as `minimum`; larger ones than
/// an `i32` holds as `i32::MAX`.
pub fn integer_at_least(minimum: i32, text: Option<&str>) -> i32 {
    let value = text.and_then(parse_integer).unwrap_or(i64::from(minimum));
    i32::try_from(value.max(i64::from(minimum))).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_tolerate_what_follows_them() {
        for (text, value) in [
            ("12", Some(12)),
            ("  -3x", Some(-3)),
            ("+7.9", Some(7)),
            ("\t\u{b}5", Some(5)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("-99999999999999999999", Some(i64::MIN)),
            ("", None),
            ("-", None),
            ("- 1", None),
            ("x1", None),
            ("é1", None),
        ] {
            assert_eq!(parse_integer(text), value, "{text:?}");
        }
        assert!(scan_integer("9223372036854775808").unwrap().clipped);
        assert!(!scan_integer("-9223372036854775808").unwrap().clipped);
    }

    #[test]
    fn a_minimum_replaces_what_is_missing_or_small() {
        for (text, value) in [
            (None, 1),
            (Some("x"), 1),
            (Some("0"), 1),
            (Some("5"), 5),
            (Some("3000000000"), i32::MAX),
        ] {
            assert_eq!(integer_at_least(1, text), value, "{text:?}");
        }
    }
}
