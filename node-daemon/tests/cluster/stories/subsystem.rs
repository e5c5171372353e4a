//! One subsystem of a node crashes and is started again (spec 90 §14).

use std::time::Duration;

use node_daemon::subsystem::{NodeId, Room};

use crate::scene::{Bed, Scene, each_seed};
use crate::world::{Event, id};

/// A subsystem of a node crashes and is back after this time.
fn crash(scene: &mut Scene, node: NodeId, room: Room, millis: u64) {
    scene.world.take_down(node, room);
    let at = scene.world.now + Duration::from_millis(millis);
    scene.world.schedule(at, Event::Respawn(node, room));
}

const ROOMS: [Room; 6] =
    [Room::Scheduler, Room::Attributes, Room::Executor, Room::Fencer, Room::Cib, Room::Controller];

/// Whether anything that runs was touched.
fn assert_untouched(scene: &Scene, room: Room) {
    // Scores that agents set are gone with an attribute manager, until the next monitor, and it ends with
    // the CIB manager.
    let changes = scene.changes();
    let touched = changes.iter().filter(|change| {
        !matches!(room, Room::Attributes | Room::Cib)
            || !(change.contains("promote") || change.contains("demote"))
    });
    assert_eq!(touched.count(), 0, "{room}: {changes:?}");
}

#[test]
fn back_at_once_it_touches_nothing_that_runs() {
    each_seed(|seed| {
        for room in ROOMS {
            for of_dc in [false, true] {
                let mut scene = Bed::three().settled(seed);
                scene.run(13.0);
                let node = if of_dc { scene.dc() } else { scene.other_than(&[]) };
                scene.mark();
                crash(&mut scene, node, room, 0);
                scene.run(0.1);
                scene.settle();
                if scene.fenced().is_empty() {
                    assert_untouched(&scene, room);
                }
                scene.run(13.0);
                scene.finish();
                assert!(scene.fenced().is_empty(), "{room} of node {node}, DC {of_dc}");
                assert_eq!((scene.place("d"), scene.places("s").len()), (id(2), 3));
                assert_eq!(
                    scene.select("//nvpair[contains(@name,'fail-count')]", "name"),
                    [] as [&str; 0]
                );
            }
        }
    });
}

#[test]
fn a_controller_that_is_away_too_long_has_its_node_fenced() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        let node = scene.other_than(&[]);
        crash(&mut scene, node, Room::Controller, 8000);
        scene.until("fencing", |world| !world.reality.lock().unwrap().fenced.is_empty());
        scene.until("its return", |world| world.nodes.len() == 3);
        scene.settle();
        assert_eq!(scene.fenced(), [crate::world::name(node)]);
        assert_eq!((scene.place("d"), scene.places("s").len()), (id(2), 3));
        scene.finish();
    });
}

#[test]
fn back_while_its_node_is_being_fenced_it_waits_for_the_end_of_it() {
    each_seed(|seed| {
        for millis in [2, 20, 60, 120, 200] {
            let mut scene = Bed::three().settled(seed);
            let node = scene.other_than(&[]);
            crash(&mut scene, node, Room::Controller, millis);
            scene.run(1.0);
            scene.until("whole", |world| world.nodes.len() == 3 && world.is_stable());
            scene.settle();
            assert_eq!((scene.place("d"), scene.places("s").len()), (id(2), 3));
            scene.finish();
        }
    });
}

#[test]
fn values_of_a_crashed_attribute_manager_are_gone_and_permanent_ones_stay() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        let node = scene.other_than(&[]);
        scene.world.set_attribute(node, "colour", Some("blue"));
        scene.settle();
        assert_eq!(scene.attribute(node, "colour").as_deref(), Some("blue"));
        crash(&mut scene, node, Room::Attributes, 50);
        scene.run(0.2);
        scene.settle();
        assert_eq!(scene.attribute(node, "colour"), None);
        // Agents say again what they think.
        scene.run(15.0);
        assert!(scene.attribute(node, "master-s").is_some());
        scene.finish();
    });
}

#[test]
fn a_cib_manager_comes_back_with_the_configuration_and_gets_the_rest() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        let node = scene.other_than(&[]);
        scene.set_option("written", "yes");
        scene.run(0.5);
        crash(&mut scene, node, Room::Cib, 20);
        scene.run(0.2);
        scene.settle();
        scene.until("whole", |world| world.nodes.len() == 3 && world.is_stable());
        assert_eq!(scene.select_at(node, "//nvpair[@name='written']", "value"), ["yes"]);
        scene.finish();
    });
}
