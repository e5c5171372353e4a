//! Resources that fail, and what administrators do then (spec 90 §3, §4, §12).

use node_daemon::subsystem::{AgentName, Body, ControllerRequest, NodeId, Room};

use crate::scene::{Bed, Scene, each_seed};
use crate::world::{id, name};

fn broken(scene: &mut Scene, node: NodeId, action: &str, code: i32) {
    let key = (node, "d".to_owned(), action.to_owned());
    scene.reality().broken.insert(key, code);
}

fn dies(scene: &mut Scene) {
    let node = scene.place("d");
    scene.reality().dies(node, "d");
    // Its next monitor sees it.
    scene.run(11.0);
    scene.settle();
}

#[test]
fn a_failed_monitor_restarts_the_resource_in_place_and_counts_once() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        scene.run(21.0);
        scene.mark();
        dies(&mut scene);
        assert_eq!(scene.changes(), ["stop d node2", "start d node2"]);
        assert_eq!(scene.attribute(id(2), "fail-count-d#monitor_10000").as_deref(), Some("1"));
        assert!(scene.attribute(id(2), "last-failure-d#monitor_10000").is_some());
        let failed = "//node_state[@id='2']//lrm_rsc_op[@id='d_last_failure_0']";
        assert_eq!(scene.select(failed, "rc-code"), ["7"]);
        // The record comes again when a node confirms that it is in; it is the same failure.
        let other = scene.other_than(&[id(2)]);
        scene.world.take_down(other, Room::Controller);
        scene.world.respawn(other, Room::Controller);
        scene.settle();
        assert_eq!(scene.attribute(id(2), "fail-count-d#monitor_10000").as_deref(), Some("1"));
        scene.finish();
    });
}

#[test]
fn failures_reach_the_threshold_and_the_resource_goes_elsewhere() {
    each_seed(|seed| {
        let mut scene = failed_twice(seed);
        assert_ne!(scene.place("d"), id(2));
        assert_eq!(scene.attribute(id(2), "fail-count-d#monitor_10000").as_deref(), Some("2"));
        scene.run(60.0);
        assert_ne!(scene.place("d"), id(2));
        scene.finish();
    });
}

fn failed_twice(seed: u64) -> Scene {
    let mut scene = Bed::three().settled(seed);
    scene.run(11.0);
    dies(&mut scene);
    assert_eq!(scene.place("d"), id(2));
    scene.run(11.0);
    scene.mark();
    dies(&mut scene);
    scene
}

#[test]
fn a_failed_start_keeps_the_resource_away() {
    each_seed(|seed| {
        let mut scene = Bed::three().meta("target-role", "Stopped").settled(seed);
        assert!(scene.places("d").is_empty());
        broken(&mut scene, id(2), "start", 1);
        scene.set_meta("target-role", "Started");
        scene.settle();
        let changes = scene.changes();
        let to = name(scene.place("d"));
        let wanted = ["start d node2", "stop d node2", &format!("start d {to}")].map(str::to_owned);
        assert_eq!(changes, wanted);
        assert_eq!(scene.attribute(id(2), "fail-count-d#start_0").as_deref(), Some("INFINITY"));
        let history = |what: &str| {
            let path = format!("//node_state[@id='2']//lrm_rsc_op[@id='d_{what}_0']");
            scene.select(&path, "operation")
        };
        assert_eq!(history("last_failure"), ["start"]);
        scene.finish();
    });
}

#[test]
fn a_failed_start_may_count_like_any_other_failure() {
    each_seed(|seed| {
        let bed = Bed::three().option("start-failure-is-fatal", "false");
        let mut scene = bed.meta("target-role", "Stopped").settled(seed);
        broken(&mut scene, id(2), "start", 1);
        scene.set_meta("target-role", "Started");
        scene.settle();
        assert_eq!(scene.did("d", "start").iter().filter(|node| **node == id(2)).count(), 2);
        assert_eq!(scene.attribute(id(2), "fail-count-d#start_0").as_deref(), Some("2"));
        assert_ne!(scene.place("d"), id(2));
        scene.finish();
    });
}

