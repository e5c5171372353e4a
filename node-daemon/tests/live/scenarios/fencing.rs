//! Nodes die and are fenced, or cannot be (spec 90 §2, §5, §6).

use std::time::Duration;

use crate::bed::cluster::LIMIT;
use crate::bed::{Bed, Cluster, FenceMode};

/// Kills a node that runs `d`; it is fenced once, and only then is `d` taken over.
fn survive(cluster: &mut Cluster, victim: &str) {
    if cluster.place() != victim {
        cluster.run(&format!("crm_resource --move -r d -N {victim}"));
        cluster.until("d is there", |status| status.places("d") == [victim]);
    }
    cluster.settle();
    cluster.mark();
    let before = cluster.orders().len();
    let killed = cluster.kill(victim);
    let started = cluster.started(|node| node != victim);
    let orders = cluster.orders().split_off(before);
    assert_eq!(orders.len(), 1, "{orders:?}");
    assert!(orders[0].target == victim && orders[0].at < started.at, "{orders:?} {started:?}");
    eprintln!("started elsewhere after {} ms", (started.at - killed) / 1_000_000);
    cluster.settled_with("the dead node is off and the rest is well", |status| {
        !status.online.contains(victim)
            && status.unclean.is_empty()
            && status.promoted("s").len() == 1
    });
    // Survivors are left alone.
    assert_eq!((cluster.did("s", "start"), cluster.did("s", "stop")), (vec![], vec![]));
    cluster.wait("the history of fencing is known", || {
        let history = cluster.run(&format!("stonith_admin -H {victim}"));
        history.contains(victim) && history.contains("reboot")
    });
    cluster.run("crm_resource --clear -r d");
    cluster.bring_back(victim);
    cluster.until("it is back", |status| status.online.contains(victim));
    cluster.settled_with("all is where it was", |status| {
        status.places("d") == ["node2"] && status.places("s").len() == 3
    });
    assert_eq!(cluster.orders().len(), before + 1);
}

fn both_die_in_turn(bed: Bed) {
    let Some(mut cluster) = bed.settled() else { return };
    let dc = cluster.settle();
    survive(&mut cluster, &dc);
    let dc = cluster.settle();
    let victim = cluster.other_than(&[&dc]);
    survive(&mut cluster, &victim);
    assert_eq!(cluster.settle(), dc);
    cluster.finish();
}

#[test]
fn a_dead_node_is_fenced_once_before_its_service_is_taken_over_dc_or_not() {
    both_die_in_turn(Bed::three());
}

#[test]
fn on_loopback_a_dead_node_is_fenced_before_its_service_is_taken_over() {
    both_die_in_turn(Bed::three().on_loopback());
}

#[test]
fn without_fencing_nothing_is_taken_over_until_somebody_confirms() {
    let Some(mut cluster) = Bed::three().settled() else { return };
    // Whatever needs fencing to start waits for all of it.
    let meta = "<meta_attributes id=\"e-m\"><nvpair id=\"e-r\" name=\"requires\" value=\"quorum\"/>\
                </meta_attributes>";
    cluster.create("resources", &Bed::service("e", meta, 1));
    cluster
        .create("constraints", "<rsc_location id=\"e-at\" rsc=\"e\" node=\"node1\" score=\"10\"/>");
    cluster.until("e runs", |status| status.places("e") == ["node1"]);
    cluster.settle();
    cluster.mark();
    cluster.fencing(FenceMode::Fails);
    cluster.kill("node2");
    cluster.until("unclean", |status| status.unclean.contains("node2"));
    cluster.wait("fencing is tried", || cluster.orders().len() >= 2);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(cluster.did("d", "start"), []);
    // What has nothing to do with it is still looked after.
    cluster.kill_service("e", "node1");
    cluster.wait("e is back", || !cluster.did("e", "start").is_empty());
    cluster.until("node2 is unclean still", |status| status.unclean.contains("node2"));
    cluster.run("stonith_admin -C node2");
    assert_ne!(cluster.started(|_| true).node, "node2");
    cluster.settled_with("nobody is unclean", |status| status.unclean.is_empty());
    cluster.fencing(FenceMode::Works);
    cluster.bring_back("node2");
    cluster.finish();
}

#[test]
fn a_node_that_was_fenced_in_name_only_takes_its_services_down_and_stays_away() {
    let Some(mut cluster) = Bed::three().settled() else { return };
    let dc = cluster.settle();
    let victim = cluster.other_than(&[&dc]);
    cluster.fencing(FenceMode::Lies);
    let node = cluster.node(&victim);
    cluster.node(&dc).run(&format!("stonith_admin --reboot {victim} --timeout 60")).unwrap();
    assert_eq!(node.ended(LIMIT), Some(100));
    cluster.fencing(FenceMode::Works);
    cluster.kill(&victim);
    cluster.bring_back(&victim);
    cluster.until("it is back", |status| status.online.contains(&victim));
    cluster.finish();
}

#[test]
fn two_of_five_die_the_dc_among_them() {
    let Some(mut cluster) = Bed::of(5).settled() else { return };
    let dc = cluster.settle();
    let with = if dc == "node2" { "node1" } else { "node2" }.to_owned();
    cluster.kill(&dc);
    cluster.kill(&with);
    let started = cluster.started(|node| node != "node2");
    cluster.wait("both are fenced", || cluster.orders().len() >= 2);
    cluster.settle();
    let (mut fenced, mut both) = (cluster.fenced(), vec![dc, with]);
    fenced.sort();
    both.sort();
    assert_eq!(fenced, both);
    let node2 = cluster.orders().into_iter().find(|order| order.target == "node2").unwrap();
    assert!(node2.at < started.at);
    for node in both {
        cluster.bring_back(&node);
    }
    cluster.until("all are back", |status| status.places("d") == ["node2"]);
    cluster.finish();
}
