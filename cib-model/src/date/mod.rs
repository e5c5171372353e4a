//! Dates, times and durations: the ISO 8601 subset of the CIB (spec 50 §3).
//!
//! There is no clock here. What depends on the current time (a text that gives only a time of day, or
//! no offset from UTC) takes *now* as an argument.
//!
//! ```
//! use cib_model::date::{DateTime, Duration};
//!
//! let now = DateTime::from_epoch(1_700_000_000, 3600);
//! let start = DateTime::parse("2024-01-31 12:00Z", now)?;
//! let end = start + Duration::parse("P1M")?;
//! assert_eq!(end.to_string(), "2024-02-29 12:00:00Z");
//! assert_eq!(end.epoch(), 1_709_208_000);
//! # Ok::<(), cib_model::date::DateError>(())
//! ```

mod calendar;
mod datetime;
mod duration;
mod parse;

pub use datetime::{DateTime, IsoWeek};
pub use duration::Duration;

use thiserror::Error;

/// A text that is no date, time or duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DateError {
    /// Not a date and time.
    #[error("'{0}' is not a date and time; write for example 2024-02-29 10:11:12Z")]
    NotADate(String),
    /// Not a duration.
    #[error("'{0}' is not a duration; write for example P1M2D or PT30M, without fractions")]
    NotADuration(String),
}

/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;
