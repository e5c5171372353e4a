//! ISO 8601 durations.

use super::{DAY, DateError};

/// A duration of calendar years and months, days and seconds, each possibly negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Duration {
    /// Calendar years.
    pub years: i32,
    /// Calendar months.
    pub months: i32,
    /// Days; a week is seven.
    pub days: i32,
    /// Seconds; minutes and hours included.
    pub seconds: i32,
}

/// The most digits of one number.
const MAX_DIGITS: usize = 10;

impl Duration {
    /// Reads `P` and then numbers with a unit (`Y M W D H S`, and `M` for minutes behind a `T`), up to
    /// the end, `/` or white space (spec 50 §3.4). Years and months replace what was read before, the
    /// other units add up. A duration of nothing is an error.
    pub fn parse(text: &str) -> Result<Duration, DateError> {
        read(text)
            .filter(|duration| *duration != Duration::default())
            .ok_or_else(|| DateError::NotADuration(text.to_owned()))
    }

    /// The length in seconds, with years of 365 days and months of 30.
    pub fn approximate_seconds(self) -> i64 {
        let days = i64::from(self.years) * 365 + i64::from(self.months) * 30 + i64::from(self.days);
        days * DAY + i64::from(self.seconds)
    }
}

fn read(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('P')?;
    let mut duration = Duration::default();
    let mut minutes = false;
    while let Some(first) = rest.chars().next() {
        match first {
            '/' => break,
            _ if first.is_ascii_whitespace() => break,
            'T' => {
                minutes = true;
                rest = &rest[1..];
                continue;
            }
            _ => {}
        }
        let (number, unit, behind) = read_number(rest)?;
        rest = behind;
        match unit {
            b'Y' => duration.years = i32::try_from(number).ok()?,
            b'M' if !minutes => duration.months = i32::try_from(number).ok()?,
            b'W' => add(&mut duration.days, number, 7)?,
            b'D' => add(&mut duration.days, number, 1)?,
            b'H' => add(&mut duration.seconds, number, 3600)?,
            b'M' => add(&mut duration.seconds, number, 60)?,
            b'S' => add(&mut duration.seconds, number, 1)?,
            _ => return None,
        }
    }
    Some(duration)
}

/// A number with its unit, and what follows.
fn read_number(text: &str) -> Option<(i64, u8, &str)> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' | b':' => (1, &text[1..]),
        _ => (1, text),
    };
    let len = digits.bytes().take_while(u8::is_ascii_digit).count();
    if len > MAX_DIGITS {
        return None;
    }
    let number: i64 = digits[..len].parse().ok()?;
    let unit = *digits.as_bytes().get(len)?;
    let behind = digits.get(len + 1..)?;
    Some((sign * number, unit, behind))
}

fn add(total: &mut i32, number: i64, factor: i64) -> Option<()> {
    *total = i32::try_from(i64::from(*total) + number * factor).ok()?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let d = |years, months, days, seconds| Some(Duration { years, months, days, seconds });
        for (text, duration) in [
            ("P1Y", d(1, 0, 0, 0)),
            ("P1M1H", d(0, 1, 0, 3600)),
            ("PT1M", d(0, 0, 0, 60)),
            ("P1W1W", d(0, 0, 14, 0)),
            ("P1Y2Y", d(2, 0, 0, 0)),
            ("P1M2M", d(0, 2, 0, 0)),
            ("PT1M2M", d(0, 0, 0, 180)),
            ("P1DT", d(0, 0, 1, 0)),
            ("P+1D", d(0, 0, 1, 0)),
            ("P:1D", d(0, 0, 1, 0)),
            ("P-1D", d(0, 0, -1, 0)),
            ("P1Y-1M", d(1, -1, 0, 0)),
            ("P1D/x", d(0, 0, 1, 0)),
            ("P1D x", d(0, 0, 1, 0)),
            ("PT2147483647S", d(0, 0, 0, i32::MAX)),
            ("P1.5D", None),
            ("P", None),
            ("PT", None),
            ("P0D", None),
            ("PD", None),
            ("P1", None),
            ("P1d", None),
            ("P1Dx", None),
            ("P1é", None),
            ("1D", None),
            ("PT2147483648S", None),
            ("P12345678901S", None),
            ("P9999999999W", None),
        ] {
            assert_eq!(Duration::parse(text).ok(), duration, "{text}");
        }
    }
}
