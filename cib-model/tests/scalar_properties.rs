//! Laws of scores, dates and rules, over many values.

use cib_model::date::{DateTime, Duration};
use cib_model::document::{Document, References};
use cib_model::rule::{self, NextChange, RuleInput};
use cib_model::scalar::{
    Score, Version, natural_cmp, parse_interval_ms, parse_timeout_ms, sanitize_id,
};
use proptest::prelude::*;

fn score() -> impl Strategy<Value = Score> {
    prop_oneof![
        Just(Score::INFINITY),
        Just(Score::MINUS_INFINITY),
        (-1_100_000i64..1_100_000).prop_map(Score::new),
        (-10i64..10).prop_map(Score::new),
    ]
}

/// Instants between the years 1 and 9999.
fn epoch() -> impl Strategy<Value = i64> {
    prop_oneof![-62_135_510_400i64..253_402_214_400, 1_600_000_000i64..1_800_000_000]
}

fn offset() -> impl Strategy<Value = i32> {
    (-14 * 60..=14 * 60).prop_map(|minutes: i32| minutes * 60)
}

proptest! {
    #[test]
    fn score_sums_saturate_and_minus_infinity_wins(a in score(), b in score(), c in score()) {
        prop_assert_eq!(a + b, b + a);
        prop_assert_eq!(a + Score::ZERO, a);
        prop_assert_eq!(a + Score::MINUS_INFINITY, Score::MINUS_INFINITY);
        if !a.is_minus_infinity() {
            prop_assert_eq!(a + Score::INFINITY, Score::INFINITY);
        }
        prop_assert!((-1_000_000..=1_000_000).contains(&(a + b).value()));
        if a <= b {
            prop_assert!(a + c <= b + c);
        }
        prop_assert_eq!(a - b, a + -b);
        prop_assert_eq!(Score::parse(&a.to_string()), Ok(a));
    }

    #[test]
    fn instants_survive_zones_and_text(epoch in epoch(), a in offset(), b in offset()) {
        let date = DateTime::from_epoch(epoch, a);
        prop_assert_eq!(date.epoch(), epoch);
        prop_assert_eq!(date.with_offset(b), date);
        let elsewhere = DateTime::from_epoch(0, b);
        prop_assert_eq!(DateTime::parse(&date.to_string(), elsewhere).unwrap(), date);
        let week = date.iso_week();
        let text = format!("{:04}-W{}-{}", week.year, week.week, week.weekday);
        let midnight = DateTime::parse(&text, elsewhere).unwrap();
        prop_assert_eq!(midnight.day_of_year(), date.day_of_year());
        let text = format!("{:04}-{}", date.year(), date.day_of_year());
        prop_assert_eq!(DateTime::parse(&text, elsewhere).unwrap(), midnight);
    }

    #[test]
    fn days_and_seconds_add_up(epoch in 0i64..250_000_000_000, n in -2_000_000_000i64..2_000_000_000) {
        let date = DateTime::from_epoch(epoch, 3600);
        prop_assert_eq!(date.add_seconds(n).epoch(), epoch + n);
        prop_assert_eq!(date.add_days(n / 100_000).epoch(), epoch + n / 100_000 * 86_400);
        let months = date.add_months(n % 1000);
        prop_assert!(months.day() <= date.day());
        prop_assert_eq!(
            months.year() * 12 + months.month(),
            date.year() * 12 + date.month() + n % 1000
        );
    }

    #[test]
    fn ranges_agree_with_plain_comparison(now in epoch(), start in epoch(), end in epoch()) {
        let [now_at, start_at, end_at] = [now, start, end].map(|t| DateTime::from_epoch(t, 0));
        let input = RuleInput::at(now_at);
        let pass = |attributes: String| {
            let text = format!("<rule id='r'><date_expression id='d' {attributes}/></rule>");
            let document = Document::parse(&text).unwrap();
            let mut next = NextChange::default();
            let references = References::new(&document);
            let passes = rule::evaluate(document.root(), &references, &input, &mut next).unwrap();
            (passes, next.epoch())
        };
        let (passes, next) = pass(format!("start='{start_at}' end='{end_at}'"));
        prop_assert_eq!(passes, (start..=end).contains(&now));
        prop_assert_eq!(
            next,
            if now < start { Some(start) } else if now <= end { Some(end + 1) } else { None }
        );
        prop_assert_eq!(pass(format!("operation='gt' start='{start_at}'")).0, now > start);
        prop_assert_eq!(pass(format!("operation='lt' end='{end_at}'")).0, now < end);
        // Whatever next change is announced, nothing changes before it.
        if let Some(next) = next {
            prop_assert!(next > now);
        }
    }

    #[test]
    fn orders_are_orders(a in "[n0-9.aA]{0,6}", b in "[n0-9.aA]{0,6}", c in "[n0-9.aA]{0,6}") {
        prop_assert_eq!(natural_cmp(&a, &b), natural_cmp(&b, &a).reverse());
        prop_assert_eq!(Version(&a).cmp(&Version(&b)), Version(&b).cmp(&Version(&a)).reverse());
        if natural_cmp(&a, &b).is_le() && natural_cmp(&b, &c).is_le() {
            prop_assert!(natural_cmp(&a, &c).is_le());
        }
        if Version(&a) <= Version(&b) && Version(&b) <= Version(&c) {
            prop_assert!(Version(&a) <= Version(&c));
        }
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "[-+0-9:PTWYMDHSZ. /epochmsINFTéx%]{0,24}") {
        let now = DateTime::from_epoch(1_700_000_000, -3600);
        let _ = DateTime::parse(&text, now).map(|date| (date.epoch(), date.iso_week()));
        if let Ok(duration) = Duration::parse(&text) {
            let sum = now + duration;
            prop_assert!((1..=999_999).contains(&sum.year()));
        }
        let _ = parse_timeout_ms(&text);
        if let Ok(ms) = parse_interval_ms(&text) {
            prop_assert!(ms <= u64::from(u32::MAX));
        }
        let _ = Score::parse(&text);
        prop_assert!(sanitize_id(&text).is_ascii());
    }
}
