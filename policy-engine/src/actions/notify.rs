//! Notifications: clones with `notify` have their agents called around every operation
//! (spec 30 §11).

use crate::model::action::Order;
use crate::model::cluster::Cluster;
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::role::Role;
use crate::model::task::{Key, NotifyPhase, Task};
use cib_model::Score;

/// The pseudo-actions around one operation.
#[derive(Debug, Clone, Copy)]
pub struct NotifySet {
    /// "About to": none when only the end is told (after fencing).
    pub pre: Option<ActionId>,
    /// All told before.
    pub confirmed_pre: Option<ActionId>,
    /// "Done".
    pub post: ActionId,
    /// All told after.
    pub confirmed_post: ActionId,
}

/// One round of telling: its pseudo-action, and the one that confirms it.
#[derive(Debug, Clone, Copy)]
struct Telling {
    phase: NotifyPhase,
    pseudo: ActionId,
    confirmed: ActionId,
}

impl NotifySet {
    fn before(&self) -> Option<Telling> {
        let (pseudo, confirmed) = (self.pre?, self.confirmed_pre?);
        Some(Telling { phase: NotifyPhase::Pre, pseudo, confirmed })
    }

    fn afterwards(&self) -> Telling {
        Telling { phase: NotifyPhase::Post, pseudo: self.post, confirmed: self.confirmed_post }
    }
}

/// A clone's notification sets by operation.
#[derive(Debug, Clone, Copy)]
pub struct Notifications {
    start: NotifySet,
    stop: NotifySet,
    promote: Option<NotifySet>,
    demote: Option<NotifySet>,
}

impl Notifications {
    /// Sets of a clone that is not (yet known to be) promotable.
    pub fn new(start: NotifySet, stop: NotifySet) -> Notifications {
        Notifications { start, stop, promote: None, demote: None }
    }

    fn of(&self, task: Task) -> Option<NotifySet> {
        match task {
            Task::Start => Some(self.start),
            Task::Stop => Some(self.stop),
            Task::Promote => self.promote,
            _ => self.demote,
        }
    }
}

/// Creates the four pseudo-actions around an operation, or the last two when there is no `action`
/// to come before (spec 30 §11.1).
pub fn pseudo_actions(
    cluster: &mut Cluster<'_>,
    r: ResourceId,
    task: Task,
    action: Option<ActionId>,
    completion: ActionId,
) -> NotifySet {
    let mut before = None;
    if let Some(action) = action {
        let optional = cluster.actions[action].flags.optional;
        let key_task = task;
        let pre = pseudo(cluster, r, NotifyPhase::Pre, key_task, task, optional);
        let confirmed = pseudo(cluster, r, NotifyPhase::ConfirmedPre, key_task, task, optional);
        cluster.actions.relate(pre, confirmed, Order::ORDER);
        cluster.actions.relate(confirmed, action, Order::ORDER);
        before = Some((pre, confirmed));
    }
    let done = cluster.actions[completion].task;
    let flags = cluster.actions[completion].flags;
    let post = pseudo(cluster, r, NotifyPhase::Post, done, task, flags.optional);
    let confirmed_post = pseudo(cluster, r, NotifyPhase::ConfirmedPost, done, task, flags.optional);
    for id in [post, confirmed_post] {
        cluster.actions[id].flags.runnable = flags.runnable;
        cluster.actions[id].priority = Score::INFINITY;
    }
    cluster.actions.relate(completion, post, Order::FIRST_REQ);
    cluster.actions.relate(post, confirmed_post, Order::FIRST_REQ);
    if let Some((_, confirmed)) = before {
        cluster.actions.relate(confirmed, post, Order::ORDER);
    }
    NotifySet { pre: before.map(|b| b.0), confirmed_pre: before.map(|b| b.1), post, confirmed_post }
}

fn pseudo(
    cluster: &mut Cluster<'_>,
    r: ResourceId,
    phase: NotifyPhase,
    key_task: Task,
    operation: Task,
    optional: bool,
) -> ActionId {
    let confirmed = matches!(phase, NotifyPhase::ConfirmedPre | NotifyPhase::ConfirmedPost);
    let task = if confirmed { Task::Notified } else { Task::Notify };
    let id = cluster.request_key(r, Key::Notify { phase, task: key_task }, task, None, optional);
    let before = matches!(phase, NotifyPhase::Pre | NotifyPhase::ConfirmedPre);
    let key_name = cluster.actions.task_name(key_task).to_owned();
    let operation = cluster.actions.task_name(operation).to_owned();
    let action = &mut cluster.actions[id];
    (action.flags.pseudo, action.flags.runnable) = (true, true);
    action.definition_task = Task::Notify;
    action.set_meta("notify_key_type", phase.name());
    action.set_meta("notify_key_operation", key_name);
    action.set_meta("notify_type", if before { "pre" } else { "post" });
    action.set_meta("notify_operation", operation);
    id
}

