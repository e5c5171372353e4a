//! Location constraints (spec 10 §13.2).

use super::references::{Reference, Side};
use super::role_filter;
use crate::input::HostKind;
use crate::model::cluster::{Cluster, Level};
use crate::model::constraint::Location;
use crate::model::ids::{NodeId, ResourceId};
use crate::model::role::Role;
use crate::model::table::ProbeMode;
use cib_model::rule::{Lookup, NextChange, Rule, RuleInput, Submatches, expand_submatches};
use cib_model::{Element, Score};
use regex::Regex;

/// Reads one `rsc_location`.
pub(super) fn unpack<'d>(cluster: &mut Cluster<'d>, constraint: Element<'d>) {
    let simple = Wish {
        constraint,
        role: constraint.attribute("role"),
        score: constraint.attribute("score"),
        submatches: None,
    };
    if constraint.child("resource_set").is_some() {
        let sets = cluster.resource_sets(constraint);
        for set in sets {
            let role = set.attribute("role").or(simple.role);
            let score = set.attribute("score").or(simple.score);
            for id in &set.members {
                if !wish_for(cluster, id, Wish { role, score, ..simple }) {
                    return;
                }
            }
        }
        return;
    }
    if let Some(id) = constraint.attribute("rsc") {
        let side = Side { names: "rsc", detail: "role", set_detail: "role" };
        match cluster.reference(id) {
            Some(Reference::Resource(resource)) => apply(cluster, resource, simple),
            Some(reference) => {
                let set = cluster.side_as_set(constraint, side, &reference);
                for id in &set.members {
                    if !wish_for(cluster, id, simple) {
                        return;
                    }
                }
            }
            None => complain(cluster, constraint, id),
        }
    }
    if let Some(pattern) = constraint.attribute("rsc-pattern") {
        apply_to_matching(cluster, pattern, simple);
    }
}

/// What is wanted of a resource.
#[derive(Clone, Copy)]
struct Wish<'a, 'd> {
    constraint: Element<'d>,
    /// Role of the set or constraint; for the form without rule.
    role: Option<&'d str>,
    /// Score of the set or constraint; for the form without rule.
    score: Option<&'d str>,
    /// How `rsc-pattern` matched.
    submatches: Option<Submatches<'a>>,
}

fn complain(cluster: &mut Cluster<'_>, constraint: Element<'_>, id: &str) {
    let text = format!(
        "Ignoring location constraint '{}' because '{id}' is not a valid resource or tag",
        constraint.xml_id().unwrap_or_default()
    );
    cluster.message(Level::Error, text);
}

/// Applies to a member of a set; false if it does not exist, which ends the constraint.
fn wish_for<'d>(cluster: &mut Cluster<'d>, id: &str, wish: Wish<'_, 'd>) -> bool {
    match cluster.constrained_resource(id) {
        Some(resource) => {
            apply(cluster, resource, wish);
            true
        }
        None => {
            complain(cluster, wish.constraint, id);
            false
        }
    }
}

fn apply_to_matching<'d>(cluster: &mut Cluster<'d>, pattern: &str, wish: Wish<'_, 'd>) {
    let (inverted, text) = match pattern.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let regex = match Regex::new(text) {
        Ok(regex) => regex,
        Err(error) => {
            let text = format!(
                "Ignoring constraint '{}' because rsc-pattern has invalid value '{text}': {error}",
                wish.constraint.xml_id().unwrap_or_default()
            );
            cluster.message(Level::Error, text);
            return;
        }
    };
    for i in 0..cluster.order.len() {
        let resource = cluster.order[i];
        let id = cluster.resource(resource).id.clone();
        match regex.captures(&id) {
            Some(found) if !inverted => {
                let groups: Vec<Option<&str>> =
                    found.iter().map(|group| group.map(|g| g.as_str())).collect();
                apply(cluster, resource, Wish { submatches: Some(&groups), ..wish });
            }
            None if inverted => apply(cluster, resource, wish),
            _ => {}
        }
    }
}

fn apply<'d>(cluster: &mut Cluster<'d>, resource: ResourceId, wish: Wish<'_, 'd>) {
    let constraint = wish.constraint;
    match (constraint.attribute("node"), wish.score) {
        (Some(node), Some(score)) => apply_to_node(cluster, resource, wish, node, score),
        _ => {
            if let Some(rule) = constraint.child("rule") {
                apply_rule(cluster, resource, wish, rule);
            }
        }
    }
}

