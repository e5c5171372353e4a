//! Colocation constraints (spec 20 §6.1).

use super::references::{Reference, ResourceSet, Side};
use super::role_filter;
use crate::model::cluster::{Cluster, Level};
use crate::model::constraint::Colocation;
use crate::model::ids::ResourceId;
use crate::model::role::Role;
use crate::ordering;
use cib_model::scalar::parse_boolean;
use cib_model::{Element, Score};

const DEPENDENT: Side = Side { names: "rsc", detail: "rsc-role", set_detail: "role" };
const PRIMARY: Side = Side { names: "with-rsc", detail: "with-rsc-role", set_detail: "role" };

/// Reads one `rsc_colocation`.
pub(super) fn unpack<'d>(cluster: &mut Cluster<'d>, constraint: Element<'d>) {
    let id = constraint.xml_id().unwrap_or_default();
    let score = match constraint.attribute("score").map(|text| cluster.parse_score(text)) {
        None => Score::ZERO,
        Some(Some(score)) => score,
        Some(None) => return ignored(cluster, id, "its score is invalid"),
    };
    let influence = constraint.attribute("influence").and_then(|text| {
        let read = parse_boolean(text);
        if read.is_none() {
            let text = format!("Ignoring invalid value '{text}' for influence of '{id}'");
            cluster.message(Level::Error, text);
        }
        read
    });
    let maker = Maker { constraint, score, influence };
    if constraint.child("resource_set").is_some() {
        let sets = cluster.resource_sets(constraint);
        maker.add_from_sets(cluster, &sets);
        return;
    }
    let Some(dependent) = side(cluster, id, constraint, DEPENDENT) else { return };
    let Some(primary) = side(cluster, id, constraint, PRIMARY) else { return };
    match (&dependent, &primary) {
        (Reference::Resource(d), Reference::Resource(p)) => maker.simple(cluster, *d, *p),
        (Reference::Members(_), Reference::Members(_)) => {
            ignored(cluster, id, "two templates or tags cannot be colocated");
        }
        _ => {
            let sets = [
                cluster.side_as_set(constraint, DEPENDENT, &dependent),
                cluster.side_as_set(constraint, PRIMARY, &primary),
            ];
            maker.add_from_sets(cluster, &sets);
        }
    }
}

fn ignored(cluster: &mut Cluster<'_>, id: &str, because: &str) {
    cluster.message(Level::Error, format!("Ignoring constraint '{id}' because {because}"));
}

fn side<'d>(
    cluster: &mut Cluster<'d>,
    id: &str,
    constraint: Element<'d>,
    side: Side,
) -> Option<Reference<'d>> {
    let name = constraint.attribute(side.names).unwrap_or_default();
    let found = cluster.reference(name);
    if found.is_none() {
        ignored(cluster, id, &format!("'{name}' is not a valid resource or tag"));
    }
    found
}

/// Makes the colocations of one constraint.
struct Maker<'d> {
    constraint: Element<'d>,
    score: Score,
    influence: Option<bool>,
}

/// What the colocations of a pair of resources have in common.
#[derive(Clone, Copy)]
struct Kind<'d> {
    id: &'d str,
    score: Score,
    dependent_role: Role,
    primary_role: Role,
    node_attribute: &'d str,
}

impl<'d> Maker<'d> {
    fn simple(&self, cluster: &mut Cluster<'d>, dependent: ResourceId, primary: ResourceId) {
        let id = self.constraint.xml_id().unwrap_or_default();
        let role = |side: Side| role_filter(self.constraint.attribute(side.detail));
        let (Some(dependent_role), Some(primary_role)) = (role(DEPENDENT), role(PRIMARY)) else {
            return ignored(cluster, id, "a role is invalid");
        };
        let node_attribute = self.constraint.attribute("node-attribute").unwrap_or("#uname");
        let kind = Kind { id, score: self.score, dependent_role, primary_role, node_attribute };
        self.add(cluster, kind, dependent, primary, dependent);
    }

    /// One colocation, unless its score is 0; `influencing` decides on the influence where the
    /// constraint says nothing.
    fn add(
        &self,
        cluster: &mut Cluster<'d>,
        kind: Kind<'d>,
        dependent: ResourceId,
        primary: ResourceId,
        influencing: ResourceId,
    ) {
        if kind.score == Score::ZERO {
            return;
        }
        let influence =
            self.influence.unwrap_or_else(|| cluster.resource(influencing).flags.critical);
        let id = cluster.add_colocation(Colocation {
            id: kind.id.into(),
            dependent,
            primary,
            score: kind.score,
            dependent_role: kind.dependent_role,
            primary_role: kind.primary_role,
            node_attribute: kind.node_attribute.into(),
            influence,
            explicit: true,
        });
        if kind.score <= Score::MINUS_INFINITY {
            ordering::anti_colocation(cluster, id);
        }
    }

