//! Marking nodes for fencing, fencing and unfencing actions (spec 10 §7.4–7.7, 30 §12.1, §12.2).

use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::node::NodeKind;
use crate::model::options::NoQuorumPolicy;
use crate::model::task::Task;
use std::borrow::Cow;

impl<'d> Cluster<'d> {
    /// Can the node be fenced (spec 10 §7.5)?
    pub fn can_fence(&self, node: Option<NodeId>) -> bool {
        if let Some(node) = node
            && self.is_guest(node)
        {
            let launcher = self.node(node).connection.and_then(|c| self.resource(c).launcher);
            return launcher.is_none_or(|l| {
                self.resource(l)
                    .active_on
                    .iter()
                    .filter(|host| !self.node(**host).online)
                    .all(|host| self.can_fence(Some(*host)))
            });
        }
        if !self.options.fencing_enabled || !self.fence_device_exists {
            return false;
        }
        if self.quorate || self.options.no_quorum_policy == NoQuorumPolicy::Ignore {
            return true;
        }
        let Some(node) = node else {
            return false;
        };
        let n = self.node(node);
        if !n.online {
            return false;
        }
        if n.is_pacemaker_remote() && !self.options.fence_remote_without_quorum {
            return n.connection.is_none_or(|c| {
                self.resource(c).table.iter().all(|(host, _)| self.node(host).online)
            });
        }
        true
    }

    /// Marks a node for fencing, whatever kind of node it is (spec 10 §7.4).
    pub fn mark_for_fencing(
        &mut self,
        node: NodeId,
        reason: impl Into<Cow<'d, str>>,
        priority_delay: bool,
    ) {
        let reason = reason.into();
        let connection = self.node(node).connection;
        let name = self.node(node).name.to_string();
        if self.is_guest(node) {
            let launcher = connection.and_then(|c| self.resource(c).launcher);
            self.recover_guest(node, launcher, &name, &reason);
        } else if let Some(c) = connection.filter(|c| {
            self.node(node).is_pacemaker_remote() && self.resource(*c).flags.removed_launched
        }) {
            let text = format!("Cleaning up dangling connection for guest node {name}: {reason}");
            self.message(Level::Info, text);
            let flags = &mut self.resource_mut(c).flags;
            (flags.failed, flags.stop_if_failed) = (true, true);
        } else if self.node(node).is_pacemaker_remote() {
            let managed = connection.is_none_or(|c| self.resource(c).flags.managed);
            if !managed {
                let text = format!("Not fencing remote node {name}: connection is unmanaged");
                self.message(Level::Notice, text);
            } else if !self.node(node).remote_reset {
                self.node_mut(node).remote_reset = true;
                self.announce("Remote", node, &reason);
            }
            self.node_mut(node).unclean = true;
            self.fencing_action(node, None, true, Some(reason), false);
        } else if !self.node(node).unclean {
            self.announce("Cluster", node, &reason);
            self.node_mut(node).unclean = true;
            self.fencing_action(node, None, true, Some(reason), priority_delay);
        }
    }

    fn recover_guest(
        &mut self,
        node: NodeId,
        launcher: Option<ResourceId>,
        name: &str,
        reason: &str,
    ) {
        let Some(l) = launcher.filter(|l| !self.resource(*l).flags.failed) else {
            return;
        };
        if !self.resource(l).flags.managed {
            let text =
                format!("Not fencing guest node {name} because its guest resource is unmanaged");
            self.message(Level::Notice, text);
            return;
        }
        let guest = self.resource(l).id.to_string();
        let text = format!(
            "Guest node {name} will be fenced (by recovering its guest resource {guest}): {reason}"
        );
        self.message(Level::Warning, text);
        self.node_mut(node).remote_reset = true;
        let flags = &mut self.resource_mut(l).flags;
        (flags.failed, flags.stop_if_failed) = (true, true);
    }

    fn announce(&mut self, kind: &str, node: NodeId, reason: &str) {
        let verb = if self.can_fence(Some(node)) { "will be fenced" } else { "is unclean" };
        let text = format!("{kind} node {} {verb}: {reason}", self.node(node).name);
        self.message(Level::Warning, text);
    }

    /// The fencing (or unfencing) action of a node (spec 30 §12.2). `op` defaults to the option
    /// `fencing-action`. Asking for a required one counts only if the node can be fenced.
    pub fn fencing_action(
        &mut self,
        node: NodeId,
        op: Option<&str>,
        optional: bool,
        reason: Option<Cow<'d, str>>,
        priority_delay: bool,
    ) -> ActionId {
        let op = op.unwrap_or(&self.options.fencing_action).to_owned();
        let name = format!("stonith-{}-{op}", self.node(node).name);
        let (id, created) = self.named_action(Task::Stonith, &name, Some(node));
        if created {
            let n = self.node(node);
            let (uname, uuid) = (n.name.clone(), n.id.clone());
            let action = &mut self.actions[id];
            action.set_meta("on_node", uname);
            action.set_meta("on_node_uuid", uuid);
            action.set_meta("stonith_action", op);
            if self.unfencing {
                self.add_device_digests(id, node);
            }
        }
        let delayed = self.actions[id].meta("priority-fencing-delay").is_some();
        if self.options.priority_fencing_delay_ms > 0 && (priority_delay || delayed) {
            let seconds = self.priority_fencing_delay(node);
            self.actions[id].set_meta("priority-fencing-delay", seconds.to_string());
        }
        if !optional && self.can_fence(Some(node)) {
            self.actions[id].flags.optional = false;
        }
        if let Some(reason) = reason {
            self.set_reason(id, reason, false);
        }
        id
    }

