//! Where chains of causes begin: what of the configuration or of the status calls for an action, or rules
//! it out.

use super::causes::{Because, Kind};
use super::chain::Chains;
use super::placement::state;
use crate::model::cluster::Cluster;
use crate::model::ids::{ActionId, NodeId, ResourceId};
use crate::model::resource::Variant;
use crate::model::role::Role;
use crate::model::task::{Key, Task};
use crate::model::trace::{Became, Candidate, Cause, Choice};
use cib_model::Score;

fn root(kind: Kind, text: impl Into<String>) -> Because {
    Because { kind, text: text.into(), action: None, element: None }
}

fn about(kind: Kind, element: Option<&str>, text: impl Into<String>) -> Because {
    Because { element: element.map(str::to_owned), ..root(kind, text) }
}

/// For an action of a whole: an action of a part that stands for it. For a notification: the operation
/// that is told of.
pub(super) fn stands_for(cluster: &Cluster<'_>, id: ActionId, became: Became) -> Option<ActionId> {
    let a = &cluster.actions[id];
    let r = a.resource?;
    let fits = |other: ActionId| {
        let o = &cluster.actions[other];
        other != id
            && match became {
                Became::Unrunnable => !o.flags.runnable,
                _ => o.required() || o.flags.forced,
            }
    };
    if let Key::Notify { task, .. } = a.key {
        let mut whole = Some(r);
        while let Some(w) = whole {
            let told = [task, task.plain()];
            let found = told.iter().find_map(|t| {
                cluster
                    .actions
                    .of(w)
                    .iter()
                    .copied()
                    .find(|x| cluster.actions[*x].key == Key::op(*t) && fits(*x))
            });
            if found.is_some() {
                return found;
            }
            whole = cluster.resource(w).parent;
        }
    }
    if cluster.resource(r).is_primitive() {
        return None;
    }
    let task = a.task.plain();
    let mut parts = vec![r];
    while let Some(part) = parts.pop() {
        let own = cluster.actions.of(part).iter().copied();
        let found =
            own.into_iter().find(|x| part != r && cluster.actions[*x].task == task && fits(*x));
        if found.is_some() {
            return found;
        }
        parts.extend(cluster.resource(part).children.iter().rev());
    }
    None
}

/// What calls for an action that no other action calls for.
pub(super) fn of_required(
    cluster: &Cluster<'_>,
    chains: &Chains<'_>,
    id: ActionId,
) -> Vec<Because> {
    let a = &cluster.actions[id];
    let reason = a.reason.as_deref();
    match (a.task, a.resource) {
        (Task::Stonith, _) => of_fencing(cluster, id),
        (Task::DoShutdown, _) => {
            vec![root(Kind::Node, format!("{} is to shut down", node_name(cluster, a.node)))]
        }
        (Task::LoadStopped, _) => {
            vec![root(
                Kind::Configuration,
                "placement-strategy: capacity has to be free before it is used",
            )]
        }
        (Task::OneOrMore, _) => {
            vec![root(Kind::Configuration, "an ordering that asks for one or more")]
        }
        (Task::MaintenanceNodes, _) => {
            vec![root(Kind::Node, "the maintenance state of Pacemaker Remote nodes changed")]
        }
        (Task::ClearFailcount, Some(_)) => {
            vec![root(Kind::CleanUp, reason.unwrap_or("the failures no longer count"))]
        }
        (Task::Delete | Task::LrmDelete, Some(r)) => of_clean_up(cluster, r, reason),
        (Task::Cancel, Some(_)) => vec![root(
            Kind::Configuration,
            match reason {
                Some(reason) => format!("the recurring operation is {reason}"),
                None => {
                    "the recurring operation does not belong to the role the resource is to have"
                        .to_owned()
                }
            },
        )],
        (Task::Monitor, Some(r)) if a.key.interval_ms() == 0 => {
            let (name, node) = (&cluster.resource(r).id, node_name(cluster, a.node));
            vec![root(Kind::UnknownState, format!("nothing is recorded of {name} on {node}"))]
        }
        (Task::ReloadAgent, Some(r)) => of_definition_change(cluster, r),
        (Task::Notify | Task::Notified, Some(r)) => {
            vec![root(
                Kind::Configuration,
                format!("notify is on for {}", cluster.resource(cluster.top(r)).id),
            )]
        }
        (_, Some(r)) if a.key.interval_ms() > 0 => of_recurring(cluster, id, r),
        (_, Some(r)) if cluster.resource(r).is_primitive() => {
            of_role_change(cluster, chains, id, r)
        }
        (_, Some(r)) => vec![about(
            Kind::Configuration,
            Some(&cluster.resource(r).id),
            format!("it brackets what happens to the parts of {}", cluster.resource(r).id),
        )],
        _ => vec![root(Kind::Unexplained, reason.unwrap_or("unknown"))],
    }
}

