//! What holds of every plan and every simulation, over random clusters and incidents.

mod cluster;

use cib_model::{DateTime, Document};
use cluster::{Cluster, Incident};
use policy_engine::simulate;
use policy_engine::simulate::{Bounds, Ending, Event, Places, Simulation, Step};
use policy_engine::transition::{ActionKind, Transition};
use policy_engine::{Options, Plan, plan};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

const NOW: i64 = 1_790_000_000;

fn now() -> DateTime {
    DateTime::from_epoch(NOW, 0)
}

fn planned(document: &Document) -> Plan {
    let options = Options { scores: true, dot: true, sanitized: true, ..Options::default() };
    plan(document, now(), &options)
}

/// The cluster brought to rest.
fn at_rest(cluster: &Cluster) -> Simulation {
    let document = Document::parse(&cluster.cib()).expect("a well-formed CIB");
    simulate(&document, &[], now(), &Bounds::default())
}

/// Incidents as events, where resources are.
fn events(cluster: &Cluster, incidents: &[Incident], places: &Places) -> Vec<Event> {
    let mut out = Vec::new();
    for incident in incidents {
        match incident {
            Incident::NodeFails(n) => out.push(Event::NodeFails(cluster.node(*n))),
            Incident::NodeLeaves(n) => out.push(Event::NodeDown(cluster.node(*n))),
            Incident::ResourceFails(r) => {
                let r = r % cluster.resources.len();
                for primitive in cluster.primitives(r) {
                    for node in places.nodes_of(&primitive) {
                        out.push(Event::Result(format!("{primitive}_monitor_10000@{node}=1")));
                    }
                }
            }
        }
    }
    out
}

/// The CIB right after events, before anything is done about them.
fn hit(rest: &Simulation, events: &[Event]) -> Simulation {
    let bounds = Bounds { transitions: 0, ..Bounds::default() };
    simulate(&rest.cib, events, now(), &bounds)
}

/// The steps of a transition in an order in which each has its inputs before it; none if there is a loop.
fn sorted(transition: &Transition) -> Option<Vec<usize>> {
    let index: HashMap<u32, usize> =
        transition.synapses.iter().enumerate().map(|(i, s)| (s.action.head.id, i)).collect();
    let mut waits: Vec<usize> = Vec::new();
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); transition.synapses.len()];
    for (i, synapse) in transition.synapses.iter().enumerate() {
        let inputs: Vec<usize> =
            synapse.inputs.iter().filter_map(|a| index.get(&a.id).copied()).collect();
        waits.push(inputs.len());
        for input in inputs {
            followers[input].push(i);
        }
    }
    let mut ready: Vec<usize> = (0..waits.len()).filter(|i| waits[*i] == 0).collect();
    let mut out = Vec::new();
    while let Some(i) = ready.pop() {
        out.push(i);
        for f in &followers[i] {
            waits[*f] -= 1;
            if waits[*f] == 0 {
                ready.push(*f);
            }
        }
    }
    (out.len() == transition.synapses.len()).then_some(out)
}

/// Everything a step waits for, directly or not.
fn ancestors(transition: &Transition, step: usize) -> BTreeSet<u32> {
    let index: HashMap<u32, usize> =
        transition.synapses.iter().enumerate().map(|(i, s)| (s.action.head.id, i)).collect();
    let mut out = BTreeSet::new();
    let mut stack = vec![step];
    while let Some(i) = stack.pop() {
        for input in &transition.synapses[i].inputs {
            if out.insert(input.id)
                && let Some(next) = index.get(&input.id)
            {
                stack.push(*next);
            }
        }
    }
    out
}

fn node_of(head: &policy_engine::transition::ActionRef) -> Option<&str> {
    head.node.as_ref().map(|(name, _)| name.as_str())
}

