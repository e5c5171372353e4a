//! Reading dates and times.

use super::calendar;
use super::{DAY, DateError, DateTime};

impl DateTime {
    /// Reads a date and time (spec 50 §3.2): `Y-M-D`, `YYYYMMDD`, `Y-D` (ordinal), `Y-Wn-D`, `epoch`, or
    /// only a time of day; the time is `H`, `H:M`, `H:M:S` or packed, then `Z` or an offset.
    ///
    /// A date alone is midnight UTC. A time without date is today's, and a time without offset has that
    /// of `now`.
    pub fn parse(text: &str, now: DateTime) -> Result<DateTime, DateError> {
        read(text, now).ok_or_else(|| DateError::NotADate(text.to_owned()))
    }
}

fn read(text: &str, now: DateTime) -> Option<DateTime> {
    let bytes = text.as_bytes();
    if bytes.first() == Some(&b'T') || bytes.get(2) == Some(&b':') {
        let (second, offset) = read_time(text.strip_prefix('T').unwrap_or(text), now)?;
        return Some(DateTime::from_parts(now.year(), now.day_of_year(), second, offset));
    }
    if is_epoch(bytes) {
        return Some(DateTime::from_epoch(0, 0));
    }
    let (year, ordinal) = read_date(text)?;
    let time = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-' || c == 'W');
    let (second, offset) = match time.as_bytes().first() {
        Some(b' ' | b'T') => read_time(&time[1..], now)?,
        _ => (0, 0),
    };
    Some(DateTime::from_parts(year, ordinal, second, offset))
}

fn is_epoch(bytes: &[u8]) -> bool {
    bytes.get(..5).is_some_and(|word| word.eq_ignore_ascii_case(b"epoch"))
        && bytes.get(5).is_none_or(|&byte| byte == b'/' || byte.is_ascii_whitespace())
}

/// Year and day of the year. The day may lie in a neighbouring year for a week date.
fn read_date(text: &str) -> Option<(i64, i64)> {
    let (first, rest) = number(text, 9)?;
    let Some(rest) = rest.strip_prefix('-') else { return read_packed_date(text) };
    let (year, is_year) = (first, (1..=calendar::MAX_YEAR).contains(&first));
    if !is_year {
        return None;
    }
    if let Some(week_date) = rest.strip_prefix('W') {
        let (week, rest) = number(week_date, 9)?;
        let (day, _) = number(rest.strip_prefix('-')?, 9)?;
        let valid = (1..=calendar::iso_weeks(year)).contains(&week) && (1..=7).contains(&day);
        let date = calendar::iso_year_start(year) + (week - 1) * 7 + day - 1;
        return valid.then(|| calendar::from_epoch_day(date));
    }
    let (second, rest) = number(rest, 9)?;
    match rest.strip_prefix('-').and_then(|rest| number(rest, 9)) {
        Some((day, _)) => gregorian(year, second, day),
        None => (1..=calendar::days_in_year(year)).contains(&second).then_some((year, second)),
    }
}

/// Four, two and two digits.
fn read_packed_date(text: &str) -> Option<(i64, i64)> {
    let (year, rest) = number_within(text, 4)?;
    let (month, rest) = number_within(rest, 2)?;
    let (day, _) = number_within(rest, 2)?;
    gregorian(year, month, day)
}

fn gregorian(year: i64, month: i64, day: i64) -> Option<(i64, i64)> {
    let valid = (1..=calendar::MAX_YEAR).contains(&year)
        && (1..=12).contains(&month)
        && (1..=calendar::days_in_month(year, month)).contains(&day);
    valid.then(|| (year, calendar::ordinal(year, month, day)))
}

/// Seconds of the day (86400 for 24:00:00) and offset.
fn read_time(text: &str, now: DateTime) -> Option<(i64, i32)> {
    let zone = text.find('Z').or_else(|| text.find([' ', '+', '-']));
    let time = match zone {
        // A text that begins with an offset gives no time.
        Some(0) if text.starts_with(['+', '-']) => return None,
        Some(at) => text[..at].trim_start_matches([' ', '\t']),
        None => text,
    };
    let second = if time.is_empty() { 0 } else { read_time_of_day(time)? };
    let offset = match zone {
        None => now.offset(),
        Some(at) => read_offset(&text[at..])?,
    };
    Some((second, offset))
}

/// `H`, `H:M`, `H:M:S`, or `HH[MM[SS]]`; what follows is ignored.
fn read_time_of_day(text: &str) -> Option<i64> {
    let (hour, rest) = number(text, 9)?;
    let (hour, minute, second) = match rest.strip_prefix(':') {
        Some(rest) => match number(rest, 9) {
            Some((minute, rest)) => {
                let second = rest.strip_prefix(':').and_then(|rest| number(rest, 9));
                (hour, minute, second.map_or(0, |(second, _)| second))
            }
            None => (hour, 0, 0),
        },
        None => {
            let (hour, rest) = number_within(text, 2)?;
            let (minute, rest) = number_within(rest, 2).unwrap_or((0, rest));
            (hour, minute, number_within(rest, 2).map_or(0, |(second, _)| second))
        }
    };
    let is_midnight = (hour, minute, second) == (24, 0, 0);
    let valid = is_midnight || hour < 24 && minute < 60 && second < 60;
    valid.then_some(hour * 3600 + minute * 60 + second)
}

