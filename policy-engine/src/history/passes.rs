//! In which order node states are read (spec 11 §2).

use super::{matching, remote_state, state, status};
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::role::Role;
use crate::model::task::Task;
use cib_model::Element;

/// What one run through all node states collects.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// Launchers of bundles that have to be stopped because their contents failed.
    pub failed_launchers: Vec<ResourceId>,
}

/// Reads the history of all nodes, once the first pass over node states is done.
pub fn unpack(cluster: &mut Cluster<'_>) {
    let states = status::node_states(cluster.document);
    let mut run = Run::default();
    while pass(cluster, &states, false, &mut run) {}
    let everything = cluster.options.fencing_enabled;
    pass(cluster, &states, everything, &mut run);
    for launcher in run.failed_launchers.into_iter().rev() {
        let node = cluster.current_node(launcher);
        cluster.request(launcher, Task::Stop, 0, node, false);
    }
    remote_state::finish(cluster);
}

/// Reads what is due; false if nothing was.
fn pass<'d>(
    cluster: &mut Cluster<'d>,
    states: &[Element<'d>],
    everything: bool,
    run: &mut Run,
) -> bool {
    let mut progress = false;
    for state in states {
        let (Some(id), Some(name)) = (state.xml_id(), state.attribute("uname")) else { continue };
        let Some(node) = cluster.find_node(Some(id), Some(name)) else { continue };
        if cluster.node(node).unpacked || !(everything || is_due(cluster, node)) {
            continue;
        }
        read_node(cluster, node, *state, run);
        progress = true;
    }
    progress
}

fn is_due(cluster: &Cluster<'_>, node: NodeId) -> bool {
    let n = cluster.node(node);
    let started = |r: ResourceId| cluster.current_role_of(r) == Role::Started;
    let locks = cluster.options.shutdown_lock;
    if !n.is_pacemaker_remote() {
        return cluster.options.fencing_enabled || locks || n.online;
    }
    let Some(connection) = n.connection else { return false };
    match cluster.resource(connection).launcher {
        Some(launcher) => started(connection) && started(launcher),
        None => locks || started(connection),
    }
}

fn read_node<'d>(cluster: &mut Cluster<'d>, node: NodeId, element: Element<'d>, run: &mut Run) {
    if cluster.node(node).is_pacemaker_remote() {
        remote_state::determine_online(cluster, node);
        remote_state::read(cluster, node, element);
    }
    cluster.node_mut(node).unpacked = true;
    let mut launched_elsewhere = false;
    for lrm_resource in status::lrm_resources(element) {
        if let Some(resource) = state::process(cluster, node, lrm_resource, run) {
            launched_elsewhere |= cluster.resource(resource).flags.removed_launched;
        }
    }
    if launched_elsewhere {
        for lrm_resource in status::lrm_resources(element) {
            matching::link_removed_launched(cluster, lrm_resource);
        }
    }
}
