//! Status and simulation as the reference's XML output (spec 41 §9.5).

use super::snapshot::{NodeStatus, PrimitiveStatus, ResourceFacts, ResourceStatus, Snapshot};
use super::summary::Summary;
use crate::model::score_line::ScoreLine;
use crate::simulate::Step;
use cib_model::{Document, ElementId};

/// Adds an element with attributes.
pub fn element(
    out: &mut Document,
    parent: ElementId,
    name: &str,
    attributes: &[(&str, &str)],
) -> ElementId {
    let made = out.append_element(parent, name);
    for (name, value) in attributes {
        out.set_attribute(made, name, value);
    }
    made
}

fn word(yes: bool) -> &'static str {
    if yes { "true" } else { "false" }
}

/// Adds `nodes` and `resources` of a snapshot.
pub fn snapshot(out: &mut Document, parent: ElementId, status: &Snapshot) {
    let nodes = element(out, parent, "nodes", &[]);
    for n in &status.nodes {
        node(out, nodes, n);
    }
    let resources = element(out, parent, "resources", &[]);
    for r in &status.resources {
        resource(out, resources, r);
    }
}

/// Adds one `node`.
pub fn node(out: &mut Document, parent: ElementId, n: &NodeStatus) -> ElementId {
    let running = n.resources_running.to_string();
    let mut attributes = vec![
        ("name", n.name.as_str()),
        ("id", &n.id),
        ("online", word(n.online)),
        ("standby", word(n.standby)),
        ("standby_onfail", word(n.standby_onfail)),
        ("maintenance", word(n.maintenance)),
        ("pending", word(n.pending)),
        ("unclean", word(n.unclean)),
        ("health", n.health),
    ];
    attributes.extend(n.feature_set.as_deref().map(|f| ("feature_set", f)));
    attributes.extend([
        ("shutdown", word(n.shutdown)),
        ("expected_up", word(n.expected_up)),
        ("is_dc", word(n.is_dc)),
        ("resources_running", running.as_str()),
        ("type", n.kind),
    ]);
    attributes.extend(n.id_as_resource.as_deref().map(|r| ("id_as_resource", r)));
    element(out, parent, "node", &attributes)
}

/// Adds a resource of any variant.
pub fn resource(out: &mut Document, parent: ElementId, status: &ResourceStatus) {
    match status {
        ResourceStatus::Primitive(p) => primitive(out, parent, p),
        ResourceStatus::Group { facts: f, members } => {
            let count = members.len().to_string();
            let made = element(
                out,
                parent,
                "group",
                &[
                    ("id", &f.id),
                    ("number_resources", &count),
                    ("maintenance", word(f.maintenance)),
                    ("managed", word(f.managed)),
                    ("disabled", word(f.disabled)),
                ],
            );
            for member in members {
                resource(out, made, member);
            }
        }
        ResourceStatus::Clone { facts: f, multi_state, unique, instances } => {
            let mut attributes = vec![
                ("id", f.id.as_str()),
                ("multi_state", word(*multi_state)),
                ("unique", word(*unique)),
            ];
            attributes.extend(state(f));
            attributes.insert(5, ("disabled", word(f.disabled)));
            let made = element(out, parent, "clone", &attributes);
            for instance in instances {
                resource(out, made, instance);
            }
        }
        ResourceStatus::Bundle { facts: f, kind, image, unique, replicas } => {
            let made = element(
                out,
                parent,
                "bundle",
                &[
                    ("id", &f.id),
                    ("type", kind),
                    ("image", image),
                    ("unique", word(*unique)),
                    ("maintenance", word(f.maintenance)),
                    ("managed", word(f.managed)),
                    ("failed", word(f.failed)),
                ],
            );
            for (i, parts) in replicas.iter().enumerate() {
                let replica = element(out, made, "replica", &[("id", &i.to_string())]);
                for part in parts {
                    resource(out, replica, part);
                }
            }
        }
    }
}

/// maintenance, managed, failed, failure_ignored, target_role.
fn state(f: &ResourceFacts) -> Vec<(&'static str, &str)> {
    let mut out = vec![
        ("maintenance", word(f.maintenance)),
        ("managed", word(f.managed)),
        ("failed", word(f.failed)),
        ("failure_ignored", word(f.failure_ignored)),
    ];
    out.extend(f.target_role.as_deref().map(|role| ("target_role", role)));
    out
}

