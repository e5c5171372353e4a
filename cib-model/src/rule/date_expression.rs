//! Conditions on the time (`date_expression`, spec 50 §4.4).

use super::{NextChange, Outcome, RuleError, RuleErrorKind, require};
use crate::date::{DateTime, Duration};
use crate::document::Element;
use crate::scalar::parse_integer;

#[derive(Debug, Clone)]
pub(super) enum DateExpression {
    /// `in_range`, both bounds inclusive.
    InRange { start: Option<DateTime>, end: Option<DateTime> },
    /// `gt`
    After(DateTime),
    /// `lt`
    Before(DateTime),
    /// `date_spec`
    Calendar(Vec<(Field, Range)>),
}

impl DateExpression {
    pub(super) fn read(element: Element<'_>, now: DateTime) -> Result<DateExpression, RuleError> {
        let error = |kind| RuleError::new(element, kind);
        let date = |name| match element.attribute(name) {
            None => Ok(None),
            Some(text) => DateTime::parse(text, now).map(Some).map_err(|e| error(e.into())),
        };
        let operation = element.attribute("operation").unwrap_or("in_range");
        match operation.to_ascii_lowercase().as_str() {
            "gt" => date("start")?
                .map(DateExpression::After)
                .ok_or(error(RuleErrorKind::Needs("start"))),
            "lt" => {
                date("end")?.map(DateExpression::Before).ok_or(error(RuleErrorKind::Needs("end")))
            }
            "in_range" => {
                let start = date("start")?;
                let mut end = date("end")?;
                if end.is_none()
                    && let Some(duration) = element.child("duration")
                {
                    let needs = RuleErrorKind::Needs("start with its duration");
                    let start = start.ok_or(error(needs))?;
                    end = Some(start + read_duration(duration)?);
                }
                if start.is_none() && end.is_none() {
                    return Err(error(RuleErrorKind::Needs("start or end")));
                }
                Ok(DateExpression::InRange { start, end })
            }
            "date_spec" => {
                let needs = RuleErrorKind::Needs("a date_spec child");
                read_date_spec(element.child("date_spec").ok_or(error(needs))?)
                    .map(DateExpression::Calendar)
            }
            _ => {
                let accepted = "in_range, gt, lt or date_spec";
                Err(error(RuleErrorKind::unknown("operation", operation, accepted)))
            }
        }
    }

    pub(super) fn evaluate(&self, now: DateTime, next_change: &mut NextChange) -> Outcome {
        match self {
            DateExpression::InRange { start: Some(start), .. } if now < *start => {
                next_change.note(start.epoch());
                Outcome::BeforeRange
            }
            DateExpression::InRange { end: Some(end), .. } if now > *end => Outcome::AfterRange,
            DateExpression::InRange { end, .. } => {
                if let Some(end) = end {
                    next_change.note(end.epoch() + 1);
                }
                Outcome::Pass
            }
            DateExpression::After(start) if now > *start => Outcome::Pass,
            DateExpression::After(start) => {
                next_change.note(start.epoch() + 1);
                Outcome::BeforeRange
            }
            DateExpression::Before(end) if now < *end => {
                next_change.note(end.epoch());
                Outcome::Pass
            }
            DateExpression::Before(_) => Outcome::AfterRange,
            DateExpression::Calendar(fields) => fields
                .iter()
                .map(|(field, range)| range.outcome(field.value(now)))
                .find(|outcome| *outcome != Outcome::Pass)
                .unwrap_or(Outcome::Pass),
        }
    }
}

