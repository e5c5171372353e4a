//! Finding or creating an action, and what that makes of it (spec 30 §3).

use crate::model::action::{Action, ActionFlags, Needs};
use crate::model::cluster::Cluster;
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::options::NoQuorumPolicy;
use crate::model::role::Role;
use crate::model::task::{Key, Task};
use cib_model::Score;
use std::borrow::Cow;

impl<'d> Cluster<'d> {
    /// Requests an operation of a resource: finds it, or creates it (spec 30 §3.2).
    pub fn request(
        &mut self,
        resource: ResourceId,
        task: Task,
        interval_ms: u64,
        node: Option<NodeId>,
        optional: bool,
    ) -> ActionId {
        self.request_key(resource, Key::Op { task, interval_ms }, task, node, optional)
    }

    /// Requests an action by key; `task` matters only for one that is created.
    pub fn request_key(
        &mut self,
        resource: ResourceId,
        key: Key,
        task: Task,
        node: Option<NodeId>,
        optional: bool,
    ) -> ActionId {
        let id = match self.find_adopting(resource, key, node) {
            Some(id) => id,
            None => self.create_action(resource, key, task, node, optional),
        };
        self.update_optional(id, optional);
        self.update_runnable(id);
        id
    }

    /// The oldest action of the key that is on the node, or on none yet: that one is then given the
    /// node (spec 30 §3.2 step 1).
    pub fn find_adopting(
        &mut self,
        resource: ResourceId,
        key: Key,
        node: Option<NodeId>,
    ) -> Option<ActionId> {
        let id = self.actions.oldest_adoptable(resource, key, node)?;
        if let (None, Some(node)) = (self.actions[id].node, node) {
            self.actions.place(id, node);
        }
        Some(id)
    }

    fn create_action(
        &mut self,
        resource: ResourceId,
        key: Key,
        task: Task,
        node: Option<NodeId>,
        optional: bool,
    ) -> ActionId {
        let requires = self.resource(resource).requires;
        let needs = match task {
            Task::Start | Task::Promote if requires.fencing => Needs::Fencing,
            Task::Start | Task::Promote if requires.quorum => Needs::Quorum,
            _ => Needs::Nothing,
        };
        let mut action = blank(key, task, node, optional);
        action.resource = Some(resource);
        action.needs = needs;
        action.flags.on_dc = task == Task::LrmDelete;
        let id = self.actions.push(action);
        self.note_operation_recheck(id);
        id
    }

    /// A node action or barrier: a singleton by its text, created optional and without meta.
    pub fn named_action(
        &mut self,
        task: Task,
        name: &str,
        node: Option<NodeId>,
    ) -> (ActionId, bool) {
        let key = Key::Named(self.actions.intern(name));
        if let Some(id) = self.actions.global.get(&key) {
            return (*id, false);
        }
        let mut action = blank(key, task, node, true);
        action.bare = true;
        (self.actions.push(action), true)
    }

    /// Spec 30 §3.2 step 3.
    fn update_optional(&mut self, id: ActionId, optional: bool) {
        let action = &self.actions[id];
        let Some(resource) = action.resource else {
            return;
        };
        let recurring = action.key.interval_ms() > 0 || action.meta("interval").is_some();
        let held = action.node.is_some()
            && !action.flags.pseudo
            && !self.resource(resource).flags.managed
            && !recurring;
        if held {
            self.actions[id].flags.optional = true;
        } else if !optional {
            self.actions[id].flags.optional = false;
        }
    }