/// Starts that do not wait for a stop of the same resource elsewhere, or for the fencing of a node on which
/// it may still run.
fn hasty_starts(cluster: &Cluster, places: &Places, transition: &Transition) -> Vec<String> {
    let mut out = Vec::new();
    for r in (0..cluster.resources.len()).filter(|r| cluster.is_single(*r)) {
        for primitive in cluster.primitives(r) {
            let of = |task: &str| -> Vec<usize> {
                let key = format!("{primitive}_{task}_0");
                let named =
                    |s: &policy_engine::transition::Synapse| s.action.head.operation_key == key;
                (0..transition.synapses.len()).filter(|i| named(&transition.synapses[*i])).collect()
            };
            for start in of("start") {
                let action = &transition.synapses[start].action.head;
                if action.kind == ActionKind::Pseudo {
                    continue; // the end of a live migration
                }
                let before = ancestors(transition, start);
                for stop in of("stop") {
                    let id = transition.synapses[stop].action.head.id;
                    if !before.contains(&id) {
                        out.push(format!("{primitive} start does not wait for its stop #{id}"));
                    }
                }
                let empty = Vec::new();
                for node in places.uncertain.get(&primitive).unwrap_or(&empty) {
                    let fenced = transition.synapses.iter().any(|s| {
                        let head = &s.action.head;
                        head.operation == "stonith"
                            && node_of(head) == Some(node)
                            && before.contains(&head.id)
                    });
                    if cluster.fencing && !fenced {
                        out.push(format!("{primitive} starts although it may run on {node}"));
                    }
                }
            }
        }
    }
    out
}

