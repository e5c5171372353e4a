//! The virtual network: delay, loss, duplication, reordering, corruption per directed link.

use cpg::Time;
use rand::Rng;
use rand::rngs::StdRng;
use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub struct Link {
    pub open: bool,
    pub loss: f64,
    pub duplicate: f64,
    pub corrupt: f64,
    pub delay: Duration,
    pub jitter: Duration,
}

impl Link {
    pub fn good() -> Link {
        Link {
            open: true,
            loss: 0.0,
            duplicate: 0.0,
            corrupt: 0.0,
            delay: Duration::from_millis(1),
            jitter: Duration::ZERO,
        }
    }
}

#[derive(Debug)]
pub struct Network {
    size: usize,
    links: Vec<Link>,
    last: Vec<Time>,
}

impl Network {
    pub fn new(size: usize) -> Network {
        Network {
            size,
            links: vec![Link::good(); size * size],
            last: vec![Time::ZERO; size * size],
        }
    }

    pub fn link(&mut self, from: usize, to: usize) -> &mut Link {
        &mut self.links[from * self.size + to]
    }

    pub fn each(&mut self, mut change: impl FnMut(&mut Link)) {
        self.links.iter_mut().for_each(&mut change);
    }

    /// The arrivals that one sent frame causes: when, and with which content.
    pub fn carry(
        &mut self,
        rng: &mut StdRng,
        now: Time,
        (from, to): (usize, usize),
        frame: &[u8],
    ) -> Vec<(Time, Vec<u8>)> {
        let index = from * self.size + to;
        let link = self.links[index];
        let mut arrivals = Vec::new();
        let copies = if rng.random_bool(link.duplicate) { 2 } else { 1 };
        for _ in 0..copies {
            if !link.open || rng.random_bool(link.loss) {
                continue;
            }
            let mut content = frame.to_vec();
            if rng.random_bool(link.corrupt) && !content.is_empty() {
                let at = rng.random_range(0..content.len());
                content[at] ^= 1 << rng.random_range(0..8);
            }
            let jitter = link.jitter.as_nanos() as u64;
            let jitter = if jitter == 0 { 0 } else { rng.random_range(0..jitter) };
            let mut at = now + link.delay + Duration::from_nanos(jitter);
            if link.jitter.is_zero() {
                at = at.max(self.last[index] + Duration::from_nanos(1)); // in order
            }
            self.last[index] = at;
            arrivals.push((at, content));
        }
        arrivals
    }
}