fn node_name(cluster: &Cluster<'_>, node: Option<NodeId>) -> String {
    node.map_or_else(|| "no node".to_owned(), |n| cluster.node(n).name.to_string())
}

fn of_fencing(cluster: &Cluster<'_>, id: ActionId) -> Vec<Because> {
    let a = &cluster.actions[id];
    let node = node_name(cluster, a.node);
    let reason = a.reason.as_deref();
    if a.meta("stonith_action") == Some("on") {
        let text = format!("{node} has to be unfenced: {}", reason.unwrap_or("it was not yet"));
        return vec![root(Kind::Node, text)];
    }
    vec![root(
        Kind::Node,
        format!("{node} is unclean: {}", reason.unwrap_or("its state is not known")),
    )]
}

fn of_clean_up(cluster: &Cluster<'_>, r: ResourceId, reason: Option<&str>) -> Vec<Because> {
    let res = cluster.resource(r);
    let text = match reason {
        Some(reason) => reason.to_owned(),
        None if res.flags.removed => format!("{} is no longer configured", res.id),
        None => format!("the history of {} is of no use any more", res.id),
    };
    vec![root(Kind::CleanUp, text)]
}

fn of_definition_change(cluster: &Cluster<'_>, r: ResourceId) -> Vec<Because> {
    let id = cluster.resource(r).id.to_string();
    let entry = cluster.trace.redefined.get(&r).map(String::as_str);
    let text = format!("the definition of {id} is not the one it runs with");
    vec![about(Kind::DefinitionChange, entry.or(Some(&id)), text)]
}

fn of_recurring(cluster: &Cluster<'_>, id: ActionId, r: ResourceId) -> Vec<Because> {
    let a = &cluster.actions[id];
    let res = cluster.resource(r);
    let definition = &cluster.definitions[res.definition.index()];
    let op = definition.operations.iter().find(|op| {
        op.interval_ms == a.key.interval_ms()
            && Task::from_known_name(op.name).is_none_or(|t| t == a.definition_task)
    });
    let element = op.and_then(|op| op.element.xml_id());
    let (interval, node) = (a.key.interval_ms(), node_name(cluster, a.node));
    let text = format!(
        "{} has an operation every {interval} ms that {node} does not run yet, or not so",
        res.id
    );
    vec![about(Kind::Configuration, element, text)]
}

