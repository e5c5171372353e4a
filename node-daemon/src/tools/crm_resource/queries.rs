//! Looking at resources.

use cib_model::{Document, Element};
use clap::ArgMatches;
use policy_engine::report::snapshot::{PrimitiveStatus, ResourceStatus};
use policy_engine::report::tables::date;
use policy_engine::report::text::{Entry, Style, render};
use policy_engine::report::xml;

use super::{Work, failed};
use crate::tools::commands::text;
use crate::tools::output::Output;
use crate::tools::{exit, source};

/// Every primitive in a resource.
pub fn leaves(status: &ResourceStatus) -> Vec<&PrimitiveStatus> {
    match status {
        ResourceStatus::Primitive(primitive) => vec![primitive],
        ResourceStatus::Group { members, .. } => members.iter().flat_map(leaves).collect(),
        ResourceStatus::Clone { instances, .. } => instances.iter().flat_map(leaves).collect(),
        ResourceStatus::Bundle { replicas, .. } => {
            replicas.iter().flatten().flat_map(leaves).collect()
        }
    }
}

/// The primitives that are a resource or in it, and whether they are active.
pub fn primitives<'w>(work: &'w Work, name: &str) -> Vec<&'w PrimitiveStatus> {
    let ids: Vec<&str> =
        work.primitives(&work.seen.lines, name).iter().map(|l| l.id.as_str()).collect();
    let all = work.seen.snapshot.resources.iter().flat_map(leaves);
    all.filter(|primitive| ids.contains(&primitive.facts.id.as_str())).collect()
}

/// `-L`
pub fn list(work: &Work, out: &mut Output) -> u8 {
    if out.is_xml() {
        let mut status = Document::new("status");
        let root = status.root_id();
        xml::snapshot(&mut status, root, &work.seen.snapshot);
        if let Some(resources) = status.root().child("resources") {
            out.element(resources);
        }
        return exit::OK;
    }
    let is_list =
        |e: &&Entry| matches!(e, Entry::List { title, .. } if title == "Full List of Resources");
    let mut listing = String::new();
    if let Some(section) = work.seen.sections.iter().find(is_list) {
        render(std::slice::from_ref(section), 0, Style::Fancy, &mut listing);
    }
    out.raw(&listing);
    if work.seen.snapshot.resources.is_empty() {
        return failed(out, exit::text(exit::NO_SUCH), exit::NO_SUCH);
    }
    exit::OK
}

/// `-l`
pub fn list_raw(work: &Work, out: &mut Output) -> u8 {
    if work.seen.lines.is_empty() {
        out.line("NO resources configured");
        return failed(out, exit::text(exit::NO_SUCH), exit::NO_SUCH);
    }
    for line in &work.seen.lines {
        out.line(&line.id);
        let mut element = Document::new("resource");
        let root = element.root_id();
        element.set_attribute(root, "id", &line.id);
        out.element(element.root());
    }
    exit::OK
}

/// `-O`, `-o`
pub fn operations(work: &Work, matches: &ArgMatches, active: bool, out: &mut Output) -> u8 {
    let (resource, node) = (text(matches, "resource"), text(matches, "node"));
    let states = work.cib.root().child("status");
    for state in states.into_iter().flat_map(|status| status.children_named("node_state")) {
        let name = state.attribute("uname").unwrap_or_default();
        let known = work.seen.snapshot.nodes.iter().find(|n| n.name == name);
        let shown = known.is_some_and(|n| !active || n.online || n.unclean);
        if !shown || node.is_some_and(|node| node != name) {
            continue;
        }
        let resources = state.child("lrm").and_then(|lrm| lrm.child("lrm_resources"));
        for history in resources.into_iter().flat_map(|all| all.children_named("lrm_resource")) {
            let id = history.attribute("id").unwrap_or_default();
            if resource.is_some_and(|resource| resource != id) {
                continue;
            }
            let Some(line) = work.primitives(&work.bare, id).first().map(|line| line.text.clone())
            else {
                continue;
            };
            let mut entries: Vec<Element<'_>> = history.children_named("lrm_rsc_op").collect();
            entries.sort_by_key(|e| e.attribute("call-id").and_then(|c| c.parse::<i64>().ok()));
            for entry in entries {
                out.line(operation(&line, name, entry));
            }
        }
    }
    exit::OK
}

