//! A point in time as a place sees it.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Add;

use super::calendar::{self, MAX_YEAR};
use super::{DAY, Duration};

/// A date and time with an offset from UTC. Two are equal when they are the same instant.
#[derive(Debug, Clone, Copy)]
pub struct DateTime {
    year: i64,
    /// Day of the year, from 1.
    ordinal: i64,
    /// Seconds of the day, below 86400.
    second: i64,
    /// Seconds east of UTC.
    offset: i32,
}

/// A date in the ISO week calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IsoWeek {
    /// The year the week belongs to.
    pub year: i64,
    /// Week, 1 to 53.
    pub week: i64,
    /// Day, 1 (Monday) to 7 (Sunday).
    pub weekday: i64,
}

impl DateTime {
    /// The instant `epoch` (seconds since 1970-01-01 00:00 UTC) as seen `offset` seconds east of UTC.
    /// Clipped to the years 1 to 999999.
    pub fn from_epoch(epoch: i64, offset: i32) -> DateTime {
        let local = epoch.saturating_add(i64::from(offset));
        let (year, ordinal) = calendar::from_epoch_day(local.div_euclid(DAY));
        DateTime { year, ordinal, second: local.rem_euclid(DAY), offset }
    }

    /// From parts that are in range, the day possibly one beyond the year's end.
    pub(super) fn from_parts(year: i64, ordinal: i64, second: i64, offset: i32) -> DateTime {
        let day = calendar::epoch_day(year, ordinal) + second.div_euclid(DAY);
        let (year, ordinal) = calendar::from_epoch_day(day);
        DateTime { year, ordinal, second: second.rem_euclid(DAY), offset }
    }

    /// Seconds since 1970-01-01 00:00 UTC.
    pub fn epoch(self) -> i64 {
        calendar::epoch_day(self.year, self.ordinal) * DAY + self.second - i64::from(self.offset)
    }

    /// Seconds east of UTC.
    pub fn offset(self) -> i32 {
        self.offset
    }

    /// The same instant seen from another offset.
    pub fn with_offset(self, offset: i32) -> DateTime {
        DateTime::from_epoch(self.epoch(), offset)
    }

    /// Year, from 1.
    pub fn year(self) -> i64 {
        self.year
    }

    /// Month, 1 to 12.
    pub fn month(self) -> i64 {
        calendar::month_and_day(self.year, self.ordinal).0
    }

    /// Day of the month, 1 to 31.
    pub fn day(self) -> i64 {
        calendar::month_and_day(self.year, self.ordinal).1
    }

    /// Day of the year, 1 to 366.
    pub fn day_of_year(self) -> i64 {
        self.ordinal
    }

    /// Hour, 0 to 23.
    pub fn hour(self) -> i64 {
        self.second / 3600
    }

    /// Minute, 0 to 59.
    pub fn minute(self) -> i64 {
        self.second / 60 % 60
    }

    /// Second, 0 to 59.
    pub fn second(self) -> i64 {
        self.second % 60
    }

    /// Year, week and weekday of the ISO week calendar.
    pub fn iso_week(self) -> IsoWeek {
        let day = calendar::epoch_day(self.year, self.ordinal);
        let year = if day < calendar::iso_year_start(self.year) {
            self.year - 1
        } else if day >= calendar::iso_year_start(self.year + 1) {
            self.year + 1
        } else {
            self.year
        };
        let week = (day - calendar::iso_year_start(year)) / 7 + 1;
        IsoWeek { year, week, weekday: calendar::weekday(day) }
    }

    /// Changes the year and keeps the day of the *year*, not month and day (spec 50 §3.3). Day 366
    /// becomes 365 in a year without one.
    pub fn add_years(self, years: i64) -> DateTime {
        let year = self.year.saturating_add(years).clamp(1, MAX_YEAR);
        DateTime { year, ordinal: self.ordinal.min(calendar::days_in_year(year)), ..self }
    }

    /// Adds calendar months; the day is clipped to the length of the month reached.
    pub fn add_months(self, months: i64) -> DateTime {
        let (month, day) = calendar::month_and_day(self.year, self.ordinal);
        let count = (self.year * 12 + month - 1).saturating_add(months);
        let count = count.clamp(12, MAX_YEAR * 12 + 11);
        let (year, month) = (count / 12, count % 12 + 1);
        let day = day.min(calendar::days_in_month(year, month));
        let ordinal = calendar::ordinal(year, month, day);
        DateTime { year, ordinal, ..self }
    }

