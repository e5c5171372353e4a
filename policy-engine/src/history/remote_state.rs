//! State of Pacemaker Remote nodes, known once the history of their connection is (spec 10 §8.3).

use crate::model::cluster::{Cluster, Level};
use crate::model::ids::NodeId;
use crate::model::role::Role;
use cib_model::Element;
use cib_model::scalar::{parse_boolean, parse_integer};

/// Online or not, from the state of the connection and its launcher.
pub(super) fn determine_online(cluster: &mut Cluster<'_>, node: NodeId) {
    let Some(connection) = cluster.node(node).connection else {
        cluster.node_mut(node).online = false;
        return;
    };
    let c = cluster.resource(connection);
    let (role, next, failed, launcher) = (c.current_role, c.next_role, c.flags.failed, c.launcher);
    let hosts = c.active_on.clone();
    let n = cluster.node_mut(node);
    if role == Role::Started {
        n.online = true;
        n.shutdown |= next == Role::Stopped;
    }
    let launcher_failed = launcher.is_some_and(|l| cluster.resource(l).flags.failed);
    let launcher_stopped = launcher.is_some_and(|l| cluster.current_role_of(l) == Role::Stopped);
    let lost_host = match hosts.as_slice() {
        [host] => !cluster.node(*host).online && cluster.node(*host).unclean,
        _ => false,
    };
    let n = cluster.node_mut(node);
    if launcher_failed {
        (n.online, n.remote_reset) = (false, true);
    } else if failed {
        n.online = false;
    } else if role == Role::Stopped || launcher_stopped {
        (n.online, n.remote_reset) = (false, false);
    } else if launcher.is_some() && lost_host {
        (n.online, n.remote_reset) = (false, true);
    }
}

/// Applies what the node state says.
pub(super) fn read<'d>(cluster: &mut Cluster<'d>, node: NodeId, state: Element<'d>) {
    let recorded = state.attribute("node_in_maintenance").and_then(parse_integer).unwrap_or(0);
    let n = cluster.node_mut(node);
    n.was_in_maintenance |= recorded != 0;
    if !n.remote_reset {
        (n.unclean, n.seen) = (false, true);
    }
    cluster.apply_transient_attributes(node, state);
    let value = |name: &str| cluster.node_attribute(node, name, None);
    let shutdown = value("shutdown").is_some_and(|v| v != "0");
    let standby = value("standby").and_then(parse_boolean) == Some(true);
    let maintenance = value("maintenance").and_then(parse_boolean) == Some(true);
    let no_discovery =
        value("resource-discovery-enabled").is_some_and(|v| parse_boolean(v) != Some(true));
    let unmanaged =
        cluster.node(node).connection.is_some_and(|c| !cluster.resource(c).flags.managed);
    let n = cluster.node_mut(node);
    n.shutdown |= shutdown;
    n.standby |= standby;
    n.maintenance |= maintenance || unmanaged;
    if no_discovery {
        forbid_discovery(cluster, node);
    }
}

fn forbid_discovery(cluster: &mut Cluster<'_>, node: NodeId) {
    let name = cluster.node(node).name.clone();
    if cluster.is_remote(node) && !cluster.options.fencing_enabled {
        let text = format!(
            "Ignoring resource-discovery-enabled attribute on Pacemaker Remote node {name} because \
             fencing is disabled"
        );
        cluster.message(Level::Warning, text);
        return;
    }
    let text = format!(
        "Support for the resource-discovery-enabled node attribute is deprecated; use \
         resource-discovery of location constraints instead ({name})"
    );
    cluster.message(Level::Warning, text);
    cluster.node_mut(node).probes_allowed = false;
}

/// Last look at Pacemaker Remote nodes when all history is read.
pub(super) fn finish(cluster: &mut Cluster<'_>) {
    for node in cluster.node_order.clone() {
        let n = cluster.node(node);
        if !n.is_pacemaker_remote() {
            continue;
        }
        let (shutdown, connection, unpacked) = (n.shutdown, n.connection, n.unpacked);
        if shutdown && let Some(connection) = connection {
            cluster.resource_mut(connection).next_role = Role::Stopped;
        }
        if !unpacked {
            determine_online(cluster, node);
        }
    }
}
