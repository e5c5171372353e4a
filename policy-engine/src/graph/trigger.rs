//! Which actions belong in the graph, and which of their inputs become triggers (spec 31 §2.3–2.5).

use crate::model::action::{Order, Relation};
use crate::model::cluster::Cluster;
use crate::model::ids::ActionId;
use crate::model::task::Task;

/// Does the action belong in the graph (spec 31 §2.3)?
pub fn belongs(cluster: &Cluster<'_>, id: ActionId) -> bool {
    let a = &cluster.actions[id];
    if !a.flags.runnable || (a.flags.optional && !a.flags.forced) {
        return false;
    }
    if let Some(r) = a.resource {
        let recurring =
            a.key.interval_ms() > 0 || a.meta("interval").is_some_and(|interval| interval != "0");
        if !cluster.resource(r).flags.managed && a.task != Task::Monitor && !recurring {
            return false;
        }
    }
    if a.flags.pseudo || matches!(a.task, Task::Stonith | Task::DoShutdown) {
        return true;
    }
    let Some(node) = a.node else {
        return false;
    };
    let n = cluster.node(node);
    a.flags.on_dc || (cluster.is_guest(node) && !n.remote_reset) || (n.online && !n.unclean)
}

/// What becomes of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A trigger.
    Trigger,
    /// Not a trigger.
    Ignored,
    /// Not a trigger, and no relation any more.
    Disabled,
}

/// Would the input be a trigger of `then`?
pub fn is_trigger(cluster: &Cluster<'_>, input: &Relation, then: ActionId) -> bool {
    judge(cluster, input, then) == Verdict::Trigger
}

/// The table of spec 31 §2.5.
pub fn judge(cluster: &Cluster<'_>, input: &Relation, then: ActionId) -> Verdict {
    use Verdict::{Disabled, Ignored, Trigger};
    let flags = input.flags;
    let f = &cluster.actions[input.other];
    let t = &cluster.actions[then];
    if input.in_graph {
        return Trigger;
    }
    if flags.is_empty() {
        return Ignored;
    }
    let weak = Order::ORDER | Order::FIRST_GRAPHS_THEN | Order::THEN_GRAPHS_FIRST;
    if !f.flags.runnable
        && (flags.within(weak) || flags.intersects(Order::MIN | Order::NEEDS_MIGRATABLE_THEN))
    {
        return Ignored;
    }
    if flags.has(Order::IF_FIRST_UNMIGRATABLE) && f.flags.migratable {
        return Ignored;
    }
    let f_is_stop = f.key.is_op(Task::Stop);
    if flags == Order::ORDER && f.flags.migratable && f_is_stop {
        return Ignored;
    }
    if flags == Order::LOAD {
        let in_graph = match t.resource {
            Some(r) if t.task == Task::MigrateTo => {
                f.node == cluster.resource(r).assigned.map(|a| a.node)
            }
            _ => f.node == t.node && f.required(),
        };
        if !in_graph {
            return Disabled;
        }
        if t.resource.is_some() && t.task == Task::MigrateTo {
            return Trigger;
        }
    }
    if flags == Order::REQ_SAME_NODE {
        let differ = f.node.is_some() && t.node.is_some() && f.node != t.node;
        return if differ || f.flags.optional { Disabled } else { Trigger };
    }
    if f_is_stop
        && f.resource.is_some()
        && f.resource != t.resource
        && f.resource.is_some_and(|r| {
            let flags = cluster.resource(r).flags;
            flags.failed && !flags.managed
        })
        && t.resource.is_some_and(|r| cluster.resource(r).is_clone())
    {
        return Ignored;
    }
    if f.flags.optional && !f.flags.forced && !f.in_graph && !belongs(cluster, input.other) {
        return Ignored;
    }
    Trigger
}