/// Orders role changes among the other operations' notifications (spec 30 §11.2) and keeps them.
pub fn order_role_changes(
    cluster: &mut Cluster<'_>,
    r: ResourceId,
    promote: NotifySet,
    demote: NotifySet,
) {
    let Some(mut known) = cluster.notifications.get(&r).copied() else {
        return;
    };
    let mut relate = |first: ActionId, then: Option<ActionId>| {
        if let Some(then) = then {
            cluster.actions.relate(first, then, Order::ORDER);
        }
    };
    for first in [known.stop, known.start, demote] {
        relate(first.confirmed_post, promote.pre);
    }
    relate(demote.confirmed_post, known.start.pre);
    relate(demote.confirmed_post, known.stop.pre);
    known.promote = Some(promote);
    known.demote = Some(demote);
    cluster.notifications.insert(r, known);
}

/// One resource on one node, as notifications list them.
#[derive(Debug, Clone, Copy)]
struct Item {
    resource: ResourceId,
    node: Option<NodeId>,
}

/// State and plans of a clone's primitives (spec 30 §11.3).
#[derive(Debug, Default)]
struct Picture {
    inactive: Vec<Item>,
    active: Vec<Item>,
    unpromoted: Vec<Item>,
    promoted: Vec<Item>,
    start: Vec<Item>,
    stop: Vec<Item>,
    promote: Vec<Item>,
    demote: Vec<Item>,
}

impl Picture {
    fn take(cluster: &Cluster<'_>, leaves: &[ResourceId]) -> Picture {
        let mut p = Picture::default();
        for leaf in leaves {
            let res = cluster.resource(*leaf);
            let item = Item { resource: *leaf, node: res.active_on.first().copied() };
            match res.current_role {
                Role::Stopped => p.inactive.push(item),
                Role::Started => p.active.push(item),
                Role::Unpromoted => {
                    p.active.push(item);
                    p.unpromoted.push(item);
                }
                Role::Promoted => {
                    p.active.push(item);
                    p.promoted.push(item);
                }
                Role::Unknown => {}
            }
            for id in cluster.actions.of(*leaf) {
                p.add_action(cluster, *leaf, *id);
            }
        }
        p
    }

    fn add_action(&mut self, cluster: &Cluster<'_>, leaf: ResourceId, id: ActionId) {
        let a = &cluster.actions[id];
        let Some(node) = a.node.filter(|_| a.required()) else {
            return;
        };
        let stop_of_lost = a.task == Task::Stop && cluster.node(node).unclean;
        if !a.flags.runnable && !stop_of_lost {
            return;
        }
        let item = Item { resource: leaf, node: Some(node) };
        match a.task {
            Task::Start => self.start.push(item),
            Task::Stop => self.stop.push(item),
            Task::Promote => self.promote.push(item),
            Task::Demote => self.demote.push(item),
            _ => {}
        }
    }

    fn list(&self, task: Task) -> &[Item] {
        match task {
            Task::Start => &self.start,
            Task::Stop => &self.stop,
            Task::Promote => &self.promote,
            _ => &self.demote,
        }
    }

    /// All variables, as meta names and values.
    fn variables(&self, cluster: &Cluster<'_>, clone: ResourceId) -> Vec<(&'static str, String)> {
        let mut out = Vec::new();
        let mut both = |names: &[(&'static str, &'static str)], items: &[Item]| {
            let (resources, nodes) = texts(cluster, items, true);
            for (resource, uname) in names {
                out.push((*resource, resources.clone()));
                out.push((*uname, nodes.clone()));
            }
        };
        both(&[("notify_stop_resource", "notify_stop_uname")], &self.stop);
        both(&[("notify_start_resource", "notify_start_uname")], &self.start);
        both(&[("notify_demote_resource", "notify_demote_uname")], &self.demote);
        both(&[("notify_promote_resource", "notify_promote_uname")], &self.promote);
        both(&[("notify_active_resource", "notify_active_uname")], &self.active);
        both(
            &[
                ("notify_unpromoted_resource", "notify_unpromoted_uname"),
                ("notify_slave_resource", "notify_slave_uname"),
            ],
            &self.unpromoted,
        );
        both(
            &[
                ("notify_promoted_resource", "notify_promoted_uname"),
                ("notify_master_resource", "notify_master_uname"),
            ],
            &self.promoted,
        );
        out.push(("notify_inactive_resource", texts(cluster, &self.inactive, false).0));
        out.extend(node_variables(cluster, clone));
        out
    }
}