fn operation(line: &str, node: &str, entry: Element<'_>) -> String {
    let text = |name| entry.attribute(name).unwrap_or_default();
    let changed = entry.attribute("last-rc-change").and_then(|at| at.parse().ok());
    let changed = changed.map(|at: i64| format!(", last-rc-change='{}'", date(at, source::now())));
    let status = match text("op-status") {
        "-1" => "pending",
        "0" => "complete",
        "1" => "Cancelled",
        "2" => "Timed Out",
        "3" => "NOT SUPPORTED",
        _ => "Error",
    };
    format!(
        "{line}: {} (node={node}, call={}, rc={}{}, exec={}ms): {status}",
        entry.attribute("operation_key").or_else(|| entry.attribute("id")).unwrap_or_default(),
        text("call-id"),
        text("rc-code"),
        changed.unwrap_or_default(),
        entry.attribute("exec-time").unwrap_or("0"),
    )
}

/// `-W`
pub fn locate(work: &Work, name: &str, out: &mut Output) -> u8 {
    let mut found = Vec::new();
    let direct = work.element(name).map(|element| element.name().to_owned());
    let mut instances = primitives(work, name);
    if direct.as_deref() == Some("group") && !name.contains(':') {
        // A group is where its first active member is.
        instances.retain(|primitive| primitive.active);
        instances.truncate(1);
    }
    for primitive in instances.iter().rev().filter(|primitive| primitive.active) {
        for (node, ..) in primitive.nodes.iter().rev() {
            let promoted = if primitive.role == "Promoted" { " Promoted" } else { "" };
            found.push((node.clone(), promoted));
        }
    }
    let mut element = Document::new("resource-search");
    let root = element.root_id();
    element.set_attribute(root, "resource", name);
    for (node, promoted) in &found {
        if out.quiet {
            out.line(node);
        } else {
            out.line(format!("resource {name} is running on: {node}{promoted}"));
        }
        let child = element.append_element(root, "node");
        element.set_attribute(child, "name", node);
        if !promoted.is_empty() {
            element.set_attribute(child, "state", "promoted");
        }
    }
    if found.is_empty() && !out.is_xml() {
        out.error(format!("resource {name} is NOT running"));
    }
    out.element(element.root());
    exit::OK
}

/// `-q`, `-w`
pub fn xml(work: &Work, name: &str, out: &mut Output) -> u8 {
    let Some(element) = work.element(name) else {
        return failed(out, exit::text(exit::NO_SUCH), exit::NO_SUCH);
    };
    if out.is_xml() {
        out.document(&element.to_xml());
        return exit::OK;
    }
    for line in work.primitives(&work.seen.lines, name) {
        out.line(&line.text);
    }
    out.line("Resource XML:");
    out.raw(&element.to_xml());
    exit::OK
}

/// `-Y`
pub fn why(work: &Work, resource: Option<&str>, node: Option<&str>, out: &mut Output) -> u8 {
    let tops: Vec<String> = match resource {
        Some(resource) => vec![resource.to_owned()],
        None => {
            let resources =
                work.cib.root().child("configuration").and_then(|c| c.child("resources"));
            let children = resources.into_iter().flat_map(|r| r.children());
            children
                .filter(|e| e.name() != "template")
                .filter_map(|e| e.xml_id().map(str::to_owned))
                .collect()
        }
    };
    for name in tops {
        let instances = primitives(work, &name);
        let on = |node: &str| {
            instances.iter().any(|p| p.active && p.nodes.iter().any(|(n, ..)| n == node))
        };
        match node {
            None => {
                let word =
                    if instances.iter().any(|p| p.active) { "running" } else { "not running" };
                out.line(format!("Resource {name} is {word}"));
            }
            Some(node) if on(node) => {
                out.line(format!("Resource {name} is running on host {node}"))
            }
            Some(node) if resource.is_some() => {
                out.line(format!("Resource {name} is not running on host {node}"));
            }
            Some(_) => continue,
        }
        checks(work, &name, &instances, out);
    }
    exit::OK
}

