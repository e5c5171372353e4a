//! Moving, banning, clearing and deleting.

use std::collections::BTreeSet;

use cib_model::Document;
use cib_model::operation::Operation;
use clap::ArgMatches;

use super::{Work, failed, queries};
use crate::tools::commands::{given, text};
use crate::tools::exit;
use crate::tools::output::Output;
use crate::tools::source::Call;

/// The call looks for a path.
const XPATH: u32 = 2;

fn document(name: &str, attributes: &[(&str, &str)]) -> Document {
    let mut document = Document::new(name);
    let root = document.root_id();
    for (key, value) in attributes {
        document.set_attribute(root, key, value);
    }
    document
}

fn within_constraints(elements: &[Document]) -> Document {
    let mut constraints = Document::new("constraints");
    let root = constraints.root_id();
    for element in elements {
        constraints.copy_subtree(root, element.root());
    }
    constraints
}

fn call(
    work: &mut Work,
    operation: Operation,
    call: &Call<'_>,
    out: &mut Output,
) -> Result<(), u8> {
    match work.source.call(operation, call) {
        Ok(_) => Ok(()),
        Err(failure) => Err(failed(out, exit::text(failure.exit()), failure.exit())),
    }
}

/// The ids of constraints there are.
fn constraints(work: &mut Work) -> BTreeSet<String> {
    let Ok(cib) = work.source.whole() else { return BTreeSet::new() };
    let all = cib.root().child("configuration").and_then(|c| c.child("constraints"));
    let locations = all.into_iter().flat_map(|all| all.children_named("rsc_location"));
    locations.filter_map(|location| location.xml_id().map(str::to_owned)).collect()
}

/// Where a resource is active: with `promoted`, where it is promoted.
fn active(work: &Work, resource: &str, promoted: bool) -> Vec<String> {
    let mut nodes: Vec<String> = Vec::new();
    for primitive in queries::primitives(work, resource) {
        if !primitive.active || promoted && primitive.role != "Promoted" {
            continue;
        }
        for (node, ..) in &primitive.nodes {
            if !nodes.contains(node) {
                nodes.push(node.clone());
            }
        }
    }
    nodes
}

fn known_node(work: &Work, matches: &ArgMatches, out: &mut Output) -> Result<Option<String>, u8> {
    let Some(name) = text(matches, "node") else { return Ok(None) };
    let nodes = &work.seen.snapshot.nodes;
    match nodes.iter().find(|node| node.name.eq_ignore_ascii_case(name) || node.id == name) {
        Some(node) => Ok(Some(node.name.clone())),
        None => {
            out.error(format!("crm_resource: Node '{name}' not found"));
            out.error(format!("Error performing operation: {}", exit::text(exit::NO_SUCH)));
            Err(exit::NO_SUCH)
        }
    }
}

fn role(matches: &ArgMatches) -> &'static str {
    if given(matches, "promoted") { "Promoted" } else { "Started" }
}

/// `-B`
pub fn ban(work: &mut Work, matches: &ArgMatches, resource: &str, out: &mut Output) -> u8 {
    let node = match known_node(work, matches, out) {
        Ok(node) => node,
        Err(code) => return code,
    };
    let node = match node {
        Some(node) => node,
        None => match &active(work, resource, given(matches, "promoted"))[..] {
            [node] => node.clone(),
            found => {
                out.error(format!(
                    "crm_resource: Resource '{resource}' not moved: active in {} locations.",
                    found.len()
                ));
                out.error("To prevent it from running on a specific location, specify a node.");
                return exit::USAGE;
            }
        },
    };
    ban_from(work, matches, resource, &node, out)
}

fn ban_from(
    work: &mut Work,
    matches: &ArgMatches,
    resource: &str,
    node: &str,
    out: &mut Output,
) -> u8 {
    let id = format!("cli-ban-{resource}-on-{node}");
    if !out.quiet {
        out.error(format!(
            "WARNING: Creating rsc_location constraint '{id}' with a score of -INFINITY for resource {resource} \
             on {node}.\n\tThis will prevent {resource} from running on {node} until the constraint is removed \
             using the clear option or by editing the CIB with an appropriate tool\n\tThis will be the case even \
             if {node} is the last node in the cluster"
        ));
    }
    let location = document(
        "rsc_location",
        &[
            ("id", &id),
            ("rsc", resource),
            ("role", role(matches)),
            ("node", node),
            ("score", "-INFINITY"),
        ],
    );
    let data = Some(within_constraints(&[location]));
    let change = Call { section: Some("constraints"), options: 0, data };
    match call(work, Operation::Modify, &change, out) {
        Ok(()) => exit::OK,
        Err(code) => code,
    }
}

