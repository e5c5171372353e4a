//! The status of a cluster for monitors (spec 41 §9): what a listing, an XML document or JSON is made of.
//!
//! ```
//! use cib_model::{DateTime, Document};
//! use policy_engine::report::monitor::monitor;
//! use policy_engine::report::status::Display;
//!
//! let cib = Document::parse(r#"<cib validate-with="pacemaker-4.0" have-quorum="1" dc-uuid="1">
//!   <configuration><crm_config/><nodes><node id="1" uname="alpha"/></nodes><resources/><constraints/>
//!   </configuration>
//!   <status><node_state id="1" uname="alpha" in_ccm="true" crmd="online" join="member" expected="member"/></status>
//! </cib>"#)?;
//! let seen = monitor(&cib, DateTime::from_epoch(1_790_000_000, 0), &Display::monitor());
//! assert_eq!(seen.facts.dc.unwrap().name, "alpha");
//! assert!(seen.snapshot.nodes[0].online);
//! # Ok::<(), cib_model::ParseError>(())
//! ```

use super::selection::{Filter, Selection};
use super::snapshot::Snapshot;
use super::status::{self, Display};
use super::text::Entry;
use crate::model::cluster::{Cluster, Message, Switches};
use crate::model::node::NodeKind;
use crate::model::options::NoQuorumPolicy;
use crate::model::role::Role;
use cib_model::{DateTime, Document, Score};
use serde::Serialize;

/// What a monitor shows.
#[derive(Debug, Clone)]
pub struct Monitored {
    /// The cluster as a whole.
    pub facts: Facts,
    /// Sections of the listing, in order, separated by empty lines.
    pub sections: Vec<Entry>,
    /// Nodes and resources as data.
    pub snapshot: Snapshot,
    /// The rest as data.
    pub details: Details,
    /// One line per primitive.
    pub lines: Vec<PrimitiveLine>,
    /// Configuration errors and warnings, in order.
    pub messages: Vec<Message>,
}

/// A primitive in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrimitiveLine {
    /// Full id of the instance.
    pub id: String,
    /// Ids of what it is in and of itself as configured, outermost first.
    pub within: Vec<String>,
    /// The line.
    pub text: String,
}

/// The cluster as a whole.
#[derive(Debug, Clone, Serialize)]
pub struct Facts {
    /// The designated controller.
    pub dc: Option<DcFacts>,
    /// The DC's partition may act.
    pub quorate: bool,
    /// Online members have different feature sets.
    pub mixed_version: bool,
    /// Configured nodes.
    pub nodes: usize,
    /// Resource instances.
    pub instances: u32,
    /// Those kept from running.
    pub disabled: u32,
    /// Those nothing more is done with.
    pub blocked: u32,
    /// Failed nodes are fenced.
    pub fencing_enabled: bool,
    /// Time for fencing, as configured.
    pub fencing_timeout: String,
    /// Resources may run anywhere by default.
    pub symmetric: bool,
    /// What happens without quorum.
    pub no_quorum_policy: &'static str,
    /// Nothing is managed.
    pub maintenance_mode: bool,
    /// Nothing may run.
    pub stop_all_resources: bool,
    /// Delay for priority fencing, in milliseconds.
    pub priority_fencing_delay_ms: u64,
}

/// The designated controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DcFacts {
    /// Name.
    pub name: String,
    /// Id.
    pub id: String,
}

/// Parts of a status beyond nodes and resources.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Details {
    /// Attributes of online nodes.
    pub node_attributes: Vec<(String, Vec<NodeAttribute>)>,
    /// Operations of online nodes.
    pub histories: Vec<NodeHistory>,
    /// Failed operations.
    pub failures: Vec<Failure>,
    /// Tickets with all they have.
    pub tickets: Vec<TicketStatus>,
    /// Negative location constraints.
    pub bans: Vec<Ban>,
}

/// An attribute of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeAttribute {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
    /// What a connectivity check would write if all hosts answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<i64>,
}

/// What was done on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeHistory {
    /// Name of the node.
    pub node: String,
    /// Per resource.
    pub resources: Vec<ResourceHistory>,
}

