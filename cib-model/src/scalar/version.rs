//! Dotted versions such as a feature set.

use std::cmp::Ordering;
use std::fmt;

use super::skip_spaces;

/// A dotted version, compared number by number; missing numbers count as 0 and what is not
/// `digits(.digits)*` at the front is ignored, so `1.2` equals `1.2.0` and `x` equals `0`.
#[derive(Debug, Clone, Copy)]
pub struct Version<'t>(pub &'t str);

impl<'t> Version<'t> {
    /// The numbers, as digits without leading zeros.
    fn numbers(self) -> impl Iterator<Item = &'t str> {
        let mut rest = Some(skip_spaces(self.0));
        std::iter::from_fn(move || {
            let text = rest?;
            let len = text.bytes().take_while(u8::is_ascii_digit).count();
            rest = text[len..].strip_prefix('.');
            if len == 0 {
                rest = None;
                return None;
            }
            Some(text[..len].trim_start_matches('0'))
        })
    }
}

impl Ord for Version<'_> {
    fn cmp(&self, other: &Version<'_>) -> Ordering {
        let (mut ours, mut theirs) = (self.numbers(), other.numbers());
        loop {
            let (a, b) = match (ours.next(), theirs.next()) {
                (None, None) => return Ordering::Equal,
                (a, b) => (a.unwrap_or(""), b.unwrap_or("")),
            };
            let order = a.len().cmp(&b.len()).then_with(|| a.cmp(b));
            if order.is_ne() {
                return order;
            }
        }
    }
}

impl PartialOrd for Version<'_> {
    fn partial_cmp(&self, other: &Version<'_>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version<'_> {
    fn eq(&self, other: &Version<'_>) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version<'_> {}

impl fmt::Display for Version<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_number_by_number() {
        use Ordering::{Equal, Greater, Less};
        for (a, b, order) in [
            ("1.2", "1.2.0", Equal),
            ("3.20.5", "3.9", Greater),
            ("3.0.1", "3.1", Less),
            ("x", "0", Equal),
            ("", "0.0.1", Less),
            (" 1.02rc1", "1.2", Equal),
            ("1..2", "1", Equal),
            ("1.", "1", Equal),
            ("99999999999999999999999", "100000000000000000000000", Less),
        ] {
            assert_eq!(Version(a).cmp(&Version(b)), order, "{a} {b}");
            assert_eq!(Version(b).cmp(&Version(a)), order.reverse(), "{b} {a}");
        }
    }
}