fn ignored(cluster: &mut Cluster<'_>, id: &str, because: &str) {
    cluster.message(Level::Error, format!("Ignoring constraint '{id}' because {because}"));
}

/// A role as filter; in locations only Stopped and Promoted filter.
fn location_role(text: Option<&str>) -> Option<Role> {
    role_filter(text).map(|role| if role == Role::Unpromoted { Role::Unknown } else { role })
}

fn apply_to_node<'d>(
    cluster: &mut Cluster<'d>,
    resource: ResourceId,
    wish: Wish<'_, 'd>,
    node: &str,
    score: &str,
) {
    let id = wish.constraint.xml_id().unwrap_or_default();
    let Some(score) = cluster.parse_score(score) else {
        ignored(cluster, id, &format!("'{score}' is not a score"));
        return;
    };
    let Some(node) = cluster.find_node(None, Some(node)) else {
        let text = format!("Ignoring location constraint '{id}' because node '{node}' is unknown");
        cluster.message(Level::Info, text);
        return;
    };
    let Some(role) = location_role(wish.role) else {
        ignored(cluster, id, &format!("'{}' is not a role", wish.role.unwrap_or_default()));
        return;
    };
    add(cluster, id, wish.constraint, resource, role, vec![(node, score)]);
}

/// Where the score of a rule comes from.
enum ScoreSource<'a> {
    Fixed(Score),
    Attribute(std::borrow::Cow<'a, str>),
}

fn apply_rule<'d>(
    cluster: &mut Cluster<'d>,
    resource: ResourceId,
    wish: Wish<'_, 'd>,
    element: Element<'d>,
) {
    let constraint_id = wish.constraint.xml_id().unwrap_or_default();
    let read = cluster.lookups.references.resolve(element).map_err(|e| e.to_string());
    let read = read.and_then(|element| {
        let rule = Rule::read(element, &cluster.lookups.references, cluster.now);
        Ok((element, rule.map_err(|e| e.to_string())?))
    });
    let (element, rule) = match read {
        Ok(read) => read,
        Err(because) => return ignored(cluster, constraint_id, &because),
    };
    let id = element.xml_id().unwrap_or_default();
    let Some(role) = location_role(element.attribute("role")) else {
        let because = format!("rule {id} has an invalid role");
        return ignored(cluster, constraint_id, &because);
    };
    let source = match (element.attribute("score-attribute"), element.attribute("score")) {
        (Some(name), _) => ScoreSource::Attribute(expand_submatches(name, wish.submatches)),
        (None, Some(text)) => match cluster.parse_score(text) {
            Some(score) => ScoreSource::Fixed(score),
            None => {
                let because = format!("rule {id} has the invalid score '{text}'");
                return ignored(cluster, constraint_id, &because);
            }
        },
        (None, None) => {
            let because = format!("rule {id}: neither score nor score-attribute was specified");
            return ignored(cluster, constraint_id, &because);
        }
    };
    let mut nodes = Vec::new();
    let mut next_change = NextChange::default();
    let with_parameters = uses_parameters(element);
    for i in 0..cluster.node_order.len() {
        let node = cluster.node_order[i];
        if passes(cluster, resource, node, &rule, wish, with_parameters, &mut next_change)
            && let Some(score) = score_on(cluster, resource, node, &source)
        {
            nodes.push((node, score));
        }
    }
    if let Some(epoch) = next_change.epoch() {
        cluster.recheck(epoch);
    }
    nodes.reverse();
    add(cluster, id, wish.constraint, resource, role, nodes);
}

/// May a rule look at resource parameters? References are not followed, they count as yes.
fn uses_parameters(rule: Element<'_>) -> bool {
    rule.descendants().any(|e| {
        e.attribute("id-ref").is_some()
            || e.attribute("value-source").is_some_and(|s| s.eq_ignore_ascii_case("param"))
    })
}

fn passes<'d>(
    cluster: &mut Cluster<'d>,
    resource: ResourceId,
    node: NodeId,
    rule: &Rule<'d>,
    wish: Wish<'_, 'd>,
    with_parameters: bool,
    next_change: &mut NextChange,
) -> bool {
    let parameters = with_parameters.then(|| cluster.parameters(resource, Some(node)));
    let input = RuleInput {
        node_attributes: Some(&cluster.node(node).attributes),
        parameters: parameters.as_deref().map(|p| p as &dyn Lookup),
        meta_attributes: Some(&cluster.resource(resource).meta),
        submatches: wish.submatches,
        ..RuleInput::at(cluster.now)
    };
    rule.passes(&input, next_change)
}

