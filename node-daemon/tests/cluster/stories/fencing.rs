//! Nodes that crash or cannot be fenced (spec 90 §5, §6).

use node_daemon::subsystem::{NodeId, Room};

use crate::agents::FenceMode;
use crate::scene::{Bed, Scene, each_seed};
use crate::world::{Event, id, name};

/// Has node 2 lead nothing, whoever leads.
fn settled_with_another_dc(bed: &Bed, seed: u64) -> Scene {
    let mut scene = bed.settled(seed);
    while scene.dc() == id(2) {
        scene.world.take_down(id(2), Room::Controller);
        let at = scene.world.now + std::time::Duration::from_millis(1);
        scene.world.schedule(at, Event::Respawn(id(2), Room::Controller));
        scene.settle();
        scene.until("whole", |world| world.nodes.len() == 3);
        scene.settle();
    }
    scene.reality().fenced.clear();
    scene.reality().orders.clear();
    scene.mark();
    scene
}

fn first(scene: &Scene, resource: &str, action: &str) -> std::time::Duration {
    let deeds = scene.deeds();
    let deed = deeds.iter().find(|deed| deed.resource == resource && deed.action == action);
    deed.unwrap_or_else(|| panic!("no {action} of {resource}: {:?}", scene.changes())).at
}

#[test]
fn a_crashed_node_is_fenced_once_and_only_then_is_its_service_taken_over() {
    each_seed(|seed| {
        let mut scene = settled_with_another_dc(&Bed::three(), seed);
        let was_promoted = scene.promoted() == [id(2)];
        scene.world.kill(id(2));
        scene.until("fencing", |world| !world.reality.lock().unwrap().fenced.is_empty());
        scene.until("takeover", |world| {
            world.reality.lock().unwrap().active.iter().any(|(_, set)| set.contains("d"))
        });
        let fenced_at = scene.reality().orders[0].0;
        assert!(first(&scene, "d", "start") >= fenced_at);
        if was_promoted {
            assert!(first(&scene, "s", "promote") >= fenced_at);
        }
        assert_ne!(scene.place("d"), id(2));
        scene.until("its return", |world| world.nodes.len() == 3);
        scene.settle();
        assert_eq!(scene.fenced(), ["node2"]);
        assert_eq!(scene.reality().orders.len(), 1);
        // Survivors are left alone.
        let stops = scene.did("s", "stop");
        assert_eq!(stops, [] as [NodeId; 0]);
        let history = scene.fencing_history(id(2));
        assert_eq!(history.len(), 1, "{history:?}");
        assert!(history[0].0 && history[0].1.is_some() && history[0].2.starts_with("controller."));
        assert_eq!(scene.place("d"), id(2), "back where it is preferred");
        scene.finish();
    });
}

#[test]
fn until_it_is_fenced_a_node_is_unclean_and_then_recorded_as_down() {
    each_seed(|seed| {
        let mut scene = settled_with_another_dc(&Bed::three(), seed);
        scene.reality().fencing = FenceMode::Fails;
        scene.world.kill(id(2));
        scene.until("an order", |world| !world.reality.lock().unwrap().orders.is_empty());
        scene.assert_state(id(2), false, false, "down", "member");
        assert!(!scene.select("//node_state[@id='2']/lrm", "id").is_empty());
        scene.run(60.0);
        let result = scene.confirm_by_hand(id(2));
        assert!(result.ok, "{result:?}");
        scene.settle();
        scene.assert_state(id(2), false, false, "down", "down");
        assert!(scene.select("//node_state[@id='2']/lrm", "id").is_empty());
        assert!(scene.select("//node_state[@id='2']/transient_attributes", "id").is_empty());
        scene.finish();
    });
}

#[test]
fn a_node_that_was_fenced_in_name_only_leaves_and_stays_away() {
    each_seed(|seed| {
        let mut scene = settled_with_another_dc(&Bed::three(), seed);
        scene.reality().fencing = FenceMode::Lies;
        let by = scene.dc();
        let task = node_daemon::subsystem::FencingTask::Fence {
            target: name(id(2)),
            action: node_daemon::subsystem::FenceVerb::Reboot,
            timeout_s: 20,
            delay_s: 0,
            tolerance_s: 0,
            allow_self: false,
            by_id: false,
        };
        let token = scene.ask_fencer(by, task);
        scene.until("its end", |world| !world.nodes.contains_key(&id(2)));
        // The agent said so; nobody can know better.
        assert!(scene.fencing_ended(token).is_some_and(|result| result.ok));
        assert!(scene.world.log.iter().any(|line| line.contains("controller of 2 ended: Fatal")));
        scene.reality().is_clean(id(2));
        scene.settle();
        assert!(!scene.world.nodes.contains_key(&id(2)));
        assert_ne!(scene.place("d"), id(2));
        scene.finish();
    });
}

#[test]
fn fencing_that_fails_is_tried_again_given_up_and_confirmed_by_hand() {
    each_seed(|seed| {
        let mut scene = settled_with_another_dc(&Bed::three(), seed);
        let others: Vec<NodeId> = vec![id(1), id(3)];
        scene.reality().fencing = FenceMode::Fails;
        scene.world.kill(id(2));
        scene.run(100.0);
        scene.settle();
        // Ten operations, each tried at least twice at each of the two fencers.
        let orders = scene.reality().orders.len();
        assert!((20..=60).contains(&orders), "{orders} orders");
        assert!(scene.places("d").is_empty(), "taken over without fencing");
        scene.run(60.0);
        assert_eq!(scene.reality().orders.len(), orders, "given up is given up");
        let result = scene.confirm_by_hand(id(2));
        assert!(result.ok);
        scene.settle();
        assert!(others.contains(&scene.place("d")));
        scene.finish();
    });
}

#[test]
fn the_count_of_failed_fencing_outlives_the_dc() {
    each_seed(|seed| {
        let mut scene = settled_with_another_dc(&Bed::three(), seed);
        scene.reality().fencing = FenceMode::Fails;
        scene.world.kill(id(2));
        scene.run(100.0);
        scene.settle();
        let orders = scene.reality().orders.len();
        let dc = scene.dc();
        scene.world.take_down(dc, Room::Controller);
        scene.world.respawn(dc, Room::Controller);
        scene.settle();
        scene.run(30.0);
        // The next DC knows how often it failed: it tries once and gives up.
        let more = scene.reality().orders.len() - orders;
        assert!(more <= 8, "{more} more orders");
        assert!(scene.confirm_by_hand(id(2)).ok);
        scene.finish();
    });
}

#[test]
fn without_a_device_nothing_is_tried() {
    each_seed(|seed| {
        let mut bed = Bed::three();
        bed.devices = Some(Bed::device("F", "node1 node3", None));
        let mut scene = settled_with_another_dc(&bed, seed);
        scene.world.kill(id(2));
        scene.run(30.0);
        scene.settle();
        assert_eq!(scene.reality().orders.len(), 0);
        assert!(scene.places("d").is_empty());
        assert!(scene.confirm_by_hand(id(2)).ok);
        scene.settle();
        assert_ne!(scene.place("d"), id(2));
        scene.finish();
    });
}
