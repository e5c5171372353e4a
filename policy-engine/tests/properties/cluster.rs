//! Random clusters: a description that shrinks well, and the CIB it stands for.

use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write;

/// A resource.
#[derive(Debug, Clone)]
pub enum Shape {
    Primitive,
    /// Members.
    Group(usize),
    /// Anonymous: instances at most, ordered, interleaved.
    Clone(usize, bool, bool),
    /// Globally unique: instances at most, per node.
    Unique(usize, usize),
    /// Promotable: instances at most.
    Promotable(usize),
}

#[derive(Debug, Clone)]
pub struct Resource {
    pub shape: Shape,
    pub stickiness: i32,
    pub priority: i32,
    pub threshold: u32,
    pub migratable: bool,
    pub needs: u32,
    pub monitored: bool,
}

#[derive(Debug, Clone)]
pub struct Location {
    pub resource: usize,
    pub node: usize,
    pub score: i32,
}

/// The dependent comes after the primary in the list, so that nobody follows himself.
#[derive(Debug, Clone)]
pub struct Colocation {
    pub dependent: usize,
    pub primary: usize,
    pub score: i32,
}

#[derive(Debug, Clone)]
pub struct Ordering {
    pub first: usize,
    pub then: usize,
    pub mandatory: bool,
}

#[derive(Debug, Clone)]
pub struct Cluster {
    pub nodes: usize,
    pub capacity: Vec<u32>,
    pub fencing: bool,
    pub strategy: &'static str,
    pub symmetric: bool,
    pub resources: Vec<Resource>,
    pub locations: Vec<Location>,
    pub colocations: Vec<Colocation>,
    pub orderings: Vec<Ordering>,
    /// Promotion score by node.
    pub promotion: Vec<i32>,
}

/// Something that happens.
#[derive(Debug, Clone)]
pub enum Incident {
    NodeFails(usize),
    NodeLeaves(usize),
    /// A monitor of a resource finds it failed, wherever it is.
    ResourceFails(usize),
}

const INFINITY: i32 = 1_000_000;

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        4 => Just(Shape::Primitive),
        2 => (1..4usize).prop_map(Shape::Group),
        2 => (1..5usize, any::<bool>(), any::<bool>()).prop_map(|(n, o, i)| Shape::Clone(n, o, i)),
        1 => (1..5usize, 1..3usize).prop_map(|(n, per)| Shape::Unique(n, per)),
        1 => (1..4usize).prop_map(Shape::Promotable),
    ]
}

fn resource() -> impl Strategy<Value = Resource> {
    let score = prop_oneof![Just(0), Just(1), Just(100), Just(INFINITY)];
    let small = prop_oneof![3 => Just(0), 1 => 1..20i32];
    (shape(), score, small, 0..3u32, any::<bool>(), 0..5u32, any::<bool>()).prop_map(
        |(shape, stickiness, priority, threshold, migratable, needs, monitored)| Resource {
            shape,
            stickiness,
            priority,
            threshold,
            migratable,
            needs,
            monitored,
        },
    )
}

/// A cluster of up to five nodes and seven resources.
pub fn cluster() -> impl Strategy<Value = Cluster> {
    (2..6usize, proptest::collection::vec(resource(), 1..8)).prop_flat_map(|(nodes, resources)| {
        let count = resources.len();
        let location = (0..count, 0..nodes, weight())
            .prop_map(|(resource, node, score)| Location { resource, node, score });
        let colocation =
            (0..count, 0..count, weight()).prop_filter_map("two resources", |(a, b, score)| {
                (a != b).then(|| Colocation { dependent: a.max(b), primary: a.min(b), score })
            });
        let ordering = (0..count, 0..count, any::<bool>()).prop_filter_map(
            "two resources",
            |(a, b, mandatory)| {
                (a != b).then(|| Ordering { first: a.min(b), then: a.max(b), mandatory })
            },
        );
        let pairs = if count > 1 { 4 } else { 0 };
        (
            proptest::collection::vec(4..14u32, nodes),
            any::<bool>(),
            prop_oneof![3 => Just("default"), 1 => Just("utilization"), 1 => Just("balanced")],
            prop_oneof![5 => Just(true), 1 => Just(false)],
            proptest::collection::vec(location, 0..5),
            proptest::collection::vec(colocation, 0..=pairs),
            proptest::collection::vec(ordering, 0..=pairs),
            proptest::collection::vec(0..10i32, nodes),
        )
            .prop_map(
                move |(
                    capacity,
                    fencing,
                    strategy,
                    symmetric,
                    locations,
                    colocations,
                    orderings,
                    promotion,
                )| {
                    // One constraint of a kind per pair: a second one may contradict the first.
                    let (mut colocations, mut orderings) = (colocations, orderings);
                    let mut pairs = BTreeSet::new();
                    colocations.retain(|c: &Colocation| pairs.insert((c.dependent, c.primary)));
                    pairs.clear();
                    orderings.retain(|o: &Ordering| pairs.insert((o.first, o.then)));
                    Cluster {
                        nodes,
                        capacity,
                        fencing,
                        strategy,
                        symmetric,
                        resources: resources.clone(),
                        locations,
                        colocations,
                        orderings,
                        promotion,
                    }
                },
            )
    })
}

