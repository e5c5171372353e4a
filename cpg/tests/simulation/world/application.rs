//! What the applications on the nodes do: they come, go and send.

use super::{Happening, World};
use crate::load::Payload;
use crate::observer::Verdict;
use cpg::Time;
use cpg::group::{GroupName, ProcessId};
use cpg::node::Node;
use cpg::wire::Guarantee;
use rand::Rng;

const GROUPS: [&str; 2] = ["all", "some"];

impl World {
    pub(super) fn application(&mut self, index: usize, boot: u32) -> Verdict {
        if self.slots[index].boot != boot || self.slots[index].node.is_none() {
            return Ok(());
        }
        let now = self.local(index);
        match self.rng.random_range(0..100) {
            0..4 => self.open_client(index, now),
            4..6 => self.close_client(index, now),
            6..8 => self.leave_group(index, now),
            _ => {
                let burst = if self.rng.random_bool(0.05) { 40 } else { 2 };
                for _ in 0..burst {
                    self.send(index, now);
                }
            }
        }
        if !self.calm {
            let pause = if self.rng.random_bool(0.02) { 900 } else { 50 };
            self.after(0, pause, Happening::Application { node: index, boot });
        } else {
            self.after(60, 300, Happening::Application { node: index, boot });
        }
        self.after_step(index)
    }

    pub(super) fn open_client(&mut self, index: usize, now: Time) {
        let group = GroupName::new(GROUPS[self.rng.random_range(0..2)]).unwrap();
        let slot = &mut self.slots[index];
        let Some(node) = &mut slot.node else { return };
        if slot.clients.len() >= 3 {
            return;
        }
        let process = ProcessId(self.rng.random_range(1..4));
        let client = node.connect(process).unwrap();
        match node.join(client, group, now) {
            Ok(()) => slot.clients.push(client),
            Err(_) => node.close(client, now),
        }
    }

    pub(super) fn close_client(&mut self, index: usize, now: Time) {
        let slot = &mut self.slots[index];
        if slot.clients.len() > 1
            && let Some(client) = slot.clients.pop()
            && let Some(node) = &mut slot.node
        {
            node.close(client, now);
        }
    }

    pub(super) fn leave_group(&mut self, index: usize, now: Time) {
        let slot = &mut self.slots[index];
        if slot.clients.len() > 1
            && let Some(node) = &mut slot.node
            && node.leave(slot.clients[0], now).is_ok()
        {
            slot.clients.remove(0);
        }
    }

    pub(super) fn send(&mut self, index: usize, now: Time) {
        let length = match self.rng.random_range(0..100) {
            0..80 => self.rng.random_range(0..200),
            80..99 => self.rng.random_range(200..3000),
            _ => self.rng.random_range(3000..30_000),
        };
        let safe = self.rng.random_bool(self.scenario.safe);
        let guarantee = if safe { Guarantee::Safe } else { Guarantee::Agreed };
        let which = self.rng.random_range(0..3);
        let slot = &mut self.slots[index];
        let Some(client) = slot.clients.get(which % slot.clients.len().max(1)) else { return };
        let Some(node) = &mut slot.node else { return };
        let id = (slot.id.get(), slot.boot, slot.sent + 1);
        let payload = Payload { id, cause: self.observer.last_message(slot.id), length };
        if node.multicast(*client, guarantee, payload.encode(), now).is_ok() {
            slot.sent += 1;
            self.observer.submitted.insert(id);
        }
    }

    pub(super) fn join_somewhere(&mut self, index: usize) {
        let ready = self.slots[index].node.as_ref().is_some_and(Node::is_ready);
        if ready && self.slots[index].clients.is_empty() {
            let now = self.local(index);
            self.open_client(index, now);
        }
    }
}
