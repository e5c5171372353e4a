//! Nodes that leave in order, stand by, and clusters that are restarted (spec 90 §8, §9, §15, §16).

use std::time::Duration;

use node_daemon::controller::State;
use node_daemon::subsystem::{NodeId, Room};

use crate::scene::{Bed, Scene, each_seed};
use crate::world::{Fault, id, name};

fn leave(scene: &mut Scene, node: NodeId) {
    scene.world.fault(Fault::Shutdown(node));
    scene.until("its end", |world| !world.nodes.contains_key(&node));
}

#[test]
fn a_node_stops_its_resources_and_leaves_without_being_fenced() {
    each_seed(|seed| {
        for of_dc in [false, true] {
            let mut scene = Bed::three().settled(seed);
            let node = if of_dc { scene.dc() } else { scene.other_than(&[]) };
            let begun = scene.world.now;
            leave(&mut scene, node);
            let took = scene.world.now - begun;
            assert!(took < Duration::from_secs(2), "{took:?}");
            assert!(scene.did("s", "stop").contains(&node));
            scene.settle();
            scene.assert_state(node, false, false, "down", "down");
            let history = format!("//node_state[@id='{node}']/lrm");
            assert!(!scene.select(&history, "id").is_empty(), "its history is kept");
            assert_eq!(scene.attribute(node, "shutdown"), None);
            assert_ne!(scene.place("d"), node);
            assert_eq!((scene.places("s").len(), scene.promoted().len()), (2, 1));
            assert!(scene.fenced().is_empty());
            assert!(scene.reality().orders.is_empty());
            scene.finish();
        }
    });
}

#[test]
fn a_node_whose_service_does_not_stop_is_fenced() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        scene.reality().slow.insert(("d".into(), "stop".into()), Duration::from_secs(10_000));
        scene.world.fault(Fault::Shutdown(id(2)));
        scene.until("fencing", |world| !world.reality.lock().unwrap().fenced.is_empty());
        scene.reality().slow.clear();
        scene.settle();
        scene.until("whole", |world| world.nodes.len() == 3);
        assert_eq!(scene.fenced(), ["node2"]);
        scene.finish();
    });
}

#[test]
fn the_last_node_stops_all_and_leaves() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        for number in [2, 3, 1] {
            leave(&mut scene, id(number));
        }
        let reality = scene.reality();
        assert!(reality.active.values().all(|set| set.is_empty()), "{:?}", reality.active);
        assert!(reality.fenced.is_empty() && reality.violations.is_empty(), "{reality:#?}");
    });
}

#[test]
fn all_nodes_may_leave_at_once() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        for number in 1..=3 {
            scene.world.fault(Fault::Shutdown(id(number)));
        }
        scene.until("the end of all", |world| world.nodes.is_empty());
        let reality = scene.reality();
        assert!(reality.active.values().all(|set| set.is_empty()), "{:?}", reality.active);
        assert!(reality.fenced.is_empty() && reality.violations.is_empty(), "{reality:#?}");
    });
}

#[test]
fn a_second_request_makes_a_node_leave_at_once_and_it_is_fenced_for_what_it_left() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        scene.reality().slow.insert(("d".into(), "stop".into()), Duration::from_secs(15));
        scene.world.fault(Fault::Shutdown(id(2)));
        scene.run(1.0);
        scene.world.fault(Fault::Shutdown(id(2)));
        scene.until("fencing or a stop", |world| {
            world.reality.lock().unwrap().places("d").is_empty()
                || !world.nodes.contains_key(&id(2))
        });
        scene.reality().slow.clear();
        scene.world.start(id(2));
        scene.settle();
        scene.until("whole", |world| world.nodes.len() == 3);
        scene.finish();
    });
}

fn stand_by(scene: &mut Scene, node: NodeId, on: bool) {
    scene.world.fault(Fault::Standby(node, on));
    scene.settle();
}

#[test]
fn a_node_in_standby_gives_all_away_and_gets_back_what_prefers_it() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        let (_, epoch) = scene.epoch();
        let was_promoted = scene.promoted() == [id(2)];
        stand_by(&mut scene, id(2), true);
        assert_eq!(scene.epoch().1, epoch + 1);
        assert_ne!(scene.place("d"), id(2));
        assert!(!scene.places("s").contains(&id(2)));
        assert_eq!(scene.promoted().len(), 1);
        assert_eq!(scene.did("s", "promote").len(), usize::from(was_promoted));
        scene.assert_state(id(2), true, true, "member", "member");
        assert_eq!(scene.did("d", "monitor"), [] as [NodeId; 0], "no probes");
        scene.mark();
        scene.delete("//nvpair[@name='standby']");
        scene.settle();
        assert_eq!(scene.epoch().1, epoch + 2);
        assert_eq!(scene.place("d"), id(2));
        assert_eq!(scene.did("s", "start"), [id(2)]);
        assert_eq!(scene.did("d", "monitor"), [] as [NodeId; 0], "no probes");
        scene.finish();
    });
}

