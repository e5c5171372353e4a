//! When those who asked for a change are answered: it must be durable, and no join may undo it.

use super::{CibManager, apply};
use crate::mutation::{Mutation, planted};
use crate::subsystem::{
    Address, CibAnswer, CibError, CibUpdate, NodeId, Outputs, Room, SharedDocument,
};

/// An answer that waits for the disk.
pub(super) struct Held {
    pub(super) saves: u64,
    pub(super) number: u64,
}

impl CibManager {
    /// A client is answered when its change is durable and cannot be undone by a join. The others on this node
    /// do the work of a join, which does not wait for itself.
    pub(super) fn hold(&mut self, number: u64, updates: Vec<CibUpdate>) {
        let client =
            self.under_way.get(&number).is_some_and(|(from, _)| from.room == Room::Clients);
        if client && self.unity.is_open() && !planted(Mutation::AcknowledgeOpen) {
            self.open.push((number, updates));
        } else {
            self.held.push_back(Held { saves: self.saves, number });
        }
    }

    /// Another CIB has taken the place of this one's: whoever has changed something that is not in it is told
    /// that nothing is certain.
    pub(super) fn review_open(&mut self, out: &mut Outputs) {
        for (number, updates) in std::mem::take(&mut self.open) {
            if apply::is_done(&self.document, &updates) {
                self.open.push((number, updates));
            } else {
                self.conclude(number, Err(CibError::NotConnected), out);
            }
        }
    }

    /// Answers those whose changes are durable.
    pub(super) fn answer_held(&mut self, out: &mut Outputs) {
        let kept = if self.disk_writes { self.store.kept() } else { u64::MAX };
        while self.held.front().is_some_and(|held| held.saves <= kept) {
            let Some(held) = self.held.pop_front() else { return };
            self.conclude(held.number, Ok(None), out);
        }
    }

    pub(super) fn conclude(
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

    /// Those that were to send their CIB and are gone will not.
    pub(super) fn give_up_on(&mut self, gone: &[NodeId], out: &mut Outputs) {
        let lost = self.awaited.iter().filter(|(_, node)| gone.contains(node));
        let lost: Vec<u64> = lost.map(|(number, _)| *number).collect();
        for number in lost {
            self.conclude(number, Err(CibError::NotConnected), out);
        }
    }
}

pub(super) fn answer(
    out: &mut Outputs,
    to: Address,
    token: u64,
    result: Result<Option<SharedDocument>, CibError>,
) {
    if token != 0 {
        out.reply(to, CibAnswer { token, result });
    }
}