/// A start, stop, promotion, demotion or migration.
fn of_role_change(
    cluster: &Cluster<'_>,
    chains: &Chains<'_>,
    id: ActionId,
    r: ResourceId,
) -> Vec<Because> {
    let a = &cluster.actions[id];
    let res = cluster.resource(r);
    let name = &res.id;
    let assigned = res.assigned.map(|n| n.node);
    let current = cluster.current_node(r);
    if res.flags.failed
        && let Some(failure) = failure_of(cluster, r)
        && !(a.task == Task::Stop && assigned.is_none())
    {
        return vec![failure];
    }
    let stays = current == assigned && res.current_role == res.next_role;
    if res.flags.reload || (stays && cluster.trace.redefined.contains_key(&r)) {
        return of_definition_change(cluster, r);
    }
    if res.active_on.len() > 1
        && matches!(a.task, Task::Stop | Task::Start | Task::Demote | Task::Promote)
    {
        let nodes: Vec<&str> = res.active_on.iter().map(|n| &*cluster.node(*n).name).collect();
        let text = format!("{name} is active on {}: multiple-active decides", nodes.join(" and "));
        return vec![root(Kind::Node, text)];
    }
    if res.flags.removed {
        return vec![root(Kind::Configuration, format!("{name} is no longer configured"))];
    }
    let abandoned = cluster.trace.abandoned.contains(&r);
    if a.flags.migration_abort
        || abandoned
        || (!res.dangling_sources.is_empty() && a.task == Task::Stop)
    {
        return vec![root(Kind::Interrupted, format!("a migration of {name} was not completed"))];
    }
    if res.pending.is_some() || res.flags.start_pending {
        return vec![root(Kind::Interrupted, format!("an operation of {name} is still pending"))];
    }
    let (role, next) = (res.current_role, res.next_role);
    let stopping = assigned.is_none() || next == Role::Stopped;
    match a.task {
        Task::Stop | Task::Demote if stopping => {
            let mut out = vec![root(Kind::Placement, format!("{name} can run on no node"))];
            out.extend(nowhere(cluster, chains, r));
            out
        }
        _ if current.is_some() && assigned.is_some() && current != assigned => {
            let text = format!(
                "{name} belongs on {}, not on {}",
                node_name(cluster, assigned),
                node_name(cluster, current)
            );
            let mut out = vec![root(Kind::Placement, text)];
            if let Some(placed) = chains.choice(r)
                && let Choice::ByScore { candidates, .. } = &placed.choice
                && let Some(candidate) = candidates.iter().find(|c| Some(c.node) == current)
            {
                out.push(why_not(cluster, chains, r, candidate, placed.at));
            } else if let Some(node) = current.map(|n| cluster.node(n)).filter(|n| !n.available()) {
                out.push(root(Kind::Node, format!("{} is {}", node.name, state(node))));
            }
            out
        }
        Task::Start if res.active_on.is_empty() => vec![about(
            Kind::Placement,
            Some(&res.base_id),
            format!("{name} is not active and belongs on {}", node_name(cluster, assigned)),
        )],
        _ if role != next => vec![about(
            Kind::Placement,
            Some(&res.base_id),
            format!("{name} is {role} and shall be {next}"),
        )],
        Task::Stop | Task::Start if res.flags.blocked => {
            vec![root(Kind::Failure, format!("{name} is blocked by an earlier failure"))]
        }
        Task::Start | Task::Stop | Task::Promote | Task::Demote => of_restart(cluster, id, r),
        Task::MigrateTo | Task::MigrateFrom => {
            vec![root(Kind::Interrupted, format!("a migration of {name} goes on"))]
        }
        _ => vec![about(
            Kind::Configuration,
            Some(&res.base_id),
            format!("an ordering asks for the operation {}", cluster.task_text(id)),
        )],
    }
}

/// It stays where it is, in the role it has, and yet something is to be done: another of its own actions is
/// required.
fn of_restart(cluster: &Cluster<'_>, id: ActionId, r: ResourceId) -> Vec<Because> {
    let name = &cluster.resource(r).id;
    let shut_down = cluster.actions[id].node.filter(|n| cluster.node(*n).shutdown);
    if let Some(node) = shut_down {
        let text = format!("{} is to shut down", cluster.node(node).name);
        return vec![root(Kind::Node, text)];
    }
    if cluster.resource(r).lock.is_some() {
        return vec![root(Kind::Node, format!("{name} is locked to a node that is shut down"))];
    }
    let stops =
        |x: &ActionId| cluster.actions[*x].task == Task::Stop && cluster.actions[*x].required();
    if cluster.actions[id].task == Task::Start && !cluster.actions.of(r).iter().any(stops) {
        let node = node_name(cluster, cluster.actions[id].node);
        let text = format!("{name} did not get to run on {node}: a migration ended halfway");
        return vec![root(Kind::Interrupted, text)];
    }
    if let Some(inside) = failed_inside(cluster, r)
        && let Some(failure) = failure_of(cluster, inside)
    {
        let inside = cluster.resource(inside).id.to_string();
        let text = format!("{name} launches {inside}, whose failure restarts it");
        return vec![about(Kind::Placement, Some(&inside), text), failure];
    }
    match cluster.actions[id].reason.as_deref() {
        Some(reason) => vec![root(Kind::Configuration, reason)],
        None => vec![root(Kind::Unexplained, format!("{name} has to be restarted"))],
    }
}

/// What a resource launches that has failed: directly, or inside its bundle's replica.
fn failed_inside(cluster: &Cluster<'_>, r: ResourceId) -> Option<ResourceId> {
    let bundle = cluster.bundle_of(r).and_then(|b| cluster.resource(b).as_bundle());
    let replica = bundle.and_then(|b| b.replicas.iter().find(|replica| replica.container == r));
    let child = replica.and_then(|replica| replica.child).map(|child| cluster.leaves(child));
    let inside = cluster.resource(r).launched.iter().copied().chain(child.into_iter().flatten());
    inside.into_iter().find(|inside| cluster.resource(*inside).flags.failed)
}

