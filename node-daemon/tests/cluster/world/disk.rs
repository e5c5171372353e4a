//! Disks: they take time, and forget what they have not finished when power is lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cib_model::Document;
use cib_model::patch::Patch;
use node_daemon::cib::{Certificate, Loaded, Store};
use node_daemon::messaging::VotesStore;
use node_daemon::subsystem::{CibKept, NodeId, Room};
use quorum::store::Persistent;

use super::{Event, World};

/// What survives a crash of a node, and what is on its way there.
#[derive(Debug, Default)]
pub struct Disk {
    pub(super) cib: Option<(Document, Certificate)>,
    pub(super) votes: Persistent,
    pub(super) ring_sequence: u64,
    /// Which store writes.
    pub(super) store: u64,
    /// CIBs of that store that are not durable yet.
    pub(super) pending: Vec<(Document, Certificate)>,
    pub(super) syncing: bool,
    pub(super) kept: u64,
}

impl Disk {
    pub(super) fn sync(&mut self) {
        self.kept += self.pending.len() as u64;
        self.cib = self.pending.pop().or(self.cib.take());
        self.pending.clear();
        self.syncing = false;
    }

    pub(super) fn holds(&self, text: &str) -> bool {
        self.cib.as_ref().is_some_and(|(cib, _)| cib.to_xml().contains(text))
    }
}

pub(super) struct VirtualStore(pub(super) Arc<Mutex<Disk>>);

impl VirtualStore {
    /// A store of a new process; what the one before has not finished is lost.
    pub(super) fn new(disk: Arc<Mutex<Disk>>) -> VirtualStore {
        let mut state = disk.lock().unwrap();
        state.store += 1;
        state.kept = 0;
        state.pending.clear();
        state.syncing = false;
        drop(state);
        VirtualStore(disk)
    }
}

impl Store for VirtualStore {
    fn load(&mut self) -> Loaded {
        self.0
            .lock()
            .unwrap()
            .cib
            .clone()
            .map_or(Loaded::Nothing, |(document, certificate)| Loaded::Found(document, certificate))
    }

    fn save(
        &mut self,
        document: &Arc<Document>,
        _: &Patch,
        certificate: Certificate,
    ) -> Result<(), String> {
        self.certify(document, certificate)
    }

    fn certify(
        &mut self,
        document: &Arc<Document>,
        certificate: Certificate,
    ) -> Result<(), String> {
        let mut kept = Document::clone(document);
        let root = kept.root_id();
        kept.set_attribute(root, "num_updates", "0");
        self.0.lock().unwrap().pending.push((kept, certificate));
        Ok(())
    }

    fn kept(&self) -> u64 {
        self.0.lock().unwrap().kept
    }
}

pub(super) struct VirtualVotes(pub(super) Arc<Mutex<Disk>>);

impl VotesStore for VirtualVotes {
    fn save(&mut self, value: &Persistent) -> Result<(), String> {
        self.0.lock().unwrap().votes = *value;
        Ok(())
    }
}

impl World {
    /// Lets the disk of a node become busy with what the CIB manager gave it.
    pub(super) fn disk_work(&mut self, node: NodeId) {
        let mut disk = self.disks[&node].lock().unwrap();
        if disk.pending.is_empty() || std::mem::replace(&mut disk.syncing, true) {
            return;
        }
        let store = disk.store;
        drop(disk);
        let longest = if self.random.u8(0..8) == 0 { 30_000 } else { 3_000 };
        let at = self.now + Duration::from_micros(self.random.u64(50..longest));
        self.schedule(at, Event::Synced(node, store));
    }

    pub(super) fn synced(&mut self, node: NodeId, store: u64) {
        let mut disk = self.disks[&node].lock().unwrap();
        if disk.store != store || !self.nodes.contains_key(&node) {
            return;
        }
        disk.sync();
        drop(disk);
        self.deliver(node, Room::Cib, CibKept.into());
    }

    /// The memory of a node is gone. Acknowledged writes that fewer than a quorum of the nodes still have, in
    /// memory or on disk, are forgotten here too: nothing is promised of those.
    pub(super) fn excuse_lost_quorum(&mut self, forgetful: NodeId) {
        for (key, holders) in &mut self.holders {
            let written = format!("written-{key}");
            holders.remove(&forgetful);
            for node in &self.everyone {
                let sim = self.nodes.get(node);
                let in_memory =
                    sim.is_some_and(|sim| sim.cib.document().to_xml().contains(&written));
                if in_memory || self.disks[node].lock().unwrap().holds(&written) {
                    holders.insert(*node);
                }
            }
        }
        let quorum = self.everyone.len() / 2 + 1;
        let few = self.holders.iter().filter(|(_, holders)| holders.len() < quorum);
        let excused: Vec<String> = few.map(|(key, _)| key.clone()).collect();
        for key in excused {
            self.note(format!("too few still have {key}"));
            self.holders.remove(&key);
            self.acknowledged.remove(&key);
        }
    }
}
