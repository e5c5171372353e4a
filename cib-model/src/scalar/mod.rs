//! Scalar values as they are written in attributes, read as leniently as the reference does
//! (spec 50 §2, 10 §2).
//!
//! Readers return `Option` or `Result` and leave the choice of a default to the caller.
//!
//! ```
//! use cib_model::scalar::{Score, parse_boolean, parse_interval_ms};
//!
//! assert_eq!(Score::parse("200").unwrap() + Score::INFINITY, Score::INFINITY);
//! assert_eq!(Score::INFINITY + Score::MINUS_INFINITY, Score::MINUS_INFINITY);
//! assert_eq!(parse_boolean("Yes"), Some(true));
//! assert_eq!(parse_interval_ms("1.9 min"), Ok(60_000));
//! ```

mod id;
mod integer;
mod interval;
mod score;
mod version;

pub use id::{natural_cmp, sanitize_id};
pub use integer::{Scan, integer_at_least, parse_integer, scan_integer};
pub use interval::{
    IntervalError, MAX_INTERVAL_MS, ms_to_seconds, parse_interval_ms, parse_timeout_ms,
};
pub use score::{HealthScores, Score, ScoreError};
pub use version::Version;

/// A boolean: `true on yes y 1` or `false off no n 0`, in any case. Anything else is `None`.
pub fn parse_boolean(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["true", "on", "yes", "y", "1"]) {
        Some(true)
    } else if is(&["false", "off", "no", "n", "0"]) {
        Some(false)
    } else {
        None
    }
}

/// Whether the value is present and a word for true: how almost every flag is read.
pub fn is_true(text: Option<&str>) -> bool {
    text.and_then(parse_boolean) == Some(true)
}

/// White space as C's `isspace` sees it.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

fn skip_spaces(text: &str) -> &str {
    text.trim_start_matches(|character: char| character.is_ascii() && is_space(character as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_know_ten_words() {
        for word in ["true", "on", "yes", "y", "1", "TRUE", "On", "Y"] {
            assert_eq!(parse_boolean(word), Some(true), "{word}");
        }
        for word in ["false", "off", "no", "n", "0", "False", "N"] {
            assert_eq!(parse_boolean(word), Some(false), "{word}");
        }
        for word in ["", "2", " true", "t", "enabled"] {
            assert_eq!(parse_boolean(word), None, "{word}");
        }
    }
}