/// Years, months, weeks, days, hours, minutes and seconds as one duration. Days and seconds are
/// gathered first, which comes to the same as adding them one after the other.
fn read_duration(element: Element<'_>) -> Result<Duration, RuleError> {
    require(element, "id")?;
    let amount = |field: &'static str| match element.attribute(field) {
        None => Ok(0),
        Some(text) => parse_integer(text).filter(|n| i32::try_from(*n).is_ok()).ok_or_else(|| {
            let value = text.to_owned();
            RuleError::new(element, RuleErrorKind::Amount { field, value })
        }),
    };
    let years = amount("years")? as i32;
    let months = amount("months")? as i32;
    let days = amount("weeks")? * 7 + amount("days")?;
    let seconds = amount("hours")? * 3600 + amount("minutes")? * 60 + amount("seconds")?;
    let clip = |sum: i64| sum.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
    // Seconds of many hours do not fit; whole days of them do.
    let (whole_days, seconds) = (seconds / 86_400, seconds % 86_400);
    Ok(Duration { years, months, days: clip(days + whole_days), seconds: clip(seconds) })
}

/// A calendar field, in the order in which they are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    Years,
    Months,
    MonthDays,
    Hours,
    Minutes,
    Seconds,
    YearDays,
    WeekYears,
    Weeks,
    WeekDays,
}

const FIELDS: [(&str, Field); 10] = [
    ("years", Field::Years),
    ("months", Field::Months),
    ("monthdays", Field::MonthDays),
    ("hours", Field::Hours),
    ("minutes", Field::Minutes),
    ("seconds", Field::Seconds),
    ("yeardays", Field::YearDays),
    ("weekyears", Field::WeekYears),
    ("weeks", Field::Weeks),
    ("weekdays", Field::WeekDays),
];

impl Field {
    fn value(self, now: DateTime) -> i64 {
        match self {
            Field::Years => now.year(),
            Field::Months => now.month(),
            Field::MonthDays => now.day(),
            Field::Hours => now.hour(),
            Field::Minutes => now.minute(),
            Field::Seconds => now.second(),
            Field::YearDays => now.day_of_year(),
            Field::WeekYears => now.iso_week().year,
            Field::Weeks => now.iso_week().week,
            Field::WeekDays => now.iso_week().weekday,
        }
    }
}

/// An inclusive range, open where `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    low: Option<i64>,
    high: Option<i64>,
}

impl Range {
    /// `N`, `N-M`, `N-` or `-M`.
    fn parse(text: &str) -> Option<Range> {
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        if low.is_empty() && high.is_empty() {
            return None;
        }
        let bound = |text: &str| -> Option<Option<i64>> {
            if text.is_empty() {
                return Some(None);
            }
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u32>().ok()).flatten().map(|n| Some(n.into()))
        };
        Some(Range { low: bound(low)?, high: bound(high)? })
    }

    fn outcome(self, value: i64) -> Outcome {
        if self.low.is_some_and(|low| value < low) {
            Outcome::BeforeRange
        } else if self.high.is_some_and(|high| value > high) {
            Outcome::AfterRange
        } else {
            Outcome::Pass
        }
    }
}

fn read_date_spec(element: Element<'_>) -> Result<Vec<(Field, Range)>, RuleError> {
    require(element, "id")?;
    let mut fields = Vec::new();
    for (name, field) in FIELDS {
        let Some(text) = element.attribute(name) else { continue };
        let range = Range::parse(text).ok_or_else(|| {
            let value = text.to_owned();
            RuleError::new(element, RuleErrorKind::Range { field: name, value })
        })?;
        fields.push((field, range));
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_to_the_letter() {
        let range = |low, high| Some(Range { low, high });
        for (text, expected) in [
            ("5", range(Some(5), Some(5))),
            ("1-3", range(Some(1), Some(3))),
            ("1-", range(Some(1), None)),
            ("-3", range(None, Some(3))),
            ("3-1", range(Some(3), Some(1))),
            ("-", None),
            ("", None),
            ("1,2", None),
            ("x", None),
            ("1-2-3", None),
            (" 1", None),
            ("+1", None),
            ("1-x", None),
            ("99999999999", None),
        ] {
            assert_eq!(Range::parse(text), expected, "{text:?}");
        }
    }
}
