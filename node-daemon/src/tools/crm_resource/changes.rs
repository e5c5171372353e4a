//! Moving, banning, clearing and deleting.

use std::collections::BTreeSet;

use cib_model::operation::Operation;
use cib_model::{Document, Element};
use clap::ArgMatches;

use super::{Work, failed, queries};
use crate::tools::commands::{given, text};
use crate::tools::output::Output;
use crate::tools::source::Call;
use crate::tools::{exit, source};

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

pub fn known_node(
    work: &Work,
    matches: &ArgMatches,
    out: &mut Output,
) -> Result<Option<String>, u8> {
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
        None => match only_place(work, matches, resource, out) {
            Ok(node) => node,
            Err(code) => return code,
        },
    };
    ban_from(work, matches, resource, &node, out)
}

/// The one node on which a resource is active, or else promoted.
fn only_place(
    work: &Work,
    matches: &ArgMatches,
    resource: &str,
    out: &mut Output,
) -> Result<String, u8> {
    let places = active(work, resource, given(matches, "promoted"));
    let promoted = active(work, resource, true);
    for found in [&places, &promoted] {
        if let [node] = &found[..] {
            return Ok(node.clone());
        }
    }
    let count = places.len();
    out.error(format!(
        "crm_resource: Resource '{resource}' not moved: active in {count} locations."
    ));
    out.error(format!(
        "To prevent '{resource}' from running on a specific location, specify a node."
    ));
    Err(exit::USAGE)
}

/// Until when a constraint is to last.
fn end(matches: &ArgMatches, out: &mut Output) -> Result<Option<String>, u8> {
    let Some(lifetime) = text(matches, "lifetime") else { return Ok(None) };
    let until = lifetime.parse::<jiff::Span>().ok().and_then(|span| {
        let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
        now.checked_add(span).ok()
    });
    let Some(until) = until else {
        out.error(format!("Invalid duration specified: {lifetime}"));
        out.error("Please refer to https://en.wikipedia.org/wiki/ISO_8601#Durations for examples of valid durations");
        return Err(exit::USAGE);
    };
    let until = until.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    out.line(format!("Migration will take effect until: {until}"));
    Ok(Some(until))
}

/// Ids of the parts of a constraint that ends.
struct Ids {
    constraint: String,
    rule: String,
    expression: String,
    lifetime: String,
}

/// A constraint on where a resource runs, for ever or for a while.
fn location(
    ids: &Ids,
    resource: &str,
    role: &str,
    node: &str,
    score: &str,
    end: Option<&str>,
) -> Document {
    let mut made = document(
        "rsc_location",
        &[("id", ids.constraint.as_str()), ("rsc", resource), ("role", role)],
    );
    let root = made.root_id();
    let set = |element, attributes: &[(&str, &str)], made: &mut Document| {
        for (key, value) in attributes {
            made.set_attribute(element, key, value);
        }
    };
    let Some(end) = end else {
        set(root, &[("node", node), ("score", score)], &mut made);
        return made;
    };
    let rule = made.append_element(root, "rule");
    set(rule, &[("id", &ids.rule), ("score", score), ("boolean-op", "and")], &mut made);
    let expression = made.append_element(rule, "expression");
    let attributes = [
        ("id", ids.expression.as_str()),
        ("attribute", "#uname"),
        ("operation", "eq"),
        ("value", node),
        ("type", "string"),
    ];
    set(expression, &attributes, &mut made);
    let date = made.append_element(rule, "date_expression");
    set(date, &[("id", &ids.lifetime), ("operation", "lt"), ("end", end)], &mut made);
    made
}

