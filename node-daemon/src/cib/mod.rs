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
pub mod apply;
mod certificate;
mod journal;
mod store;
mod synchronisation;
mod unity;

pub use certificate::{Certificate, NoCertificate};
pub use store::{BackgroundStore, CibFiles, LoadError, Loaded, Store};

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cib_model::Document;
use cib_model::model::CibVersion;
use cib_model::patch::{self, AttributeOrder, Patch};

use crate::cib::access::GroupsOf;
use crate::cib::apply::Versioning;
use crate::cib::synchronisation::Questions;
use crate::cib::unity::Unity;
use crate::mutation::{Mutation, planted};
use crate::subsystem::{
    Address, Body, CibAnswer, CibChanged, CibError, CibOperation, CibPeer, CibRequest, CibUpdate,
    Envelope, Interest, NodeId, Now, Outputs, Room, Scope, SharedDocument, SharedPatch, Subsystem,
    UpdateOrigin,
};

/// Quiet time after the last change before the primary compares digests (spec 51 §6).
const QUIET: Duration = Duration::from_secs(5);

/// Most requests of this node under way in the group.
pub const MAX_UNDER_WAY: usize = 100_000;

/// An answer that waits for the disk.
struct Held {
    saves: u64,
    number: u64,
}

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

    fn request(&mut self, now: Now, from: Address, request: CibRequest, out: &mut Outputs) {
        let CibRequest { token, operation, client, user } = request;
        let groups = user.as_deref().map(self.groups_of).unwrap_or_default();
        let origin = UpdateOrigin {
            node: self.me,
            node_name: self.name.clone(),
            client,
            user,
            groups,
            wall: now.wall,
        };
        match operation {
            CibOperation::Query { scope, children } => {
                let result = self.query(&scope, children, &origin, now);
                answer(out, from, token, result.map(Some));
            }
            CibOperation::Primary(primary) => {
                self.primary = primary;
                self.ping_at = primary.then_some(now.elapsed + QUIET);
                answer(out, from, token, Ok(None));
            }
            CibOperation::Generation => {
                let generation = Ok(Some(SharedDocument::new(self.generation())));
                answer(out, from, token, generation);
            }
            CibOperation::Subscribe(interest) => {
                self.subscribers.insert(from.room, interest);
                answer(out, from, token, Ok(None));
            }
            CibOperation::Update { update, dry_run } => {
                self.order(from, token, origin, vec![update], dry_run, out);
            }
            CibOperation::Transaction(updates) => {
                self.order(from, token, origin, updates, false, out);
            }
            CibOperation::Synchronise { ring, .. } if ring != self.unity.ring() => {
                answer(out, from, token, Err(CibError::NotConnected));
            }
            CibOperation::Synchronise { from: node, ring } => {
                if let Some(number) = self.remember(from, token, out) {
                    self.awaited.insert(number, node);
                    let asked_by = self.me;
                    out.all(Room::Cib, CibPeer::SendYours { from: node, number, asked_by, ring });
                }
            }
        }
    }

    fn query(
        &self,
        scope: &Scope,
        children: bool,
        origin: &UpdateOrigin,
        now: Now,
    ) -> Result<SharedDocument, CibError> {
        let visible = access::visible(&self.document, origin, now.wall)?;
        match (scope, visible) {
            (Scope::All, None) if children => Ok(self.document.clone().into()),
            (Scope::All, Some(visible)) if children => Ok(SharedDocument::new(visible)),
            (_, visible) => {
                let document = visible.as_ref().unwrap_or(&self.document);
                apply::query(document, scope, children).map(SharedDocument::new)
            }
        }
    }

    fn order(
        &mut self,
        from: Address,
        token: u64,
        origin: UpdateOrigin,
        updates: Vec<CibUpdate>,
        dry_run: bool,
        out: &mut Outputs,
    ) {
        if let Some(number) = self.remember(from, token, out) {
            if planted(Mutation::AcknowledgeEarly) {
                self.conclude(number, Ok(None), out);
            }
            out.all(Room::Cib, CibPeer::Apply { number, origin, updates, dry_run });
        }
    }

    /// Takes a number for a request that waits for its place in the order.
    fn remember(&mut self, from: Address, token: u64, out: &mut Outputs) -> Option<u64> {
        if self.under_way.len() >= MAX_UNDER_WAY {
            answer(out, from, token, Err(CibError::NotConnected));
            return None;
        }
        let number = self.next_number;
        self.next_number += 1;
        if token != 0 {
            self.under_way.insert(number, (from, token));
        }
        Some(number)
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

    fn compare(&mut self, now: Now, sender: NodeId, number: u64, digest: &str, out: &mut Outputs) {
        let current = self.primary && self.pinged.as_ref().is_some_and(|(last, _)| *last == number);
        let Some((_, mine)) = self.pinged.clone().filter(|_| current) else { return };
        if mine != digest {
            log::error!(
                "cib: node {sender} has another CIB (digest {digest}, here {mine}); sending ours"
            );
            self.send_whole(now, 0, self.me, Some(sender), out);
        }
    }

    fn send_whole(
        &mut self,
        now: Now,
        number: u64,
        asked_by: NodeId,
        only: Option<NodeId>,
        out: &mut Outputs,
    ) {
        let origin = UpdateOrigin {
            node: self.me,
            node_name: self.name.clone(),
            client: "synchronisation".to_owned(),
            user: None,
            groups: Vec::new(),
            wall: now.wall,
        };
        let document: SharedDocument = self.document.clone().into();
        let digest = apply::digest_of(&document);
        let ring = self.unity.ring();
        out.all(
            Room::Cib,
            CibPeer::Whole { document, digest, number, asked_by, only, ring, origin },
        );
    }

    fn conclude(
        &mut self,
        number: u64,
        result: Result<Option<SharedDocument>, CibError>,
        out: &mut Outputs,
    ) {
        self.awaited.remove(&number);
        if let Some((client, token)) = self.under_way.remove(&number) {
            answer(out, client, token, result);
        }
    }

    /// A client is answered when its change is durable and cannot be undone by a join. The others on this node
    /// do the work of a join, which does not wait for itself.
    fn hold(&mut self, number: u64, updates: Vec<CibUpdate>) {
        let client =
            self.under_way.get(&number).is_some_and(|(from, _)| from.room == Room::Clients);
        if client && self.unity.is_open() && !planted(Mutation::AcknowledgeOpen) {
            self.open.push((number, updates));
        } else {
            self.held.push_back(Held { saves: self.saves, number });
        }
    }

    /// What happened to the ring, the group or the replica may have settled whose CIB the cluster has.
    fn consider_unity(&mut self, out: &mut Outputs) {
        if self.unity.is_quorate() {
            self.certified |= self.unity.is_whole();
            self.renew_certificate();
        } else if self.unity.is_minority() {
            self.certified = false;
        }
        if !self.unity.is_open() {
            // The certificate that they rest on has to be durable, too.
            let saves = self.saves;
            self.held.extend(self.open.drain(..).map(|(number, _)| Held { saves, number }));
        }
        self.answer_held(out);
    }

    /// Another CIB has taken the place of this one's: whoever has changed something that is not in it is told
    /// that nothing is certain.
    fn review_open(&mut self, out: &mut Outputs) {
        for (number, updates) in std::mem::take(&mut self.open) {
            if apply::is_done(&self.document, &updates) {
                self.open.push((number, updates));
            } else {
                self.conclude(number, Err(CibError::NotConnected), out);
            }
        }
    }

    /// Answers those whose changes are durable.
    fn answer_held(&mut self, out: &mut Outputs) {
        let kept = if self.disk_writes { self.store.kept() } else { u64::MAX };
        while self.held.front().is_some_and(|held| held.saves <= kept) {
            let Some(held) = self.held.pop_front() else { return };
            self.conclude(held.number, Ok(None), out);
        }
    }

    /// Applies ordered changes, all or none.
    fn apply(
        &mut self,
        now: Now,
        origin: &UpdateOrigin,
        updates: &[CibUpdate],
        dry_run: bool,
        out: &mut Outputs,
    ) -> Result<(), CibError> {
        let mut changed = (*self.document).clone();
        let mut versioning = Versioning::Raised;
        for update in updates {
            if apply::apply(&mut changed, update)? == Versioning::Given {
                versioning = Versioning::Given;
            }
        }
        access::check(&self.document, &changed, origin)?;
        let (have, made) =
            (CibVersion::of(self.document.root(), 0), CibVersion::of(changed.root(), 0));
        if made < have {
            return Err(CibError::OldData { have: have.to_string(), offered: made.to_string() });
        }
        let patch = match versioning {
            Versioning::Raised => {
                let patch = Patch::between(&self.document, &changed, AttributeOrder::Significant);
                let Some(patch) = patch else { return Ok(()) };
                if patch.touches_configuration() {
                    stamp(&mut changed, origin);
                    check(&changed)?;
                }
                patch::complete(patch, &self.document, &mut changed)
            }
            Versioning::Given => {
                check(&changed)?;
                versioned(&self.document, &changed)
            }
        };
        if dry_run {
            return Ok(());
        }
        let Some(patch) = patch else { return Ok(()) };
        self.become_document(now, changed, patch, origin.clone(), out);
        Ok(())
    }

    fn become_document(
        &mut self,
        now: Now,
        document: Document,
        patch: Patch,
        origin: UpdateOrigin,
        out: &mut Outputs,
    ) {
        let configuration = patch.touches_configuration();
        self.document = Arc::new(document);
        if self.certified {
            self.certificate = Certificate::new(self.unity.ring(), &self.document);
        }
        self.applied += 1;
        self.pinged = None;
        if self.primary {
            self.ping_at = Some(now.elapsed + QUIET);
        }
        if configuration && self.disk_writes {
            let saved = self.store.save(&self.document, &patch, self.certificate);
            self.saved(saved);
        }
        let changed = CibChanged { origin, patch: SharedPatch::new(patch) };
        for (room, interest) in &self.subscribers {
            let wanted = match interest {
                Interest::Nothing => false,
                Interest::Options => changed.touches_options(),
                Interest::Configuration => configuration,
                Interest::All => true,
            };
            if wanted {
                out.here(*room, changed.clone());
            }
        }
    }

    fn saved(&mut self, result: Result<(), String>) {
        match result {
            Ok(()) => self.saves += 1,
            Err(error) => {
                log::error!("cib: {error}; no more writes to disk");
                self.disk_writes = false;
            }
        }
    }

    /// The attributes of the CIB, and the certificate.
    fn generation(&self) -> Document {
        let mut generation = Document::new("generation_tuple");
        let root = generation.root_id();
        for (name, value) in self.document.root().attributes() {
            generation.set_attribute(root, name, value);
        }
        self.certificate.write(&mut generation);
        generation
    }

    fn renew_certificate(&mut self) {
        let certificate = Certificate::new(self.unity.ring(), &self.document);
        if !self.certified || self.certificate.ring == certificate.ring {
            return;
        }
        self.certificate = certificate;
        if self.disk_writes {
            let saved = self.store.certify(&self.document, self.certificate);
            self.saved(saved);
        }
    }

    /// Those that were to send their CIB and are gone will not.
    fn give_up_on(&mut self, gone: &[NodeId], out: &mut Outputs) {
        let lost = self.awaited.iter().filter(|(_, node)| gone.contains(node));
        let lost: Vec<u64> = lost.map(|(number, _)| *number).collect();
        for number in lost {
            self.conclude(number, Err(CibError::NotConnected), out);
        }
    }

    /// Takes the CIB that all are to have, with what was ordered since it was asked for.
    fn synchronise(
        &mut self,
        now: Now,
        (asked_by, number): (NodeId, u64),
        document: SharedDocument,
        digest: &str,
        origin: UpdateOrigin,
        out: &mut Outputs,
    ) -> Result<(), CibError> {
        let Some(question) = self.questions.answer(asked_by, number) else {
            // It was asked for before this manager came, so this one is another to those that were there.
            self.unity.unite(BTreeSet::new());
            self.install(now, document, digest, origin, out)?;
            self.review_open(out);
            return Ok(());
        };
        let Some(since) = question.since else { return Err(CibError::NotConnected) };
        if planted(Mutation::ForgetOvertaken) {
            self.unity.unite(question.group);
            return self.install(now, document, digest, origin, out);
        }
        if apply::digest_of(&question.had) != digest {
            self.install(now, document, digest, origin, out)?;
            for (origin, updates) in since {
                if let Err(error) = self.apply(now, &origin, &updates, false, out) {
                    log::warn!(
                        "cib: a change by {} of {} cannot be made to the CIB of the cluster: {error}",
                        origin.client,
                        origin.node_name
                    );
                }
            }
            self.review_open(out);
        }
        self.unity.unite(question.group);
        Ok(())
    }

    /// Takes a whole CIB in place of this one's.
    fn install(
        &mut self,
        now: Now,
        document: SharedDocument,
        digest: &str,
        origin: UpdateOrigin,
        out: &mut Outputs,
    ) -> Result<(), CibError> {
        if apply::digest_of(&document) != digest {
            return Err(CibError::PatchFailed("the digest of the CIB does not match".to_owned()));
        }
        let version = |document: &Document| CibVersion::of(document.root(), 0);
        if planted(Mutation::JoinByVersion) && version(&document) < version(&self.document) {
            return Ok(());
        }
        let Some(patch) = versioned(&self.document, &document) else { return Ok(()) };
        self.become_document(now, document.into_document(), patch, origin, out);
        Ok(())
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

fn answer(
    out: &mut Outputs,
    to: Address,
    token: u64,
    result: Result<Option<SharedDocument>, CibError>,
) {
    if token != 0 {
        out.reply(to, CibAnswer { token, result });
    }
}

/// Notes who changed the configuration, and when.
fn stamp(document: &mut Document, origin: &UpdateOrigin) {
    let root = document.root_id();
    let at = cib_model::DateTime::from_epoch(origin.wall.as_secs() as i64, 0);
    document.set_attribute(root, "cib-last-written", &written(at));
    document.set_attribute(root, "update-origin", &origin.node_name);
    document.set_attribute(root, "update-client", &origin.client);
    match &origin.user {
        Some(user) => document.set_attribute(root, "update-user", user),
        None => drop(document.remove_attribute(root, "update-user")),
    }
}

/// A date as `cib-last-written` holds it, in UTC so that all nodes write the same.
fn written(at: cib_model::DateTime) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let day = DAYS[at.epoch().div_euclid(86_400).rem_euclid(7) as usize];
    let month = MONTHS[(at.month() as usize).clamp(1, 12) - 1];
    format!(
        "{day} {month} {:2} {:02}:{:02}:{:02} {}",
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.year()
    )
}

/// Refuses a configuration that does not conform to the schema it claims.
fn check(document: &Document) -> Result<(), CibError> {
    let schema =
        cib_model::schema::claimed(document).map_err(|e| CibError::Schema(e.to_string()))?;
    match cib_model::validate::validate(document, schema).first() {
        None => Ok(()),
        Some(finding) => Err(CibError::Schema(finding.to_string())),
    }
}

/// The patch between two documents whose versions are given.
fn versioned(old: &Document, new: &Document) -> Option<Patch> {
    let mut patch = Patch::between(old, new, AttributeOrder::Significant)?;
    patch.versions = Some(patch::Versions {
        source: Some(CibVersion::of(old.root(), 1)),
        target: Some(CibVersion::of(new.root(), 1)),
    });
    Some(patch)
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