fn score_on(
    cluster: &Cluster<'_>,
    resource: ResourceId,
    node: NodeId,
    source: &ScoreSource<'_>,
) -> Option<Score> {
    match source {
        ScoreSource::Fixed(score) => Some(*score),
        ScoreSource::Attribute(name) => {
            let host = Some((resource, HostKind::Current));
            cluster.parse_score(cluster.node_attribute(node, name, host)?)
        }
    }
}

fn add<'d>(
    cluster: &mut Cluster<'d>,
    id: &'d str,
    constraint: Element<'d>,
    resource: ResourceId,
    role: Role,
    nodes: Vec<(NodeId, Score)>,
) {
    let text = constraint.attribute("resource-discovery").unwrap_or("always");
    let probe = if text.eq_ignore_ascii_case("exclusive") {
        cluster.resource_mut(resource).flags.exclusive_discovery = true;
        ProbeMode::Exclusive
    } else if text.eq_ignore_ascii_case("never") {
        ProbeMode::Never
    } else {
        if !text.eq_ignore_ascii_case("always") {
            let text = format!("Invalid resource-discovery value '{text}' in location constraint");
            cluster.message(Level::Error, text);
        }
        ProbeMode::Always
    };
    cluster.add_location(Location { id: id.into(), resource, role, probe, nodes });
}

#[cfg(test)]
mod tests {
    use crate::input::fixture::{self, cib};

    #[test]
    fn forms_of_locations() {
        let nodes = "<node id='1' uname='n1'><instance_attributes id='i'><nvpair id='w' name='w-web' value='7'/></instance_attributes></node>
            <node id='2' uname='n2'/>";
        let resources = "<primitive id='web1' class='ocf' provider='p' type='t'/>
            <primitive id='db' class='ocf' provider='p' type='t'/>";
        let cases = [
            ("<rsc_location id='l' rsc='db' node='N1' score='5'/>", "l db Unknown n1=5"),
            (
                "<rsc_location id='l' rsc='db' node='n1' score='5' role='Started'/>",
                "l db Unknown n1=5",
            ),
            (
                "<rsc_location id='l' rsc='db' node='n1' score='5' role='Promoted'/>",
                "l db Promoted n1=5",
            ),
            ("<rsc_location id='l' rsc='db' node='n1' score='5' role='junk'/>", ""),
            ("<rsc_location id='l' rsc='db' node='nx' score='5'/>", ""),
            (
                "<rsc_location id='l' rsc='db' role='Promoted'><rule id='r' score='-INFINITY'><expression id='e' attribute='#uname' operation='defined'/></rule></rsc_location>",
                "r db Unknown n2=-INFINITY n1=-INFINITY",
            ),
            (
                "<rsc_location id='l' rsc-pattern='^(w.b)'><rule id='r' score-attribute='w-%1'><expression id='e' attribute='#uname' operation='defined'/></rule></rsc_location>",
                "r web1 Unknown n1=7",
            ),
            ("<rsc_location id='l' rsc-pattern='!web' node='n2' score='1'/>", "l db Unknown n2=1"),
            (
                "<rsc_location id='l' node='n2' score='1'><resource_set id='s' role='Stopped' score='3'><resource_ref id='db'/><resource_ref id='x'/></resource_set></rsc_location>",
                "l db Stopped n2=3",
            ),
        ];
        for (constraint, expected) in cases {
            fixture::with(&cib("", "", nodes, resources, constraint, ""), |c| {
                crate::input::constraints(c);
                let shown: Vec<_> = c
                    .locations
                    .iter()
                    .map(|l| {
                        let nodes =
                            l.nodes.iter().map(|(n, s)| format!(" {}={s}", c.node(*n).name));
                        format!(
                            "{} {} {}{}",
                            l.id,
                            c.resource(l.resource).id,
                            l.role,
                            nodes.collect::<String>()
                        )
                    })
                    .collect();
                assert_eq!(shown.join("; "), expected, "{constraint}");
            });
        }
    }
}
