//! The transition summary: what will change, resource by resource (spec 41 §5).

use super::text::Entry;
use crate::model::cluster::Cluster;
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::resource::Variant;
use crate::model::role::Role;
use crate::model::task::{Key, Task};

/// A node that is fenced, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NodeLine {
    /// `Fence (OP)` or `Shutdown`.
    pub task: String,
    /// Node, for guests with the resource that launches it.
    pub node: String,
    /// Why.
    pub reason: String,
}

/// What happens to one resource.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ResourceLine {
    /// `Start`, `Stop`, `Move`, `Migrate`, `Restart`, `Recover`, `Reload`, `Promote`, `Demote`,
    /// `Re-promote`.
    pub verb: &'static str,
    /// Full id.
    pub resource: String,
    /// Where it is, if that is told.
    pub origin: Option<String>,
    /// Where it will be, if that is told.
    pub destination: Option<String>,
    /// Role before.
    pub role: &'static str,
    /// Role after.
    pub next_role: &'static str,
    /// Why.
    pub reason: Option<String>,
    /// The action cannot be run.
    pub blocked: bool,
    need_role: bool,
}

/// The whole summary.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Node actions.
    pub nodes: Vec<NodeLine>,
    /// Resource actions.
    pub resources: Vec<ResourceLine>,
}

impl Summary {
    /// Summarises a scheduled cluster.
    pub fn of(cluster: &Cluster<'_>) -> Summary {
        let mut summary = Summary { nodes: node_lines(cluster), resources: Vec::new() };
        for top in &cluster.order {
            walk(cluster, *top, &mut summary.resources);
        }
        summary
    }

    /// As list items, columns aligned over the whole summary (spec 41 §5.4).
    pub fn items(&self) -> Vec<Entry> {
        let mut out: Vec<Entry> = self
            .nodes
            .iter()
            .map(|n| Entry::item(format!("{} {} '{}'", n.task, n.node, n.reason)))
            .collect();
        let details: Vec<String> = self.resources.iter().map(ResourceLine::details).collect();
        let detail_width = details.iter().map(String::len).max().unwrap_or(0).max(5);
        let mut width = 5;
        for line in &self.resources {
            if line.resource.len() > width {
                width = line.resource.len() + 2;
            }
        }
        for (line, details) in self.resources.iter().zip(details) {
            out.push(Entry::item(format!(
                "{:<8}   {:<width$}   ( {details:>detail_width$} ){}",
                line.verb,
                line.resource,
                line.suffix()
            )));
        }
        out
    }
}

