//! The `nodes` section and node attributes (spec 10 §6).

use super::blocks::Context;
use super::sections::Sections;
use crate::model::cluster::{Cluster, Level};
use crate::model::ids::{NodeId, ResourceId};
use crate::model::node::{Node, NodeKind};
use cib_model::nvpair::NameValues;
use cib_model::scalar::{integer_at_least, parse_integer};
use cib_model::{Element, Score};
use std::borrow::Cow;

/// Which host of a guest's launcher an attribute is taken from (spec 10 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKind {
    /// Where the launcher is active: its first active node.
    Current,
    /// Where it is assigned.
    Assigned,
}

/// Reads the `nodes` section.
pub(super) fn unpack<'d>(cluster: &mut Cluster<'d>, sections: &Sections<'d>) {
    let Some(section) = sections.nodes else { return };
    for element in section.children_named("node") {
        let Some(id) = element.xml_id() else {
            cluster.message(Level::Error, "Ignoring <node> entry in configuration without id");
            continue;
        };
        let name = element.attribute("uname").unwrap_or(id);
        let kind = match element.attribute("type") {
            None | Some("member") => NodeKind::Cluster,
            Some("remote") => NodeKind::Remote,
            Some(other) => {
                let text = format!(
                    "Ignoring nodes section from '{name}' on because of unknown type '{other}'"
                );
                cluster.message(Level::Error, text);
                return;
            }
        };
        let score = element.attribute("score").and_then(|s| cluster.parse_score(s));
        let node = create(cluster, id.into(), name.into(), kind, score.unwrap_or(Score::ZERO));
        if kind == NodeKind::Cluster {
            startup_fencing(cluster, node);
        }
        add_attributes(cluster, node, element, false);
        add_utilization(cluster, node, element);
    }
}

/// Adds a node to the model.
pub(super) fn create<'d>(
    cluster: &mut Cluster<'d>,
    id: Cow<'d, str>,
    name: Cow<'d, str>,
    kind: NodeKind,
    score: Score,
) -> NodeId {
    if cluster.find_node(None, Some(&name)).is_some() {
        let text = format!("More than one node entry has name '{name}'");
        cluster.message(Level::Warning, text);
    }
    cluster.insert_node(Node::new(id, name, kind, score))
}

/// Nodes not heard of are dangerous, unless the configuration says otherwise (spec 10 §6.4).
pub(super) fn startup_fencing(cluster: &mut Cluster<'_>, node: NodeId) {
    let in_effect = cluster.options.startup_fencing;
    cluster.node_mut(node).unclean = in_effect;
    let text = "Blind faith: not fencing unseen nodes";
    if !in_effect && !cluster.messages.iter().any(|m| m.text == text) {
        // Nothing is wrong with a configuration that wants it so.
        cluster.message(Level::Notice, text);
    }
}

/// Fills a node's attribute table from an element's blocks (spec 10 §6.3).
fn add_attributes<'d>(
    cluster: &mut Cluster<'d>,
    node: NodeId,
    owner: Element<'d>,
    overwrite: bool,
) {
    let is_dc = cluster
        .document
        .root()
        .attribute("dc-uuid")
        .is_some_and(|dc| cluster.node(node).id.eq_ignore_ascii_case(dc));
    let is_dc = is_dc && cluster.dc.is_none_or(|dc| dc == node);
    if is_dc {
        cluster.dc = Some(node);
    }
    let cluster_name = cluster.options.cluster_name.clone();
    let n = cluster.node_mut(node);
    n.is_dc = is_dc;
    n.attributes.insert("#uname".into(), n.name.clone());
    n.attributes.insert("#id".into(), n.id.clone());
    n.attributes.insert("#is_dc".into(), if is_dc { "true" } else { "false" }.into());
    if let Some(name) = cluster_name.clone() {
        n.attributes.insert("#cluster-name".into(), name.into());
    }
    let mut values = NameValues::default();
    cluster.collect_blocks(owner, "instance_attributes", Context::default(), &mut values);
    let n = cluster.node_mut(node);
    n.feature_set = values.get("#feature-set").or(n.feature_set);
    for (name, value) in values.iter() {
        if overwrite || !n.attributes.contains_key(name) {
            n.attributes.insert(name.into(), value.into());
        }
    }
    if !n.attributes.contains_key("#site-name")
        && let Some(site) = n.attributes.get("site-name").cloned().or(cluster_name.map(Cow::from))
    {
        n.attributes.insert("#site-name".into(), site);
    }
}