/// What was done with a resource on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResourceHistory {
    /// Resource.
    pub id: String,
    /// No longer configured.
    pub removed: bool,
    /// Failures after which it must leave the node; 1,000,000 stands for any number.
    pub migration_threshold: i32,
    /// Failures, if any: a number or `INFINITY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_count: Option<String>,
    /// When the last one was, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<i64>,
    /// Operations, oldest first.
    pub operations: Vec<PastOperation>,
}

/// An operation that is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PastOperation {
    /// Number of the call.
    pub call: String,
    /// Task; `probe` for a monitor that was run once.
    pub task: String,
    /// Exit code.
    pub exit_code: i32,
    /// Milliseconds between runs, of a recurring one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<i64>,
    /// When the result changed, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_rc_change: Option<i64>,
    /// Milliseconds it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec_ms: Option<String>,
    /// Milliseconds it waited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_ms: Option<String>,
}

/// A failed operation: attributes of its history entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Key of the operation.
    pub op_key: String,
    /// Node.
    pub node: String,
    /// Exit code.
    pub exit_code: i32,
    /// Why, in the agent's words.
    pub exit_reason: Option<String>,
    /// Number of the call.
    pub call: String,
    /// Execution status.
    pub status: i32,
    /// When, in seconds since 1970.
    pub last_rc_change: Option<i64>,
    /// Milliseconds in the queue.
    pub queued: Option<String>,
    /// Milliseconds it took.
    pub exec: Option<String>,
    /// Interval in milliseconds.
    pub interval: String,
    /// Task.
    pub task: String,
}

/// A ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TicketStatus {
    /// Id.
    pub id: String,
    /// Granted.
    pub granted: bool,
    /// In standby.
    pub standby: bool,
    /// When last granted, in seconds since 1970; -1 for never.
    pub last_granted: i64,
}

/// A location constraint that keeps a resource off a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ban {
    /// Constraint.
    pub id: String,
    /// Resource.
    pub resource: String,
    /// Node.
    pub node: String,
    /// Score.
    pub weight: i32,
    /// Only in the promoted role.
    pub promoted_only: bool,
}

/// Reads the status of a cluster.
///
/// Pure, as [`plan`](crate::plan()): `document` is a CIB of the current schema series.
pub fn monitor(document: &Document, now: DateTime, display: &Display) -> Monitored {
    monitor_some(document, now, display, Filter::default())
}

/// Reads the status of some of a cluster; the facts are about all of it.
pub fn monitor_some(
    document: &Document,
    now: DateTime,
    display: &Display,
    filter: Filter<'_>,
) -> Monitored {
    let generated = crate::input::generate(document);
    let mut cluster = crate::schedule::unpack(document, &generated, now, Switches::default());
    crate::input::constraints(&mut cluster);
    let facts = facts(&cluster);
    let selection = Selection::of(&cluster, filter);
    selection.narrow(&mut cluster);
    let snapshot = Snapshot::of(&cluster, display.pending);
    let sections = status::selected(&mut cluster, display, &selection);
    let (details, lines) = (details(&mut cluster, &selection), lines(&cluster, display));
    Monitored { facts, sections, snapshot, details, lines, messages: cluster.messages }
}

fn lines(cluster: &Cluster<'_>, display: &Display) -> Vec<PrimitiveLine> {
    let leaves = cluster.order.iter().flat_map(|top| cluster.leaves(*top));
    leaves
        .map(|leaf| {
            let mut within = vec![cluster.resource(leaf).base_id.to_string()];
            let mut at = leaf;
            while let Some(parent) = cluster.resource(at).parent {
                within.push(cluster.resource(parent).id.to_string());
                at = parent;
            }
            within.reverse();
            let id = cluster.resource(leaf).id.to_string();
            PrimitiveLine { id, within, text: status::primitive_line(cluster, leaf, display) }
        })
        .collect()
}