#[test]
fn a_failed_stop_has_the_node_fenced_before_the_resource_starts_elsewhere() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        broken(&mut scene, id(2), "stop", 1);
        scene.reality().dies(id(2), "s");
        scene.set_meta("is-managed", "true");
        let text = "<rsc_location id='d-away' rsc='d' node='node2' score='-INFINITY'/>";
        scene.world.modify(id(1), 0, "constraints", text);
        scene.until("fencing", |world| !world.reality.lock().unwrap().fenced.is_empty());
        scene.reality().broken.clear();
        scene.until("its return", |world| world.nodes.len() == 3);
        scene.settle();
        assert_eq!(scene.fenced(), ["node2"]);
        assert_ne!(scene.place("d"), id(2));
        scene.finish();
    });
}

#[test]
fn without_fencing_a_failed_stop_blocks_the_resource_where_it_is() {
    each_seed(|seed| {
        let mut scene = Bed::three().option("stonith-enabled", "false").settled(seed);
        broken(&mut scene, id(2), "stop", 1);
        let text = "<rsc_location id='d-away' rsc='d' node='node2' score='-INFINITY'/>";
        scene.world.modify(id(1), 0, "constraints", text);
        scene.run(30.0);
        scene.settle();
        assert_eq!(scene.changes(), ["stop d node2"]);
        assert_eq!(scene.place("d"), id(2));
        assert_eq!(scene.attribute(id(2), "fail-count-d#stop_0").as_deref(), Some("INFINITY"));
        assert!(scene.fenced().is_empty());
        scene.finish();
    });
}

fn agent() -> Option<AgentName> {
    let provider = Some("virtual".to_owned());
    Some(AgentName { class: "ocf".to_owned(), provider, kind: "Dummy".to_owned() })
}

fn clean_up(scene: &mut Scene, node: NodeId) {
    let host = name(node);
    let pairs = [("task", "clear-failure"), ("attr_resource", "d"), ("attr_host", host.as_str())];
    scene.world.tell_attributes(id(1), &pairs);
    let (resource, agent) = ("d".to_owned(), agent());
    let request = ControllerRequest::CleanUp { token: 77, node: host, resource, agent };
    scene.world.deliver(id(1), Room::Controller, Body::ControllerRequest(request));
    scene.settle();
}

#[test]
fn a_clean_up_forgets_the_failure_and_lets_the_resource_come_back() {
    each_seed(|seed| {
        let mut scene = failed_twice(seed);
        let away = scene.place("d");
        scene.mark();
        clean_up(&mut scene, id(2));
        assert_eq!(scene.attribute(id(2), "fail-count-d#monitor_10000"), None);
        assert_eq!(scene.attribute(id(2), "last-failure-d#monitor_10000"), None);
        assert!(scene.select("//lrm_rsc_op[@id='d_last_failure_0']", "id").is_empty());
        assert_eq!(scene.did("d", "monitor"), [id(2)]);
        let moved = [format!("stop d {}", name(away)), "start d node2".to_owned()];
        assert_eq!(scene.changes(), moved);
        assert!(!scene.select("//nvpair[@name='last-lrm-refresh']", "value").is_empty());
        scene.finish();
    });
}

#[test]
fn a_refresh_finds_the_running_resource_and_restarts_nothing() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        for number in 1..=3 {
            clean_up(&mut scene, id(number));
        }
        assert_eq!(scene.changes(), [] as [String; 0]);
        assert_eq!(scene.did("d", "monitor").len(), 3);
        scene.mark();
        let before = scene.reality().deeds.len();
        scene.run(21.0);
        let recurring =
            scene.reality().deeds[before..].iter().filter(|deed| deed.resource == "d").count();
        assert!((1..=3).contains(&recurring), "{recurring} monitors in 21 s");
        scene.finish();
    });
}

#[test]
fn a_simulated_failure_is_recovered_like_a_real_one() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        let (node, resource, agent) = ("node2".to_owned(), "d".to_owned(), agent());
        let request = ControllerRequest::Fail { token: 78, node, resource, agent };
        scene.world.deliver(id(1), Room::Controller, Body::ControllerRequest(request));
        scene.settle();
        assert_eq!(scene.changes(), ["stop d node2", "start d node2"]);
        assert_eq!(scene.attribute(id(2), "fail-count-d#asyncmon_0").as_deref(), Some("1"));
        // Planned again, it is still one failure, and over.
        scene.mark();
        scene.set_option("looked-at", "again");
        scene.settle();
        assert_eq!(scene.changes(), [] as [String; 0]);
        scene.finish();
    });
}
