//! What goes wrong in the world, or is done from outside.

use std::time::Duration;

use node_daemon::attributes::Attributes;
use node_daemon::cib::CibManager;
use node_daemon::controller::Controller;
use node_daemon::executor::ExecutorRoom;
use node_daemon::fencer::FencerRoom;
use node_daemon::scheduler::Scheduler;
use node_daemon::subsystem::{Body, NodeId, Outputs, Room};

use super::disk::VirtualStore;
use super::{Event, World, name, with};
use crate::agents::{FenceMode, VirtualExecutor, VirtualFence};

/// What goes wrong, or is done from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    Kill(NodeId),
    Start(NodeId),
    Cut(Vec<NodeId>),
    Heal,
    Write(NodeId, String),
    Fail(NodeId, String),
    Shutdown(NodeId),
    Standby(NodeId, bool),
    /// One subsystem crashes and is started again, as a supervisor does.
    Crash(NodeId, Room),
    /// Fence agents fail, or work again.
    Fencing(bool),
}

impl World {
    /// A subsystem crashes, and those that cannot go on without what they told it end with it.
    pub fn take_down(&mut self, node: NodeId, room: Room) {
        let (time, seed, own) = (self.time(), self.random.u64(..), name(node));
        let disk = self.disks[&node].clone();
        let Some(sim) = self.nodes.get_mut(&node) else { return };
        for room in with(room) {
            sim.messaging.detach(*room, &mut sim.ring, time);
            sim.inboxes.remove(room);
            sim.gone.insert(*room);
            match room {
                Room::Cib => {
                    if self.random.bool() {
                        // The process had handed it to the system already.
                        disk.lock().unwrap().sync();
                    }
                    let store = Box::new(VirtualStore::new(disk.clone()));
                    sim.cib = CibManager::new(node, &own, store, "pacemaker-3.9");
                }
                Room::Attributes => sim.attributes = Attributes::new(node, &own),
                Room::Fencer => {
                    let fence = VirtualFence::new(node, self.reality.clone());
                    sim.fencer = FencerRoom::new(node, &own, fence, seed).unwrap();
                }
                Room::Executor => {
                    sim.executor.local_mut().orphan();
                    let local = VirtualExecutor::new(node, self.reality.clone());
                    sim.executor = ExecutorRoom::new(&own, local);
                }
                Room::Scheduler => sim.scheduler = Scheduler::new(0),
                _ => {
                    sim.controller = Controller::new(node, &own, seed);
                    // A new process has used no time yet.
                    sim.cpu = Duration::ZERO;
                }
            }
        }
        if with(room).contains(&Room::Cib) {
            self.excuse_lost_quorum(node);
        }
        self.ring_work(node);
    }

    /// The supervisor starts again what ended with a subsystem.
    pub fn respawn(&mut self, node: NodeId, room: Room) {
        for room in with(room) {
            let now = self.moment(node);
            let mut out = Outputs::default();
            let Some(sim) = self.nodes.get_mut(&node) else { return };
            if !sim.gone.remove(room) {
                continue;
            }
            sim.messaging.attach(*room);
            if let Some(subsystem) = sim.subsystem(*room) {
                subsystem.start(now, &mut out);
            }
            self.take(node, *room, out);
        }
    }

    pub(super) fn crash(&mut self, node: NodeId, room: Room) {
        self.take_down(node, room);
        self.respawn(node, room);
    }

    /// Power off.
    pub fn kill(&mut self, node: NodeId) {
        // Also what a node left behind that is gone already.
        self.reality.lock().unwrap().power_lost(node);
        if self.nodes.remove(&node).is_none() {
            return;
        }
        self.note(format!("kill {node}"));
        self.excuse_lost_quorum(node);
        self.spread_evidence(&[node]);
    }

    pub(super) fn spread_evidence(&mut self, nodes: &[NodeId]) {
        for node in nodes {
            for other in self.everyone.clone() {
                for (of, other) in [(*node, other), (other, *node)] {
                    let at = self.now + Duration::from_millis(self.random.u64(50..600));
                    self.schedule(at, Event::Evidence { of, other });
                }
            }
        }
    }

    pub(super) fn is_open(&self, a: NodeId, b: NodeId) -> bool {
        self.nodes.contains_key(&a) && self.nodes.contains_key(&b) && !self.cut.contains(&(a, b))
    }

    pub(super) fn evidence(&mut self, of: NodeId, other: NodeId) {
        if of == other {
            return;
        }
        let open = self.is_open(of, other) && self.is_open(other, of);
        let time = self.time();
        if let Some(node) = self.nodes.get_mut(&of) {
            node.ring.handle_silent(other.into(), !open, time);
            node.ring.handle_reachable(other.into(), open, time);
            self.ring_work(of);
        }
    }

    pub fn fault(&mut self, fault: Fault) {
        self.note(format!("{fault:?}"));
        match fault {
            Fault::Kill(node) => self.kill(node),
            Fault::Start(node) => self.start(node),
            Fault::Cut(side) => {
                for a in &side {
                    for b in self.everyone.clone().iter().filter(|b| !side.contains(b)) {
                        self.cut.insert((*a, *b));
                        self.cut.insert((*b, *a));
                    }
                }
                self.spread_evidence(&side);
            }
            Fault::Heal => {
                self.cut.clear();
                self.spread_evidence(&self.everyone.clone());
            }
            Fault::Write(node, key) => self.write_option(node, &key),
            Fault::Fail(node, resource) => {
                self.reality.lock().unwrap().failing.insert((node, resource));
            }
            Fault::Crash(node, room) => self.crash(node, room),
            Fault::Fencing(works) => {
                let mode = if works { FenceMode::Works } else { FenceMode::Fails };
                self.reality.lock().unwrap().fencing = mode;
            }
            Fault::Shutdown(node) if !self.nodes.contains_key(&node) => {}
            Fault::Shutdown(node) => {
                // Asked twice, a node leaves at once, with whatever it runs.
                if !self.leaving.insert(node) {
                    self.escalated.insert(node);
                }
                self.deliver(node, Room::Controller, Body::Stop);
            }
            Fault::Standby(node, on) => {
                let value = if on { "on" } else { "off" };
                let text = format!(
                    "<node id='{node}'><instance_attributes id='nodes-{node}'><nvpair id='nodes-{node}-standby' \
                     name='standby' value='{value}'/></instance_attributes></node>"
                );
                self.modify(node, 0, "nodes", &text);
            }
        }
    }
}
