//! What befalls the cluster: crashes, partitions, bad networks, pauses, and the calm at the end.

use super::{Happening, World};
use crate::network::Link;
use crate::observer::Verdict;
use rand::Rng;
use std::time::Duration;

impl World {
    pub(super) fn fault(&mut self) -> Verdict {
        if self.calm || self.faults_left == 0 {
            return Ok(());
        }
        self.faults_left -= 1;
        let node = self.rng.random_range(0..self.slots.len());
        let other = self.rng.random_range(0..self.slots.len());
        let token_ms = self.scenario.token.as_millis() as u64;
        match self.rng.random_range(0..18) {
            0..3 => self.crash(node),
            3 => self.shut_down(node)?,
            4..7 => self.partition(),
            7 => {
                self.say(|| format!("{} no longer reaches {}", node + 1, other + 1));
                let link = self.rng.random_range(0..self.networks.len());
                self.networks[link].link(node, other).open = false;
            }
            8 => {
                let delay = Duration::from_millis(self.rng.random_range(1..token_ms / 2));
                self.say(|| format!("{} reaches {} slowly: {delay:?}", node + 1, other + 1));
                self.networks[0].link(node, other).delay = delay;
            }
            9..12 => {
                let loss = self.rng.random_range(0.0..0.35);
                let duplicate = self.rng.random_range(0.0..0.2);
                let corrupt = self.rng.random_range(0.0..0.1);
                let jitter = Duration::from_micros(self.rng.random_range(0..4000));
                self.say(|| format!("loss {loss:.2} jitter {jitter:?}"));
                self.each_link(|link| {
                    (link.loss, link.duplicate, link.corrupt) = (loss, duplicate, corrupt);
                    link.jitter = jitter;
                });
            }
            12 => {
                self.say(|| format!("pause {}", node + 1));
                self.slots[node].paused = true;
                self.after(10, token_ms * 2, Happening::Resume { node });
            }
            13 => {
                let jump = Duration::from_millis(self.rng.random_range(1..token_ms * 3));
                self.say(|| format!("clock of {} jumps {jump:?}", node + 1));
                self.slots[node].clock += jump;
                self.slots[node].wake = None;
                let boot = self.slots[node].boot;
                self.at(self.now, Happening::Wake { node, boot });
            }
            14..16 => {
                self.say(|| "the roads of tokens close".to_owned());
                self.token_roads_open = false;
            }
            _ => {
                self.say(|| "heal".to_owned());
                self.token_roads_open = true;
                self.each_link(|link| *link = Link::good());
            }
        }
        let pace = self.scenario.pace.as_millis() as u64;
        self.after(5, pace, Happening::Fault);
        Ok(())
    }

    pub fn each_link(&mut self, mut change: impl FnMut(&mut Link)) {
        self.networks.iter_mut().for_each(|network| network.each(&mut change));
    }

    pub(super) fn crash(&mut self, node: usize) {
        let lose = self.scenario.lost_disks && self.rng.random_bool(0.3);
        let slot = &mut self.slots[node];
        slot.node = None;
        slot.links = None;
        slot.boot += 1;
        slot.paused = false;
        slot.held.clear();
        if lose {
            slot.disk = 0;
            slot.disk_intact = false;
        }
        self.say(|| format!("crash {} {lose}", node + 1));
        let token_ms = self.scenario.token.as_millis() as u64;
        self.after(1, token_ms * 4, Happening::Restart { node });
    }

    pub(super) fn shut_down(&mut self, node: usize) -> Verdict {
        let now = self.local(node);
        if self.slots[node].paused {
            return Ok(());
        }
        if let Some(running) = &mut self.slots[node].node {
            running.shut_down(now);
        }
        self.say(|| format!("shut down {}", node + 1));
        self.after_step(node)?;
        self.crash(node);
        Ok(())
    }

    pub(super) fn partition(&mut self) {
        let sides: Vec<bool> = self.slots.iter().map(|_| self.rng.random_bool(0.5)).collect();
        self.say(|| format!("partition {sides:?}"));
        for from in 0..sides.len() {
            for to in 0..sides.len() {
                let open = sides[from] == sides[to];
                self.networks.iter_mut().for_each(|network| network.link(from, to).open = open);
            }
        }
    }

    pub(super) fn calm_down(&mut self) -> Verdict {
        self.calm = true;
        self.say(|| "calm".to_owned());
        self.token_roads_open = true;
        self.each_link(|link| *link = Link::good());
        for index in 0..self.slots.len() {
            if self.slots[index].paused {
                self.resume(index)?;
            }
            self.restart(index)?;
        }
        Ok(())
    }
}