fn ban_from(
    work: &mut Work,
    matches: &ArgMatches,
    resource: &str,
    node: &str,
    out: &mut Output,
) -> u8 {
    let id = format!("cli-ban-{resource}-on-{node}");
    let end = match end(matches, out) {
        Ok(end) => end,
        Err(code) => return code,
    };
    if !out.quiet {
        out.line(format!(
            "WARNING: Creating rsc_location constraint '{id}' with a score of -INFINITY for resource {resource} \
             on {node}.\n\tThis will prevent {resource} from running on {node} until the constraint is removed \
             using the clear option or by editing the CIB with an appropriate tool\n\tThis will be the case even \
             if {node} is the last node in the cluster"
        ));
    }
    let ids = Ids {
        rule: format!("{id}-rule"),
        expression: format!("{id}-expr"),
        lifetime: format!("{id}-lifetime"),
        constraint: id,
    };
    let location = location(&ids, resource, role(matches), node, "-INFINITY", end.as_deref());
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
    if given(matches, "expired") {
        return clear_expired(work, resource, node.as_deref(), out);
    }
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

/// Removes what moved or banned a resource for a while that is over.
fn clear_expired(work: &mut Work, resource: &str, node: Option<&str>, out: &mut Output) -> u8 {
    let now = source::now();
    let is_over = |constraint: &Element<'_>| {
        let dates = constraint.descendants().filter(|e| e.name() == "date_expression");
        dates.filter_map(|date| date.attribute("end")).any(|end| {
            cib_model::DateTime::parse(end, now).is_ok_and(|end| end.epoch() < now.epoch())
        })
    };
    let (ban, prefer) = (format!("cli-ban-{resource}-on-"), format!("cli-prefer-{resource}"));
    let is_meant = |id: &str| match id.strip_prefix(&ban) {
        Some(on) => node.is_none_or(|node| node == on),
        None => id == prefer,
    };
    let all = work.cib.root().child("configuration").and_then(|c| c.child("constraints"));
    let over: Vec<String> = all
        .into_iter()
        .flat_map(|all| all.children_named("rsc_location"))
        .filter(is_over)
        .filter_map(|constraint| constraint.xml_id().map(str::to_owned))
        .filter(|id| is_meant(id))
        .collect();
    for id in over {
        let data = Some(document("rsc_location", &[("id", &id)]));
        let change = Call { section: Some("constraints"), options: 0, data };
        if let Err(code) = call(work, Operation::Delete, &change, out) {
            return code;
        }
        out.line(format!("Removing constraint: {id}"));
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
        return match only_place(work, matches, resource, out) {
            Ok(node) => ban_from(work, matches, resource, &node, out),
            Err(code) => code,
        };
    };
    if current == [node.clone()] && !given(matches, "force") {
        return failed(out, exit::text(exit::EXISTS), exit::EXISTS);
    }
    let end = match end(matches, out) {
        Ok(end) => end,
        Err(code) => return code,
    };
    let nodes = all_nodes(work);
    // Bans of other nodes stay.
    let removed = remove(work, resource, &nodes, false, out)
        .and_then(|()| remove(work, resource, std::slice::from_ref(&node), true, out));
    if let Err(code) = removed {
        return code;
    }
    let ids = Ids {
        constraint: format!("cli-prefer-{resource}"),
        rule: format!("cli-prefer-rule-{resource}"),
        expression: format!("cli-prefer-expr-{resource}"),
        lifetime: format!("cli-prefer-lifetime-end-{resource}"),
    };
    let location = location(&ids, resource, role(matches), &node, "INFINITY", end.as_deref());
    let data = Some(within_constraints(&[location]));
    let change = Call { section: Some("constraints"), options: 0, data };
    if let Err(code) = call(work, Operation::Modify, &change, out) {
        return code;
    }
    if given(matches, "force") {
        for node in current.into_iter().filter(|current| *current != node) {
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
        out.error(format!("Error performing operation: {}", exit::text(exit::NO_SUCH)));
        return exit::NO_SUCH;
    };
    let data = Some(document(kind, &[("id", resource)]));
    match call(work, Operation::Delete, &Call { section: Some("resources"), options: 0, data }, out)
    {
        Ok(()) => exit::OK,
        Err(code) => code,
    }
}