impl ResourceLine {
    /// Roles and nodes as XML attributes, by the same cases as the text (spec 41 §5.4, §9.5).
    pub fn places(&self) -> Vec<(&'static str, &str)> {
        let (r0, r1) = (self.role, self.next_role);
        let same_role = r0 == r1;
        let role = |show: bool| show.then_some(("role", r0));
        let next = |show: bool| show.then_some(("next-role", r1));
        let mut out: Vec<(&'static str, &str)> = Vec::new();
        match (self.origin.as_deref(), self.destination.as_deref()) {
            (None, dest) => {
                out.extend(role(self.need_role));
                out.extend(next(self.need_role));
                out.extend(dest.map(|d| ("node", d)));
            }
            (Some(origin), None) => {
                out.extend(role(self.need_role));
                out.push(("node", origin));
            }
            (Some(origin), Some(dest)) if origin == dest => {
                out.extend(role(self.need_role || !same_role));
                out.extend(next(!same_role));
                out.push(("source", origin));
            }
            (Some(origin), Some(dest)) => {
                out.extend(role(self.need_role || !same_role));
                out.extend(next(!same_role));
                out.push(("source", origin));
                out.push(("dest", dest));
            }
        }
        out
    }

    fn details(&self) -> String {
        let (r0, r1) = (self.role, self.next_role);
        let same_role = r0 == r1;
        match (&self.origin, &self.destination) {
            (None, dest) => {
                let dest = dest.as_deref().unwrap_or_default();
                if self.need_role { format!("{r0} -> {r1} {dest}") } else { dest.to_owned() }
            }
            (Some(origin), None) => {
                if self.need_role {
                    format!("{r0} {origin}")
                } else {
                    origin.clone()
                }
            }
            (Some(origin), Some(dest)) => {
                let same_host = origin == dest;
                match (self.need_role, same_role, same_host) {
                    (true, true, true) => format!("{r0} {origin}"),
                    (false, true, true) => origin.clone(),
                    (true, true, false) => format!("{origin} -> {dest} {r0}"),
                    (false, true, false) => format!("{origin} -> {dest}"),
                    (_, false, true) => format!("{r0} -> {r1} {origin}"),
                    (_, false, false) => format!("{r0} {origin} -> {r1} {dest}"),
                }
            }
        }
    }

    fn suffix(&self) -> String {
        match (&self.reason, self.blocked) {
            (Some(reason), false) => format!("  due to {reason}"),
            (Some(reason), true) => format!("  due to {reason} (blocked)"),
            (None, true) => "  blocked".to_owned(),
            (None, false) => String::new(),
        }
    }
}

fn node_lines(cluster: &Cluster<'_>) -> Vec<NodeLine> {
    let mut out = Vec::new();
    for id in cluster.actions.ids().rev() {
        let a = &cluster.actions[id];
        let (None, false, Some(node), Some(reason)) =
            (a.resource, a.flags.optional, a.node, &a.reason)
        else {
            continue;
        };
        let task = match a.task {
            Task::Stonith => format!("Fence ({})", a.meta("stonith_action").unwrap_or_default()),
            Task::DoShutdown => "Shutdown".to_owned(),
            _ => continue,
        };
        let mut name = cluster.node(node).name.to_string();
        if cluster.is_guest(node)
            && let Some(l) =
                cluster.node(node).connection.and_then(|c| cluster.resource(c).launcher)
        {
            name.push_str(&format!(" (resource: {})", cluster.resource(l).id));
        }
        out.push(NodeLine { task, node: name, reason: reason.to_string() });
    }
    out
}

fn walk(cluster: &Cluster<'_>, r: ResourceId, out: &mut Vec<ResourceLine>) {
    match &cluster.resource(r).variant {
        Variant::Primitive => primitive(cluster, r, out),
        Variant::Bundle(bundle) => {
            for p in &bundle.replicas {
                for part in [p.ip, Some(p.container), p.connection, p.child].into_iter().flatten() {
                    walk(cluster, part, out);
                }
            }
        }
        _ => {
            for child in &cluster.resource(r).children {
                walk(cluster, *child, out);
            }
        }
    }
}

/// The actions a line is chosen by.
struct Candidates {
    start: Option<ActionId>,
    stop: Option<ActionId>,
    promote: Option<ActionId>,
    demote: Option<ActionId>,
}

impl Candidates {
    fn find(
        cluster: &Cluster<'_>,
        r: ResourceId,
        current: Option<NodeId>,
        next: Option<NodeId>,
    ) -> Candidates {
        let find = |task: Task, node: Option<NodeId>| {
            cluster.actions.besides_probes(r).iter().copied().find(|id| {
                let a = &cluster.actions[*id];
                a.key == Key::op(task) && (node.is_none() || a.node.is_none() || a.node == node)
            })
        };
        let start = find(Task::Start, next);
        let runnable = start.is_some_and(|s| cluster.actions[s].flags.runnable);
        let mut stop = find(Task::Stop, if runnable { current } else { None });
        if stop.is_none() && cluster.resource(r).flags.stop_unexpected {
            stop = find(Task::Stop, None);
        }
        Candidates {
            start,
            stop,
            promote: find(Task::Promote, next),
            demote: find(Task::Demote, next),
        }
    }
}

struct Teller<'c, 'd> {
    cluster: &'c Cluster<'d>,
    resource: ResourceId,
    role: Role,
    next_role: Role,
}

impl Teller<'_, '_> {
    fn line(
        &self,
        verb: &'static str,
        origin: Option<NodeId>,
        destination: Option<NodeId>,
        action: Option<ActionId>,
        source: Option<ActionId>,
    ) -> ResourceLine {
        let c = self.cluster;
        let name = |n: NodeId| c.node(n).name.to_string();
        let reason = source.or(action).and_then(|a| c.actions[a].reason.as_deref());
        ResourceLine {
            verb,
            resource: c.resource(self.resource).id.to_string(),
            origin: origin.map(name),
            destination: destination.map(name),
            role: self.role.name(),
            next_role: self.next_role.name(),
            reason: reason.map(str::to_owned),
            blocked: action.is_some_and(|a| !c.actions[a].flags.runnable),
            need_role: self.role > Role::Started || self.next_role == Role::Promoted,
        }
    }

