//! Lengths of time: `10s`, `1min`, `PT5M`.

use thiserror::Error;

use super::{scan_integer, skip_spaces};
use crate::date::Duration;

/// The largest interval, 2³²−1 ms.
pub const MAX_INTERVAL_MS: u64 = u32::MAX as u64;

/// A text that is no length of time. The reference uses 0 in its place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IntervalError {
    /// No number, or an unknown unit, or a malformed ISO 8601 duration.
    #[error("'{0}' is not a length of time; write for example 10s, 500ms, 1min, 2h or PT5M")]
    Malformed(String),
    /// Below zero.
    #[error("'{0}' is negative; a length of time is 0 or more")]
    Negative(String),
}

/// The interval form, in milliseconds: an ISO 8601 duration if it starts with `P` (365-day years,
/// 30-day months), else the timeout form. Clipped to [`MAX_INTERVAL_MS`].
pub fn parse_interval_ms(text: &str) -> Result<u64, IntervalError> {
    let ms = if text.starts_with('P') {
        let duration =
            Duration::parse(text).map_err(|_| IntervalError::Malformed(text.to_owned()))?;
        duration.approximate_seconds().clamp(-1, MAX_INTERVAL_MS as i64 / 1000) * 1000
    } else {
        parse_timeout_ms(text)?
    };
    u64::try_from(ms)
        .map(|ms| ms.min(MAX_INTERVAL_MS))
        .map_err(|_| IntervalError::Negative(text.to_owned()))
}

/// The timeout form, in milliseconds: an integer, decimals that are ignored, white space, and a unit of
/// which only the beginning counts (none and `s` seconds, `ms`, `us`, `m` minutes, `h` hours, in any
/// case). May be negative.
pub fn parse_timeout_ms(text: &str) -> Result<i64, IntervalError> {
    let malformed = || IntervalError::Malformed(text.to_owned());
    let scan = scan_integer(text).ok_or_else(malformed)?;
    let rest = scan.rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let unit = skip_spaces(rest).as_bytes();
    let starts = |prefix: &str| {
        unit.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
    };
    let factor = if unit.is_empty() || starts("s") {
        1000
    } else if starts("ms") {
        1
    } else if starts("us") {
        return Ok(scan.value / 1000);
    } else if starts("m") {
        60 * 1000
    } else if starts("h") {
        60 * 60 * 1000
    } else {
        return Err(malformed());
    };
    Ok(scan.value.saturating_mul(factor))
}

/// Milliseconds as seconds, for comparison with epoch times: 1 to 999 count as 1, otherwise rounded to
/// the nearest second, a half upward.
pub fn ms_to_seconds(ms: u64) -> u64 {
    match ms {
        0 => 0,
        1..=999 => 1,
        _ => ms / 1000 + u64::from(ms % 1000 >= 500),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_read_units_by_prefix_and_drop_decimals() {
        for (text, ms) in [
            ("0", Some(0)),
            ("10", Some(10_000)),
            ("10s", Some(10_000)),
            ("10 SEC", Some(10_000)),
            ("10seconds", Some(10_000)),
            ("3.1.4ms", Some(3)),
            ("250msec", Some(250)),
            ("2500us", Some(2)),
            ("2500usec", Some(2)),
            ("1.9 min", Some(60_000)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("1hr", Some(3_600_000)),
            ("P1D", Some(86_400_000)),
            ("PT5M", Some(300_000)),
            ("P1M", Some(2_592_000_000)),
            ("P1Y", Some(4_294_967_000)),
            ("2000h", Some(MAX_INTERVAL_MS)),
            ("99999999999999999999h", Some(MAX_INTERVAL_MS)),
            ("-5s", None),
            ("", None),
            ("s", None),
            ("10x", None),
            ("1d", None),
            ("P-1D", None),
            ("P-2147483647Y", None),
            ("P", None),
            ("P1", None),
        ] {
            assert_eq!(parse_interval_ms(text).ok(), ms, "{text:?}");
        }
        assert_eq!(parse_timeout_ms("-5s"), Ok(-5000));
    }

    #[test]
    fn milliseconds_round_to_seconds_but_never_to_zero() {
        for (ms, seconds) in [(0, 0), (1, 1), (999, 1), (1499, 1), (1500, 2), (2000, 2)] {
            assert_eq!(ms_to_seconds(ms), seconds);
        }
    }
}
