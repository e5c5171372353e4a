//! The order in which a chained-free hash table yields its keys.
//!
//! The reference keeps node tables and attributes in such tables, and three results depend on the
//! order in which it walks them (spec 20 §10.3): open addressing with quadratic probing, slots chosen
//! modulo a prime below the size, sizes powers of two from 8.

/// The largest prime below each table size from 8 on.
const PRIMES: [u32; 14] =
    [7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521];

/// Positions of the keys in iteration order, after inserting them in the given order.
pub(super) fn hash_order(keys: &[&str]) -> Vec<usize> {
    let hashes: Vec<u32> = keys.iter().map(|k| hash(k)).collect();
    let mut level = 0;
    let mut slots: Vec<Option<usize>> = vec![None; 8];
    for key in 0..keys.len() {
        put(&mut slots, PRIMES[level], hashes[key], key);
        let count = key + 1;
        if slots.len() <= count + count / 16 && level + 1 < PRIMES.len() {
            level += 1;
            let old = std::mem::replace(&mut slots, vec![None; 8 << level]);
            for key in old.into_iter().flatten() {
                put(&mut slots, PRIMES[level], hashes[key], key);
            }
        }
    }
    slots.into_iter().flatten().collect()
}

fn hash(text: &str) -> u32 {
    text.bytes().fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(b as i8 as u32))
}

fn put(slots: &mut [Option<usize>], prime: u32, hash: u32, key: usize) {
    let mask = slots.len() - 1;
    let mut at = (hash.wrapping_mul(11) % prime) as usize;
    let mut step = 0;
    while slots[at].is_some() {
        step += 1;
        at = (at + step) & mask;
    }
    slots[at] = Some(key);
}

#[cfg(test)]
mod tests {
    use super::hash_order;

    #[test]
    fn small_tables_iterate_by_slot() {
        let cases: [(&[&str], &[usize]); 3] = [
            (&["cpu", "memory"], &[0, 1]),
            (&["1", "2", "3"], &[0, 2, 1]),
            (&["host1", "host2"], &[1, 0]),
        ];
        for (keys, order) in cases {
            assert_eq!(hash_order(keys), order, "{keys:?}");
        }
    }

    #[test]
    fn every_key_comes_out_once_at_any_size() {
        let keys: Vec<String> = (0..300).map(|i| format!("node{i}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut order = hash_order(&keys);
        order.sort_unstable();
        assert!(order.into_iter().eq(0..300));
    }
}