/// Takes back what moved or banned a resource, on one node or all; or only what moved it.
fn remove(
    work: &mut Work,
    resource: &str,
    nodes: &[String],
    bans: bool,
    out: &mut Output,
) -> Result<(), u8> {
    for node in nodes {
        let rule = format!(
            "//rsc_location[@id='cli-prefer-{resource}'][rule[@id='cli-prefer-rule-{resource}']/\
             expression[@attribute='#uname' and @value='{node}']]"
        );
        let by_path = Call { section: Some(&rule), options: XPATH, data: None };
        call(work, Operation::Delete, &by_path, out)?;
        let ban = format!("cli-ban-{resource}-on-{node}");
        let prefer = format!("cli-prefer-{resource}");
        let prefer = document("rsc_location", &[("id", &prefer), ("node", node)]);
        let ban = bans.then(|| document("rsc_location", &[("id", &ban)]));
        for element in ban.into_iter().chain([prefer]) {
            let by_id = Call { section: Some("constraints"), options: 0, data: Some(element) };
            call(work, Operation::Delete, &by_id, out)?;
        }
    }
    Ok(())
}

fn all_nodes(work: &Work) -> Vec<String> {
    work.seen.snapshot.nodes.iter().map(|node| node.name.clone()).collect()
}

/// `-U`
pub fn clear(work: &mut Work, matches: &ArgMatches, resource: &str, out: &mut Output) -> u8 {
    let node = match known_node(work, matches, out) {
        Ok(node) => node,
        Err(code) => return code,
    };
    let nodes = node.map_or_else(|| all_nodes(work), |node| vec![node]);
    let before = constraints(work);
    if let Err(code) = remove(work, resource, &nodes, true, out) {
        return code;
    }
    for gone in before.difference(&constraints(work)) {
        out.line(format!("Removing constraint: {gone}"));
    }
    exit::OK
}

/// `-M`
pub fn relocate(work: &mut Work, matches: &ArgMatches, resource: &str, out: &mut Output) -> u8 {
    let node = match known_node(work, matches, out) {
        Ok(node) => node,
        Err(code) => return code,
    };
    let current = active(work, resource, given(matches, "promoted"));
    let Some(node) = node else {
        return match current.first() {
            Some(node) => ban_from(work, matches, resource, &node.clone(), out),
            None => {
                out.error(format!(
                    "crm_resource: Resource '{resource}' not moved: active in 0 locations."
                ));
                exit::USAGE
            }
        };
    };
    if current == [node.clone()] && !given(matches, "force") {
        return failed(out, exit::text(exit::EXISTS), exit::EXISTS);
    }
    let nodes = all_nodes(work);
    // Bans of other nodes stay.
    let removed = remove(work, resource, &nodes, false, out)
        .and_then(|()| remove(work, resource, std::slice::from_ref(&node), true, out));
    if let Err(code) = removed {
        return code;
    }
    let id = format!("cli-prefer-{resource}");
    let location = document(
        "rsc_location",
        &[
            ("id", &id),
            ("rsc", resource),
            ("role", role(matches)),
            ("node", &node),
            ("score", "INFINITY"),
        ],
    );
    let data = Some(within_constraints(&[location]));
    let change = Call { section: Some("constraints"), options: 0, data };
    if let Err(code) = call(work, Operation::Modify, &change, out) {
        return code;
    }
    if given(matches, "force") {
        for node in current {
            let code = ban_from(work, matches, resource, &node, out);
            if code != exit::OK {
                return code;
            }
        }
    }
    exit::OK
}

/// `-D`
pub fn delete(work: &mut Work, matches: &ArgMatches, resource: &str, out: &mut Output) -> u8 {
    let Some(kind) = text(matches, "resource-type") else {
        out.error("crm_resource: You need to specify a resource type with -t");
        return exit::USAGE;
    };
    let data = Some(document(kind, &[("id", resource)]));
    match call(work, Operation::Delete, &Call { section: Some("resources"), options: 0, data }, out)
    {
        Ok(()) => exit::OK,
        Err(code) => code,
    }
}