fn weight() -> impl Strategy<Value = i32> {
    prop_oneof![Just(INFINITY), Just(-INFINITY), Just(100), Just(-100), Just(1)]
}

/// Up to three incidents.
pub fn incidents() -> impl Strategy<Value = Vec<Incident>> {
    let one = prop_oneof![
        3 => (0..5usize).prop_map(Incident::NodeFails),
        1 => (0..5usize).prop_map(Incident::NodeLeaves),
        2 => (0..7usize).prop_map(Incident::ResourceFails),
    ];
    proptest::collection::vec(one, 0..4)
}

impl Cluster {
    /// Id of a resource in constraints.
    pub fn id(&self, resource: usize) -> String {
        match self.resources[resource].shape {
            Shape::Primitive => format!("r{resource}"),
            Shape::Group(_) => format!("g{resource}"),
            _ => format!("c{resource}"),
        }
    }

    /// Ids of the primitives of a resource.
    pub fn primitives(&self, resource: usize) -> Vec<String> {
        match self.resources[resource].shape {
            Shape::Group(n) => (0..n).map(|i| format!("r{resource}x{i}")).collect(),
            _ => vec![format!("r{resource}")],
        }
    }

    /// One instance at most is allowed of it.
    pub fn is_single(&self, resource: usize) -> bool {
        matches!(self.resources[resource].shape, Shape::Primitive | Shape::Group(_))
    }

    pub fn node(&self, node: usize) -> String {
        format!("n{}", node % self.nodes)
    }

    /// The CIB, all nodes up and nothing running.
    pub fn cib(&self) -> String {
        let mut out = String::from(
            "<cib validate-with=\"pacemaker-4.0\" admin_epoch=\"0\" epoch=\"1\" num_updates=\"0\" \
             have-quorum=\"1\" dc-uuid=\"1\"><configuration><crm_config><cluster_property_set id=\"o\">",
        );
        self.options(&mut out);
        out.push_str("</cluster_property_set></crm_config><nodes>");
        for n in 0..self.nodes {
            let _ = write!(
                out,
                "<node id=\"{}\" uname=\"n{n}\"><utilization id=\"u{n}\"><nvpair id=\"um{n}\" \
                 name=\"memory\" value=\"{}\"/></utilization></node>",
                n + 1,
                self.capacity[n]
            );
        }
        out.push_str("</nodes><resources>");
        if self.fencing {
            out.push_str("<primitive id=\"fence\" class=\"stonith\" type=\"fence_dummy\"/>");
        }
        for r in 0..self.resources.len() {
            self.resource(r, &mut out);
        }
        out.push_str("</resources><constraints>");
        self.constraints(&mut out);
        out.push_str("</constraints></configuration><status>");
        for n in 0..self.nodes {
            let _ = write!(
                out,
                "<node_state id=\"{0}\" uname=\"n{n}\" in_ccm=\"true\" crmd=\"online\" join=\"member\" \
                 expected=\"member\"><transient_attributes id=\"{0}\"><instance_attributes id=\"t{n}\">",
                n + 1
            );
            for r in 0..self.resources.len() {
                let _ = write!(
                    out,
                    "<nvpair id=\"t{n}-{r}\" name=\"master-r{r}\" value=\"{}\"/>",
                    self.promotion[n]
                );
            }
            out.push_str("</instance_attributes></transient_attributes></node_state>");
        }
        out.push_str("</status></cib>");
        out
    }