fn node_variables(cluster: &Cluster<'_>, clone: ResourceId) -> Vec<(&'static str, String)> {
    let table = &cluster.resource(clone).table;
    let names = |keep: &dyn Fn(NodeId) -> bool, host: bool| -> String {
        let mut words = Vec::new();
        for node in cluster.node_order.iter().copied().filter(|n| keep(*n)) {
            let shown = if host { current_host(cluster, node).unwrap_or(node) } else { node };
            words.push(&*cluster.node(shown).name);
        }
        join(&words)
    };
    let mut out = vec![
        ("notify_available_uname", names(&|n| table.contains(n), false)),
        ("notify_all_uname", names(&|_| true, false)),
    ];
    let target = cluster.resource(clone).meta("container-attribute-target");
    if target.is_some_and(|t| t.eq_ignore_ascii_case("host")) {
        out.push(("notify_all_hosts", names(&|_| true, true)));
    }
    out
}

/// The host a guest runs on per history.
fn current_host(cluster: &Cluster<'_>, node: NodeId) -> Option<NodeId> {
    if !cluster.is_guest(node) {
        return None;
    }
    let launcher = cluster.node(node).connection.and_then(|c| cluster.resource(c).launcher)?;
    cluster.current_node(launcher)
}

fn join(words: &[&str]) -> String {
    if words.is_empty() { " ".to_owned() } else { words.join(" ") }
}

/// Resource and node words of a list (spec 30 §11.3, "Formatting").
fn texts(cluster: &Cluster<'_>, items: &[Item], with_nodes: bool) -> (String, String) {
    let mut sorted: Vec<Item> =
        items.iter().copied().filter(|i| !with_nodes || i.node.is_some()).collect();
    let node_id = |i: &Item| i.node.map(|n| &*cluster.node(n).id);
    sorted.sort_by(|a, b| {
        let by_resource = cluster.resource(a.resource).id.cmp(&cluster.resource(b.resource).id);
        by_resource.then_with(|| node_id(a).cmp(&node_id(b)))
    });
    sorted.dedup_by_key(|i| i.resource);
    let resources: Vec<&str> = sorted.iter().map(|i| &*cluster.resource(i.resource).id).collect();
    let nodes: Vec<&str> =
        sorted.iter().filter_map(|i| i.node).map(|n| &*cluster.node(n).name).collect();
    (join(&resources), join(&nodes))
}

/// Creates a clone's real notify actions, when the graph is built (spec 30 §11.3, §11.4).
pub fn create_for_graph(cluster: &mut Cluster<'_>, clone: ResourceId) {
    let Some(known) = cluster.notifications.get(&clone).copied() else {
        return;
    };
    let leaves = cluster.leaves(clone);
    for task in [Task::Start, Task::Stop, Task::Promote, Task::Demote] {
        let Some(set) = known.of(task) else {
            continue;
        };
        let picture = Picture::take(cluster, &leaves);
        let variables = picture.variables(cluster, clone);
        if !picture.list(task).is_empty() {
            let ids = [set.pre, set.confirmed_pre, Some(set.post), Some(set.confirmed_post)];
            for id in ids.into_iter().flatten() {
                cluster.actions[id].flags.optional = false;
            }
        }
        let empty = picture.list(task).is_empty();
        for leaf in &leaves {
            notify_leaf(cluster, *leaf, task, &set, &variables, empty);
        }
    }
}

