//! A CIB is on its way from one node to all, and changes are ordered before it arrives.
//!
//! The CIB is as it was when its node was asked for it, so it does not hold those changes. They were applied,
//! and acknowledged, when they were delivered; to be in what comes out of the synchronisation they are applied
//! to the CIB that arrives, too. Question, changes and CIB have the same order everywhere, so what comes out is
//! the same everywhere. A node that had the same CIB as the one that was asked has it all already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cib_model::Document;

use crate::subsystem::{CibUpdate, NodeId, UpdateOrigin};

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
