//! Node health as location constraints (spec 10 §12).

use crate::model::cluster::{Cluster, Level};
use crate::model::constraint::Location;
use crate::model::ids::{LocationId, NodeId};
use crate::model::options::HealthStrategy;
use crate::model::role::Role;
use crate::model::table::ProbeMode;
use cib_model::Score;
use cib_model::scalar::is_true;

/// Creates one constraint per unhealthy (or healthy) node and top-level resource; notes every
/// node's health for listings.
pub(super) fn unpack(cluster: &mut Cluster<'_>) {
    let strategy = cluster.options.health_strategy;
    let base = match strategy {
        HealthStrategy::None => return,
        HealthStrategy::Progressive => cluster.options.health_base,
        _ => Score::ZERO,
    };
    for i in 0..cluster.node_order.len() {
        let node = cluster.node_order[i];
        let score = health_sum(cluster, node, base);
        if score == Score::ZERO {
            continue;
        }
        for top in cluster.order.clone() {
            let tolerant = is_true(cluster.resource(top).meta("allow-unhealthy-nodes"));
            if score < Score::ZERO && tolerant {
                continue;
            }
            cluster.add_location(Location {
                id: name(strategy).into(),
                resource: top,
                role: Role::Unknown,
                probe: ProbeMode::Always,
                nodes: vec![(node, score)],
            });
        }
    }
}

fn health_sum(cluster: &mut Cluster<'_>, node: NodeId, base: Score) -> Score {
    let mut sum = base;
    let mut invalid = Vec::new();
    for (name, value) in
        cluster.node(node).attributes.iter().filter(|(n, _)| n.starts_with("#health"))
    {
        match cluster.parse_score(value) {
            Some(score) => sum += score,
            None => invalid.push(format!("Ignoring invalid value '{value}' of {name}")),
        }
    }
    for text in invalid {
        cluster.message(Level::Warning, text);
    }
    sum
}

fn name(strategy: HealthStrategy) -> &'static str {
    match strategy {
        HealthStrategy::None => "none",
        HealthStrategy::MigrateOnRed => "migrate-on-red",
        HealthStrategy::OnlyGreen => "only-green",
        HealthStrategy::Progressive => "progressive",
        HealthStrategy::Custom => "custom",
    }
}

impl<'d> Cluster<'d> {
    /// Records a location constraint, newest first on its resource.
    pub fn add_location(&mut self, location: Location<'d>) -> LocationId {
        let id = LocationId::from(self.locations.len());
        self.resource_mut(location.resource).locations.insert(0, id);
        self.locations.push(location);
        id
    }

    /// A node's health for listings: -1 red, 0 yellow, 1 green.
    pub fn display_health(&self, node: NodeId) -> i32 {
        let o = &self.options;
        let grade = |value: &str| {
            let is = |word: &str| value.eq_ignore_ascii_case(word);
            let score = self.parse_score(value).filter(|_| !is("yellow") && !is("green"));
            let at_most = |limit: Score| score.is_some_and(|s| s <= limit);
            if is("red") || at_most(o.health_red) {
                -1
            } else if is("yellow")
                || (at_most(o.health_yellow) && o.health_yellow != o.health_green)
            {
                0
            } else {
                1
            }
        };
        let health = self.node(node).attributes.iter().filter(|(n, _)| n.starts_with("#health"));
        health.map(|(_, value)| grade(value)).min().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use crate::input::fixture::{self, cib};

    #[test]
    fn a_red_node_repels_all_but_the_tolerant() {
        let options = "<cluster_property_set id='o'>
            <nvpair id='s' name='node-health-strategy' value='migrate-on-red'/></cluster_property_set>";
        let nodes = "<node id='1' uname='n1'><instance_attributes id='a'>
            <nvpair id='h' name='#health-x' value='red'/></instance_attributes></node><node id='2' uname='n2'/>";
        let resources = "<primitive id='a' class='ocf' provider='p' type='t'/>
            <primitive id='b' class='ocf' provider='p' type='t'><meta_attributes id='m'>
            <nvpair id='t' name='allow-unhealthy-nodes' value='true'/></meta_attributes></primitive>";
        fixture::with(&cib("", options, nodes, resources, "", ""), |c| {
            super::unpack(c);
            let seen: Vec<_> = c
                .locations
                .iter()
                .map(|l| {
                    (
                        &*l.id,
                        &*c.resource(l.resource).id,
                        &*c.node(l.nodes[0].0).name,
                        l.nodes[0].1.value(),
                    )
                })
                .collect();
            assert_eq!(seen, [("migrate-on-red", "a", "n1", -1_000_000)]);
            assert_eq!(
                (c.display_health(c.node_order[0]), c.display_health(c.node_order[1])),
                (-1, 1)
            );
        });
    }
}
