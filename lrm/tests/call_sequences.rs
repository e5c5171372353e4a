//! Random sequences of calls to the executor core hold its invariants.
//!
//! `LRM_SEED=N cargo test -p lrm --test call_sequences` replays one; the seed is in the message.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod call_sequence;

/// A generator good enough to shuffle calls (splitmix64).
fn bytes(mut seed: u64, length: usize) -> Vec<u8> {
    let mut next = || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (0..length).map(|_| next() as u8).collect()
}

#[test]
fn random_call_sequences_hold_the_invariants() {
    let one = std::env::var("LRM_SEED").ok().map(|text| text.parse().expect("LRM_SEED=NUMBER"));
    let seeds = one.map_or(0..3_000, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let length = 50 + (seed % 20) as usize * 50;
        let played = std::panic::catch_unwind(|| call_sequence::play(&bytes(seed, length)));
        assert!(played.is_ok(), "replay with LRM_SEED={seed}");
    }
}