    /// Whether an action can be executed, judged at request (spec 30 §3.5).
    pub fn update_runnable(&mut self, id: ActionId) {
        let action = &self.actions[id];
        let Some(resource) = action.resource else {
            return;
        };
        if action.flags.pseudo {
            return;
        }
        let (task, on_dc, needs) = (action.task, action.flags.on_dc, action.needs);
        let Some(node) = action.node else {
            self.actions[id].flags.runnable = false;
            return;
        };
        let n = self.node(node);
        let guest = self.is_guest(node);
        if !on_dc && !n.online && (!guest || n.remote_reset) {
            let unclean = n.unclean;
            self.actions[id].flags.runnable = false;
            if self.resource(resource).flags.managed && task == Task::Stop && !unclean {
                self.mark_for_fencing(node, "stop is unrunnable", false);
            }
            return;
        }
        if !on_dc && n.pending {
            self.actions[id].flags.runnable = false;
            return;
        }
        if needs == Needs::Nothing {
            let runnable = !guest || self.can_fence(Some(node));
            self.actions[id].reason = None;
            self.actions[id].flags.runnable = runnable;
            return;
        }
        self.judge_quorum(id, resource);
    }

    fn judge_quorum(&mut self, id: ActionId, resource: ResourceId) {
        use NoQuorumPolicy::{Demote, Fence, Freeze, Ignore, Stop};
        let policy = self.options.no_quorum_policy;
        if self.quorate || matches!(policy, Ignore | Fence) {
            self.actions[id].flags.runnable = true;
            return;
        }
        let r = self.resource(resource);
        match policy {
            Freeze => {
                if !self.fully_active(resource) || r.next_role > r.current_role {
                    self.actions[id].flags.runnable = false;
                    self.set_reason(id, "quorum freeze", true);
                }
            }
            Demote if matches!(r.current_role, Role::Promoted | Role::Unpromoted) => {
                let r = self.resource_mut(resource);
                r.next_role = r.next_role.min(Role::Unpromoted);
                self.actions[id].flags.runnable = true;
            }
            Stop | Demote | Ignore | Fence => {
                self.actions[id].flags.runnable = false;
                self.set_reason(id, "no quorum", true);
            }
        }
    }

    /// Are all primitives of the resource active somewhere?
    pub fn fully_active(&self, resource: ResourceId) -> bool {
        let r = self.resource(resource);
        if r.is_primitive() {
            return !r.active_on.is_empty();
        }
        r.children.iter().all(|c| self.fully_active(*c))
    }

    /// Gives an action its reason; without `overwrite` the first one stays.
    pub fn set_reason(&mut self, id: ActionId, reason: impl Into<Cow<'d, str>>, overwrite: bool) {
        let reason = reason.into();
        let slot = &mut self.actions[id].reason;
        if overwrite || slot.is_none() {
            *slot = Some(reason);
        }
    }

    /// Schedules clearing of a resource's fail counts on a node (spec 30 §8.3).
    pub fn clear_failcount(
        &mut self,
        resource: ResourceId,
        node: NodeId,
        reason: &'static str,
    ) -> ActionId {
        let id = self.request(resource, Task::ClearFailcount, 0, Some(node), false);
        self.actions[id].set_meta("op_no_wait", "true");
        self.set_reason(id, reason, true);
        let r = self.resource(resource);
        if self.options.fencing_enabled && r.flags.remote_connection && r.reconnect_interval_ms > 0
        {
            let name = r.id.to_string();
            if let Some(target) = self.find_node(None, Some(&name)) {
                let fencing = self.fencing_action(target, None, true, None, false);
                self.actions.relate(fencing, id, crate::model::action::Order::FIRST_REQ);
            }
        }
        id
    }

    /// Schedules removal of a resource's history from the CIB (spec 30 §8.6).
    pub fn lrm_delete(&mut self, resource: ResourceId, node: NodeId) -> ActionId {
        self.request(resource, Task::LrmDelete, 0, Some(node), false)
    }