/// The failed operation of a resource.
fn failure_of(cluster: &Cluster<'_>, r: ResourceId) -> Option<Because> {
    let res = cluster.resource(r);
    let own = |f: &&crate::model::cluster::FailedOperation<'_>| f.resource == r;
    if let Some(failed) = cluster.failed_operations.iter().rev().find(own) {
        let e = failed.element;
        let text = format!(
            "{} of {} failed on {} (rc={})",
            e.attribute("operation").unwrap_or("an operation"),
            res.id,
            cluster.node(failed.node).name,
            e.attribute("rc-code").unwrap_or("?"),
        );
        return Some(about(Kind::Failure, e.xml_id(), text));
    }
    Some(root(Kind::Failure, format!("{} has failed, or the guest it launches is lost", res.id)))
}

/// Why a resource can run on no node.
fn nowhere(cluster: &Cluster<'_>, chains: &Chains<'_>, r: ResourceId) -> Vec<Because> {
    let choice = chains.choice(r);
    match choice.map(|p| &p.choice) {
        Some(Choice::ByScore { candidates, .. }) => {
            if candidates.is_empty() {
                return vec![root(Kind::Configuration, "no node is allowed for it")];
            }
            let mut out: Vec<Because> = Vec::new();
            for candidate in candidates {
                let because = why_not(cluster, chains, r, candidate, choice.map_or(0, |p| p.at));
                if !out.contains(&because) {
                    out.push(because);
                }
            }
            out
        }
        Some(Choice::StopAll) => vec![root(Kind::Configuration, "stop-all-resources is on")],
        Some(Choice::TooManyInstances) => {
            vec![root(Kind::Configuration, "there are as many instances as there may be")]
        }
        Some(Choice::NoPartner(c)) => {
            let id = cluster.colocation(*c).id.to_string();
            vec![about(Kind::Configuration, Some(&id), format!("colocation {id} finds no partner"))]
        }
        Some(Choice::Given) => {
            vec![root(Kind::Configuration, "what it is interleaved with does not run on its node")]
        }
        Some(Choice::Unmanaged(_)) | None => vec![root(Kind::Configuration, "it is not placed")],
    }
}

/// Why a resource may not, or would rather not, be on a node. `at`: steps when that was decided.
fn why_not(
    cluster: &Cluster<'_>,
    chains: &Chains<'_>,
    r: ResourceId,
    candidate: &Candidate,
    at: usize,
) -> Because {
    let node = candidate.node;
    let n = cluster.node(node);
    if !n.available() {
        return root(Kind::Node, format!("{} is {}", n.name, state(n)));
    }
    match chains.ban(r, node, at) {
        Some(step) if candidate.score < Score::ZERO => {
            let source = super::source::of_step(cluster, step.cause, r, node);
            let kind = match step.cause {
                Cause::FailLimit | Cause::Failure | Cause::MaskedProbe => Kind::Failure,
                Cause::ShutdownLock => Kind::Node,
                _ => Kind::Configuration,
            };
            let text = format!("banned from {}: {}", n.name, source.text);
            about(kind, source.constraint.as_deref(), text)
        }
        _ => root(Kind::Placement, format!("its score on {} is {}", n.name, candidate.score)),
    }
}

/// What rules an action out that no other action rules out.
pub(super) fn of_unrunnable(
    cluster: &Cluster<'_>,
    chains: &Chains<'_>,
    id: ActionId,
) -> Vec<Because> {
    let a = &cluster.actions[id];
    let Some(r) = a.resource else {
        return vec![root(Kind::Node, "nothing makes it possible")];
    };
    let res = cluster.resource(r);
    let Some(node) = a.node else {
        let mut out = vec![root(Kind::Placement, format!("{} has no node", res.id))];
        if let Variant::Primitive = res.variant {
            out.extend(nowhere(cluster, chains, r));
        }
        return out;
    };
    let n = cluster.node(node);
    let can_stop = n.online && !n.unclean && matches!(a.task, Task::Stop | Task::Demote);
    if !n.available() && !can_stop {
        return vec![root(Kind::Node, format!("{} is {}", n.name, state(n)))];
    }
    if !res.flags.managed {
        return vec![root(Kind::Configuration, format!("{} is not managed", res.id))];
    }
    if let Some(reason @ ("no quorum" | "quorum freeze")) = a.reason.as_deref() {
        return vec![root(Kind::Quorum, reason)];
    }
    if res.assigned.is_none() {
        let mut out = vec![root(Kind::Placement, format!("{} has no node", res.id))];
        out.extend(nowhere(cluster, chains, r));
        return out;
    }
    vec![root(Kind::Node, a.reason.as_deref().unwrap_or("its node cannot do it now"))]
}