fn facts(cluster: &Cluster<'_>) -> Facts {
    let options = &cluster.options;
    let dc = cluster.dc.map(|dc| {
        let node = cluster.node(dc);
        DcFacts { name: node.name.to_string(), id: node.id.to_string() }
    });
    let members = cluster.nodes.iter().filter(|n| n.kind == NodeKind::Cluster);
    let mut sets = members
        .filter(|n| n.online && n.expected_up)
        .filter_map(|n| n.attributes.get("#feature-set"));
    let first = sets.next();
    Facts {
        dc,
        quorate: cluster.quorate,
        mixed_version: first.is_some_and(|first| sets.any(|other| other != first)),
        nodes: cluster.nodes.len(),
        instances: cluster.counts.instances,
        disabled: cluster.counts.disabled,
        blocked: cluster.counts.blocked,
        fencing_enabled: options.fencing_enabled,
        fencing_timeout: options.fencing_timeout.clone(),
        symmetric: options.symmetric,
        no_quorum_policy: match options.no_quorum_policy {
            NoQuorumPolicy::Ignore => "ignore",
            NoQuorumPolicy::Freeze => "freeze",
            NoQuorumPolicy::Stop => "stop",
            NoQuorumPolicy::Demote => "demote",
            NoQuorumPolicy::Fence => "fence",
        },
        maintenance_mode: options.maintenance_mode,
        stop_all_resources: options.stop_all_resources,
        priority_fencing_delay_ms: options.priority_fencing_delay_ms,
    }
}

fn details(cluster: &mut Cluster<'_>, selection: &Selection) -> Details {
    let histories = status::recorded_operations(cluster, selection);
    let node_attributes = node_attributes(cluster);
    Details {
        node_attributes,
        histories,
        failures: status::shown_failures(cluster)
            .map(|f| failure(f.element, &cluster.node(f.node).name))
            .collect(),
        tickets: cluster
            .tickets
            .iter()
            .map(|t| TicketStatus {
                id: t.id.to_owned(),
                granted: t.granted,
                standby: t.standby,
                last_granted: t.last_granted,
            })
            .collect(),
        bans: bans(cluster),
    }
}

fn node_attributes(cluster: &mut Cluster<'_>) -> Vec<(String, Vec<NodeAttribute>)> {
    let mut out = Vec::new();
    for id in cluster.node_order.clone() {
        let n = cluster.node(id);
        if !n.online {
            continue;
        }
        let node = n.name.to_string();
        let mut attributes = Vec::new();
        for (name, value) in n.attributes.clone() {
            if status::is_shown_attribute(&name) {
                let expected = status::expected_connectivity(cluster, id, &name);
                let (name, value) = (name.to_string(), value.to_string());
                attributes.push(NodeAttribute { name, value, expected });
            }
        }
        if !attributes.is_empty() {
            out.push((node, attributes));
        }
    }
    out
}

fn failure(element: cib_model::Element<'_>, node: &str) -> Failure {
    let text = |name: &str| element.attribute(name).map(str::to_owned);
    let number = |name: &str| element.attribute(name).and_then(|v| v.parse::<i64>().ok());
    Failure {
        op_key: text("operation_key").or_else(|| text("id")).unwrap_or_default(),
        node: node.to_owned(),
        exit_code: number("rc-code").unwrap_or(0) as i32,
        exit_reason: text("exit-reason").filter(|reason| !reason.is_empty()),
        call: text("call-id").unwrap_or_else(|| "unknown".to_owned()),
        status: number("op-status").unwrap_or(0) as i32,
        last_rc_change: number("last-rc-change").filter(|at| *at > 0),
        queued: text("queue-time"),
        exec: text("exec-time"),
        interval: text("interval").unwrap_or_else(|| "0".to_owned()),
        task: text("operation").unwrap_or_default(),
    }
}

fn bans(cluster: &Cluster<'_>) -> Vec<Ban> {
    let mut out = Vec::new();
    for location in &cluster.locations {
        for (node, score) in location.nodes.iter().filter(|(_, score)| *score < Score::ZERO) {
            out.push(Ban {
                id: location.id.to_string(),
                resource: cluster.resource(location.resource).id.to_string(),
                node: cluster.node(*node).name.to_string(),
                weight: score.value(),
                promoted_only: location.role == Role::Promoted,
            });
        }
    }
    out
}