    /// Schedules clean-up of a resource's history on a node (spec 30 §8.4).
    pub fn clean_up(&mut self, resource: ResourceId, node: NodeId, optional: bool) {
        use crate::model::action::Order;
        use crate::model::constraint::End;
        let n = self.node(node);
        if self.resource(resource).flags.failed || !n.online || n.unclean {
            return;
        }
        self.request(resource, Task::Delete, 0, Some(node), optional);
        let flags = if optional { Order::FIRST_REQ } else { Order::ORDER };
        let key = |task| End::Key(resource, Key::op(task));
        self.defer(key(Task::Stop), key(Task::Delete), flags);
        self.defer(key(Task::Delete), key(Task::Start), flags);
    }

    /// Requests the cancel of a recurring operation: takes over the operation's own action
    /// (spec 30 §6.4).
    pub fn cancel(
        &mut self,
        resource: ResourceId,
        task: Task,
        interval_ms: u64,
        node: NodeId,
        call_id: Option<&'d str>,
    ) -> ActionId {
        let key = Key::Op { task, interval_ms };
        let id = self.request_key(resource, key, Task::Cancel, Some(node), false);
        let name: Cow<'d, str> = Cow::Owned(self.actions.task_name(task).to_owned());
        let action = &mut self.actions[id];
        action.task = Task::Cancel;
        action.set_meta("operation", name);
        action.set_meta("interval", interval_ms.to_string());
        if let Some(call_id) = call_id {
            action.set_meta("call-id", call_id);
        }
        id
    }

    /// What becomes of a primitive's actions when it ends up without a node (spec 30 §5.8).
    pub fn assignment_effects(&mut self, resource: ResourceId) {
        self.resource_mut(resource).next_role = Role::Stopped;
        for i in 0..self.actions.besides_probes(resource).len() {
            let id = self.actions.besides_probes(resource)[i];
            let action = &mut self.actions[id];
            match action.task {
                Task::Stop => action.flags.optional = false,
                Task::Start => action.flags.runnable = false,
                _ if action.key.interval_ms() > 0 && action.meta("op_target_rc") != Some("7") => {
                    action.flags.runnable = false;
                }
                _ => {}
            }
        }
    }

    /// What an action is called in reasons and in the graph: its task, or for barriers their whole
    /// name.
    pub fn task_text(&self, id: ActionId) -> String {
        let action = &self.actions[id];
        match action.task {
            Task::LoadStopped | Task::OneOrMore | Task::MaintenanceNodes => self.key_text(id),
            task => self.actions.task_name(task).to_owned(),
        }
    }

    /// Text of an action's key, with the resource's own id (spec 30 §1).
    pub fn key_text(&self, id: ActionId) -> String {
        let action = &self.actions[id];
        let name = action.resource.map_or("", |r| &self.resource(r).id);
        self.key_text_with(action.key, name)
    }

    /// Text of a key with a given resource name.
    pub fn key_text_with(&self, key: Key, resource: &str) -> String {
        match key {
            Key::Op { task, interval_ms: 0 } => {
                [resource, "_", self.actions.task_name(task), "_0"].concat()
            }
            Key::Op { task, interval_ms } => {
                format!("{resource}_{}_{interval_ms}", self.actions.task_name(task))
            }
            Key::Notify { phase, task } => {
                format!("{resource}_{phase}_notify_{}_0", self.actions.task_name(task))
            }
            Key::Named(name) => self.actions.names[name.0 as usize].clone(),
        }
    }
}

fn blank<'d>(key: Key, task: Task, node: Option<NodeId>, optional: bool) -> Action<'d> {
    Action {
        key,
        task,
        resource: None,
        node,
        flags: ActionFlags {
            optional,
            runnable: true,
            pseudo: false,
            migratable: false,
            forced: false,
            on_dc: false,
            migration_abort: false,
            reschedule: false,
        },
        needs: Needs::Nothing,
        reason: None,
        priority: Score::ZERO,
        before: Vec::new(),
        after: Vec::new(),
        min_inputs: 0,
        meta: Vec::new(),
        definition_task: task,
        bare: false,
        in_graph: false,
        deduplicated: false,
    }
}