/// `Z`, or a sign and a time of day, after blanks. Anything else counts as UTC.
fn read_offset(text: &str) -> Option<i32> {
    let text = text.trim_start_matches([' ', '\t']);
    let (sign, time) = match text.as_bytes().first() {
        Some(b'+') => (1, &text[1..]),
        Some(b'-') => (-1, &text[1..]),
        _ => return Some(0),
    };
    let second = read_time_of_day(time).filter(|&second| second < DAY)?;
    Some(sign * second as i32)
}

/// A run of at most `digits` digits, and what follows; a longer run is no number.
fn number(text: &str, digits: usize) -> Option<(i64, &str)> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    if len > digits {
        return None;
    }
    Some((text[..len].parse().ok()?, &text[len..]))
}

/// The first digits, at most so many, and what follows.
fn number_within(text: &str, digits: usize) -> Option<(i64, &str)> {
    let len = text.bytes().take(digits).take_while(u8::is_ascii_digit).count();
    Some((text[..len].parse().ok()?, &text[len..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24 13:00 in a zone one hour ahead.
    fn now() -> DateTime {
        DateTime::from_epoch(1_795_521_600, 3600)
    }

    #[test]
    fn dates_and_times_are_read() {
        for (text, utc) in [
            ("2024-2-9", "2024-02-09 00:00:00Z"),
            ("2024-2-9Z", "2024-02-09 00:00:00Z"),
            ("2024-02-29x", "2024-02-29 00:00:00Z"),
            ("20240229", "2024-02-29 00:00:00Z"),
            ("202402291", "2024-02-29 00:00:00Z"),
            ("2024021", "2024-02-01 00:00:00Z"),
            ("2024-02", "2024-01-02 00:00:00Z"),
            ("2024-366", "2024-12-31 00:00:00Z"),
            ("2024-W09-4", "2024-02-29 00:00:00Z"),
            ("2020-W53-7", "2021-01-03 00:00:00Z"),
            ("2026-W1-1", "2025-12-29 00:00:00Z"),
            ("10000-01-01", "10000-01-01 00:00:00Z"),
            ("epoch", "1970-01-01 00:00:00Z"),
            ("Epoch/x", "1970-01-01 00:00:00Z"),
            ("2024-02-29T1", "2024-02-29 00:00:00Z"),
            ("2024-02-29 1:2", "2024-02-29 00:02:00Z"),
            ("2024-02-29T1:2:3", "2024-02-29 00:02:03Z"),
            ("2024-02-29T101", "2024-02-29 09:01:00Z"),
            ("2024-02-29T1011", "2024-02-29 09:11:00Z"),
            ("2024-02-29T101112", "2024-02-29 09:11:12Z"),
            ("2024-02-29T10:11:", "2024-02-29 09:11:00Z"),
            ("2024-02-29T10:11:12.5Z", "2024-02-29 10:11:12Z"),
            ("2024-02-29T10:11:12,5", "2024-02-29 09:11:12Z"),
            ("2024-02-29T10:11:12x", "2024-02-29 09:11:12Z"),
            ("2024-02-29T10:11:12 x", "2024-02-29 10:11:12Z"),
            ("2024-02-29T10:11:12-5", "2024-02-29 15:11:12Z"),
            ("2024-02-29T10:11:12+02:00", "2024-02-29 08:11:12Z"),
            ("2024-02-29T10:11:12 +0230", "2024-02-29 07:41:12Z"),
            ("2024-02-29T10:11:12 Z", "2024-02-29 10:11:12Z"),
            ("2024-02-29T10:11:12-05:30Z", "2024-02-29 10:11:12Z"),
            ("2024-02-29T24:00Z", "2024-03-01 00:00:00Z"),
            ("2024-12-31T24Z", "2025-01-01 00:00:00Z"),
            ("2024-02-29T", "2024-02-28 23:00:00Z"),
            ("2024-02-29  10:11", "2024-02-29 00:00:00Z"),
            ("2024-02-29T 10:11:12 Z", "2024-02-29 10:11:12Z"),
            ("10:11:12Z", "2026-11-24 10:11:12Z"),
            ("T10Z", "2026-11-24 10:00:00Z"),
            ("T10:11", "2026-11-24 09:11:00Z"),
        ] {
            let date = DateTime::parse(text, now()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(date.with_offset(0).to_string(), utc, "{text}");
        }
    }

    #[test]
    fn what_is_out_of_range_or_unknown_is_refused() {
        for text in [
            "",
            "x",
            "2024",
            "202402",
            "2024W094",
            "2024-W09",
            "2024-W53-1",
            "2024-W1-8",
            "2024-0",
            "2023-366",
            "2024-02-30",
            "2024-13-01",
            "0000-01-01",
            "0-1-1",
            "epochx",
            "2024-02-29T24:00:01Z",
            "2024-02-29T25Z",
            "2024-02-29T10:60Z",
            "2024-02-29T10:11:60Z",
            "2024-02-29T10:1112",
            "2024-02-29T1011:12",
            "2024-02-29T-5",
            "2024-02-29Tx",
            "2024-02-29T10:11+25",
            "99999999999-01-01",
            "é:é",
            "2024-é",
        ] {
            assert!(DateTime::parse(text, now()).is_err(), "{text}");
        }
    }
}