#[test]
fn nodes_restarted_in_turn_leave_everything_running() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        let (admin, epoch) = scene.epoch();
        for number in 1..=3 {
            leave(&mut scene, id(number));
            scene.settle();
            assert_eq!((scene.places("d").len(), scene.places("s").len()), (1, 2));
            let led = scene.dc();
            scene.world.start(id(number));
            let begun = scene.world.now;
            scene.until("its return", |world| {
                let sim = &world.nodes[&id(number)];
                sim.controller.dc().is_some() && world.is_stable()
            });
            assert!(
                scene.world.now - begun < Duration::from_secs(6),
                "{:?}",
                scene.world.now - begun
            );
            scene.settle();
            assert_eq!(scene.dc(), led, "who comes back does not take the lead");
            assert_eq!((scene.places("d").len(), scene.places("s").len()), (1, 3));
        }
        assert_eq!(scene.epoch(), (admin, epoch));
        assert!(scene.reality().orders.is_empty());
        scene.finish();
    });
}

#[test]
fn with_a_shutdown_lock_a_resource_waits_for_its_node() {
    each_seed(|seed| {
        let mut scene = Bed::three().option("shutdown-lock", "true").settled(seed);
        assert_eq!(scene.place("d"), id(2));
        leave(&mut scene, id(2));
        scene.settle();
        scene.run(30.0);
        assert_eq!(scene.places("d"), [] as [NodeId; 0]);
        let locked = scene.select("//lrm_resource[@id='d' and @shutdown-lock]", "shutdown-lock");
        assert_eq!(locked.len(), 1);
        scene.world.start(id(2));
        scene.settle();
        assert_eq!(scene.place("d"), id(2));
        scene.finish();
    });
}

#[test]
fn in_maintenance_all_daemons_restart_under_running_services() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        let active = scene.reality().active.clone();
        let promoted = scene.reality().promoted.clone();
        scene.set_option("maintenance-mode", "true");
        scene.settle();
        let recurring = "//lrm_rsc_op[@interval!='0']";
        assert!(scene.select(recurring, "id").is_empty(), "{:?}", scene.select(recurring, "id"));
        assert_eq!(scene.changes(), [] as [String; 0]);
        scene.world.services_stay = true;
        for number in 1..=3 {
            scene.world.fault(Fault::Shutdown(id(number)));
        }
        scene.until("the end of all", |world| world.nodes.is_empty());
        assert_eq!(scene.reality().active, active);
        scene.world.start_all();
        scene.settle();
        scene.until("whole", |world| world.nodes.len() == 3 && world.is_stable());
        assert_eq!(scene.changes(), [] as [String; 0]);
        let found = |scene: &Scene, resource: &str, rc: &str| {
            let path = format!("//lrm_rsc_op[@id='{resource}_last_0' and @rc-code='{rc}']");
            let more = format!("//lrm_rsc_op[@id='{resource}_last_failure_0' and @rc-code='{rc}']");
            scene.select(&path, "on_node").len().max(scene.select(&more, "on_node").len())
        };
        assert_eq!((found(&scene, "d", "0"), found(&scene, "s", "8")), (1, 1));
        scene.set_option("maintenance-mode", "false");
        scene.settle();
        assert_eq!(scene.changes(), [] as [String; 0]);
        assert_eq!(scene.reality().active, active);
        assert_eq!(scene.reality().promoted, promoted);
        assert!(!scene.select(recurring, "id").is_empty());
        assert!(scene.reality().orders.is_empty());
        scene.finish();
    });
}

#[test]
fn a_clean_leaver_may_be_cut_off_without_being_fenced() {
    each_seed(|seed| {
        let mut scene = Bed::of(2).quorum("two_node", "1").settled(seed);
        let node = scene.other_than(&[]);
        leave(&mut scene, node);
        scene.settle();
        scene.world.fault(Fault::Cut(vec![node]));
        scene.run(30.0);
        assert!(scene.world.is_quorate(scene.dc()), "{}", name(node));
        assert!(scene.reality().orders.is_empty());
        scene.finish();
    });
}

/// Two of three nodes, which wait for the third, so that nobody leads for a while.
fn two_without_dc(seed: u64) -> Scene {
    let mut scene = Bed::three().option("startup-fencing", "false").dark(seed);
    for number in [1, 2] {
        scene.world.start(id(number));
    }
    scene.until("a ring without DC", |world| {
        [1, 2].iter().all(|number| {
            let controller = &world.nodes[&id(*number)].controller;
            controller.state() == State::Pending && world.is_quorate(id(*number))
        })
    });
    scene
}

#[test]
fn a_node_told_to_leave_before_anybody_leads_leaves_even_if_it_comes_to_lead() {
    each_seed(|seed| {
        for leaving in [&[1][..], &[2], &[1, 2]] {
            let mut scene = two_without_dc(seed);
            for number in leaving {
                scene.world.fault(Fault::Shutdown(id(*number)));
            }
            scene.until("their end", |world| {
                leaving.iter().all(|number| !world.nodes.contains_key(&id(*number)))
            });
            let reality = scene.reality();
            assert!(reality.fenced.is_empty() && reality.violations.is_empty(), "{reality:#?}");
        }
    });
}

#[test]
fn a_node_whose_executor_crashes_while_it_leaves_goes_when_all_is_stopped() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        let node = scene.other_than(&[]);
        scene.reality().slow.insert(("s".into(), "stop".into()), Duration::from_secs(2));
        scene.world.fault(Fault::Shutdown(node));
        scene.until("the stop", |world| {
            world.reality.lock().unwrap().deeds.iter().any(|deed| deed.action == "stop")
        });
        scene.run(0.5);
        scene.world.fault(Fault::Crash(node, Room::Executor));
        scene.until("its leaving", |world| !world.nodes.contains_key(&node));
        assert_eq!(scene.places("s").len(), 2);
        scene.finish();
        assert!(scene.fenced().is_empty());
    });
}
