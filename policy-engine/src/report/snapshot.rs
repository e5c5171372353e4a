//! The status of a cluster as data, for machines (spec 41 §9.5); XML and JSON are made of it.

use super::status::{active_any, disabled, displayable_role, node_health};
use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::node::NodeKind;
use crate::model::resource::Variant;
use serde::Serialize;

/// Nodes and resources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Nodes in node order.
    pub nodes: Vec<NodeStatus>,
    /// Top-level resources in list order.
    pub resources: Vec<ResourceStatus>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeStatus {
    /// Name.
    pub name: String,
    /// Id.
    pub id: String,
    /// May run resources.
    pub online: bool,
    /// In standby.
    pub standby: bool,
    /// In standby because of a failure.
    pub standby_onfail: bool,
    /// In maintenance.
    pub maintenance: bool,
    /// Joining.
    pub pending: bool,
    /// To be fenced.
    pub unclean: bool,
    /// `green`, `yellow` or `red`.
    pub health: &'static str,
    /// Feature set, of online cluster nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature_set: Option<String>,
    /// Shutting down.
    pub shutdown: bool,
    /// Expected to be up.
    pub expected_up: bool,
    /// Is the designated controller.
    pub is_dc: bool,
    /// Resources active there.
    pub resources_running: usize,
    /// `member` or `remote`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Ids of the resources active there, as they are shown in XML.
    #[serde(skip)]
    pub running: Vec<String>,
    /// The container of a guest node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_as_resource: Option<String>,
}

/// Facts that every resource has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResourceFacts {
    /// Full id.
    pub id: String,
    /// In maintenance.
    pub maintenance: bool,
    /// The cluster may act on it.
    pub managed: bool,
    /// Kept stopped (or unpromoted) by the configuration.
    pub disabled: bool,
    /// Needs recovery.
    pub failed: bool,
    /// A failure was ignored.
    pub failure_ignored: bool,
    /// `target-role` as configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_role: Option<String>,
}

/// A resource of any variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "variant", rename_all = "lowercase")]
pub enum ResourceStatus {
    /// A primitive.
    Primitive(PrimitiveStatus),
    /// A group.
    Group {
        /// Facts.
        #[serde(flatten)]
        facts: ResourceFacts,
        /// Members.
        members: Vec<ResourceStatus>,
    },
    /// A clone.
    Clone {
        /// Facts.
        #[serde(flatten)]
        facts: ResourceFacts,
        /// Promotable.
        multi_state: bool,
        /// Instances are distinct.
        unique: bool,
        /// Instances by number.
        instances: Vec<ResourceStatus>,
    },
    /// A bundle.
    Bundle {
        /// Facts.
        #[serde(flatten)]
        facts: ResourceFacts,
        /// `docker` or `podman`.
        #[serde(rename = "type")]
        kind: &'static str,
        /// Image.
        image: String,
        /// Several replicas per host.
        unique: bool,
        /// Parts per replica: IP, contained resource, container, connection.
        replicas: Vec<Vec<ResourceStatus>>,
    },
}

/// A primitive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrimitiveStatus {
    /// Facts.
    #[serde(flatten)]
    pub facts: ResourceFacts,
    /// As it is shown: instances of an anonymous clone have no number.
    #[serde(skip)]
    pub shown_id: String,
    /// `class[:provider]:type`.
    pub resource_agent: String,
    /// Role.
    pub role: &'static str,
    /// Active somewhere.
    pub active: bool,
    /// No longer configured.
    pub removed: bool,
    /// Nothing more may be done with it.
    pub blocked: bool,
    /// Nodes on which it is active: name, id, online.
    pub nodes: Vec<(String, String, bool)>,
    /// Operation under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<&'static str>,
    /// Node it is locked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked_to: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Snapshot {
    /// Takes the status of an unpacked cluster; `pending` includes operations under way.
    pub fn of(cluster: &Cluster<'_>, pending: bool) -> Snapshot {
        Snapshot {
            nodes: cluster.node_order.iter().map(|n| node(cluster, *n)).collect(),
            resources: cluster
                .order
                .iter()
                .filter(|r| !cluster.resource(**r).flags.removed || active_any(cluster, **r))
                .filter_map(|r| resource(cluster, *r, pending))
                .collect(),
        }
    }
}