    /// Delay in seconds for fencing a node whose resources matter most (spec 10 §7.6).
    fn priority_fencing_delay(&self, node: NodeId) -> u64 {
        let n = self.node(node);
        if n.kind != NodeKind::Cluster || n.online {
            return 0;
        }
        let members = self.nodes.iter().filter(|m| m.kind == NodeKind::Cluster);
        let (mut all, mut online) = (0, 0);
        let (mut top, mut lowest) = (i32::MIN, i32::MAX);
        for m in members {
            all += 1;
            online += usize::from(m.online);
            top = top.max(m.priority);
            lowest = lowest.min(m.priority);
        }
        if online > all / 2 || top == lowest || n.priority < top {
            return 0;
        }
        self.options.priority_fencing_delay_ms / 1000
    }

    /// Fence devices that unfence, in the order in which their digests are listed (spec 10 §7.7).
    fn unfencing_devices(&self) -> Vec<ResourceId> {
        let mut devices = Vec::new();
        for top in &self.order {
            for leaf in self.leaves(*top) {
                let r = self.resource(leaf);
                if r.flags.fence_device
                    && (r.requires.unfencing || r.meta("provides") == Some("unfencing"))
                {
                    devices.push(leaf);
                }
            }
        }
        devices.reverse();
        devices
    }

    fn add_device_digests(&mut self, id: ActionId, node: NodeId) {
        let (mut all, mut secure) = (String::new(), String::new());
        for device in self.unfencing_devices() {
            let digests = crate::history::digest::unfencing(self, device, node);
            let r = self.resource(device);
            let prefix = format!("{}:{}:", r.id, r.agent);
            let (a, s) =
                (format!("{prefix}{}", digests.all), format!("{prefix}{}", digests.secure));
            let attribute = |name: &str| self.node(node).attributes.get(name);
            let matches = match attribute("#digests-all") {
                None => true,
                Some(stored) => {
                    stored.contains(&a)
                        || attribute("#digests-secure").is_some_and(|t| t.contains(&s))
                }
            };
            if !matches {
                let text = format!(
                    "Unfencing node {} because the definition of {} changed",
                    self.node(node).name,
                    self.resource(device).id
                );
                self.message(Level::Notice, text);
                self.actions[id].flags.optional = false;
            }
            all.push_str(&a);
            all.push(',');
            secure.push_str(&s);
            secure.push(',');
        }
        self.actions[id].set_meta("digests-all", all);
        self.actions[id].set_meta("digests-secure", secure);
    }

    /// Has the node been unfenced?
    pub fn has_been_unfenced(&self, node: NodeId) -> bool {
        self.node(node).attributes.get("#node-unfenced").is_some_and(|v| v != "0")
    }

    /// Triggers unfencing of a node, or of every node a fence device may run on (spec 30 §12.6).
    pub fn trigger_unfencing(
        &mut self,
        resource: Option<ResourceId>,
        node: Option<NodeId>,
        reason: &str,
    ) {
        if !self.unfencing || resource.is_some_and(|r| !self.resource(r).flags.fence_device) {
            return;
        }
        let fit = |c: &Self, n: NodeId| {
            let n = c.node(n);
            n.online && !n.unclean && !n.shutdown
        };
        let targets: Vec<NodeId> = match (node, resource) {
            (Some(n), _) if fit(self, n) => vec![n],
            (_, Some(r)) => {
                let table = &self.resource(r).table;
                self.node_order
                    .iter()
                    .copied()
                    .filter(|n| table.contains(*n) && fit(self, *n))
                    .collect()
            }
            _ => Vec::new(),
        };
        for target in targets {
            let reason = Cow::Owned(reason.to_owned());
            self.fencing_action(target, Some("on"), false, Some(reason), false);
        }
    }

    /// Orders an action of a resource after unfencing of its node, where unfencing is in use
    /// (spec 30 §12.6).
    pub fn order_after_unfencing(
        &mut self,
        resource: ResourceId,
        node: NodeId,
        action: ActionId,
        flags: crate::model::action::Order,
    ) {
        let r = self.resource(resource);
        if !((r.flags.fence_device && self.unfencing) || r.requires.unfencing) {
            return;
        }
        let unfencing = self.fencing_action(node, Some("on"), true, None, false);
        self.actions.relate(unfencing, action, flags);
        if !self.has_been_unfenced(node) {
            let task = self.actions.task_name(self.actions[action].task).to_owned();
            let reason = format!("required by {} {task}", self.resource(resource).id);
            self.trigger_unfencing(None, Some(node), &reason);
        }
    }
}
