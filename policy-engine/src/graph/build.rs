//! Visiting actions in the order that numbers the graph (spec 31 §2.1, §2.2, §2.4).

use super::element::Elements;
use super::trigger::{Verdict, belongs, judge};
use crate::actions::notify;
use crate::model::action::Relation;
use crate::model::cluster::Cluster;
use crate::model::ids::{ActionId, ResourceId};
use crate::model::resource::Variant;
use crate::model::task::Task;
use crate::ordering::effective;
use crate::transition::{Synapse, Transition};

/// A graph under construction.
struct Builder {
    graph: Transition,
    elements: Elements,
}

/// Builds the graph; `transition_id` is the caller's counter.
pub fn build(cluster: &mut Cluster<'_>, transition_id: u32) -> Transition {
    let graph = Transition { attributes: root(cluster, transition_id), synapses: Vec::new() };
    let mut builder = Builder { graph, elements: Elements::new(cluster) };
    for i in 0..cluster.order.len() {
        let r = cluster.order[i];
        visit_resource(cluster, r, &mut builder);
    }
    announce_maintenance(cluster);
    for id in cluster.actions.ids().rev() {
        visit(cluster, id, &mut builder);
    }
    builder.graph
}

fn root(cluster: &Cluster<'_>, transition_id: u32) -> Vec<(String, String)> {
    let o = &cluster.options;
    let start_offset = if o.start_failure_is_fatal { "INFINITY" } else { "1" };
    let mut out: Vec<(&str, String)> = vec![
        ("cluster-delay", o.cluster_delay.clone()),
        ("fencing-timeout", o.fencing_timeout.clone()),
        ("failed-stop-offset", "INFINITY".to_owned()),
        ("failed-start-offset", start_offset.to_owned()),
        ("batch-limit", o.batch_limit.clone()),
        ("transition_id", transition_id.to_string()),
    ];
    let limit = cib_model::scalar::parse_integer(&o.migration_limit);
    if limit.is_some_and(|limit| limit > 0) {
        out.push(("migration-limit", o.migration_limit.clone()));
    }
    if let Some(by) = cluster.recheck_by {
        out.push(("recheck-by", by.to_string()));
    }
    out.into_iter().map(|(n, v)| (n.to_owned(), v)).collect()
}

fn visit_own(cluster: &mut Cluster<'_>, r: ResourceId, builder: &mut Builder) {
    for i in (0..cluster.actions.of(r).len()).rev() {
        let id = cluster.actions.of(r)[i];
        visit(cluster, id, builder);
    }
}

fn visit_resource(cluster: &mut Cluster<'_>, r: ResourceId, builder: &mut Builder) {
    match cluster.resource(r).variant {
        Variant::Primitive => visit_own(cluster, r, builder),
        Variant::Group(_) => {
            visit_own(cluster, r, builder);
            visit_children(cluster, r, builder);
        }
        Variant::Clone(_) => {
            for i in 0..cluster.actions.of(r).len() {
                let id = cluster.actions.of(r)[i];
                effective(cluster, id, None);
            }
            notify::create_for_graph(cluster, r);
            visit_children(cluster, r, builder);
            visit_own(cluster, r, builder);
        }
        Variant::Bundle(_) => visit_bundle(cluster, r, builder),
    }
}

fn visit_children(cluster: &mut Cluster<'_>, r: ResourceId, builder: &mut Builder) {
    for i in 0..cluster.resource(r).children.len() {
        let child = cluster.resource(r).children[i];
        visit_resource(cluster, child, builder);
    }
}

fn visit_bundle(cluster: &mut Cluster<'_>, r: ResourceId, builder: &mut Builder) {
    let Some(bundle) = cluster.resource(r).as_bundle().cloned() else {
        return;
    };
    if let Some(inner) = bundle.inner {
        visit_resource(cluster, inner, builder);
    }
    for replica in &bundle.replicas {
        for part in [replica.ip, Some(replica.container), replica.connection].into_iter().flatten()
        {
            visit_resource(cluster, part, builder);
        }
    }
}

/// The update of Pacemaker Remote nodes whose maintenance state changed.
fn announce_maintenance(cluster: &mut Cluster<'_>) {
    let differs = |n: &crate::model::node::Node<'_>| {
        n.is_pacemaker_remote() && n.maintenance != n.was_in_maintenance
    };
    if cluster.nodes.iter().any(differs) {
        let (id, _) = cluster.named_action(Task::MaintenanceNodes, "maintenance_nodes", None);
        let flags = &mut cluster.actions[id].flags;
        (flags.pseudo, flags.runnable, flags.forced) = (true, true, true);
    }
}

/// De-duplicates an action's inputs at first sight, and puts it into the graph if it belongs there.
fn visit(cluster: &mut Cluster<'_>, id: ActionId, builder: &mut Builder) {
    if !cluster.actions[id].deduplicated {
        deduplicate(cluster, id);
    }
    if cluster.actions[id].in_graph || !belongs(cluster, id) {
        return;
    }
    cluster.actions[id].in_graph = true;
    let Builder { graph, elements } = builder;
    let mut inputs = Vec::new();
    for i in 0..cluster.actions[id].before.len() {
        let input = cluster.actions[id].before[i];
        match judge(cluster, &input, id) {
            Verdict::Trigger => {
                cluster.actions[id].before[i].in_graph = true;
                inputs.push(elements.head(cluster, input.other));
            }
            Verdict::Disabled => {
                cluster.actions[id].before[i].flags = crate::model::action::Order::NONE;
            }
            Verdict::Ignored => {}
        }
    }
    let a = &cluster.actions[id];
    let own = a.resource.map_or(0, |r| cluster.resource(r).priority.value());
    let priority = own.max(a.priority.value()).max(0);
    let action = elements.full(cluster, id);
    graph.synapses.push(Synapse { id: graph.synapses.len() as u32, priority, action, inputs });
}

/// Inputs by ascending id, one per action, kinds merged.
fn deduplicate(cluster: &mut Cluster<'_>, id: ActionId) {
    let a = &mut cluster.actions[id];
    a.deduplicated = true;
    if a.before.is_sorted_by(|x, y| x.other < y.other) {
        return;
    }
    a.before.sort_by_key(|input| input.other);
    let mut merged: Vec<Relation> = Vec::with_capacity(a.before.len());
    for input in a.before.drain(..) {
        match merged.last_mut() {
            Some(last) if last.other == input.other => last.flags |= input.flags,
            _ => merged.push(input),
        }
    }
    a.before = merged;
}