fn checks(work: &Work, name: &str, instances: &[&PrimitiveStatus], out: &mut Output) {
    let top = work.top(name).and_then(Element::xml_id).unwrap_or(name).to_owned();
    let target = instances.iter().find_map(|p| p.facts.target_role.as_deref());
    match target.map(str::to_ascii_lowercase).as_deref() {
        Some("stopped") => {
            out.line(format!("Configuration specifies '{top}' should remain stopped"))
        }
        Some("unpromoted" | "slave") => {
            out.line(format!("Configuration specifies '{top}' should not be promoted"));
        }
        _ => {}
    }
    if instances.iter().any(|p| !p.facts.managed) {
        out.line(format!(
            "Configuration prevents cluster from stopping or starting unmanaged '{top}'"
        ));
    }
    if let Some(node) = instances.iter().find_map(|p| p.locked_to.as_deref()) {
        out.line(format!("'{top}' is locked to node {node} due to shutdown"));
    }
}

/// `-a`, `-A`
pub fn constraints(work: &Work, name: &str, recursive: bool, out: &mut Output) -> u8 {
    let top = work.top(name).and_then(Element::xml_id).unwrap_or(name).to_owned();
    let mut lines = locations(work, &top, 0);
    for direction in [Direction::Dependents, Direction::Primaries] {
        lines.extend(related(work, &top, direction, recursive, 0, &mut Vec::new()));
    }
    for (level, text) in lines {
        let bullet = if level == 0 { "" } else { "* " };
        out.line(format!("{}{bullet}{text}", "  ".repeat(level)));
    }
    exit::OK
}

/// Lines of a listing with their levels.
type Lines = Vec<(usize, String)>;

/// Which colocations of a resource.
#[derive(Debug, Clone, Copy)]
enum Direction {
    /// What is to be where it is.
    Dependents,
    /// Where it is to be.
    Primaries,
}

fn all<'w>(work: &'w Work, kind: &'static str) -> impl Iterator<Item = Element<'w>> {
    let constraints = work.cib.root().child("configuration").and_then(|c| c.child("constraints"));
    constraints.into_iter().flat_map(move |constraints| constraints.children_named(kind))
}

fn locations(work: &Work, name: &str, level: usize) -> Lines {
    let mut lines: Lines = all(work, "rsc_location")
        .filter(|c| c.attribute("rsc") == Some(name) && c.attribute("node").is_some())
        .map(|c| {
            let text = |key| c.attribute(key).unwrap_or_default();
            let (node, score, id) = (text("node"), text("score"), text("id"));
            (level + 1, format!("Node {node} (score={score}, id={id}, rsc={name})"))
        })
        .collect();
    if !lines.is_empty() {
        lines.insert(0, (level, "Locations:".to_owned()));
    }
    lines
}

fn related(
    work: &Work,
    name: &str,
    direction: Direction,
    recursive: bool,
    level: usize,
    path: &mut Vec<String>,
) -> Lines {
    let (own, other, word, title) = match direction {
        Direction::Dependents => {
            ("with-rsc", "rsc", "needs role", format!("Resources colocated with {name}:"))
        }
        Direction::Primaries => {
            ("rsc", "with-rsc", "with role", format!("Resources {name} is colocated with:"))
        }
    };
    path.push(name.to_owned());
    let mut lines = Lines::new();
    for constraint in all(work, "rsc_colocation").filter(|c| c.attribute(own) == Some(name)) {
        let text = |key| constraint.attribute(key).unwrap_or_default();
        let (peer, id) = (text(other), text("id"));
        if path.iter().any(|known| known == peer) {
            lines.push((level + 1, format!("{peer} (id={id} - loop)")));
            continue;
        }
        let role = constraint.attribute("with-rsc-role");
        let role = role.filter(|role| !role.eq_ignore_ascii_case("started"));
        let role = role.map(|role| format!("{word}={role}, ")).unwrap_or_default();
        lines.push((level + 1, format!("{peer} (score={}, {role}id={id})", text("score"))));
        lines.extend(locations(work, peer, level + 2));
        if recursive {
            lines.extend(related(work, peer, direction, true, level + 2, path));
        }
    }
    path.pop();
    if !lines.is_empty() {
        lines.insert(0, (level, title));
    }
    lines
}
