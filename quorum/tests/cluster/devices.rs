//! Clusters whose quorum devices ask one arbiter in the same process: however the nodes fall
//! apart, two partitions never have quorum at once, and one has it whenever the arbiter can give it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use quorum::device::{Algorithm, Arbiter, Heuristics, LocalDevice, QuorumDevice};
use quorum::options::TieBreaker;
use quorum::votes::{DeviceRequest, Input, Request, Votes};

use crate::invariants::{Demands, check};
use crate::messaging::{Cluster, id};

struct Devices {
    cluster: Cluster,
    devices: Vec<LocalDevice>,
    /// The nodes' own checks change their results.
    restless: bool,
}

impl Devices {
    fn new(size: usize, algorithm: Algorithm, votes: usize) -> Devices {
        let options = format!("device.model=net,device.votes={votes}");
        let mut cluster = Cluster::new(size, &options);
        let nodes = (1..=size).map(id);
        let arbiter = Arc::new(Mutex::new(Arbiter::new(algorithm, TieBreaker::Lowest, nodes)));
        let interval = Duration::from_secs(5);
        let devices = (1..=size)
            .map(|n| LocalDevice::new(id(n), "Qdevice", interval, Arc::clone(&arbiter)))
            .collect();
        for n in 1..=size {
            cluster.start(n);
        }
        Devices { cluster, devices, restless: true }
    }

    /// What a driver does: hands new rings to the device, registers it, and feeds its polls.
    fn drive(&mut self, n: usize) {
        let now = self.cluster.now;
        let device = &mut self.devices[n - 1];
        let node = &mut self.cluster.nodes[n - 1];
        let due = node.device_due.take();
        let Some(votes) = &node.votes else { return };
        if let Some(ring) = due {
            let formed = self.cluster.rings.iter().find(|formed| formed.id == ring);
            let members: Vec<_> =
                formed.into_iter().flat_map(|formed| &formed.members).map(|n| id(*n)).collect();
            device.synchronising(now, ring, &members);
        }
        let registered = votes.nodes().get(id(n)).is_some_and(|r| r.device.registered);
        if !registered && !votes.is_synchronising() {
            let name = device.name().to_owned();
            let request = Request::Device(DeviceRequest::Register { name });
            self.cluster.feed(n, Input::Request { token: 0, request });
        }
        while let Some(poll) = self.devices[n - 1].poll(now) {
            let request = Request::Device(poll);
            self.cluster.feed(n, Input::Request { token: 0, request });
        }
    }

    /// One round of everything, in an order the generator chooses.
    fn round(&mut self, rng: &mut ChaCha8Rng) -> Result<(), String> {
        let demands = Demands { exclusive: true, agreed: false };
        let size = self.cluster.nodes.len();
        for _ in 0..6 * size {
            let n = 1 + rng.next_u32() as usize % size;
            match rng.next_u32() % 3 {
                0 => {
                    self.cluster.order(n);
                }
                1 => {
                    self.cluster.deliver(n);
                }
                _ => self.drive(n),
            }
            if self.restless && rng.next_u32().is_multiple_of(40) {
                let result = [Heuristics::Pass, Heuristics::Fail][rng.next_u32() as usize % 2];
                self.devices[n - 1].set_heuristics(result);
            }
            check(&self.cluster, demands)?;
        }
        self.cluster.now += Duration::from_secs(5);
        Ok(())
    }

    fn quorate(&self) -> Vec<usize> {
        let quorate = |votes: &Votes| votes.is_quorate();
        let nodes = self.cluster.nodes.iter();
        nodes.filter(|n| n.votes.as_ref().is_some_and(quorate)).map(|n| n.number).collect()
    }
}

pub fn run(seed: u64, size: usize, algorithm: Algorithm, votes: usize) -> Result<(), String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut devices = Devices::new(size, algorithm, votes);
    devices.cluster.reform(&[(1..=size).collect()], |rest| rest);
    for _ in 0..6 {
        for _ in 0..3 + rng.next_u32() % 12 {
            devices.round(&mut rng)?;
        }
        let mut halves = vec![Vec::new(); 2];
        for n in 1..=size {
            halves[rng.next_u32() as usize % 2].push(n);
        }
        halves.retain(|half| !half.is_empty());
        devices.cluster.reform(&halves, |rest| rest);
    }
    devices.restless = false;
    for _ in 0..20 {
        devices.round(&mut rng)?;
    }
    if devices.quorate().is_empty() {
        return Err("nobody has quorum although the arbiter is there".to_owned());
    }
    Ok(())
}

#[test]
fn two_partitions_never_count_the_device_and_one_does() {
    for (size, algorithm, votes) in [
        (2, Algorithm::FiftyFifty, 1),
        (4, Algorithm::FiftyFifty, 1),
        (4, Algorithm::LastManStanding, 3),
        (5, Algorithm::LastManStanding, 4),
    ] {
        for seed in 0..100 {
            if let Err(problem) = run(seed, size, algorithm, votes) {
                panic!("seed {seed}, {size} nodes, {algorithm:?}: {problem}");
            }
        }
    }
}
