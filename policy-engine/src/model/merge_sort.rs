//! Top-down merge sort.
//!
//! Several comparisons of the scheduler are not transitive, so the algorithm is part of the result
//! (spec 20 §5.5): n elements are split into the first ⌊n/2⌋ and the rest, and a merge takes the left
//! element unless it compares after the right one.

use std::cmp::Ordering;

/// Sorts in place with the merge order described above.
pub fn merge_sort<T: Copy>(items: &mut [T], compare: &mut dyn FnMut(&T, &T) -> Ordering) {
    sort_within(items, &mut Vec::with_capacity(items.len() / 2), compare);
}

/// `left` is room for the left half while the two are merged.
fn sort_within<T: Copy>(
    items: &mut [T],
    left: &mut Vec<T>,
    compare: &mut dyn FnMut(&T, &T) -> Ordering,
) {
    if items.len() < 2 {
        return;
    }
    let middle = items.len() / 2;
    sort_within(&mut items[..middle], left, compare);
    sort_within(&mut items[middle..], left, compare);
    left.clear();
    left.extend_from_slice(&items[..middle]);
    let (mut i, mut j, mut out) = (0, middle, 0);
    while i < left.len() && j < items.len() {
        if compare(&left[i], &items[j]) == Ordering::Greater {
            items[out] = items[j];
            j += 1;
        } else {
            items[out] = left[i];
            i += 1;
        }
        out += 1;
    }
    items[out..out + left.len() - i].copy_from_slice(&left[i..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_stably_and_deterministically_on_cycles() {
        let mut plain = [(3, 'a'), (1, 'b'), (3, 'c'), (2, 'd'), (1, 'e')];
        merge_sort(&mut plain, &mut |x, y| x.0.cmp(&y.0));
        assert_eq!(plain.map(|p| p.1), ['b', 'e', 'd', 'a', 'c']);
        // Rock, scissors, paper: 0 before 1 before 2 before 0. The split is [0] and [1, 2].
        let mut cycle = [2, 0, 1];
        merge_sort(&mut cycle, &mut |x, y| match (y + 3 - x) % 3 {
            0 => Ordering::Equal,
            1 => Ordering::Less,
            _ => Ordering::Greater,
        });
        assert_eq!(cycle, [2, 0, 1]);
    }
}