    fn options(&self, out: &mut String) {
        let options = [
            ("fencing-enabled", self.fencing.to_string()),
            ("placement-strategy", self.strategy.to_owned()),
            ("symmetric-cluster", self.symmetric.to_string()),
        ];
        for (name, value) in options {
            let _ = write!(out, "<nvpair id=\"o-{name}\" name=\"{name}\" value=\"{value}\"/>");
        }
    }

    fn resource(&self, r: usize, out: &mut String) {
        let resource = &self.resources[r];
        let id = self.id(r);
        let meta = |out: &mut String, id: &str, pairs: &[(&str, String)]| {
            let _ = write!(out, "<meta_attributes id=\"{id}-m\">");
            for (name, value) in pairs {
                let _ =
                    write!(out, "<nvpair id=\"{id}-{name}\" name=\"{name}\" value=\"{value}\"/>");
            }
            out.push_str("</meta_attributes>");
        };
        let collective: Option<(&str, Vec<(&str, String)>)> = match resource.shape {
            Shape::Primitive => None,
            Shape::Group(_) => Some(("group", Vec::new())),
            Shape::Clone(max, ordered, interleave) => Some((
                "clone",
                vec![
                    ("clone-max", max.to_string()),
                    ("ordered", ordered.to_string()),
                    ("interleave", interleave.to_string()),
                ],
            )),
            Shape::Unique(max, per_node) => Some((
                "clone",
                vec![
                    ("globally-unique", "true".to_owned()),
                    ("clone-max", max.to_string()),
                    ("clone-node-max", per_node.to_string()),
                ],
            )),
            Shape::Promotable(max) => Some((
                "clone",
                vec![("promotable", "true".to_owned()), ("clone-max", max.to_string())],
            )),
        };
        if let Some((element, pairs)) = &collective {
            let _ = write!(out, "<{element} id=\"{id}\">");
            if !pairs.is_empty() {
                meta(out, &id, pairs);
            }
        }
        for primitive in self.primitives(r) {
            let _ = write!(
                out,
                "<primitive id=\"{primitive}\" class=\"ocf\" provider=\"pacemaker\" type=\"Dummy\">"
            );
            let pairs = [
                ("resource-stickiness", resource.stickiness.to_string()),
                ("priority", resource.priority.to_string()),
                ("migration-threshold", resource.threshold.to_string()),
                ("allow-migrate", resource.migratable.to_string()),
            ];
            meta(out, &primitive, &pairs);
            if resource.monitored {
                let _ = write!(
                    out,
                    "<operations><op id=\"{primitive}-op\" name=\"monitor\" interval=\"10s\"/></operations>"
                );
            }
            let _ = write!(
                out,
                "<utilization id=\"{primitive}-u\"><nvpair id=\"{primitive}-um\" name=\"memory\" \
                 value=\"{}\"/></utilization></primitive>",
                resource.needs
            );
        }
        if let Some((element, _)) = collective {
            let _ = write!(out, "</{element}>");
        }
    }

    fn constraints(&self, out: &mut String) {
        for (i, l) in self.locations.iter().enumerate() {
            let _ = write!(
                out,
                "<rsc_location id=\"l{i}\" rsc=\"{}\" node=\"{}\" score=\"{}\"/>",
                self.id(l.resource),
                self.node(l.node),
                l.score
            );
        }
        for (i, c) in self.colocations.iter().enumerate() {
            let _ = write!(
                out,
                "<rsc_colocation id=\"k{i}\" rsc=\"{}\" with-rsc=\"{}\" score=\"{}\"/>",
                self.id(c.dependent),
                self.id(c.primary),
                c.score
            );
        }
        for (i, o) in self.orderings.iter().enumerate() {
            let kind = if o.mandatory { "Mandatory" } else { "Optional" };
            let _ = write!(
                out,
                "<rsc_order id=\"s{i}\" first=\"{}\" then=\"{}\" kind=\"{kind}\"/>",
                self.id(o.first),
                self.id(o.then)
            );
        }
    }
}
