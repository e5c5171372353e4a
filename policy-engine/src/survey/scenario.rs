//! What fails.

use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::node::NodeKind;
use crate::model::role::Role;
use crate::simulate::{Bounds, Event};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// How many failures at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Depth {
    /// None.
    None,
    /// One.
    Single,
    /// One, and two.
    Pairs,
}

/// What becomes of quorum when nodes fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum QuorumRule {
    /// It is kept when more than half of the configured cluster nodes are up; with two nodes, when one
    /// is (as with `two_node`).
    Majority,
    /// It stays as it is.
    Keep,
}

/// What a survey shall try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Cluster nodes that are lost.
    pub nodes: Depth,
    /// Active resources whose monitor finds them not running.
    pub resources: Depth,
    /// Node attributes whose values are fault domains: all nodes with the same value are lost together.
    pub domains: Vec<String>,
    /// How many domains of one attribute at once.
    pub domain_depth: Depth,
    /// What becomes of quorum.
    pub quorum: QuorumRule,
    /// Where a scenario ends that does not come to rest.
    pub bounds: Bounds,
}

impl Default for Survey {
    /// All nodes and pairs of nodes; quorum by majority.
    fn default() -> Survey {
        Survey {
            nodes: Depth::Pairs,
            resources: Depth::None,
            domains: Vec::new(),
            domain_depth: Depth::Pairs,
            quorum: QuorumRule::Majority,
            bounds: Bounds::default(),
        }
    }
}

/// One thing that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Fault {
    /// A node is lost.
    Node(String),
    /// A resource is found not running.
    Resource {
        /// Resource, as history names it.
        resource: String,
        /// The same for people.
        shown: String,
        /// Its node.
        node: String,
        /// Interval of the monitor that finds it in ms; 0 if it has no recurring one.
        interval_ms: u64,
    },
    /// All nodes of a fault domain are lost.
    Domain {
        /// Node attribute.
        attribute: String,
        /// Its value.
        value: String,
        /// The nodes.
        nodes: Vec<String>,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Node(node) => f.write_str(node),
            Fault::Resource { shown, node, .. } => write!(f, "{shown}@{node}"),
            Fault::Domain { attribute, value, .. } => write!(f, "{attribute}={value}"),
        }
    }
}

/// Things that fail at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scenario {
    /// What fails.
    pub faults: Vec<Fault>,
    /// Quorum goes with it.
    pub quorum_lost: bool,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.faults.iter().enumerate() {
            if i > 0 {
                f.write_str(" + ")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl Scenario {
    /// Nodes that are lost.
    pub fn nodes(&self) -> Vec<&str> {
        let mut out: Vec<&str> = Vec::new();
        for fault in &self.faults {
            match fault {
                Fault::Node(node) => out.push(node),
                Fault::Domain { nodes, .. } => out.extend(nodes.iter().map(String::as_str)),
                Fault::Resource { .. } => {}
            }
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// Resources that fail themselves, as people know them.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        self.faults.iter().filter_map(|fault| match fault {
            Fault::Resource { shown, .. } => Some(shown.as_str()),
            _ => None,
        })
    }

    /// The events of the simulation.
    pub fn events(&self) -> Vec<Event> {
        let mut out = Vec::new();
        if self.quorum_lost {
            out.push(Event::Quorum(false));
        }
        out.extend(self.nodes().into_iter().map(|node| Event::NodeFails(node.to_owned())));
        for fault in &self.faults {
            if let Fault::Resource { resource, node, interval_ms, .. } = fault {
                out.push(Event::Result(format!("{resource}_monitor_{interval_ms}@{node}=7")));
            }
        }
        out
    }
}

/// All scenarios of a survey: singles before pairs, nodes before domains before resources.
pub(super) fn all(cluster: &Cluster<'_>, survey: &Survey) -> Vec<Scenario> {
    let members: Vec<NodeId> = cluster
        .node_order
        .iter()
        .copied()
        .filter(|n| cluster.node(*n).kind == NodeKind::Cluster)
        .collect();
    let up: Vec<NodeId> = members
        .iter()
        .copied()
        .filter(|n| cluster.node(*n).online && !cluster.node(*n).unclean)
        .collect();
    let name = |n: &NodeId| cluster.node(*n).name.to_string();
    let mut kinds: Vec<(Depth, Vec<Fault>)> = Vec::new();
    kinds.push((survey.nodes, up.iter().map(|n| Fault::Node(name(n))).collect()));
    for attribute in &survey.domains {
        let mut domains: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for node in &up {
            if let Some(value) = cluster.node(*node).attributes.get(attribute.as_str()) {
                domains.entry(value.to_string()).or_default().push(name(node));
            }
        }
        let domain = |(value, nodes)| Fault::Domain { attribute: attribute.clone(), value, nodes };
        kinds.push((survey.domain_depth, domains.into_iter().map(domain).collect()));
    }
    if survey.resources > Depth::None {
        kinds.push((survey.resources, resource_faults(cluster)));
    }
    let quorate = cluster.quorate && survey.quorum == QuorumRule::Majority;
    let finish = |faults: Vec<Fault>| {
        let mut scenario = Scenario { faults, quorum_lost: false };
        let left = up.len() - scenario.nodes().len();
        let enough = 2 * left > members.len() || (members.len() == 2 && left == 1);
        scenario.quorum_lost = quorate && !enough && !scenario.nodes().is_empty();
        scenario
    };
    let mut out = Vec::new();
    for (depth, faults) in &kinds {
        if *depth >= Depth::Single {
            out.extend(faults.iter().map(|f| finish(vec![f.clone()])));
        }
    }
    for (depth, faults) in &kinds {
        if *depth < Depth::Pairs {
            continue;
        }
        for (i, first) in faults.iter().enumerate() {
            for second in &faults[i + 1..] {
                out.push(finish(vec![first.clone(), second.clone()]));
            }
        }
    }
    out
}

/// One fault per active instance.
fn resource_faults(cluster: &Cluster<'_>) -> Vec<Fault> {
    let mut out = Vec::new();
    for top in &cluster.order {
        for leaf in cluster.leaves(*top) {
            let r = cluster.resource(leaf);
            if r.flags.removed || !r.flags.managed {
                continue;
            }
            for node in &r.active_on {
                let n = cluster.node(*node);
                if n.online && !n.unclean {
                    out.push(Fault::Resource {
                        resource: r.history_name().to_owned(),
                        shown: r.printable_id().to_owned(),
                        node: n.name.to_string(),
                        interval_ms: monitor_interval(cluster, leaf),
                    });
                }
            }
        }
    }
    out
}

/// The interval of the monitor that watches a resource in its role.
fn monitor_interval(cluster: &Cluster<'_>, r: ResourceId) -> u64 {
    let res = cluster.resource(r);
    let promoted = res.current_role == Role::Promoted;
    let operations = &cluster.definitions[res.definition.index()].operations;
    let watches = |op: &&crate::model::resource::OperationDefinition<'_>| {
        let role = op.element.attribute("role").and_then(Role::parse);
        op.name == "monitor"
            && op.interval_ms > 0
            && op.enabled
            && if promoted { role == Some(Role::Promoted) } else { role.is_none() }
    };
    operations.iter().find(watches).map_or(0, |op| op.interval_ms)
}
