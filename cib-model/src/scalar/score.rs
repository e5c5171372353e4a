//! Scores: integers within ±1000000, whose ends mean "always" and "never".

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};

use thiserror::Error;

use super::parse_integer;

/// A score. Sums saturate, and −INFINITY wins over INFINITY (spec 50 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Score(i32);

/// A text that is no score.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is not a score; write an integer, INFINITY or -INFINITY")]
pub struct ScoreError(pub String);

/// What the words `red`, `yellow` and `green` stand for (cluster options `node-health-*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthScores {
    /// `node-health-red`.
    pub red: Score,
    /// `node-health-yellow`.
    pub yellow: Score,
    /// `node-health-green`.
    pub green: Score,
}

impl Default for HealthScores {
    fn default() -> HealthScores {
        HealthScores { red: Score::MINUS_INFINITY, yellow: Score::ZERO, green: Score::ZERO }
    }
}

impl Score {
    /// 1000000, which means "always" or "must".
    pub const INFINITY: Score = Score(1_000_000);
    /// −1000000, which means "never" or "must not".
    pub const MINUS_INFINITY: Score = Score(-1_000_000);
    /// No preference.
    pub const ZERO: Score = Score(0);

    /// A score from a number, clipped to ±INFINITY.
    pub const fn new(value: i64) -> Score {
        if value >= Score::INFINITY.0 as i64 {
            Score::INFINITY
        } else if value <= Score::MINUS_INFINITY.0 as i64 {
            Score::MINUS_INFINITY
        } else {
            Score(value as i32)
        }
    }

    /// Reads `INFINITY`, `+INFINITY`, `-INFINITY` (in this case), `red`, `yellow`, `green` (with their
    /// default values), or an integer with anything behind it ignored.
    pub fn parse(text: &str) -> Result<Score, ScoreError> {
        Score::parse_with(text, &HealthScores::default())
    }

    /// Like [`Score::parse`], with the configured values of the health words.
    pub fn parse_with(text: &str, health: &HealthScores) -> Result<Score, ScoreError> {
        match text {
            "INFINITY" | "+INFINITY" => Ok(Score::INFINITY),
            "-INFINITY" => Ok(Score::MINUS_INFINITY),
            _ if text.eq_ignore_ascii_case("red") => Ok(health.red),
            _ if text.eq_ignore_ascii_case("yellow") => Ok(health.yellow),
            _ if text.eq_ignore_ascii_case("green") => Ok(health.green),
            _ => parse_integer(text).map(Score::new).ok_or_else(|| ScoreError(text.to_owned())),
        }
    }

    /// The number, from −1000000 to 1000000.
    pub const fn value(self) -> i32 {
        self.0
    }

    /// Whether this is INFINITY.
    pub const fn is_infinity(self) -> bool {
        self.0 == Score::INFINITY.0
    }

    /// Whether this is −INFINITY.
    pub const fn is_minus_infinity(self) -> bool {
        self.0 == Score::MINUS_INFINITY.0
    }
}

impl From<i32> for Score {
    /// Clips to ±INFINITY.
    fn from(value: i32) -> Score {
        Score::new(i64::from(value))
    }
}

impl Add for Score {
    type Output = Score;

    fn add(self, other: Score) -> Score {
        if self.is_minus_infinity() || other.is_minus_infinity() {
            Score::MINUS_INFINITY
        } else if self.is_infinity() || other.is_infinity() {
            Score::INFINITY
        } else {
            Score::from(self.0 + other.0)
        }
    }
}

impl AddAssign for Score {
    fn add_assign(&mut self, other: Score) {
        *self = *self + other;
    }
}

impl Neg for Score {
    type Output = Score;

    fn neg(self) -> Score {
        Score(-self.0)
    }
}

impl Sub for Score {
    type Output = Score;

    /// The sum with the negated score, so −INFINITY wins here too.
    fn sub(self, other: Score) -> Score {
        self + -other
    }
}

impl Sum for Score {
    fn sum<I: Iterator<Item = Score>>(scores: I) -> Score {
        scores.fold(Score::ZERO, Add::add)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_infinity() {
            f.pad("INFINITY")
        } else if self.is_minus_infinity() {
            f.pad("-INFINITY")
        } else {
            self.0.fmt(f)
        }
    }
}

impl std::str::FromStr for Score {
    type Err = ScoreError;

    fn from_str(text: &str) -> Result<Score, ScoreError> {
        Score::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_read_words_and_clipped_integers() {
        for (text, score) in [
            ("INFINITY", Some(1_000_000)),
            ("+INFINITY", Some(1_000_000)),
            ("-INFINITY", Some(-1_000_000)),
            ("infinity", None),
            ("Red", Some(-1_000_000)),
            ("GREEN", Some(0)),
            ("yellow", Some(0)),
            ("12abc", Some(12)),
            (" -7", Some(-7)),
            ("2000000", Some(1_000_000)),
            ("-99999999999999999999", Some(-1_000_000)),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(Score::parse(text).ok().map(Score::value), score, "{text:?}");
        }
    }

    #[test]
    fn display_names_the_infinities() {
        for (score, text) in
            [(5, "5"), (-5, "-5"), (1_000_000, "INFINITY"), (-2_000_000, "-INFINITY")]
        {
            assert_eq!(Score::from(score).to_string(), text);
        }
    }
}
