//! What clients ask of a controller (spec 60 §11).

use std::collections::BTreeMap;

use cib_model::Document;

use super::{Controller, Phase, State};
use crate::subsystem::{
    Address, AgentName, CibOperation, CibUpdate, ControllerAnswer, ControllerPeer,
    ControllerRequest, ExecutorEvent, NodeId, Now, OperationEnd, Outputs, PeerListing, Room, Scope,
    SharedDocument,
};

/// Requests passed on to other nodes, with whom to answer.
#[derive(Debug, Default)]
pub(super) struct Clients {
    passed_on: BTreeMap<u64, (Address, u64)>,
    last: u64,
}

/// Most requests passed on and not answered; the oldest are forgotten.
const MAX_PASSED_ON: usize = 10_000;

impl Controller {
    pub(super) fn client_request(
        &mut self,
        now: Now,
        from: Address,
        request: ControllerRequest,
        out: &mut Outputs,
    ) {
        match request {
            ControllerRequest::Ping { token, node } => self.ping(from, token, node, out),
            ControllerRequest::NodeInfo { token, id, name } => {
                let node = match (id, name) {
                    (Some(id), _) => Some(id),
                    (None, Some(name)) => self.peers.by_name(&name),
                    (None, None) => Some(self.me),
                };
                let node = node.and_then(|node| self.listing(node));
                let quorate = self.is_quorate();
                out.reply(from, ControllerAnswer::Node { token, node, quorate });
            }
            ControllerRequest::ListNodes { token } => {
                let nodes = self.peers.iter().filter_map(|(node, _)| self.listing(node)).collect();
                out.reply(from, ControllerAnswer::Nodes { token, nodes });
            }
            ControllerRequest::CleanUp { token, ref node, ref resource, .. } => {
                if self.pass_on(&from, token, node, &request, out) {
                    return;
                }
                self.delete_resource(resource, out);
                self.note_refresh(now, out);
                done(from, token, Ok(()), out);
            }
            ControllerRequest::Fail { token, ref node, ref resource, ref agent } => {
                if self.pass_on(&from, token, node, &request, out) {
                    return;
                }
                let result = self.fail_resource(now, resource, agent.clone(), out);
                done(from, token, result, out);
            }
            ControllerRequest::Reprobe { token, ref node } => match node {
                Some(node) if self.pass_on(&from, token, node, &request, out) => {}
                Some(_) => {
                    self.delete_all_resources(out);
                    self.note_refresh(now, out);
                    done(from, token, Ok(()), out);
                }
                None => self.reprobe_everywhere(now, from, token, out),
            },
            ControllerRequest::ForgetNode { id, name } => {
                self.to_all(ControllerPeer::Forget { id, name }, out);
            }
            ControllerRequest::Shutdown => self.shut_down(now, out),
        }
    }

    /// Tells the state of a node's controller. One that is not there does not answer.
    fn ping(&mut self, from: Address, token: u64, node: Option<String>, out: &mut Outputs) {
        let here = node.as_ref().is_none_or(|node| node.eq_ignore_ascii_case(&self.name));
        if here || from.room == Room::Controller {
            let state = self.state.name().to_owned();
            let dc = self.dc.map(|node| self.peers.name(node).to_owned());
            let node = self.name.clone();
            return out.reply(from, ControllerAnswer::State { token, node, state, dc });
        }
        let asked = node.as_deref().and_then(|node| self.peers.by_name(node));
        if let Some(asked) = asked.filter(|asked| self.peers.is_active(*asked)) {
            while self.clients.passed_on.len() >= MAX_PASSED_ON {
                self.clients.passed_on.pop_first();
            }
            self.clients.last += 1;
            let number = self.clients.last;
            self.clients.passed_on.insert(number, (from, token));
            let request = ControllerRequest::Ping { token: number, node };
            self.to_node(asked, ControllerPeer::Request(Box::new(request)), out);
        }
    }

    /// Another controller has answered what was passed on to it.
    pub(super) fn answered_elsewhere(&mut self, answer: ControllerAnswer, out: &mut Outputs) {
        let ControllerAnswer::State { token, node, state, dc } = answer else { return };
        if let Some((from, token)) = self.clients.passed_on.remove(&token) {
            out.reply(from, ControllerAnswer::State { token, node, state, dc });
        }
    }

    fn listing(&self, node: NodeId) -> Option<PeerListing> {
        let peer = self.peers.get(node)?;
        Some(PeerListing {
            id: node,
            name: peer.name.clone(),
            member: peer.member,
            online: peer.online,
        })
    }

