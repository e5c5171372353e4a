//! The transition: what a controller executes (spec 31), independent of the run that made it.

mod attributes;
pub mod executor;
mod write;

pub use attributes::Attributes;

use std::sync::Arc;

/// Feature set of the scheduler whose behaviour this crate reproduces.
pub const FEATURE_SET: &str = "3.20.5";

/// A transition graph.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Transition {
    /// Attributes of the root element, in order (spec 31 §2.1); values are texts as configured.
    pub attributes: Vec<(String, String)>,
    /// Steps in the order in which the executor sweeps them.
    pub synapses: Vec<Synapse>,
}

/// A step: one action that fires once all inputs are confirmed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Synapse {
    /// Position from 0.
    pub id: u32,
    /// 0, or what decides whether the step outlives an abort; 1000000 for completions.
    pub priority: i32,
    /// What is done.
    pub action: GraphAction,
    /// What must be done before, in ascending order of id; shared with the steps that do it.
    pub inputs: Vec<Arc<ActionRef>>,
}

/// Kind of action, by who executes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum ActionKind {
    /// `rsc_op`: a resource agent, through the executor of a node.
    Resource,
    /// `pseudo_event`: nobody; a point in the order.
    Pseudo,
    /// `crm_event`: the controller, or the fencer.
    Cluster,
}

impl ActionKind {
    /// Element name.
    pub fn element(self) -> &'static str {
        match self {
            ActionKind::Resource => "rsc_op",
            ActionKind::Pseudo => "pseudo_event",
            ActionKind::Cluster => "crm_event",
        }
    }
}

/// The head of an action: enough to refer to it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ActionRef {
    /// Kind.
    pub kind: ActionKind,
    /// `mode="cib"`: only the CIB's history is touched.
    pub mode_cib: bool,
    /// Number.
    pub id: u32,
    /// Task.
    pub operation: String,
    /// Key by which history and notifications know it.
    pub operation_key: String,
    /// Key inside the scheduler, when it differs.
    pub internal_operation_key: Option<String>,
    /// Node name and id.
    pub node: Option<(String, String)>,
    /// Cluster node through which it is routed.
    pub router_node: Option<String>,
}

/// The resource an action is about.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ActionResource {
    /// Id as history records it.
    pub id: String,
    /// Other name, for anonymous instances.
    pub long_id: Option<String>,
    /// Agent standard.
    pub class: String,
    /// Agent provider.
    pub provider: Option<String>,
    /// Agent name.
    pub agent: String,
}

/// An action in full.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GraphAction {
    /// Its head.
    pub head: Arc<ActionRef>,
    /// Lock time of a shutdown lock to this node (epoch seconds).
    pub shutdown_lock: Option<i64>,
    /// The resource, unless it is a pseudo-action or a node action.
    pub resource: Option<Arc<ActionResource>>,
    /// Parameters and `CRM_meta_*`, sorted by name.
    pub attributes: Attributes,
    /// Parameters whose name cannot be an attribute.
    pub params: Vec<(String, String)>,
    /// Ids of nodes that are down once it is done.
    pub downed: Vec<String>,
    /// Ids of Pacemaker Remote nodes with their new maintenance state.
    pub maintenance: Vec<(String, bool)>,
}

impl Transition {
    /// A root attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}
