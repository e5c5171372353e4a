//! Looking at resources.

use cib_model::{Document, Element};
use clap::ArgMatches;
use policy_engine::report::digests::digests;
use policy_engine::report::snapshot::{PrimitiveStatus, ResourceStatus};
use policy_engine::report::tables::date;
use policy_engine::report::text::{Entry, Style, render};
use policy_engine::report::xml;

use super::{Work, failed};
use crate::tools::commands::text;
use crate::tools::output::{Output, escape};
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
    let names: Vec<String> = work.seen.lines.iter().map(|line| line.id.clone()).collect();
    names.iter().for_each(|name| out.line(name));
    out.items("resource names", Some("resource"), &names);
    exit::OK
}

/// `-O`, `-o`
pub fn operations(work: &Work, matches: &ArgMatches, active: bool, out: &mut Output) -> u8 {
    let (resource, node) = (text(matches, "resource"), text(matches, "node"));
    let states = work.cib.root().child("status");
    let mut listed = Document::new("operations");
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
            let first = if active { first_active(&entries) } else { 0 };
            for entry in entries.into_iter().skip(first) {
                out.line(operation(&line, name, entry));
                list_operation(&mut listed, history, name, entry);
            }
        }
    }
    out.element(listed.root());
    exit::OK
}

/// Where in a history what is still in effect begins: with the last start that no stop followed.
fn first_active(entries: &[Element<'_>]) -> usize {
    let last = |names: &[&str]| {
        entries.iter().rposition(|e| e.attribute("operation").is_some_and(|o| names.contains(&o)))
    };
    let interval = |e: &Element<'_>| e.attribute("interval").unwrap_or("0") != "0";
    let start = last(&["start", "migrate_from"]);
    // What is promoted or monitored runs, however it was started.
    let implied = last(&["promote", "demote"]).or_else(|| entries.iter().position(interval));
    let stop = entries.iter().rposition(|e| {
        e.attribute("operation") == Some("stop") && e.attribute("rc-code") == Some("0")
    });
    match (start.or(implied), stop) {
        (Some(start), stop) if stop.is_none_or(|stop| stop < start) => start,
        (None, None) => 0,
        _ => entries.len(),
    }
}

fn list_operation(listed: &mut Document, history: Element<'_>, node: &str, entry: Element<'_>) {
    let text = |element: Element<'_>, name| element.attribute(name).unwrap_or_default().to_owned();
    let provider = match history.attribute("provider") {
        Some(provider) => format!(":{provider}"),
        None if history.attribute("class") == Some("stonith") => ":".to_owned(),
        None => String::new(),
    };
    let agent = format!("{}{provider}:{}", text(history, "class"), text(history, "type"));
    let root = listed.root_id();
    let made = listed.append_element(root, "operation");
    let changed = entry.attribute("last-rc-change").and_then(|at| at.parse().ok());
    let changed = changed.map(|at: i64| date(at, source::now()));
    let key = entry.attribute("operation_key").or_else(|| entry.attribute("id"));
    for (name, value) in [
        ("op", key.unwrap_or_default().to_owned()),
        ("node", node.to_owned()),
        ("call", text(entry, "call-id")),
        ("rc", text(entry, "rc-code")),
        ("status", status_word(entry).to_owned()),
        ("rsc", text(history, "id")),
        ("agent", agent),
    ] {
        listed.set_attribute(made, name, &value);
    }
    if let Some(changed) = changed {
        listed.set_attribute(made, "last-rc-change", &changed);
        listed.set_attribute(made, "exec-time", entry.attribute("exec-time").unwrap_or("0"));
    }
}

/// The execution status of an operation.
fn status_word(entry: Element<'_>) -> &'static str {
    match entry.attribute("op-status").unwrap_or("0") {
        "-1" => "pending",
        "0" => "complete",
        "1" => "Cancelled",
        "2" => "Timed Out",
        "3" => "NOT SUPPORTED",
        _ => "Error",
    }
}

fn operation(line: &str, node: &str, entry: Element<'_>) -> String {
    let text = |name| entry.attribute(name).unwrap_or_default();
    let changed = entry.attribute("last-rc-change").and_then(|at| at.parse().ok());
    let changed = changed.map(|at: i64| format!(", last-rc-change='{}'", date(at, source::now())));
    let status = status_word(entry);
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
    out.xml(&format!("  <nodes resource=\"{}\">\n", escape(name)));
    for (node, promoted) in &found {
        if out.quiet {
            out.line(node);
        } else {
            out.line(format!("resource {name} is running on: {node}{promoted}"));
        }
        let state = if promoted.is_empty() { "" } else { " state=\"promoted\"" };
        out.xml(&format!("    <node{state}>{}</node>\n", escape(node)));
    }
    out.xml("  </nodes>\n");
    if found.is_empty() && !out.is_xml() {
        out.error(format!("resource {name} is NOT running"));
    }
    exit::OK
}

/// The resource of a name, or the instances that have it as base.
fn named<'s>(all: &'s [ResourceStatus], name: &str) -> Vec<&'s ResourceStatus> {
    let mut found = Vec::new();
    for status in all {
        let (facts, parts): (_, Vec<&[ResourceStatus]>) = match status {
            ResourceStatus::Primitive(primitive) => (&primitive.facts, Vec::new()),
            ResourceStatus::Group { facts, members } => (facts, vec![members]),
            ResourceStatus::Clone { facts, instances, .. } => (facts, vec![instances]),
            ResourceStatus::Bundle { facts, replicas, .. } => {
                (facts, replicas.iter().map(Vec::as_slice).collect())
            }
        };
        let base = facts.id.split(':').next().unwrap_or_default();
        if facts.id == name || base == name {
            found.push(status);
        } else {
            found.extend(parts.into_iter().flat_map(|parts| named(parts, name)));
        }
    }
    found
}

