//! Arbitrary text as date, duration, interval, score and version.

#![no_main]

use cib_model::date::{DateTime, Duration};
use cib_model::scalar::{
    Score, Version, natural_cmp, parse_interval_ms, parse_timeout_ms, sanitize_id,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let now = DateTime::from_epoch(1_709_209_845, -5400);
    let date = DateTime::parse(text, now);
    if let Ok(date) = &date {
        let again = DateTime::parse(&date.to_string(), now).expect("what we print can be read");
        // Offsets print without their seconds.
        assert!((again.epoch() - date.epoch()).abs() < 60);
        let week = date.iso_week();
        assert!((1..=53).contains(&week.week) && (1..=7).contains(&week.weekday));
        assert!((1..=12).contains(&date.month()) && (1..=31).contains(&date.day()));
    }
    if let Ok(duration) = Duration::parse(text) {
        for start in [now, date.unwrap_or(now)] {
            assert!((1..=999_999).contains(&(start + duration).year()));
        }
    }
    let _ = parse_timeout_ms(text);
    assert!(parse_interval_ms(text).unwrap_or(0) <= u64::from(u32::MAX));
    let _ = Score::parse(text).map(|score| score + score - score);
    let middle = (0..=text.len() / 2).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let (left, right) = text.split_at(middle);
    assert_eq!(natural_cmp(left, right), natural_cmp(right, left).reverse());
    assert_eq!(Version(left).cmp(&Version(right)), Version(right).cmp(&Version(left)).reverse());
    assert_eq!(sanitize_id(text).len(), text.len());
});
