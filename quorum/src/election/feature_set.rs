//! Versions of the cluster software, compared number by number.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A dotted version such as `3.19.7`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FeatureSet(Vec<u32>);

/// A text that is not a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a version: expected 1 to 8 numbers separated by dots, as 3.19.7")]
pub struct FeatureSetError(String);

impl FromStr for FeatureSet {
    type Err = FeatureSetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || FeatureSetError(text.chars().take(64).collect());
        if text.bytes().filter(|b| *b == b'.').count() >= 8 {
            return Err(refused());
        }
        let number = |part: &str| {
            let digits = part.bytes().all(|b| b.is_ascii_digit());
            part.parse().ok().filter(|_| digits)
        };
        let numbers: Option<Vec<u32>> = text.split('.').map(number).collect();
        numbers.map(FeatureSet).ok_or_else(refused)
    }
}

impl FeatureSet {
    /// Compares number by number; a missing one counts as 0, so `3.0` and `3` are equal in age
    /// though written differently.
    #[must_use]
    pub fn compare(&self, other: &FeatureSet) -> Ordering {
        let at = |set: &FeatureSet, i: usize| set.0.get(i).copied().unwrap_or(0);
        let longest = self.0.len().max(other.0.len());
        (0..longest)
            .map(|i| at(self, i).cmp(&at(other, i)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl fmt::Display for FeatureSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_not_by_text() {
        let set = |text: &str| text.parse::<FeatureSet>().unwrap();
        for (a, b, order) in [
            ("3.9.0", "3.19.0", Ordering::Less),
            ("3.19", "3.19.1", Ordering::Less),
            ("3.0", "3", Ordering::Equal),
            ("4", "3.19.7", Ordering::Greater),
        ] {
            assert_eq!(set(a).compare(&set(b)), order, "{a} {b}");
        }
        for bad in ["", "3.", "3.x", "+3", "1.2.3.4.5.6.7.8.9", "4294967296"] {
            assert!(bad.parse::<FeatureSet>().is_err(), "{bad:?}");
        }
    }
}
