//! Interval texts of configuration options: `20`, `1000ms`, `2min`, `PT1M` (spec 50 §2.4).

/// Why a text is not an interval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntervalError {
    /// No digits where a number is wanted.
    #[error("`{text}` does not begin with a number")]
    NoNumber {
        /// The text.
        text: String,
    },
    /// The unit is none of those known.
    #[error("`{text}` has unit `{unit}`; none, us, ms, s, sec, m, min, h or hr is accepted")]
    Unit {
        /// The text.
        text: String,
        /// The part taken for the unit.
        unit: String,
    },
    /// Intervals are not negative.
    #[error("`{text}` is negative; an interval is at least 0")]
    Negative {
        /// The text.
        text: String,
    },
}

/// Longest interval, in milliseconds; longer ones are clipped to it.
pub const MAX_INTERVAL_MS: u64 = u32::MAX as u64;

/// Reads an interval and returns milliseconds.
pub fn parse_millis(text: &str) -> Result<u64, IntervalError> {
    let trimmed = text.trim_start();
    if let Some(duration) = trimmed.strip_prefix('P') {
        return parse_iso(text, duration);
    }
    let (negative, digits) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, &trimmed[1..]),
        Some(b'+') => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 {
        return Err(IntervalError::NoNumber { text: text.into() });
    }
    // Only overflow can fail here, and it is clipped like any number that is too large.
    let number = digits[..end].parse::<u64>().unwrap_or(u64::MAX);
    let unit = digits[end..]
        .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
        .trim_start_matches(|c: char| c.is_ascii_whitespace());
    let millis = scale(number, unit)
        .ok_or_else(|| IntervalError::Unit { text: text.into(), unit: unit.into() })?;
    if negative && number > 0 {
        return Err(IntervalError::Negative { text: text.into() });
    }
    Ok(millis.min(MAX_INTERVAL_MS))
}

fn scale(number: u64, unit: &str) -> Option<u64> {
    let unit = unit.to_ascii_lowercase();
    if unit.is_empty() {
        Some(number.saturating_mul(1000))
    } else if unit.starts_with("ms") {
        Some(number)
    } else if unit.starts_with("us") {
        Some(number / 1000)
    } else if unit.starts_with('s') {
        Some(number.saturating_mul(1000))
    } else if unit.starts_with('m') {
        Some(number.saturating_mul(60_000))
    } else if unit.starts_with('h') {
        Some(number.saturating_mul(3_600_000))
    } else {
        None
    }
}

/// An ISO 8601 duration after its `P`; years have 365 days and months 30.
fn parse_iso(text: &str, mut rest: &str) -> Result<u64, IntervalError> {
    let no_number = || IntervalError::NoNumber { text: text.into() };
    let (mut seconds, mut in_time, mut parts) = (0_u64, false, 0);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            (rest, in_time) = (after, true);
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(no_number)?;
        let number: u64 = rest[..end].parse().map_err(|_| no_number())?;
        let unit = rest[end..].chars().next().ok_or_else(no_number)?;
        let factor = match (unit, in_time) {
            ('Y', false) => 365 * 86_400,
            ('M', false) => 30 * 86_400,
            ('W', false) => 7 * 86_400,
            ('D', false) => 86_400,
            ('H', true) => 3_600,
            ('M', true) => 60,
            ('S', true) => 1,
            _ => return Err(IntervalError::Unit { text: text.into(), unit: unit.into() }),
        };
        seconds = seconds.saturating_add(number.saturating_mul(factor));
        rest = &rest[end + unit.len_utf8()..];
        parts += 1;
    }
    if parts == 0 {
        return Err(no_number());
    }
    Ok(seconds.min(MAX_INTERVAL_MS / 1000) * 1000)
}

/// Writes a time limit as result texts show it: `1m30s`, `1.500s`, `20ms`, `0s` (spec 80 §3).
pub fn readable(millis: u64) -> String {
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let (hours, rest) = (rest / 3_600_000, rest % 3_600_000);
    let (minutes, rest) = (rest / 60_000, rest % 60_000);
    let mut text = String::new();
    for (value, unit) in [(days, 'd'), (hours, 'h'), (minutes, 'm')] {
        if value > 0 {
            text.push_str(&format!("{value}{unit}"));
        }
    }
    match (rest / 1000, rest % 1000) {
        (0, 0) if text.is_empty() => text.push_str("0s"),
        (0, 0) => {}
        (0, ms) if text.is_empty() => text.push_str(&format!("{ms}ms")),
        (s, 0) => text.push_str(&format!("{s}s")),
        (s, ms) => text.push_str(&format!("{s}.{ms:03}s")),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_clipping() {
        for (text, millis) in [
            ("0", 0),
            ("5", 5_000),
            (" 7 ", 7_000),
            ("1000ms", 1_000),
            ("4000s", 4_000_000),
            ("2500us", 2),
            ("3.1.4ms", 3),
            ("2 min", 120_000),
            ("1HR", 3_600_000),
            ("99999999999", MAX_INTERVAL_MS),
            ("PT1M30S", 90_000),
            ("P1DT1H", 90_000_000),
        ] {
            assert_eq!(parse_millis(text), Ok(millis), "{text}");
        }
    }

    #[test]
    fn nonsense_is_named() {
        assert!(matches!(parse_millis("soon"), Err(IntervalError::NoNumber { .. })));
        assert!(matches!(parse_millis("5 parsecs"), Err(IntervalError::Unit { .. })));
        assert!(matches!(parse_millis("-5"), Err(IntervalError::Negative { .. })));
        assert!(matches!(parse_millis("P"), Err(IntervalError::NoNumber { .. })));
        assert!(matches!(parse_millis("PT5D"), Err(IntervalError::Unit { .. })));
    }

    #[test]
    fn readable_limits() {
        for (millis, text) in
            [(0, "0s"), (20, "20ms"), (1_500, "1.500s"), (90_000, "1m30s"), (60_000, "1m")]
        {
            assert_eq!(readable(millis), text);
        }
    }
}
