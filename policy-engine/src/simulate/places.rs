//! What runs where.

use crate::model::cluster::Cluster;
use crate::model::ids::NodeId;
use crate::model::role::Role;
use serde::Serialize;
use std::collections::BTreeMap;

/// One active instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Node name.
    pub node: String,
    /// Role: `Started`, `Unpromoted` or `Promoted`.
    pub role: &'static str,
}

/// A node that has less capacity than what runs on it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overload {
    /// Node name.
    pub node: String,
    /// Utilization attribute.
    pub attribute: String,
    /// What the node has.
    pub capacity: i64,
    /// What runs on it needs.
    pub needed: i64,
}

/// A state of the cluster: which resource is active where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Places {
    /// Active instances on nodes that are up, by resource; anonymous instances of a clone count as one
    /// resource. Resources active nowhere have an empty list.
    pub running: BTreeMap<String, Vec<Place>>,
    /// Resources that may still be active on a node that is lost and was not fenced.
    pub uncertain: BTreeMap<String, Vec<String>>,
    /// Nodes over capacity, whether or not the placement strategy minds; nodes without any utilization
    /// attribute have no limit.
    pub overloaded: Vec<Overload>,
    /// Cluster nodes (and remote and guest nodes) that are up.
    pub up: Vec<String>,
}

impl Places {
    /// Nodes on which a resource is active.
    pub fn nodes_of(&self, resource: &str) -> Vec<&str> {
        let places = self.running.get(resource).map_or(&[][..], Vec::as_slice);
        places.iter().map(|p| p.node.as_str()).collect()
    }

    /// Looks at an unpacked cluster.
    pub(crate) fn of(cluster: &Cluster<'_>) -> Places {
        let mut out = Places::default();
        let mut loads: Vec<BTreeMap<&str, i64>> = vec![BTreeMap::new(); cluster.nodes.len()];
        for top in &cluster.order {
            for leaf in cluster.leaves(*top) {
                let r = cluster.resource(leaf);
                let places = out.running.entry(r.printable_id().to_owned()).or_default();
                for node in &r.active_on {
                    let n = cluster.node(*node);
                    if !n.online || n.unclean {
                        let lost = out.uncertain.entry(r.printable_id().to_owned()).or_default();
                        lost.push(n.name.to_string());
                        continue;
                    }
                    let role =
                        if r.current_role < Role::Started { Role::Started } else { r.current_role };
                    places.push(Place { node: n.name.to_string(), role: role.name() });
                    for (name, value) in &r.utilization {
                        *loads[node.index()].entry(name).or_default() += amount(value);
                    }
                }
                places.sort();
            }
        }
        for node in &cluster.node_order {
            out.look_at(cluster, *node, &loads[node.index()]);
        }
        out
    }

    fn look_at(&mut self, cluster: &Cluster<'_>, node: NodeId, load: &BTreeMap<&str, i64>) {
        let n = cluster.node(node);
        if n.online && !n.unclean {
            self.up.push(n.name.to_string());
        }
        for (name, needed) in load {
            if n.utilization.is_empty() {
                continue;
            }
            let capacity = n.utilization.get(*name).map_or(0, |c| amount(c));
            if *needed > capacity {
                self.overloaded.push(Overload {
                    node: n.name.to_string(),
                    attribute: (*name).to_owned(),
                    capacity,
                    needed: *needed,
                });
            }
        }
    }
}

fn amount(text: &str) -> i64 {
    cib_model::scalar::parse_integer(text).unwrap_or(0)
}
