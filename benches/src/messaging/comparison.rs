//! Rows of results: ours, corosync's, the ratio, and what is wanted of it.

use super::Stack;
use serde_json::{Value, json};
use std::fmt;

/// What a row is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// Ours is at least so many times corosync's.
    RatioAtLeast(f64),
    /// Ours is at most so many times corosync's.
    RatioAtMost(f64),
    /// Ours is at most this, whatever corosync's is.
    AtMost(f64),
    /// For information.
    Nothing,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// In which unit.
    pub unit: &'static str,
    /// What is wanted.
    pub wanted: Wanted,
    ours: Vec<f64>,
    corosync: Vec<f64>,
}

impl Row {
    /// A row without results yet.
    pub fn new(name: impl Into<String>, unit: &'static str, wanted: Wanted) -> Row {
        Row { name: name.into(), unit, wanted, ours: vec![], corosync: vec![] }
    }

    /// Adds the result of one repetition.
    pub fn add(&mut self, stack: Stack, value: f64) {
        match stack {
            Stack::Ours => self.ours.push(value),
            Stack::Corosync => self.corosync.push(value),
        }
    }

    /// The median of a stack's results.
    pub fn median(&self, stack: Stack) -> Option<f64> {
        let values = match stack {
            Stack::Ours => &self.ours,
            Stack::Corosync => &self.corosync,
        };
        median(values)
    }

    fn ratio(&self) -> Option<f64> {
        Some(self.median(Stack::Ours)? / self.median(Stack::Corosync)?)
    }

    /// Whether ours is as wanted; `None` when nothing is wanted or there is nothing to compare.
    pub fn is_met(&self) -> Option<bool> {
        match self.wanted {
            Wanted::RatioAtLeast(bound) => Some(self.ratio()? >= bound),
            Wanted::RatioAtMost(bound) => Some(self.ratio()? <= bound),
            Wanted::AtMost(bound) => Some(self.median(Stack::Ours)? <= bound),
            Wanted::Nothing => None,
        }
    }

    /// The row for other programs, every repetition included.
    pub fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "unit": self.unit,
            "ours": self.ours,
            "corosync": self.corosync,
            "ratio": self.ratio(),
            "met": self.is_met(),
        })
    }

    /// The head of the table.
    pub fn head() -> String {
        format!(
            "{:<44} {:>8} {:>11} {:>11} {:>8}  wanted",
            "measured", "unit", "ours", "corosync", "ratio"
        )
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |value: Option<f64>| match value {
            None => "-".to_owned(),
            Some(value) if value.abs() < 100.0 => format!("{value:.2}"),
            Some(value) => format!("{value:.0}"),
        };
        let ours = number(self.median(Stack::Ours));
        let corosync = number(self.median(Stack::Corosync));
        let ratio = self.ratio().map_or("-".to_owned(), |ratio| format!("{ratio:.2}x"));
        write!(f, "{:<44} {:>8} {ours:>11} {corosync:>11} {ratio:>8}", self.name, self.unit)?;
        match self.wanted {
            Wanted::RatioAtLeast(bound) => write!(f, "  >= {bound}x")?,
            Wanted::RatioAtMost(bound) => write!(f, "  <= {bound}x")?,
            Wanted::AtMost(bound) => write!(f, "  <= {bound:.0} {}", self.unit)?,
            Wanted::Nothing => {}
        }
        f.write_str(match self.is_met() {
            Some(true) => ": met",
            Some(false) => ": MISSED",
            None => "",
        })
    }
}

/// The middle value, or of two the mean.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 { upper } else { (sorted[middle - 1] + upper) / 2.0 })
}

/// The value below which so much of the whole lies.
pub fn percentile(values: &[f64], part: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() as f64 * part) as usize;
    sorted.get(at.min(sorted.len().checked_sub(1)?)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_held_against_what_is_wanted() {
        let mut row = Row::new("rate", "msg/s", Wanted::RatioAtLeast(2.0));
        assert_eq!(row.is_met(), None, "nothing measured");
        row.add(Stack::Ours, 100.0);
        row.add(Stack::Ours, 300.0);
        assert_eq!(row.is_met(), None, "nothing to compare with");
        row.add(Stack::Corosync, 100.0);
        assert_eq!((row.median(Stack::Ours), row.is_met()), (Some(200.0), Some(true)));
        row.add(Stack::Corosync, 140.0);
        assert_eq!(row.is_met(), Some(false));
        row.wanted = Wanted::AtMost(150.0);
        assert_eq!(row.is_met(), Some(false));
    }

    #[test]
    fn percentiles_of_few_values() {
        let values = [3.0, 1.0, 2.0];
        assert_eq!(percentile(&values, 0.5), Some(2.0));
        assert_eq!(percentile(&values, 0.99), Some(3.0));
        assert_eq!(percentile(&[], 0.5), None);
        assert_eq!(median(&[]), None);
    }
}