    /// Each set's own colocations, then those with the set before it.
    fn add_from_sets(&self, cluster: &mut Cluster<'d>, sets: &[ResourceSet<'d>]) {
        let mut previous: Option<&ResourceSet<'d>> = None;
        for set in sets {
            let Some(id) = set.id() else {
                let id = self.constraint.xml_id().unwrap_or_default();
                ignored(cluster, id, "one of its sets has no id");
                continue;
            };
            self.within(cluster, set, id);
            if let Some(previous) = previous {
                self.between(cluster, previous, set);
            }
            previous = Some(set);
        }
    }

    fn within(&self, cluster: &mut Cluster<'d>, set: &ResourceSet<'d>, id: &'d str) {
        let score = match set.attribute("score").map(|text| cluster.parse_score(text)) {
            None => self.score,
            Some(Some(score)) => score,
            Some(None) => return ignored(cluster, id, "its score is invalid"),
        };
        let Some(role) = role_filter(set.attribute("role")) else {
            return ignored(cluster, id, "its role is invalid");
        };
        if score == Score::ZERO || !set.is_sequential() {
            return;
        }
        let kind =
            Kind { id, score, dependent_role: role, primary_role: role, node_attribute: "#uname" };
        if score > Score::ZERO {
            self.chain(cluster, set, kind);
        } else {
            self.apart(cluster, set, kind);
        }
    }

    /// Each member with the one before it; legacy `ordering` turns that round.
    fn chain(&self, cluster: &mut Cluster<'d>, set: &ResourceSet<'d>, kind: Kind<'d>) {
        let reversed = set.attribute("ordering").is_some_and(|o| o != "group");
        let mut previous: Option<ResourceId> = None;
        for member in &set.members {
            let Some(this) = self.member(cluster, member) else { return };
            match previous {
                Some(before) if reversed => self.add(cluster, kind, before, this, this),
                Some(before) => self.add(cluster, kind, this, before, this),
                None => {}
            }
            previous = Some(this);
        }
    }

    /// Each member apart from all before it, as far as their texts are not its own id.
    fn apart(&self, cluster: &mut Cluster<'d>, set: &ResourceSet<'d>, kind: Kind<'d>) {
        for member in &set.members {
            let Some(this) = self.member(cluster, member) else { return };
            for other in &set.members {
                if *other == *cluster.resource(this).id {
                    break;
                }
                let Some(other) = cluster.constrained_resource(other) else { continue };
                self.add(cluster, kind, this, other, this);
            }
        }
    }

    fn member(&self, cluster: &mut Cluster<'d>, id: &str) -> Option<ResourceId> {
        let found = cluster.constrained_resource(id);
        if found.is_none() {
            let constraint = self.constraint.xml_id().unwrap_or_default();
            ignored(cluster, constraint, &format!("'{id}' is not a valid resource"));
        }
        found
    }

    /// The earlier set follows the later one.
    fn between(&self, cluster: &mut Cluster<'d>, s: &ResourceSet<'d>, t: &ResourceSet<'d>) {
        let id = self.constraint.xml_id().unwrap_or_default();
        let roles = (role_filter(s.attribute("role")), role_filter(t.attribute("role")));
        let (Some(dependent_role), Some(primary_role)) = roles else {
            return ignored(cluster, id, "the role of a set is invalid");
        };
        let kind =
            Kind { id, score: self.score, dependent_role, primary_role, node_attribute: "#uname" };
        if self.score == Score::ZERO {
            return;
        }
        let dependents = if s.is_sequential() { s.members.get(..1) } else { s.members.get(..) };
        let last = t.members.len().saturating_sub(1);
        let primaries = if t.is_sequential() { t.members.get(last..) } else { t.members.get(..) };
        let primaries: Vec<_> = primaries
            .unwrap_or_default()
            .iter()
            .map(|member| self.member(cluster, member))
            .collect();
        for dependent in dependents.unwrap_or_default() {
            let Some(dependent) = self.member(cluster, dependent) else { continue };
            for primary in primaries.iter().flatten() {
                self.add(cluster, kind, dependent, *primary, dependent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::input::fixture::{self, cib};

    #[test]
    fn sets_become_pairs() {
        let primitive =
            |id: &str| format!("<primitive id='{id}' class='ocf' provider='p' type='t'/>");
        let resources: String = ["a", "b", "c", "d"].into_iter().map(primitive).collect();
        let set = |id: &str, more: &str, members: &str| {
            let refs: String =
                members.chars().map(|m| format!("<resource_ref id='{m}'/>")).collect();
            format!("<resource_set id='{id}' {more}>{refs}</resource_set>")
        };
        let cases = [
            ("5", set("s", "", "abc"), "b-a:5 c-b:5"),
            ("5", set("s", "ordering='listed'", "abc"), "a-b:5 b-c:5"),
            ("-5", set("s", "", "abc"), "b-a:-5 c-a:-5 c-b:-5"),
            ("5", set("s", "sequential='false'", "abc"), ""),
            ("5", set("s", "", "axc"), ""),
            ("0", set("s", "score='3'", "ab"), "b-a:3"),
            ("5", set("s", "", "ab") + &set("t", "", "cd"), "b-a:5 d-c:5 a-d:5"),
            ("5", set("s", "", "ab") + &set("t", "sequential='false'", "cd"), "b-a:5 a-c:5 a-d:5"),
            ("5", set("s", "sequential='0'", "ab") + &set("t", "", "cd"), "d-c:5 a-d:5 b-d:5"),
            (
                "5",
                set("s", "sequential='0'", "ab") + &set("t", "sequential='0'", "cd"),
                "a-c:5 a-d:5 b-c:5 b-d:5",
            ),
        ];
        for (score, sets, expected) in cases {
            let constraint =
                format!("<rsc_colocation id='k' score='{score}'>{sets}</rsc_colocation>");
            fixture::with(&cib("", "", "", &resources, &constraint, ""), |c| {
                crate::input::constraints(c);
                let shown: Vec<_> = c
                    .colocations
                    .iter()
                    .map(|k| {
                        let (d, p) = (c.resource(k.dependent), c.resource(k.primary));
                        format!("{}-{}:{}", d.id, p.id, k.score)
                    })
                    .collect();
                assert_eq!(shown.join(" "), expected, "{constraint}");
            });
        }
    }
}