    /// Adds days.
    pub fn add_days(self, days: i64) -> DateTime {
        let day = calendar::epoch_day(self.year, self.ordinal).saturating_add(days);
        let (year, ordinal) = calendar::from_epoch_day(day);
        DateTime { year, ordinal, ..self }
    }

    /// Adds seconds.
    pub fn add_seconds(self, seconds: i64) -> DateTime {
        let second = self.second.saturating_add(seconds);
        let moved = self.add_days(second.div_euclid(DAY));
        DateTime { second: second.rem_euclid(DAY), ..moved }
    }
}

impl Add<Duration> for DateTime {
    type Output = DateTime;

    /// Adds years, then months, then days, then seconds.
    fn add(self, duration: Duration) -> DateTime {
        self.add_years(duration.years.into())
            .add_months(duration.months.into())
            .add_days(duration.days.into())
            .add_seconds(duration.seconds.into())
    }
}

impl PartialEq for DateTime {
    fn eq(&self, other: &DateTime) -> bool {
        self.epoch() == other.epoch()
    }
}

impl Eq for DateTime {}

impl PartialOrd for DateTime {
    fn partial_cmp(&self, other: &DateTime) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DateTime {
    fn cmp(&self, other: &DateTime) -> Ordering {
        self.epoch().cmp(&other.epoch())
    }
}

impl Hash for DateTime {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.epoch().hash(state);
    }
}

/// `2024-02-29 10:11:12Z`, or ` +05:30` in place of the `Z`.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (month, day) = calendar::month_and_day(self.year, self.ordinal);
        write!(f, "{:04}-{month:02}-{day:02} ", self.year)?;
        write!(f, "{:02}:{:02}:{:02}", self.hour(), self.minute(), self.second())?;
        if self.offset == 0 {
            return f.write_str("Z");
        }
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.unsigned_abs() / 60;
        write!(f, " {sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_added_by_the_calendar() {
        for (start, duration, end) in [
            ("2024-02-29", "P1Y", "2025-03-01 00:00:00Z"),
            ("2023-03-01", "P1Y", "2024-02-29 00:00:00Z"),
            ("2024-366", "P1Y", "2025-12-31 00:00:00Z"),
            ("2024-366", "P1Y1D", "2026-01-01 00:00:00Z"),
            ("2024-01-31", "P1M", "2024-02-29 00:00:00Z"),
            ("2024-01-31", "P13M", "2025-02-28 00:00:00Z"),
            ("2024-01-31", "P-13M", "2022-12-31 00:00:00Z"),
            ("2024-02-29", "P1Y1M1D", "2025-04-02 00:00:00Z"),
            ("2024-12-31", "P366D", "2026-01-01 00:00:00Z"),
            ("2024-12-31T23:59:59Z", "PT1S", "2025-01-01 00:00:00Z"),
            ("2024-12-31T00:00:01Z", "PT-2S", "2024-12-30 23:59:59Z"),
            ("2024-01-01", "PT-86401S", "2023-12-30 23:59:59Z"),
            ("0001-01-01", "P-1D", "0001-01-01 00:00:00Z"),
            ("0002-01-01", "P-30M", "0001-01-01 00:00:00Z"),
            ("2024-01-01", "P2147483647Y", "999999-01-01 00:00:00Z"),
        ] {
            let now = DateTime::from_epoch(0, 0);
            let sum = DateTime::parse(start, now).unwrap() + Duration::parse(duration).unwrap();
            assert_eq!(sum.to_string(), end, "{start} + {duration}");
        }
    }

    #[test]
    fn a_date_knows_its_fields_where_it_is() {
        let date = DateTime::from_epoch(1_609_628_400, 3600);
        assert_eq!(date.to_string(), "2021-01-03 00:00:00 +01:00");
        assert_eq!(date.iso_week(), IsoWeek { year: 2020, week: 53, weekday: 7 });
        let west = date.with_offset(-5400);
        assert_eq!(west.to_string(), "2021-01-02 21:30:00 -01:30");
        assert_eq!((west.day_of_year(), west.hour(), west.minute()), (2, 21, 30));
        assert_eq!(west, date);
    }
}