fn primitive(out: &mut Document, parent: ElementId, p: &PrimitiveStatus) {
    let count = p.nodes.len().to_string();
    let mut attributes =
        vec![("id", p.shown_id.as_str()), ("resource_agent", &p.resource_agent), ("role", p.role)];
    attributes.extend(p.facts.target_role.as_deref().map(|role| ("target_role", role)));
    attributes.extend([
        ("active", word(p.active)),
        ("orphaned", word(p.removed)),
        ("removed", word(p.removed)),
        ("blocked", word(p.blocked)),
        ("maintenance", word(p.facts.maintenance)),
        ("managed", word(p.facts.managed)),
        ("failed", word(p.facts.failed)),
        ("failure_ignored", word(p.facts.failure_ignored)),
        ("nodes_running_on", count.as_str()),
    ]);
    attributes.extend(p.pending.map(|w| ("pending", w)));
    attributes.extend(p.locked_to.as_deref().map(|n| ("locked_to", n)));
    attributes.extend(p.description.as_deref().map(|d| ("description", d)));
    let made = element(out, parent, "resource", &attributes);
    for (name, id, online) in &p.nodes {
        element(out, made, "node", &[("name", name), ("id", id), ("cached", word(*online))]);
    }
}

/// Adds `actions` of a summary.
pub fn summary(out: &mut Document, parent: ElementId, summary: &Summary) {
    let actions = element(out, parent, "actions", &[]);
    for n in &summary.nodes {
        let attributes = [("task", n.task.as_str()), ("node", &n.node), ("reason", &n.reason)];
        element(out, actions, "node_action", &attributes);
    }
    for line in &summary.resources {
        let verb = line.verb.to_lowercase();
        let mut attributes = vec![("action", verb.as_str()), ("resource", line.resource.as_str())];
        attributes.extend(line.places());
        attributes.extend(line.reason.as_deref().map(|r| ("reason", r)));
        if line.blocked {
            attributes.push(("blocked", "true"));
        }
        element(out, actions, "rsc_action", &attributes);
    }
}

/// Adds score and utilization lines under `name`.
pub fn scores(out: &mut Document, parent: ElementId, name: &str, lines: &[ScoreLine]) {
    let list = element(out, parent, name, &[]);
    for line in lines {
        match line {
            ScoreLine::Allocation { stage, resource, node, score } => {
                let score = score.to_string();
                let attributes = [
                    ("function", stage.function()),
                    ("node", node),
                    ("score", &score),
                    ("id", resource),
                ];
                element(out, list, "node_weight", &attributes);
            }
            ScoreLine::Promotion { resource, node, score } => {
                let score = score.to_string();
                let mut attributes = vec![("id", &**resource), ("score", score.as_str())];
                attributes.extend(node.as_deref().map(|n| ("node", n)));
                element(out, list, "promotion_score", &attributes);
            }
            ScoreLine::Capacity { comment, node, values } => {
                let made = element(out, list, "capacity", &[("node", node), ("comment", comment)]);
                for (name, value) in values {
                    out.set_attribute(made, name, value);
                }
            }
            ScoreLine::Utilization { resource, node, values } => {
                let attributes = [
                    ("resource", &**resource),
                    ("node", &**node),
                    ("function", "pcmk__assign_resource"),
                ];
                let made = element(out, list, "utilization", &attributes);
                for (name, value) in values {
                    out.set_attribute(made, name, value);
                }
            }
        }
    }
}

/// Adds what was executed.
pub fn steps(out: &mut Document, parent: ElementId, steps: &[Step]) {
    let list = element(out, parent, "transition", &[]);
    for step in steps {
        match step {
            Step::Pseudo { task, node } => {
                let mut attributes = vec![("task", task.as_str())];
                attributes.extend(node.as_deref().map(|n| ("node", n)));
                element(out, list, "pseudo_action", &attributes);
            }
            Step::Resource { resource, op, node, interval_ms } => {
                let interval = interval_ms.to_string();
                let mut attributes =
                    vec![("resource", resource.as_str()), ("op", op), ("node", node)];
                if *interval_ms > 0 {
                    attributes.push(("interval", &interval));
                }
                element(out, list, "rsc_action", &attributes);
            }
            Step::Cluster { task, node, resource } => {
                let mut attributes = vec![("task", task.as_str()), ("node", node)];
                attributes.extend(resource.as_deref().map(|r| ("id", r)));
                element(out, list, "cluster_action", &attributes);
            }
            Step::Fencing { target, op } => {
                element(out, list, "fencing_action", &[("target", target), ("op", op)]);
            }
            Step::Pretended { .. } => {}
            Step::Attribute { name, value, node_id } => {
                let attributes = [
                    ("name", name.as_str()),
                    ("value", value),
                    ("node_path", "/node_state"),
                    ("cib_node", node_id),
                ];
                element(out, list, "inject_attr", &attributes);
            }
        }
    }
}