/// Plays the steps of a simulation: what starts while it is active somewhere.
fn double_starts(cluster: &Cluster, story: &Simulation, hit: &Places) -> Vec<String> {
    let mut active: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for r in (0..cluster.resources.len()).filter(|r| cluster.is_single(*r)) {
        for primitive in cluster.primitives(r) {
            let mut nodes: BTreeSet<String> =
                hit.nodes_of(&primitive).into_iter().map(str::to_owned).collect();
            if cluster.fencing {
                nodes.extend(hit.uncertain.get(&primitive).into_iter().flatten().cloned());
            }
            active.insert(primitive, nodes);
        }
    }
    let mut out = Vec::new();
    for step in story.rounds.iter().flat_map(|r| &r.steps) {
        match step {
            Step::Fencing { target, op } if op != "on" => {
                for nodes in active.values_mut() {
                    nodes.remove(target);
                }
            }
            Step::Resource { resource, op, node, .. } => {
                let Some(nodes) = active.get_mut(resource) else { continue };
                match op.as_str() {
                    "start" => {
                        if nodes.iter().any(|n| n != node) {
                            out.push(format!("{resource} starts on {node}, active on {nodes:?}"));
                        }
                        nodes.insert(node.clone());
                    }
                    "stop" => {
                        nodes.remove(node);
                    }
                    "migrate_from" => {
                        nodes.insert(node.clone());
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    out
}

/// Instances where there may be none: too many in all, on one node, or on a node that is ruled out.
fn misplaced(cluster: &Cluster, places: &Places) -> Vec<String> {
    use cluster::Shape;
    let mut out = Vec::new();
    for (r, resource) in cluster.resources.iter().enumerate() {
        let (most, per_node) = match resource.shape {
            Shape::Primitive | Shape::Group(_) => (1, 1),
            Shape::Clone(max, _, _) | Shape::Promotable(max) => (max, 1),
            Shape::Unique(max, per_node) => (max, per_node),
        };
        for primitive in cluster.primitives(r) {
            let unique = matches!(resource.shape, Shape::Unique(..));
            let nodes: Vec<&str> = if unique {
                (0..most).flat_map(|i| places.nodes_of(&format!("{primitive}:{i}"))).collect()
            } else {
                places.nodes_of(&primitive)
            };
            let worst = nodes.iter().map(|n| nodes.iter().filter(|m| m == &n).count()).max();
            if nodes.len() > most || worst.unwrap_or(0) > per_node {
                out.push(format!("{primitive} is active on {nodes:?}"));
            }
            for l in cluster.locations.iter().filter(|l| l.resource == r && l.score <= -1_000_000) {
                if nodes.contains(&cluster.node(l.node).as_str()) {
                    out.push(format!(
                        "{primitive} is active on {}, which is ruled out",
                        cluster.node(l.node)
                    ));
                }
            }
        }
    }
    out
}

fn nodes_of_all(cluster: &Cluster, r: usize, places: &Places) -> Vec<String> {
    let primitives = cluster.primitives(r);
    let mut out: Vec<String> = Vec::new();
    for (name, at) in &places.running {
        let base = name.split(':').next().unwrap_or(name);
        if primitives.iter().any(|p| p == base) {
            out.extend(at.iter().map(|p| p.node.clone()));
        }
    }
    out
}

/// Mandatory constraints that do not hold between resources with one instance, or of which the primary is a
/// clone.
fn violated(cluster: &Cluster, places: &Places) -> Vec<String> {
    let mut out = Vec::new();
    for c in &cluster.colocations {
        let (dependent, primary) =
            (nodes_of_all(cluster, c.dependent, places), nodes_of_all(cluster, c.primary, places));
        let (d, p) = (cluster.id(c.dependent), cluster.id(c.primary));
        for node in &dependent {
            if c.score >= 1_000_000 && !primary.contains(node) {
                out.push(format!("{d} is on {node}, {p} on {primary:?}"));
            }
            if c.score <= -1_000_000 && primary.contains(node) {
                out.push(format!("{d} and {p} are both on {node}"));
            }
        }
    }
    for o in cluster.orderings.iter().filter(|o| o.mandatory) {
        let running = |r: usize| !nodes_of_all(cluster, r, places).is_empty();
        if running(o.then) && !running(o.first) {
            out.push(format!("{} runs without {}", cluster.id(o.then), cluster.id(o.first)));
        }
    }
    out
}

/// Clusters per property.
const CASES: u32 = 96;

/// Ends of simulations that were loops.
static LOOPS: AtomicUsize = AtomicUsize::new(0);

/// The same clusters in every run, others with `PROPTEST_RNG_SEED`.
fn config() -> ProptestConfig {
    let given = ProptestConfig::default();
    let rng_seed = match given.rng_seed {
        RngSeed::Random => RngSeed::Fixed(96),
        fixed => fixed,
    };
    ProptestConfig { cases: CASES, failure_persistence: None, rng_seed, ..given }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_same_input_gives_the_same_plan(cluster in cluster::cluster(), incidents in cluster::incidents()) {
        let rest = at_rest(&cluster);
        let story = hit(&rest, &events(&cluster, &incidents, &rest.after));
        let (one, two) = (planned(&story.cib), planned(&story.cib));
        prop_assert_eq!(one.transition.to_xml(), two.transition.to_xml());
        prop_assert_eq!(one.dot, two.dot);
        prop_assert_eq!(one.scores, two.scores);
        let other = at_rest(&cluster);
        prop_assert_eq!(rest.cib.to_xml(), other.cib.to_xml());
    }

    #[test]
    fn transitions_have_no_loop_and_starts_are_not_hasty(
        cluster in cluster::cluster(),
        incidents in cluster::incidents(),
    ) {
        let rest = at_rest(&cluster);
        let story = hit(&rest, &events(&cluster, &incidents, &rest.after));
        let plan = planned(&story.cib);
        prop_assert!(sorted(&plan.transition).is_some(), "a loop: {}", plan.transition.to_xml());
        let hasty = hasty_starts(&cluster, &story.after, &plan.transition);
        prop_assert!(hasty.is_empty(), "{:?}: {}", hasty, plan.transition.to_xml());
    }

    #[test]
    fn nothing_runs_twice_and_constraints_hold_at_rest(
        cluster in cluster::cluster(),
        incidents in cluster::incidents(),
    ) {
        let rest = at_rest(&cluster);
        let events = events(&cluster, &incidents, &rest.after);
        let struck = hit(&rest, &events);
        let story = simulate(&rest.cib, &events, now(), &Bounds::default());
        let double = double_starts(&cluster, &story, &struck.after);
        prop_assert!(double.is_empty(), "{:?}", double);
        for end in [&rest, &story] {
            match end.ending {
                Ending::Stable | Ending::Stuck => {}
                // Plans that go to and fro are the reference's too, above all where capacity runs short: a
                // loop has to be told as one, and to be rare.
                Ending::Loop { .. } => {
                    let loops = LOOPS.fetch_add(1, Ordering::Relaxed) + 1;
                    prop_assert!(loops * 20 <= CASES as usize, "{} loops", loops);
                    continue;
                }
                _ => prop_assert!(false, "{:?} after {:?}", end.ending, end.rounds.last().map(|r| &r.summary)),
            }
            let wrong = misplaced(&cluster, &end.after);
            prop_assert!(wrong.is_empty(), "{:?}", wrong);
            if end.ending == Ending::Stable {
                // Capacity goes before colocation: that a node is full is known only when it is too late.
                if cluster.strategy == "default" {
                let broken = violated(&cluster, &end.after);
                prop_assert!(broken.is_empty(), "{:?} in {:#?}", broken, end.after.running);
                }
                let left = planned(&end.cib).transition;
                let busy = left.synapses.iter().any(|s| s.action.head.kind != ActionKind::Pseudo);
                prop_assert!(!busy, "at rest, and yet: {}", left.to_xml());
            }
        }
    }
}