fn notify_leaf(
    cluster: &mut Cluster<'_>,
    leaf: ResourceId,
    task: Task,
    set: &NotifySet,
    variables: &[(&'static str, String)],
    empty: bool,
) {
    for i in 0..cluster.actions.of(leaf).len() {
        let id = cluster.actions.of(leaf)[i];
        let a = &mut cluster.actions[id];
        let tells = matches!(a.task, Task::Start | Task::Stop | Task::Promote | Task::Demote);
        if tells && a.required() && a.node.is_some() {
            for (name, value) in variables {
                a.set_meta(*name, value.clone());
            }
        }
    }
    if empty && task != Task::Stop {
        return;
    }
    match task {
        Task::Stop | Task::Demote => notify_leaving(cluster, leaf, task, set, variables),
        _ => notify_coming(cluster, leaf, task, set, variables),
    }
}

/// Spec 30 §11.4 step 3.
fn notify_leaving(
    cluster: &mut Cluster<'_>,
    leaf: ResourceId,
    task: Task,
    set: &NotifySet,
    variables: &[(&'static str, String)],
) {
    if cluster.resource(leaf).current_role == Role::Stopped {
        return;
    }
    let stop = cluster.actions.newest(leaf, Task::Stop, None);
    let stop_flags = stop.map(|s| cluster.actions[s].flags);
    for i in 0..cluster.resource(leaf).active_on.len() {
        let node = cluster.resource(leaf).active_on[i];
        let n = cluster.node(node);
        if stop_flags.is_some_and(|f| f.pseudo) && (n.unclean || n.remote_reset) {
            continue;
        }
        if let Some(telling) = set.before() {
            real(cluster, leaf, node, task, telling, variables);
        }
        if task == Task::Demote || stop_flags.is_none_or(|f| f.optional) {
            real(cluster, leaf, node, task, set.afterwards(), variables);
        }
    }
}

/// Spec 30 §11.4 step 4.
fn notify_coming(
    cluster: &mut Cluster<'_>,
    leaf: ResourceId,
    task: Task,
    set: &NotifySet,
    variables: &[(&'static str, String)],
) {
    let res = cluster.resource(leaf);
    if res.next_role == Role::Stopped {
        return;
    }
    let start = cluster.actions.newest(leaf, Task::Start, None);
    if let Some(start) = start
        && let Some(node) = cluster.actions[start].node
        && let Some(connection) = cluster.node(node).connection
        && let Some(up) = cluster.actions.newest(connection, Task::Start, None)
        && !cluster.actions[up].flags.runnable
    {
        return;
    }
    let Some(node) = res.assigned.map(|a| a.node) else {
        return;
    };
    let told = task == Task::Promote || start.is_none_or(|s| cluster.actions[s].flags.optional);
    if let Some(telling) = set.before().filter(|_| told) {
        real(cluster, leaf, node, task, telling, variables);
    }
    real(cluster, leaf, node, task, set.afterwards(), variables);
}

/// A notify action of one instance, between its pseudo-action and that one's confirmation.
fn real(
    cluster: &mut Cluster<'_>,
    leaf: ResourceId,
    node: NodeId,
    task: Task,
    telling: Telling,
    variables: &[(&'static str, String)],
) {
    let Telling { phase, pseudo, confirmed } = telling;
    if !cluster.node(node).online || !cluster.actions[pseudo].flags.runnable {
        return;
    }
    let optional = cluster.actions[pseudo].flags.optional;
    let key = Key::Notify { phase, task };
    let id = cluster.request_key(leaf, key, Task::Notify, Some(node), optional);
    let copied = cluster.actions[pseudo].meta.clone();
    let action = &mut cluster.actions[id];
    action.definition_task = Task::Notify;
    for (name, value) in copied {
        if action.meta(&name).is_none() {
            action.set_meta(name, value);
        }
    }
    for (name, value) in variables {
        action.set_meta(*name, value.clone());
    }
    if phase == NotifyPhase::Post {
        action.priority = Score::INFINITY;
    }
    cluster.actions.relate(pseudo, id, Order::ORDER);
    cluster.actions.relate(id, confirmed, Order::ORDER);
    if phase == NotifyPhase::Post {
        for i in 0..cluster.actions.of(leaf).len() {
            let other = cluster.actions.of(leaf)[i];
            let a = &cluster.actions[other];
            if a.key.interval_ms() > 0 && a.task != Task::Cancel {
                cluster.actions.relate(confirmed, other, Order::ORDER);
            }
        }
    }
}

/// Tells the other instances that fencing stopped one (spec 30 §11.5).
pub fn after_fencing(cluster: &mut Cluster<'_>, r: ResourceId, stop: ActionId, fencing: ActionId) {
    let set = pseudo_actions(cluster, r, Task::Stop, None, fencing);
    let item = Item { resource: r, node: cluster.actions[stop].node };
    let (resources, nodes) = texts(cluster, &[item], true);
    let variables = [("notify_stop_resource", resources), ("notify_stop_uname", nodes)];
    let top = cluster.top(r);
    for leaf in cluster.leaves(top) {
        notify_leaf(cluster, leaf, Task::Stop, &set, &variables, false);
    }
}
