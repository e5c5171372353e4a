//! What is asked of this manager: questions are answered from the replica, changes are sent to be ordered.

use super::answers::answer;
use super::{CibManager, MAX_UNDER_WAY, QUIET, access, apply};
use crate::mutation::{Mutation, planted};
use crate::subsystem::{
    Address, CibError, CibOperation, CibPeer, CibRequest, CibUpdate, Now, Outputs, Room, Scope,
    SharedDocument, UpdateOrigin,
};

impl CibManager {
    pub(super) fn request(
        &mut self,
        now: Now,
        from: Address,
        request: CibRequest,
        out: &mut Outputs,
    ) {
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
}
