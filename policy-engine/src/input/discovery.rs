//! Pacemaker Remote nodes: found among the resources and linked with their connections
//! (spec 10 §8).

use super::generate::connection::{Guest, is_connection};
use super::nodes;
use super::sections::Sections;
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{NodeId, ResourceId};
use crate::model::node::NodeKind;
use cib_model::{Element, Score};

/// Creates the nodes that connection resources and guests imply, before any resource exists.
pub(super) fn create_nodes<'d>(cluster: &mut Cluster<'d>, sections: &Sections<'d>) {
    let Some(resources) = sections.resources else { return };
    let generated = cluster.generated.root().child("resources");
    let appended = generated.into_iter().flat_map(|g| g.children());
    for element in resources.children().chain(appended) {
        if is_connection(element) {
            ensure_node(cluster, element.xml_id().unwrap_or_default());
            continue;
        }
        match element.name() {
            "primitive" => create_guest(cluster, element),
            "group" => {
                for member in element.children_named("primitive") {
                    create_guest(cluster, member);
                }
            }
            _ => {}
        }
    }
}

fn create_guest<'d>(cluster: &mut Cluster<'d>, primitive: Element<'d>) {
    if let Some(guest) = Guest::of(primitive) {
        ensure_node(cluster, guest.name);
    }
}

/// The Pacemaker Remote node of that name, made if there is none.
fn ensure_node<'d>(cluster: &mut Cluster<'d>, name: &'d str) -> NodeId {
    match cluster.find_node(None, Some(name)) {
        Some(node) => node,
        None => nodes::create(cluster, name.into(), name.into(), NodeKind::Remote, Score::ZERO),
    }
}

/// Gives leaves their launchers and connections their nodes, in document order (spec 10 §8.3).
pub(super) fn link(cluster: &mut Cluster<'_>) {
    for i in 0..cluster.order.len() {
        for leaf in cluster.leaves(cluster.order[i]) {
            link_launcher(cluster, leaf);
        }
    }
    for i in 0..cluster.order.len() {
        let top = cluster.order[i];
        if cluster.resource(top).is_primitive() && cluster.resource(top).flags.remote_connection {
            cluster.link_connection(top);
        }
    }
}

fn link_launcher(cluster: &mut Cluster<'_>, leaf: ResourceId) {
    let Some(name) = cluster.resource(leaf).meta("container").map(str::to_owned) else { return };
    if name == *cluster.resource(leaf).id {
        return;
    }
    match cluster.find_resource(&name) {
        Some(launcher) => cluster.set_launcher(leaf, launcher),
        None => {
            let text = format!("Resource {}: Unknown container {name}", cluster.resource(leaf).id);
            cluster.message(Level::Error, text);
        }
    }
}

impl<'d> Cluster<'d> {
    /// Makes `launcher` the launcher of `resource`.
    pub fn set_launcher(&mut self, resource: ResourceId, launcher: ResourceId) {
        self.resource_mut(resource).launcher = Some(launcher);
        let launched = &mut self.resource_mut(launcher).launched;
        if !launched.contains(&resource) {
            launched.push(resource);
        }
    }

    /// Links a connection resource with the node of its name.
    pub fn link_connection(&mut self, resource: ResourceId) {
        let Some(node) = self.find_node(None, Some(&self.resource(resource).id)) else { return };
        self.node_mut(node).connection = Some(resource);
        if self.resource(resource).launcher.is_none() {
            nodes::startup_fencing(self, node);
        } else {
            self.node_mut(node).attributes.insert("#kind".into(), "container".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::input::fixture::{self, cib};

    const GUEST: &str =
        "<primitive id='vm' class='ocf' provider='h' type='V'><meta_attributes id='m'>
        <nvpair id='m1' name='remote-node' value='guest1'/></meta_attributes></primitive>
        <primitive id='rem' class='ocf' provider='pacemaker' type='remote'/>";

    #[test]
    fn guests_and_remotes_become_nodes_linked_with_their_connections() {
        fixture::with(&cib("", "", "<node id='1' uname='n1'/>", GUEST, "", ""), |c| {
            let guest = c.find_node(None, Some("guest1")).unwrap();
            let remote = c.find_node(None, Some("rem")).unwrap();
            assert!(c.is_guest(guest) && c.is_remote(remote));
            assert_eq!(c.node_attribute(guest, "#kind", None), Some("container"));
            assert_eq!(c.node_attribute(remote, "#kind", None), Some("remote"));
            assert_eq!(c.node_attribute(remote, "#uname", None), None, "no state, no name");
            assert!(c.node(remote).unclean && !c.node(guest).unclean);
            let vm = c.find_resource("vm").unwrap();
            assert_eq!(c.resource(vm).launched, [c.find_resource("guest1").unwrap()]);
        });
    }
}