    /// A stop's own reason if it has one, else the start's.
    fn stop_reason(&self, stop: Option<ActionId>, start: Option<ActionId>) -> Option<ActionId> {
        stop.filter(|s| self.cluster.actions[*s].reason.is_some()).or(start)
    }
}

fn primitive(cluster: &Cluster<'_>, r: ResourceId, out: &mut Vec<ResourceLine>) {
    let res = cluster.resource(r);
    let current = cluster.current_node(r);
    let next = res.assigned.map(|a| a.node);
    if (current.is_none() && res.flags.removed)
        || !res.flags.managed
        || (current.is_none() && next.is_none())
    {
        return;
    }
    let role = if res.current_role == Role::Stopped && !res.active_on.is_empty() {
        Role::Started
    } else {
        res.current_role
    };
    let teller = Teller { cluster, resource: r, role, next_role: res.next_role };
    let found = Candidates::find(cluster, r, current, next);
    if role == res.next_role {
        out.extend(staying(&teller, &found, current, next));
    } else {
        changing(&teller, &found, current, next, out);
    }
}

fn staying(
    t: &Teller<'_, '_>,
    found: &Candidates,
    current: Option<NodeId>,
    next: Option<NodeId>,
) -> Option<ResourceLine> {
    let c = t.cluster;
    let res = c.resource(t.resource);
    next?;
    let moving = current.is_some() && current != next;
    let required = |a: Option<ActionId>| a.is_some_and(|a| c.actions[a].required());
    let migrate_from = c.actions.besides_probes(t.resource).iter().copied().find(|id| {
        let a = &c.actions[*id];
        a.key == Key::op(Task::MigrateFrom) && (a.node.is_none() || a.node == next)
    });
    if current.is_some() && migrate_from.is_some_and(|m| c.actions[m].flags.runnable) {
        return Some(t.line("Migrate", current, next, found.start, None));
    }
    if res.flags.reload {
        return Some(t.line("Reload", current, next, found.start, None));
    }
    if !required(found.start) {
        if required(found.demote) && required(found.promote) {
            let line = t.line("Re-promote", current, next, found.promote, found.demote);
            return Some(line);
        }
        return None;
    }
    let start_runnable = found.start.is_some_and(|s| c.actions[s].flags.runnable);
    if !start_runnable {
        let source = t.stop_reason(found.stop, found.start);
        return Some(t.line("Stop", current, None, found.stop, source));
    }
    let verb = match (moving, res.flags.failed) {
        (_, true) => "Recover",
        (true, false) => "Move",
        (false, false) => return Some(t.line("Restart", current, next, found.start, None)),
    };
    let destination = if moving { next } else { None };
    Some(t.line(verb, current, destination, found.stop, None))
}

fn changing(
    t: &Teller<'_, '_>,
    found: &Candidates,
    current: Option<NodeId>,
    next: Option<NodeId>,
    out: &mut Vec<ResourceLine>,
) {
    let c = t.cluster;
    let res = c.resource(t.resource);
    let moving = current.is_some() && next.is_some() && current != next;
    let start_blocked = found.start.is_some_and(|s| !c.actions[s].flags.runnable);
    if found.stop.is_some() && (t.next_role == Role::Stopped || start_blocked) {
        for node in &res.active_on {
            let stop = c.actions.besides_probes(t.resource).iter().copied().find(|id| {
                let a = &c.actions[*id];
                a.key == Key::op(Task::Stop) && (a.node.is_none() || a.node == Some(*node))
            });
            let source = t.stop_reason(stop, found.start);
            out.push(t.line("Stop", Some(*node), None, stop, source));
        }
        return;
    }
    let stop_required = found.stop.is_some_and(|s| c.actions[s].required());
    let line = if found.stop.is_some() && res.flags.failed && res.flags.stop_if_failed {
        t.line("Recover", current, next, found.stop, found.start)
    } else if moving {
        t.line("Move", current, next, found.stop, None)
    } else if res.flags.reload {
        t.line("Reload", current, next, found.start, None)
    } else if stop_required {
        t.line("Restart", current, next, found.start, None)
    } else if t.role == Role::Promoted {
        t.line("Demote", current, next, found.demote, None)
    } else if t.next_role == Role::Promoted {
        t.line("Promote", current, next, found.promote, None)
    } else if t.role == Role::Stopped && t.next_role > Role::Stopped {
        t.line("Start", current, next, found.start, None)
    } else {
        return;
    };
    out.push(line);
}
