//! One process of a node crashes (spec 90 §14).

use rustix::process::Signal;

use crate::bed::{Bed, Cluster};

/// Subsystems, and whether a node may be fenced for being without it too long: a race of its return with the
/// DC's next calculation.
const SUBSYSTEMS: [(&str, bool); 7] = [
    ("scheduler", true),
    ("attributes", false),
    ("executor", true),
    ("fencer", true),
    ("cib", true),
    ("clients", false),
    ("controller", true),
];

/// A subsystem crashes; it is started again and nothing that runs is touched.
fn crash(cluster: &mut Cluster, subsystem: &str, victim: &str, may_be_fenced: bool) {
    cluster.mark();
    let orders = cluster.orders().len();
    let node = cluster.node(victim);
    let before = node.subsystem(subsystem);
    node.signal(Some(subsystem), Signal::KILL);
    cluster.wait("it is started again, or the node is fenced", || {
        let now = node.subsystem(subsystem);
        let again = !now.is_empty() && now.iter().all(|pid| !before.contains(pid));
        again || cluster.orders().len() > orders
    });
    drop(node);
    cluster.settle();
    if cluster.orders().len() > orders {
        assert!(may_be_fenced, "{victim} was fenced when it lost its {subsystem}");
        eprintln!("{subsystem} of {victim}: fenced");
        cluster.bring_back(victim);
        cluster.until("it is back", |status| status.online.contains(victim));
    } else {
        let running = cluster.node(victim).subsystem(subsystem);
        assert_eq!(running.len(), 1, "{subsystem} of {victim}");
        // Scores that agents set are gone with an attribute manager until the next monitor.
        let mut changes = cluster.changes();
        changes.retain(|event| !matches!(event.action.as_str(), "promote" | "demote"));
        assert_eq!(changes, [], "{subsystem} of {victim}");
    }
    cluster.until("all runs", |status| {
        status.places("d") == ["node2"]
            && status.places("s").len() == 3
            && status.promoted("s").len() == 1
    });
    let status = cluster.status().unwrap();
    assert!(status.failures.is_empty(), "{subsystem} of {victim}: {status:#?}");
}

#[test]
fn a_crashed_subsystem_is_started_again_and_what_runs_is_left_alone() {
    let Some(mut cluster) = Bed::three().settled() else { return };
    for (subsystem, may_be_fenced) in SUBSYSTEMS {
        crash(&mut cluster, subsystem, "node2", may_be_fenced);
    }
    cluster.finish();
}

#[test]
fn the_dc_may_lose_any_subsystem_too() {
    let Some(mut cluster) = Bed::three().settled() else { return };
    for (subsystem, may_be_fenced) in SUBSYSTEMS {
        let dc = cluster.settle();
        crash(&mut cluster, subsystem, &dc, may_be_fenced);
    }
    cluster.finish();
}

#[test]
fn without_messaging_or_its_supervisor_a_node_is_fenced() {
    let Some(mut cluster) = Bed::three().settled() else { return };
    for subsystem in [Some("messaging"), None] {
        cluster.settle();
        cluster.mark();
        let orders = cluster.orders().len();
        cluster.node("node2").signal(subsystem, Signal::KILL);
        let started = cluster.started(|node| node != "node2");
        let orders = cluster.orders().split_off(orders);
        assert_eq!(orders.len(), 1, "{orders:?}");
        assert!(orders[0].target == "node2" && orders[0].at < started.at);
        cluster.bring_back("node2");
        cluster.until("it is back", |status| status.places("d") == ["node2"]);
    }
    cluster.finish();
}
