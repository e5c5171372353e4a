//! A CIB is on its way from one node to all, and changes are ordered before it arrives.
//!
//! The CIB is as it was when its node was asked for it, so it does not hold those changes. They were applied,
//! and acknowledged, when they were delivered; to be in what comes out of the synchronisation they are applied
//! to the CIB that arrives, too. Question, changes and CIB have the same order everywhere, so what comes out is
//! the same everywhere. A node that had the same CIB as the one that was asked has it all already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cib_model::Document;
use cib_model::model::CibVersion;

use super::answers::Held;
use super::changes::versioned;
use super::{Certificate, CibManager, apply};
use crate::mutation::{Mutation, planted};
use crate::subsystem::{
    CibError, CibPeer, CibUpdate, NodeId, Now, Outputs, Room, SharedDocument, UpdateOrigin,
};

/// Most changes that are remembered for one CIB; after more it comes too late.
const MAX_CHANGES: usize = 10_000;

/// A change that was ordered while a CIB was on its way.
pub(super) type Change = (UpdateOrigin, Vec<CibUpdate>);

/// A CIB was asked for.
pub(super) struct Question {
    ring: u64,
    /// What this node had then.
    pub(super) had: Arc<Document>,
    /// What was ordered since; nothing if it was too much.
    pub(super) since: Option<Vec<Change>>,
    /// Whose managers were there then, and ever since.
    pub(super) group: BTreeSet<NodeId>,
}

/// The CIBs on their way, by who asked for them and under which number.
#[derive(Default)]
pub(super) struct Questions(BTreeMap<(NodeId, u64), Question>);

impl Questions {
    /// A CIB is asked for in a ring, at this place in the order. What was asked for in an earlier ring is not
    /// taken any more.
    pub(super) fn ask(
        &mut self,
        asked_by: NodeId,
        number: u64,
        ring: u64,
        had: Arc<Document>,
        group: BTreeSet<NodeId>,
    ) {
        self.0.retain(|_, question| question.ring >= ring);
        let question = Question { ring, had, since: Some(Vec::new()), group };
        self.0.insert((asked_by, number), question);
    }

    /// Managers have left; whoever comes in their place has not heard the questions.
    pub(super) fn forget(&mut self, left: &[NodeId]) {
        for question in self.0.values_mut() {
            question.group.retain(|node| !left.contains(node));
        }
    }

    /// A change is ordered.
    pub(super) fn change(&mut self, origin: &UpdateOrigin, updates: &[CibUpdate]) {
        for question in self.0.values_mut() {
            match &mut question.since {
                Some(since) if since.len() < MAX_CHANGES => {
                    since.push((origin.clone(), updates.to_owned()));
                }
                since => *since = None,
            }
        }
    }

    /// The CIB has arrived.
    pub(super) fn answer(&mut self, asked_by: NodeId, number: u64) -> Option<Question> {
        self.0.remove(&(asked_by, number))
    }
}

impl CibManager {
    pub(super) fn send_whole(
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

    /// Takes the CIB that all are to have, with what was ordered since it was asked for.
    pub(super) fn synchronise(
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
    pub(super) fn install(
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

    pub(super) fn compare(
        &mut self,
        now: Now,
        sender: NodeId,
        number: u64,
        digest: &str,
        out: &mut Outputs,
    ) {
        let current = self.primary && self.pinged.as_ref().is_some_and(|(last, _)| *last == number);
        let Some((_, mine)) = self.pinged.clone().filter(|_| current) else { return };
        if mine != digest {
            log::error!(
                "cib: node {sender} has another CIB (digest {digest}, here {mine}); sending ours"
            );
            self.send_whole(now, 0, self.me, Some(sender), out);
        }
    }

    /// The attributes of the CIB, and the certificate.
    pub(super) fn generation(&self) -> Document {
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

    /// What happened to the ring, the group or the replica may have settled whose CIB the cluster has.
    pub(super) fn consider_unity(&mut self, out: &mut Outputs) {
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
}