    /// Sends a request on to the node it is for. False if it is for this one.
    fn pass_on(
        &mut self,
        from: &Address,
        token: u64,
        node: &str,
        request: &ControllerRequest,
        out: &mut Outputs,
    ) -> bool {
        if node.eq_ignore_ascii_case(&self.name) || from.room == Room::Controller {
            return false;
        }
        match self.peers.by_name(node).filter(|node| self.peers.is_active(*node)) {
            None => done(*from, token, Err(format!("node {node} is not there")), out),
            Some(node) => {
                // The executing node does not answer across the ring: what it did shows in the CIB.
                self.to_node(node, ControllerPeer::Request(Box::new(request.clone())), out);
                done(*from, token, Ok(()), out);
            }
        }
        true
    }

    fn reprobe_everywhere(&mut self, now: Now, from: Address, token: u64, out: &mut Outputs) {
        for node in self.peers.active() {
            let name = self.peers.name(node).to_owned();
            let request = ControllerRequest::Reprobe { token: 0, node: Some(name) };
            if node == self.me {
                self.delete_all_resources(out);
            } else {
                self.to_node(node, ControllerPeer::Request(Box::new(request)), out);
            }
        }
        self.note_refresh(now, out);
        done(from, token, Ok(()), out);
    }

    /// Makes the DC plan anew.
    fn note_refresh(&mut self, now: Now, out: &mut Outputs) {
        let set = self.options.set.clone().unwrap_or_else(|| "cib-bootstrap-options".to_owned());
        let known = self.options.written.iter().find(|(_, name, _)| name == "last-lrm-refresh");
        let id = known.map_or_else(|| format!("{set}-last-lrm-refresh"), |(id, _, _)| id.clone());
        let mut content = Document::new("cluster_property_set");
        let root = content.root_id();
        content.set_attribute(root, "id", &set);
        let pair = content.append_element(root, "nvpair");
        let epoch = now.epoch().to_string();
        for (key, value) in
            [("id", id.as_str()), ("name", "last-lrm-refresh"), ("value", epoch.as_str())]
        {
            content.set_attribute(pair, key, value);
        }
        let update = CibUpdate::Modify {
            scope: Scope::Section("crm_config".to_owned()),
            content: SharedDocument::new(content),
            create: true,
            scores: false,
        };
        self.cib(CibOperation::Update { update, dry_run: false }, None, out);
    }

    /// Takes a resource for failed, as if a monitor had said so.
    fn fail_resource(
        &mut self,
        now: Now,
        resource: &str,
        agent: Option<AgentName>,
        out: &mut Outputs,
    ) -> Result<(), String> {
        let agent = agent.ok_or("the resource's agent is needed")?;
        let key = format!("999999999:-1:0:{}", "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
        let reason = "Simulated failure";
        // It comes after what was executed so far, and before what will be.
        let call = self.resources.last_call(resource);
        let call_text = call.to_string();
        let id = format!("{resource}_last_failure_0");
        let operation_key = format!("{resource}_asyncmon_0");
        let entry = [
            ("id", id.as_str()),
            ("operation_key", operation_key.as_str()),
            ("operation", "asyncmon"),
            ("crm-debug-origin", "controller"),
            ("crm_feature_set", policy_engine::transition::FEATURE_SET),
            ("transition-key", key.as_str()),
            ("transition-magic", &format!("0:1;{key}")),
            ("exit-reason", reason),
            ("on_node", self.name.as_str()),
            ("call-id", call_text.as_str()),
            ("rc-code", "1"),
            ("op-status", "0"),
            ("interval", "0"),
            ("last-rc-change", &now.epoch().to_string()),
        ];
        let entry = entry.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        let end = OperationEnd {
            resource: resource.to_owned(),
            agent,
            action: "asyncmon".to_owned(),
            interval_ms: 0,
            key,
            call,
            exit: 1,
            status: 0,
            reason: Some(reason.to_owned()),
            deleted: false,
            exec_ms: 0,
            timeout_ms: 0,
            entries: vec![entry],
        };
        self.executor_event(now, ExecutorEvent::Ended(Box::new(end)), out);
        Ok(())
    }

    /// Forgets a node that is gone.
    pub(super) fn forget_node(&mut self, id: Option<NodeId>, name: Option<&str>) {
        let node = id.or_else(|| name.and_then(|name| self.peers.by_name(name)));
        if let Some(node) = node {
            let name = self.peers.name(node).to_owned();
            self.fence_failures.remove(&name);
            self.peers.forget(node);
        }
    }

    /// Whether every active node is in.
    pub fn all_in(&self) -> bool {
        self.state >= State::PolicyEngine
            && self
                .peers
                .iter()
                .all(|(_, peer)| !peer.is_active() || peer.phase == Phase::Confirmed)
    }
}

fn done(to: Address, token: u64, result: Result<(), String>, out: &mut Outputs) {
    if token != 0 && to.room != Room::Controller {
        out.reply(to, ControllerAnswer::Done { token, result });
    }
}
