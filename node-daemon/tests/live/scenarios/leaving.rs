//! Nodes leave in order, stand by, and are maintained (spec 90 §8, §9, §15, §16).

use std::time::{Duration, Instant};

use crate::bed::Bed;
use crate::bed::cluster::LIMIT;

fn in_turn(bed: Bed) {
    let Some(cluster) = bed.settled() else { return };
    let epoch = |cluster: &crate::bed::Cluster| {
        let text = cluster.run("cibadmin -Q -l");
        let document = roxmltree::Document::parse(&text).unwrap();
        document.root_element().attribute("epoch").unwrap().to_owned()
    };
    let before = epoch(&cluster);
    for number in 1..=3 {
        let name = format!("node{number}");
        let begun = Instant::now();
        assert_eq!(cluster.leave(&name), Some(0), "{name}");
        let took = begun.elapsed();
        // No limit of a whole stage of the stop was run into.
        assert!(took < Duration::from_secs(30), "{took:?}");
        let rest = cluster.other_than(&[&name]);
        cluster.wait("it is seen to be gone", || {
            cluster.status_at(&rest).is_some_and(|status| {
                assert!(status.unclean.is_empty(), "{status:#?}");
                !status.online.contains(&name) && status.dc.is_some_and(|dc| dc != name)
            })
        });
        cluster.wait("the rest goes on", || {
            cluster.status_at(&rest).is_some_and(|status| {
                status.places("d").len() == 1 && status.promoted("s").len() == 1
            })
        });
        let mut led = None;
        cluster.wait("somebody leads", || {
            led = cluster.status_at(&rest).and_then(|status| status.dc);
            led.is_some()
        });
        cluster.node(&name).launch().unwrap();
        cluster.until("it is back", |status| status.online.contains(&name));
        assert_eq!(Some(cluster.settle()), led, "who comes back does not take the lead");
        cluster.until("all runs", |status| status.places("s").len() == 3);
    }
    cluster.until("d is back", |status| status.places("d") == ["node2"]);
    assert_eq!(epoch(&cluster), before);
    assert_eq!(cluster.fenced(), [] as [&str; 0]);
    cluster.finish();
}

#[test]
fn nodes_that_leave_and_return_in_turn_are_not_fenced() {
    in_turn(Bed::three());
}

#[test]
fn on_loopback_nodes_leave_and_return_in_turn() {
    in_turn(Bed::three().on_loopback());
}

#[test]
fn a_node_in_standby_gives_all_away_and_gets_back_what_prefers_it() {
    let Some(mut cluster) = Bed::three().settled() else { return };
    cluster.run("crm_standby -N node2 -v on");
    cluster.until("all is away", |status| {
        status.places("d").len() == 1
            && status.places("d") != ["node2"]
            && !status.places("s").contains(&"node2")
    });
    cluster.settled_with("it stands by, and another is promoted", |status| {
        status.standby.contains("node2")
            && status.online.contains("node2")
            && status.promoted("s").len() == 1
    });
    cluster.mark();
    cluster.run("crm_standby -N node2 -D");
    cluster.until("it is back", |status| status.places("d") == ["node2"]);
    cluster.settled_with("all run", |status| status.places("s").len() == 3);
    assert_eq!(cluster.did("s", "start").len(), 1);
    assert_eq!(cluster.fenced(), [] as [&str; 0]);
    cluster.finish();
}

#[test]
fn in_maintenance_all_daemons_restart_under_running_services() {
    let Some(cluster) = Bed::three().settled() else { return };
    cluster.run("crm_attribute -n maintenance-mode -v true");
    cluster.until("unmanaged", |status| status.unmanaged.contains("d"));
    cluster.settle();
    for node in cluster.nodes() {
        node.signal(None, rustix::process::Signal::TERM);
    }
    for node in cluster.nodes() {
        assert_eq!(node.ended(LIMIT), Some(0), "{}", node.name);
    }
    for node in cluster.nodes() {
        node.launch().unwrap();
    }
    cluster.until("found again", |status| {
        status.online.len() == 3 && status.places("s").len() == 3 && status.places("d").len() == 1
    });
    cluster.settle();
    cluster.run("crm_attribute -n maintenance-mode -D");
    cluster.until("managed", |status| !status.unmanaged.contains("d"));
    cluster.settle();
    assert_eq!(cluster.changes(), []);
    assert_eq!(cluster.fenced(), [] as [&str; 0]);
    // They are watched again.
    cluster.kill_service("d", "node2");
    cluster.started(|node| node == "node2");
    cluster.finish();
}

#[test]
fn a_node_whose_service_does_not_stop_is_fenced() {
    let Some(mut cluster) = Bed::three().settled() else { return };
    cluster.knob("slow/d.stop", Some("1000"));
    cluster.node("node2").signal(None, rustix::process::Signal::TERM);
    let started = cluster.started(|node| node != "node2");
    assert_eq!(cluster.fenced(), ["node2"]);
    assert!(cluster.orders()[0].at < started.at);
    cluster.knob("slow/d.stop", None);
    cluster.bring_back("node2");
    cluster.until("it is back", |status| status.places("d") == ["node2"]);
    cluster.finish();
}

#[test]
fn with_a_shutdown_lock_a_resource_waits_for_its_node() {
    let mut bed = Bed::three();
    bed.options.push(("shutdown-lock", "true"));
    let Some(cluster) = bed.settled() else { return };
    assert_eq!(cluster.leave("node2"), Some(0));
    let rest = cluster.other_than(&["node2"]);
    cluster.wait("it is gone", || {
        let status = cluster.status_at(&rest);
        status.is_some_and(|status| {
            !status.online.contains("node2") && status.promoted("s").len() == 1
        })
    });
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(cluster.did("d", "start"), []);
    cluster.node("node2").launch().unwrap();
    assert_eq!(cluster.started(|_| true).node, "node2");
    assert_eq!(cluster.fenced(), [] as [&str; 0]);
    cluster.finish();
}

#[test]
fn all_nodes_lose_their_power_at_once_and_come_back() {
    let Some(mut cluster) = Bed::three().settled() else { return };
    cluster.run("crm_attribute -n written -v before");
    cluster.wait("the disks have it", || {
        cluster.nodes().iter().all(|node| node.has_on_disk("options-written"))
    });
    for number in 1..=3 {
        cluster.kill(&format!("node{number}"));
    }
    cluster.mark();
    for number in 1..=3 {
        cluster.bring_back(&format!("node{number}"));
    }
    assert_eq!(cluster.started(|_| true).node, "node2");
    cluster.until("all runs", |status| status.promoted("s").len() == 1);
    cluster.until_read("written", "before");
    assert_eq!(cluster.fenced(), [] as [&str; 0]);
    cluster.finish();
}