/// `-q`, `-w`
pub fn configuration(work: &Work, name: &str, out: &mut Output) -> u8 {
    let Some(element) = work.element(name) else {
        return failed(out, exit::text(exit::NO_SUCH), exit::NO_SUCH);
    };
    if out.is_xml() {
        out.xml("  <resource_config>\n");
        let mut status = Document::new("status");
        let root = status.root_id();
        for seen in named(&work.seen.snapshot.resources, name) {
            xml::resource(&mut status, root, seen);
        }
        for seen in status.root().children() {
            out.xml(&seen.to_xml_at(2));
        }
        let inner = element.to_xml().replace("]]>", "]]]]><![CDATA[>");
        out.xml(&format!("    <xml><![CDATA[{inner}]]></xml>\n  </resource_config>\n"));
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

/// What keeps a resource from running, as configured.
pub fn checks(work: &Work, name: &str, instances: &[&PrimitiveStatus], out: &mut Output) {
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
    if out.is_xml() {
        constraint_elements(work, &top, recursive, out);
        return exit::OK;
    }
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

fn all<'w>(work: &'w Work, kind: &'static str) -> std::vec::IntoIter<Element<'w>> {
    let constraints = work.cib.root().child("configuration").and_then(|c| c.child("constraints"));
    let found = constraints.into_iter().flat_map(|constraints| constraints.children_named(kind));
    found.collect::<Vec<_>>().into_iter()
}

/// The constraints as elements, all on one level.
fn constraint_elements(work: &Work, name: &str, recursive: bool, out: &mut Output) {
    let mut list = Document::new("constraints");
    let mut names = vec![name.to_owned()];
    let mut seen: Vec<String> = Vec::new();
    while let Some(name) = names.pop() {
        let kinds: [(&'static str, &[&str], &[&str]); 3] = [
            ("rsc_location", &["rsc"], &["node", "rsc", "id", "score"]),
            ("rsc_colocation", &["with-rsc"], COLOCATION),
            ("rsc_colocation", &["rsc"], COLOCATION),
        ];
        for (kind, own, attributes) in kinds {
            let of_it = |c: &Element<'_>| own.iter().any(|key| c.attribute(key) == Some(&name));
            let mut found: Vec<Element<'_>> = all(work, kind).filter(of_it).collect();
            if kind == "rsc_location" {
                found.retain(|c| c.attribute("node").is_some());
                found.reverse();
            }
            for constraint in found {
                let id = constraint.xml_id().unwrap_or_default().to_owned();
                if seen.contains(&id) {
                    continue;
                }
                seen.push(id);
                let root = list.root_id();
                let made = list.append_element(root, kind);
                for (key, value) in
                    attributes.iter().filter_map(|key| Some((key, constraint.attribute(key)?)))
                {
                    list.set_attribute(made, key, value);
                }
                let other = if own == ["rsc"] { "with-rsc" } else { "rsc" };
                names.extend(constraint.attribute(other).filter(|_| recursive).map(str::to_owned));
            }
        }
    }
    out.element(list.root());
}

/// What is told of a colocation.
const COLOCATION: &[&str] =
    &["id", "rsc", "with-rsc", "score", "node-attribute", "rsc-role", "with-rsc-role"];

fn locations(work: &Work, name: &str, level: usize) -> Lines {
    let mut lines: Lines = all(work, "rsc_location")
        .filter(|c| c.attribute("rsc") == Some(name) && c.attribute("node").is_some())
        .rev()
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

/// `--digests`
pub fn digests_of(work: &Work, matches: &ArgMatches, resource: &str, out: &mut Output) -> u8 {
    let Some(node) = text(matches, "node") else {
        out.error("crm_resource: Must supply a node name with -N");
        return exit::USAGE;
    };
    let is_primitive = work.element(resource).is_some_and(|e| e.name() == "primitive");
    if !is_primitive {
        return failed(out, exit::text(exit::UNSUPPORTED), exit::UNSUPPORTED);
    }
    let given = matches.get_many::<String>("overrides").into_iter().flatten();
    let changed: Vec<(String, String)> = given
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let found = digests(&work.current, source::now(), resource, node, &changed);
    let Some(found) = found else {
        out.error(format!("crm_resource: Node '{node}' not found"));
        out.error(format!("Error performing operation: {}", exit::text(exit::NO_SUCH)));
        return exit::NO_SUCH;
    };
    let mut shown = Document::new("digests");
    let root = shown.root_id();
    let interval = format!("{}ms", found.interval_ms);
    for (name, value) in
        [("resource", resource), ("node", node), ("task", &found.task), ("interval", &interval)]
    {
        shown.set_attribute(root, name, value);
    }
    for (kind, words, digest) in [
        ("all", "all", Some(&found.all)),
        ("nonprivate", "non-private", Some(&found.secure)),
        ("nonreloadable", "non-reloadable", found.restart.as_ref()),
    ] {
        let Some(digest) = digest else { continue };
        out.line(format!("{} ({words} parameters)", digest.hash));
        let made = shown.append_element(root, "digest");
        shown.set_attribute(made, "type", kind);
        shown.set_attribute(made, "hash", &digest.hash);
        let parameters = shown.append_element(made, "parameters");
        for (name, value) in &digest.parameters {
            shown.set_attribute(parameters, name, value);
        }
    }
    out.element(shown.root());
    exit::OK
}
