//! Nodes lose sight of each other, and much is lost between them (spec 90 §7, §13).

use std::time::Duration;

use crate::bed::{Bed, FenceMode, network};

#[test]
fn who_is_cut_off_stops_all_by_itself_and_is_fenced_by_the_others_alone() {
    let Some(mut cluster) = Bed::three().settled() else { return };
    cluster.fencing(FenceMode::Fails);
    cluster.cable("node2", false);
    cluster.wait("it stops all", || {
        let gone = |resource| cluster.did(resource, "stop").iter().any(|stop| stop.node == "node2");
        gone("d") && gone("s")
    });
    cluster.wait("it knows that it is alone", || {
        cluster.status_at("node2").is_some_and(|status| !status.quorum)
    });
    cluster.wait("fencing is tried", || !cluster.orders().is_empty());
    assert_eq!(cluster.did("d", "start"), []);
    cluster.fencing(FenceMode::Works);
    // Somebody asks for it, should the cluster have given up.
    let _ = cluster.node("node1").run("stonith_admin --reboot node2 --timeout 20");
    let started = cluster.started(|_| true);
    let orders = cluster.orders();
    assert!(
        orders.iter().all(|order| order.target == "node2" && order.by != "node2"),
        "{orders:?}"
    );
    let struck = orders.iter().find(|order| order.worked).expect("an order that worked");
    assert!(struck.at < started.at, "{orders:?} {started:?}");
    cluster.bring_back("node2");
    cluster.until("it is back", |status| status.online.contains("node2"));
    cluster.settled_with("d is back", |status| status.places("d") == ["node2"]);
    cluster.finish();
}

#[test]
fn healed_before_anybody_is_fenced_two_dcs_become_one() {
    let Some(cluster) = Bed::three().settled() else { return };
    cluster.fencing(FenceMode::Fails);
    let dc = cluster.settle();
    cluster.cable(&dc, false);
    let other = cluster.other_than(&[&dc]);
    cluster.wait("two DCs", || {
        let leads = |at: &str, by: &dyn Fn(&str) -> bool| {
            cluster.status_at(at).and_then(|status| status.dc).is_some_and(|found| by(&found))
        };
        leads(&other, &|found| found != dc)
            && leads(&dc, &|found| found == dc)
            && cluster.status_at(&dc).is_some_and(|status| !status.quorum)
    });
    cluster.cable(&dc, true);
    // Fencing that is on its way is tried again, and would strike if it worked now.
    cluster.until("whole", |status| status.online.len() == 3);
    cluster.settled_with("all is where it was", |status| {
        status.places("d") == ["node2"]
            && status.places("s").len() == 3
            && status.promoted("s").len() == 1
    });
    cluster.finish();
}

#[test]
fn a_node_that_hears_nobody_but_is_heard_does_not_hold_up_the_others() {
    let Some(mut cluster) = Bed::three().settled() else { return };
    network::deafen(&cluster.node("node2"));
    let started = cluster.started(|node| node != "node2");
    assert_eq!(cluster.fenced(), ["node2"]);
    assert!(cluster.orders()[0].at < started.at);
    cluster.settle();
    cluster.bring_back("node2");
    cluster.until("it is back", |status| status.online.contains("node2"));
    cluster.finish();
}

#[test]
fn with_a_third_of_all_packets_lost_the_cluster_works_on() {
    let mut bed = Bed::three();
    bed.totem = vec![
        ("token", "3000".into()),
        ("token_coefficient", "0".into()),
        ("token_retransmits_before_loss_const", "12".into()),
    ];
    bed.link = vec![("knet_ping_interval", 200), ("knet_ping_timeout", 4000)];
    let Some(cluster) = bed.settled() else { return };
    for node in cluster.nodes() {
        network::lossy(&node, 30);
    }
    for target in ["node1", "node3", "node2"] {
        cluster.run(&format!("crm_resource --move -r d -N {target}"));
        cluster.until("it has moved", |status| status.places("d") == [target]);
    }
    for count in 0..20 {
        cluster.run(&format!("crm_attribute -n written -v {count}"));
    }
    cluster.until_read("written", "19");
    cluster.settle();
    for node in cluster.nodes() {
        network::healthy(&node);
    }
    assert_eq!(cluster.fenced(), [] as [&str; 0]);
    cluster.finish();
}

#[test]
fn of_two_that_lose_sight_the_favoured_one_survives() {
    let mut bed = Bed::of(2);
    bed.quorum = vec![("two_node", "1")];
    bed.devices = Some(
        Bed::device("F", "node1", &[("pcmk_delay_base", "3s")]) + &Bed::device("F2", "node2", &[]),
    );
    let Some(mut cluster) = bed.settled() else { return };
    cluster.cable("node1", false);
    cluster.started(|node| node == "node1");
    assert_eq!(cluster.fenced(), ["node2"]);
    cluster.mark();
    cluster.bring_back("node2");
    std::thread::sleep(Duration::from_secs(2));
    // Back again, but alone: it waits for the other.
    assert!(cluster.status_at("node2").is_none_or(|status| !status.quorum));
    assert_eq!(cluster.changes(), []);
    cluster.cable("node1", true);
    cluster.until("whole", |status| status.online.len() == 2);
    cluster.started(|node| node == "node2");
    assert_eq!(cluster.fenced(), ["node2"]);
    cluster.finish();
}

#[test]
fn frozen_a_minority_keeps_what_it_has() {
    let mut bed = Bed::three();
    bed.options.push(("no-quorum-policy", "freeze"));
    let Some(mut cluster) = bed.settled() else { return };
    cluster.fencing(FenceMode::Fails);
    cluster.cable("node2", false);
    let alone = |status: &crate::bed::status::Status| !status.quorum && status.dc.is_some();
    cluster.wait("it is alone", || cluster.status_at("node2").is_some_and(|status| alone(&status)));
    // What it has it may recover.
    cluster.kill_service("d", "node2");
    assert_eq!(cluster.started(|_| true).node, "node2");
    cluster.fencing(FenceMode::Works);
    let _ = cluster.node("node1").run("stonith_admin --reboot node2 --timeout 20");
    let started = cluster.started(|node| node != "node2");
    let orders = cluster.orders();
    let struck = orders.iter().find(|order| order.worked).expect("an order that worked");
    assert!(struck.at < started.at, "{orders:?} {started:?}");
    cluster.bring_back("node2");
    cluster.until("it is back", |status| status.places("d") == ["node2"]);
    cluster.finish();
}
