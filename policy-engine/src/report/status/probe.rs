//! Failed probes that count as "not running" but are worth a word (spec 41 §3.10).

use crate::model::cluster::Cluster;
use crate::model::ids::{NodeId, ResourceId};

/// Is the history entry a masked failed probe?
pub fn is_masked(element: cib_model::Element<'_>) -> bool {
    let number = |name: &str| element.attribute(name).and_then(|v| v.parse::<i64>().ok());
    element.attribute("operation") == Some("monitor")
        && number("interval").unwrap_or(0) == 0
        && (matches!(number("rc-code"), Some(5 | 2)) || number("op-status") == Some(7))
}

/// The exit code of a masked failed probe of a resource, on a node or anywhere.
pub fn masked_failure(cluster: &Cluster<'_>, r: ResourceId, node: Option<NodeId>) -> Option<i32> {
    let top = cluster.top(r);
    let id: &str = if cluster.resource(top).is_clone() {
        let child = cluster.resource(top).children.first()?;
        &cluster.resource(*child).base_id
    } else {
        &cluster.resource(r).id
    };
    masked_failure_of(cluster, id, node)
}

/// The same by the id that history uses.
pub fn masked_failure_of(cluster: &Cluster<'_>, id: &str, node: Option<NodeId>) -> Option<i32> {
    let found = cluster.failed_operations.iter().find(|f| {
        if !is_masked(f.element) {
            return false;
        }
        let on = f.element.attribute("on_node");
        let there = node
            .is_none_or(|n| on.is_some_and(|on| on.eq_ignore_ascii_case(&cluster.node(n).name)));
        let key = f.element.attribute("operation_key").or_else(|| f.element.attribute("id"));
        there && key.and_then(|k| k.strip_suffix("_monitor_0")) == Some(id)
    })?;
    found.element.attribute("rc-code").and_then(|rc| rc.parse().ok())
}
