//! XML ids and the natural order of names.

use std::cmp::Ordering;

/// Makes a text usable as an XML id: an invalid first character becomes `_`, every other invalid byte
/// `.` (spec 50 §2.5).
pub fn sanitize_id(text: &str) -> String {
    text.bytes()
        .enumerate()
        .map(|(index, byte)| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | b':' => byte as char,
            b'0'..=b'9' | b'-' | b'.' if index > 0 => byte as char,
            _ if index == 0 => '_',
            _ => '.',
        })
        .collect()
}

/// The order of node names in lists: runs of digits compare as numbers (then by length of the run),
/// everything else byte by byte regardless of case, so `n2` < `n10` (spec 10 §2.1).
pub fn natural_cmp(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (&first_a, &first_b) = match (a.first(), b.first()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => (x, y),
        };
        let order = if first_a.is_ascii_digit() && first_b.is_ascii_digit() {
            let (run_a, run_b) = (digits(&mut a), digits(&mut b));
            let (number_a, number_b) = (without_zeros(run_a), without_zeros(run_b));
            (number_a.len().cmp(&number_b.len()))
                .then_with(|| number_a.cmp(number_b))
                .then_with(|| run_a.len().cmp(&run_b.len()))
        } else {
            (a, b) = (&a[1..], &b[1..]);
            first_a.to_ascii_lowercase().cmp(&first_b.to_ascii_lowercase())
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn digits<'t>(text: &mut &'t [u8]) -> &'t [u8] {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (run, rest) = text.split_at(len);
    *text = rest;
    run
}

fn without_zeros(run: &[u8]) -> &[u8] {
    &run[run.iter().take_while(|&&byte| byte == b'0').count()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sanitised_byte_by_byte() {
        for (text, id) in [
            ("a-1.b:c_", "a-1.b:c_"),
            ("1a", "_a"),
            ("a b/c", "a.b.c"),
            ("éa", "_.a"),
            ("aé", "a.."),
            ("", ""),
        ] {
            assert_eq!(sanitize_id(text), id);
        }
    }

    #[test]
    fn natural_order_reads_numbers() {
        let mut names = ["n10", "n2", "N1", "n", "n02", "n2a", "m9"];
        names.sort_by(|a, b| natural_cmp(a, b));
        assert_eq!(names, ["m9", "n", "N1", "n2", "n2a", "n02", "n10"]);
    }
}