fn node(cluster: &Cluster<'_>, id: NodeId) -> NodeStatus {
    let n = cluster.node(id);
    let guest = cluster.is_guest(id);
    let launcher = n.connection.filter(|_| guest).and_then(|c| cluster.resource(c).launcher);
    let known = n.online && n.expected_up && n.kind == NodeKind::Cluster;
    NodeStatus {
        name: n.name.to_string(),
        id: n.id.to_string(),
        online: n.online,
        standby: n.standby,
        standby_onfail: n.standby_on_fail,
        maintenance: n.maintenance,
        pending: n.pending,
        unclean: n.unclean,
        health: match node_health(cluster, id) {
            h if h < 0 => "red",
            0 => "yellow",
            _ => "green",
        },
        feature_set: known
            .then(|| n.attributes.get("#feature-set").map_or("<3.15.1", |v| v).to_owned()),
        shutdown: n.shutdown,
        expected_up: n.expected_up,
        is_dc: n.is_dc,
        resources_running: n.active.len(),
        running: n.active.iter().map(|r| cluster.resource(*r).id.to_string()).collect(),
        kind: if n.kind == NodeKind::Cluster { "member" } else { "remote" },
        id_as_resource: launcher.map(|l| cluster.resource(l).id.to_string()),
    }
}

fn facts(cluster: &Cluster<'_>, r: ResourceId) -> ResourceFacts {
    let res = cluster.resource(r);
    ResourceFacts {
        id: res.id.to_string(),
        maintenance: res.flags.maintenance,
        managed: res.flags.managed,
        disabled: disabled(cluster, r),
        failed: res.flags.failed,
        failure_ignored: res.flags.ignoring_failures,
        target_role: res.meta("target-role").map(str::to_owned),
    }
}

fn resource(cluster: &Cluster<'_>, r: ResourceId, pending: bool) -> Option<ResourceStatus> {
    let res = cluster.resource(r);
    let all = |ids: &[ResourceId]| -> Vec<ResourceStatus> {
        ids.iter().filter_map(|c| resource(cluster, *c, pending)).collect()
    };
    Some(match &res.variant {
        Variant::Primitive => {
            let internal = res.meta("internal_rsc").and_then(cib_model::scalar::parse_boolean);
            if internal == Some(true) && cluster.bundle_of(r).is_none() {
                return None;
            }
            ResourceStatus::Primitive(primitive(cluster, r, pending))
        }
        Variant::Group(_) => {
            ResourceStatus::Group { facts: facts(cluster, r), members: all(&res.children) }
        }
        Variant::Clone(_) => {
            let mut instances = res.children.clone();
            instances.sort_by_key(|i| cluster.resource(*i).instance);
            ResourceStatus::Clone {
                facts: facts(cluster, r),
                multi_state: res.flags.promotable,
                unique: res.flags.unique,
                instances: all(&instances),
            }
        }
        Variant::Bundle(b) => ResourceStatus::Bundle {
            facts: facts(cluster, r),
            kind: b.agent.name(),
            image: b.image.clone(),
            unique: res.flags.unique,
            replicas: b
                .replicas
                .iter()
                .map(|p| {
                    let parts = [p.ip, p.child, Some(p.container), p.connection];
                    all(&parts.into_iter().flatten().collect::<Vec<_>>())
                })
                .collect(),
        },
    })
}

fn primitive(cluster: &Cluster<'_>, r: ResourceId, pending: bool) -> PrimitiveStatus {
    let res = cluster.resource(r);
    let word = super::status::pending_word(cluster, r).filter(|_| pending);
    let monitoring = res.pending.is_some_and(|p| p.task == "monitor" && p.interval_ms > 0);
    let node = |n: NodeId| cluster.node(n).name.to_string();
    PrimitiveStatus {
        facts: facts(cluster, r),
        shown_id: res.printable_id().to_owned(),
        resource_agent: super::status::agent_text(cluster, r),
        role: word.unwrap_or(displayable_role(cluster, r).name()),
        active: active_any(cluster, r),
        removed: res.flags.removed,
        blocked: res.flags.blocked,
        nodes: res
            .active_on
            .iter()
            .map(|n| {
                let n = cluster.node(*n);
                (n.name.to_string(), n.id.to_string(), n.online)
            })
            .collect(),
        pending: word.or((pending && monitoring).then_some("Monitoring")),
        locked_to: res.lock.map(|l| node(l.0)),
        description: super::status::description(cluster, r).map(str::to_owned),
    }
}
