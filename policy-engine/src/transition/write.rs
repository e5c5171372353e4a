//! The transition as XML (spec 31 §2.6–2.9), byte for byte as the reference writes it.

use super::{ActionRef, GraphAction, Synapse, Transition};
use std::fmt::Write;

impl Transition {
    /// The graph document, indented by two spaces, with a final newline.
    pub fn to_xml(&self) -> String {
        let mut out = String::with_capacity(512 + self.synapses.len() * 900);
        out.push_str("<transition_graph");
        for (name, value) in &self.attributes {
            attribute(&mut out, name, value);
        }
        if self.synapses.is_empty() {
            out.push_str("/>\n");
            return out;
        }
        out.push_str(">\n");
        for synapse in &self.synapses {
            write_synapse(&mut out, synapse);
        }
        out.push_str("</transition_graph>\n");
        out
    }
}

fn attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
    out.push('"');
}

fn write_synapse(out: &mut String, synapse: &Synapse) {
    let _ = write!(out, "  <synapse id=\"{}\"", synapse.id);
    if synapse.priority > 0 {
        let _ = write!(out, " priority=\"{}\"", synapse.priority);
    }
    out.push_str(">\n    <action_set>\n");
    write_action(out, &synapse.action);
    out.push_str("    </action_set>\n");
    if synapse.inputs.is_empty() {
        out.push_str("    <inputs/>\n");
    } else {
        out.push_str("    <inputs>\n");
        for input in &synapse.inputs {
            out.push_str("      <trigger>\n        ");
            write_head(out, input);
            out.push_str("/>\n      </trigger>\n");
        }
        out.push_str("    </inputs>\n");
    }
    out.push_str("  </synapse>\n");
}

fn write_head(out: &mut String, head: &ActionRef) {
    out.push('<');
    out.push_str(head.kind.element());
    if head.mode_cib {
        attribute(out, "mode", "cib");
    }
    let _ = write!(out, " id=\"{}\"", head.id);
    attribute(out, "operation", &head.operation);
    attribute(out, "operation_key", &head.operation_key);
    if let Some(key) = &head.internal_operation_key {
        attribute(out, "internal_operation_key", key);
    }
    if let Some((name, id)) = &head.node {
        attribute(out, "on_node", name);
        attribute(out, "on_node_uuid", id);
    }
    if let Some(router) = &head.router_node {
        attribute(out, "router_node", router);
    }
}

fn write_action(out: &mut String, action: &GraphAction) {
    out.push_str("      ");
    write_head(out, &action.head);
    if let Some(lock) = action.shutdown_lock {
        let _ = write!(out, " shutdown-lock=\"{lock}\"");
    }
    out.push_str(">\n");
    if let Some(resource) = &action.resource {
        out.push_str("        <primitive");
        attribute(out, "id", &resource.id);
        if let Some(long_id) = &resource.long_id {
            attribute(out, "long-id", long_id);
        }
        attribute(out, "class", &resource.class);
        if let Some(provider) = &resource.provider {
            attribute(out, "provider", provider);
        }
        attribute(out, "type", &resource.agent);
        out.push_str("/>\n");
    }
    out.push_str("        <attributes");
    for (name, value) in action.attributes.iter() {
        attribute(out, name, value);
    }
    if action.params.is_empty() {
        out.push_str("/>\n");
    } else {
        out.push_str(">\n");
        for (name, value) in &action.params {
            out.push_str("          <param");
            attribute(out, "name", name);
            attribute(out, "value", value);
            out.push_str("/>\n");
        }
        out.push_str("        </attributes>\n");
    }
    if !action.downed.is_empty() {
        out.push_str("        <downed>\n");
        for id in &action.downed {
            out.push_str("          <node");
            attribute(out, "id", id);
            out.push_str("/>\n");
        }
        out.push_str("        </downed>\n");
    }
    if !action.maintenance.is_empty() {
        out.push_str("        <maintenance>\n");
        for (id, on) in &action.maintenance {
            out.push_str("          <node");
            attribute(out, "id", id);
            attribute(out, "node_in_maintenance", if *on { "1" } else { "0" });
            out.push_str("/>\n");
        }
        out.push_str("        </maintenance>\n");
    }
    let _ = writeln!(out, "      </{}>", action.head.kind.element());
}
