//! The proleptic Gregorian calendar in years and ordinal days.

/// Years beyond this are clipped: nothing is scheduled a million years ahead.
pub(super) const MAX_YEAR: i64 = 999_999;

/// Days from 0001-01-01 to 1970-01-01.
const EPOCH: i64 = 719_162;

pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) fn days_in_year(year: i64) -> i64 {
    365 + i64::from(is_leap(year))
}

pub(super) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Day of the year of a month's first day, minus one.
fn days_before_month(year: i64, month: i64) -> i64 {
    (1..month).map(|month| days_in_month(year, month)).sum()
}

pub(super) fn ordinal(year: i64, month: i64, day: i64) -> i64 {
    days_before_month(year, month) + day
}

/// Month and day of the month of an ordinal day.
pub(super) fn month_and_day(year: i64, ordinal: i64) -> (i64, i64) {
    let mut day = ordinal;
    for month in 1..12 {
        let length = days_in_month(year, month);
        if day <= length {
            return (month, day);
        }
        day -= length;
    }
    (12, day)
}

/// Days since 1970-01-01 of an ordinal day.
pub(super) fn epoch_day(year: i64, ordinal: i64) -> i64 {
    let past = year - 1;
    past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) + ordinal
        - 1
        - EPOCH
}

/// Year and ordinal day of a number of days since 1970-01-01, clipped to the years 1 to [`MAX_YEAR`].
pub(super) fn from_epoch_day(day: i64) -> (i64, i64) {
    let last = epoch_day(MAX_YEAR, days_in_year(MAX_YEAR));
    let day = day.clamp(-EPOCH, last);
    // A first guess that is at most a year off, then exact.
    let mut year = (day + EPOCH) * 400 / 146_097 + 1;
    if epoch_day(year, 1) > day {
        year -= 1;
    } else if epoch_day(year + 1, 1) <= day {
        year += 1;
    }
    (year, day - epoch_day(year, 1) + 1)
}

/// Day of the week of a number of days since 1970-01-01: 1 is Monday, 7 is Sunday.
pub(super) fn weekday(epoch_day: i64) -> i64 {
    (epoch_day + 3).rem_euclid(7) + 1
}

/// The number of ISO weeks of a year: those of 53 weeks start, or end, on a Thursday.
pub(super) fn iso_weeks(year: i64) -> i64 {
    let thursday = |ordinal| weekday(epoch_day(year, ordinal)) == 4;
    52 + i64::from(thursday(1) || thursday(days_in_year(year)))
}

/// Monday of ISO week 1 (the week with the year's first Thursday), in days since 1970-01-01.
pub(super) fn iso_year_start(year: i64) -> i64 {
    let fourth = epoch_day(year, 4);
    fourth - (weekday(fourth) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_eight_centuries_is_itself() {
        let (mut year, mut day) = (1600, 1);
        for number in epoch_day(1600, 1)..epoch_day(2400, 1) {
            assert_eq!(from_epoch_day(number), (year, day));
            let (month, of_month) = month_and_day(year, day);
            assert_eq!(ordinal(year, month, of_month), day);
            day += 1;
            if day > days_in_year(year) {
                (year, day) = (year + 1, 1);
            }
        }
    }

    #[test]
    fn known_days() {
        assert_eq!(epoch_day(1970, 1), 0);
        assert_eq!(weekday(0), 4);
        assert_eq!(from_epoch_day(i64::MIN), (1, 1));
        assert_eq!(from_epoch_day(i64::MAX), (MAX_YEAR, days_in_year(MAX_YEAR)));
        assert_eq!([2015, 2016, 2020, 2024, 2026].map(iso_weeks), [53, 52, 53, 52, 53]);
    }
}