fn add_utilization<'d>(cluster: &mut Cluster<'d>, node: NodeId, owner: Element<'d>) {
    let mut values = NameValues::default();
    cluster.collect_blocks(owner, "utilization", Context::default(), &mut values);
    let n = cluster.node_mut(node);
    for (name, value) in values.iter() {
        if !n.utilization.contains_key(name) {
            n.utilization.insert(name.into(), value.into());
            let number = parse_integer(value).unwrap_or(i64::from(i32::MIN));
            let clamped = number.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
            n.capacity.insert(name.into(), clamped);
        }
    }
}

impl<'d> Cluster<'d> {
    /// Applies a state entry's `transient_attributes`, replacing permanent values.
    pub fn apply_transient_attributes(&mut self, node: NodeId, node_state: Element<'d>) {
        // Without such an element the node still gets its name and id.
        let owner = node_state.child("transient_attributes").unwrap_or(node_state);
        add_attributes(self, node, owner, true);
        add_utilization(self, node, owner);
    }

    /// A node attribute, for a resource that may want the host's instead of the guest's
    /// (`container-attribute-target=host`).
    pub fn node_attribute(
        &self,
        node: NodeId,
        name: &str,
        for_resource: Option<(ResourceId, HostKind)>,
    ) -> Option<&str> {
        let host_wanted = for_resource.filter(|(r, _)| {
            let target = self.resource(*r).meta("container-attribute-target");
            target.is_some_and(|t| t.eq_ignore_ascii_case("host"))
        });
        let from = match host_wanted {
            Some((_, kind)) if self.is_guest(node) => self.host_of(node, kind)?,
            _ => node,
        };
        self.node(from).attributes.get(name).map(|v| &**v)
    }

    /// The host of a guest node.
    fn host_of(&self, guest: NodeId, kind: HostKind) -> Option<NodeId> {
        let launcher = self.resource(self.node(guest).connection?).launcher?;
        match kind {
            HostKind::Current => self.resource(launcher).active_on.first().copied(),
            HostKind::Assigned => self.resource(launcher).assigned.map(|a| a.node),
        }
    }

    /// A node attribute that is true.
    pub(super) fn attribute_is_true(&self, node: NodeId, name: &str) -> bool {
        cib_model::scalar::is_true(self.node_attribute(node, name, None))
    }
}

/// Warns of useless fencing levels (spec 10 §0.1 step 9).
pub(super) fn check_topology(cluster: &mut Cluster<'_>, sections: &Sections<'_>) {
    let Some(topology) = sections.fencing_topology else { return };
    for level in topology.children_named("fencing-level") {
        let id = level.xml_id().unwrap_or("");
        let problem = if id.is_empty() {
            Some("Ignoring fencing level without ID".to_owned())
        } else if level.attribute("index").and_then(parse_integer).is_none() {
            Some(format!("Ignoring fencing level '{id}' with invalid index"))
        } else {
            let index = integer_at_least(i32::MIN, level.attribute("index"));
            (!(1..=9).contains(&index))
                .then(|| format!("Ignoring fencing level '{id}' with out-of-range index '{index}'"))
        };
        if let Some(text) = problem {
            cluster.message(Level::Warning, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::input::fixture::{self, cib};

    #[test]
    fn permanent_attributes_do_not_replace_built_in_ones_but_transient_do() {
        let nodes = "<node id='1' uname='n1'><instance_attributes id='a'>
            <nvpair id='a1' name='#uname' value='x'/><nvpair id='a2' name='color' value='red'/>
            </instance_attributes></node>";
        let status = "<node_state id='1' uname='n1' in_ccm='1' crmd='online' join='member' expected='member'>
            <transient_attributes id='1'><instance_attributes id='t'>
            <nvpair id='t1' name='color' value='blue'/></instance_attributes></transient_attributes></node_state>";
        fixture::with(&cib("", "", nodes, "", "", status), |c| {
            let n = c.find_node(None, Some("n1")).unwrap();
            assert_eq!(c.node_attribute(n, "#uname", None), Some("n1"));
            assert_eq!(c.node_attribute(n, "color", None), Some("blue"));
            assert_eq!(c.node_attribute(n, "#kind", None), Some("cluster"));
        });
    }

    #[test]
    fn an_unknown_type_ends_the_section() {
        let nodes = "<node id='1' uname='n1'/><node id='2' uname='n2' type='odd'/><node id='3' uname='n3'/>";
        fixture::with(&cib("", "", nodes, "", "", ""), |c| assert_eq!(c.nodes.len(), 1));
    }
}
