//! The CIB manager: every node's replica, changed in one order (spec 51).
//!
//! A change is never made where it is asked for. It travels through the group, and every manager applies
//! it when it is delivered; since all apply the same changes to the same document in the same order, all
//! have the same result, and the one that was asked answers: once all members have received the change
//! (it travels with the guarantee of safe delivery) and, if it is one of the configuration, once it is on the
//! disk of the node that was asked, and if a quorum made it once a join has settled whose CIB the cluster has
//! (module `unity`). Questions are answered from the replica of the node they are put to.
//!
//! Where it departs from the classic manager: the CIB that a DC has sent to all at a join replaces every
//! other one, also one with a higher version. Two replicas with different histories take each ordered
//! change, but not always with the same effect on their versions; if the version decided at each node for
//! itself, replicas could stay apart for good. So that a DC of another partition cannot do this to a cluster
//! it comes to, the question and the CIB carry the ring they belong to. And whose CIB is sent is decided by
//! [`Certificate`]s, which outlive a crash with the CIB: a replica that was the cluster's in a later ring with
//! quorum comes before one whose version was raised meanwhile by a node that was cut off.

mod access;
mod answers;
pub mod apply;
mod certificate;
mod changes;
mod journal;
mod requests;
mod store;
mod synchronisation;
mod unity;

pub use certificate::{Certificate, NoCertificate};
pub use store::{BackgroundStore, CibFiles, LoadError, Loaded, Store};

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cib_model::Document;
use cib_model::model::CibVersion;

use crate::cib::access::GroupsOf;
use crate::cib::answers::Held;
use crate::cib::synchronisation::Questions;
use crate::cib::unity::Unity;
use crate::mutation::{Mutation, planted};
use crate::subsystem::{
    Address, Body, CibError, CibPeer, CibUpdate, Envelope, Interest, NodeId, Now, Outputs, Room,
    Subsystem,
};

/// Quiet time after the last change before the primary compares digests (spec 51 §6).
const QUIET: Duration = Duration::from_secs(5);

/// Most requests of this node under way in the group.
pub const MAX_UNDER_WAY: usize = 100_000;

/// See the [module](self).
pub struct CibManager {
    me: NodeId,
    name: String,
    document: Arc<Document>,
    store: Box<dyn Store>,
    disk_writes: bool,
    groups_of: GroupsOf,
    /// How many CIBs the store was given.
    saves: u64,
    /// Who is answered when so many of them are durable.
    held: VecDeque<Held>,
    /// Clients whose changes a join may yet undo, and the changes.
    open: Vec<(u64, Vec<CibUpdate>)>,
    primary: bool,
    unity: Unity,
    certificate: Certificate,
    /// The replica is the cluster's: there was quorum ever since it was so.
    certified: bool,
    /// Questions for whole CIBs, and who is to send them.
    awaited: BTreeMap<u64, NodeId>,
    questions: Questions,
    /// Who is told of which changes.
    subscribers: BTreeMap<Room, Interest>,
    next_number: u64,
    under_way: BTreeMap<u64, (Address, u64)>,
    ping_at: Option<Duration>,
    pings: u64,
    pinged: Option<(u64, String)>,
    applied: u64,
}

impl CibManager {
    /// The manager of a node, with what its disk holds.
    pub fn new(me: NodeId, name: &str, mut store: Box<dyn Store>, schema: &str) -> CibManager {
        let (document, certificate) = match store.load() {
            Loaded::Found(document, _) if planted(Mutation::ForgetCertificate) => {
                (cleaned(document), Certificate::default())
            }
            Loaded::Found(document, certificate) => (cleaned(document), certificate),
            Loaded::Nothing => (apply::empty(schema), Certificate::default()),
            Loaded::Unusable(error) => {
                log::error!("cib: {error}; the cluster's copy will be taken");
                (apply::empty(schema), Certificate::default())
            }
        };
        CibManager {
            me,
            name: name.to_owned(),
            groups_of: |_| Vec::new(),
            document: Arc::new(document),
            store,
            disk_writes: true,
            saves: 0,
            held: VecDeque::new(),
            open: Vec::new(),
            primary: false,
            unity: Unity::default(),
            certificate,
            certified: false,
            awaited: BTreeMap::new(),
            questions: Questions::default(),
            subscribers: BTreeMap::new(),
            next_number: 1,
            under_way: BTreeMap::new(),
            ping_at: None,
            pings: 0,
            pinged: None,
            applied: 0,
        }
    }

    /// The replica.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Groups of users are found so; without it nobody is in any.
    pub fn with_groups(self, groups_of: GroupsOf) -> CibManager {
        CibManager { groups_of, ..self }
    }

    /// How many ordered changes were applied.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    fn peer(&mut self, now: Now, sender: NodeId, message: CibPeer, out: &mut Outputs) {
        match message {
            CibPeer::Apply { number, origin, updates, dry_run } => {
                let (applied, saves) = (self.applied, self.saves);
                if !dry_run {
                    self.questions.change(&origin, &updates);
                }
                let result = self.apply(now, &origin, &updates, dry_run, out);
                if let Err(error) = &result {
                    log::debug!("cib: {} of {}: {error}", origin.client, origin.node_name);
                }
                if sender == self.me {
                    // What changes nothing rests on what is not durable yet, as the change itself does.
                    let status_only = self.applied > applied && self.saves == saves;
                    if result.is_err() || status_only || dry_run {
                        self.conclude(number, result.map(|()| None), out);
                    } else {
                        self.hold(number, updates);
                        self.answer_held(out);
                    }
                }
            }
            CibPeer::SendYours { from, number, asked_by, ring } => {
                // One that is not for the ring this node knows may be for the next one.
                let group = self.unity.group().clone();
                self.questions.ask(asked_by, number, ring, self.document.clone(), group);
                if ring == self.unity.ring() && from == self.me {
                    self.send_whole(now, number, asked_by, None, out);
                } else if ring != self.unity.ring() && asked_by == self.me {
                    self.conclude(number, Err(CibError::NotConnected), out);
                }
            }
            CibPeer::Whole { document, digest, number, asked_by, only, ring, origin } => {
                let result = match only {
                    Some(node) if node != self.me => return,
                    _ if ring != self.unity.ring() => Err(CibError::NotConnected),
                    Some(_) => self.install(now, document, &digest, origin, out),
                    None => {
                        let which = (asked_by, number);
                        let result = self.synchronise(now, which, document, &digest, origin, out);
                        self.consider_unity(out);
                        result
                    }
                };
                if asked_by == self.me && number != 0 {
                    self.conclude(number, result.map(|()| None), out);
                }
            }
            CibPeer::Ping { number } => {
                let digest = apply::digest_of(&self.document);
                if sender == self.me {
                    self.pinged = Some((number, digest));
                } else {
                    out.node(sender, Room::Cib, CibPeer::Pong { number, digest });
                }
            }
            CibPeer::Pong { number, digest } => self.compare(now, sender, number, &digest, out),
        }
    }
}

impl Subsystem for CibManager {
    fn room(&self) -> Room {
        Room::Cib
    }

    fn start(&mut self, _: Now, _: &mut Outputs) {}

    fn handle(&mut self, now: Now, envelope: Envelope, out: &mut Outputs) {
        match envelope.body {
            Body::CibRequest(request) => self.request(now, envelope.from, request, out),
            Body::CibKept(_) => self.answer_held(out),
            Body::CibPeer(message) => self.peer(now, envelope.from.node, message, out),
            Body::GroupView(view) => {
                self.give_up_on(&view.left, out);
                self.questions.forget(&view.left);
                self.unity.take_view(&view);
                self.consider_unity(out);
            }
            Body::Membership(membership) => {
                self.unity.take_ring(&membership);
                self.consider_unity(out);
            }
            Body::Stop => out.end(crate::subsystem::Ending::Done),
            other => log::warn!("cib: unexpected {other:?}"),
        }
    }

    fn handle_timeout(&mut self, now: Now, out: &mut Outputs) {
        if self.ping_at.is_some_and(|at| at <= now.elapsed) {
            self.ping_at = None;
            if self.primary {
                self.pings += 1;
                out.all(Room::Cib, CibPeer::Ping { number: self.pings });
            }
        }
    }

    fn poll_timeout(&self) -> Option<Duration> {
        self.ping_at
    }
}

/// A CIB from disk as it is begun with: no status, and no memory of a former DC.
fn cleaned(mut document: Document) -> Document {
    let root = document.root_id();
    while let Some(status) = document.root().child("status").map(cib_model::Element::id) {
        document.remove(status);
    }
    document.append_element(root, "status");
    document.remove_attribute(root, "dc-uuid");
    for name in CibVersion::ATTRIBUTES {
        if document.root().attribute(name).is_none() {
            document.set_attribute(root, name, "0");
        }
    }
    document
}
