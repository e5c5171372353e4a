//! Quorum is lost and comes back; two nodes lose sight of each other (spec 90 §7, §13).

use node_daemon::subsystem::NodeId;

use crate::agents::FenceMode;
use crate::scene::{Bed, Scene, each_seed};
use crate::world::{Fault, id, name};

fn cut(scene: &mut Scene, node: NodeId) {
    scene.world.fault(Fault::Cut(vec![node]));
}

fn heal(scene: &mut Scene) {
    scene.world.fault(Fault::Heal);
    // Fencing that is on its way still strikes.
    for _ in 0..3 {
        scene
            .until("whole", |world| world.nodes.len() == world.everyone.len() && world.is_stable());
        scene.settle();
    }
}

#[test]
fn who_is_cut_off_stops_all_and_fences_nobody() {
    each_seed(|seed| {
        for number in 1..=3 {
            let mut scene = Bed::three().settled(seed);
            scene.reality().fencing = FenceMode::Fails;
            cut(&mut scene, id(number));
            scene.run(15.0);
            assert!(scene.reality().active.get(&id(number)).is_none_or(|set| !set.contains("d")));
            assert!(!scene.reality().active[&id(number)].contains("s"));
            let orders = scene.reality().orders.clone();
            let foreign = orders.iter().filter(|(_, by, _)| *by == id(number)).count();
            assert_eq!(foreign, 0, "{orders:?}");
            assert_eq!(scene.select_at(id(number), "/cib", "have-quorum"), ["0"]);
            scene.reality().fencing = FenceMode::Works;
            heal(&mut scene);
            assert_eq!((scene.place("d"), scene.places("s").len()), (id(2), 3));
            scene.finish();
        }
    });
}

#[test]
fn the_majority_fences_who_is_cut_off_and_takes_over() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        cut(&mut scene, id(2));
        scene.until("fencing", |world| !world.reality.lock().unwrap().fenced.is_empty());
        scene.run(5.0);
        assert_eq!(scene.fenced(), ["node2"]);
        assert_ne!(scene.place("d"), id(2));
        heal(&mut scene);
        scene.finish();
    });
}

#[test]
fn healed_before_anybody_is_fenced_two_dcs_become_one() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        scene
            .reality()
            .slow
            .insert(("d".into(), "stop".into()), std::time::Duration::from_millis(10));
        scene.reality().fencing = FenceMode::Fails;
        cut(&mut scene, id(1));
        scene.until("two DCs", |world| {
            world.nodes.values().filter(|sim| sim.controller.leads()).count() == 2
        });
        scene.run(1.0);
        scene.world.fault(Fault::Heal);
        scene.reality().fencing = FenceMode::Works;
        scene.until("whole", |world| world.nodes.len() == 3 && world.is_stable());
        scene.settle();
        scene.finish();
        assert_eq!(
            (scene.places("d").len(), scene.places("s").len(), scene.promoted().len()),
            (1, 3, 1)
        );
    });
}

#[test]
fn frozen_a_minority_keeps_what_it_has() {
    each_seed(|seed| {
        let mut scene = Bed::three().option("no-quorum-policy", "freeze").settled(seed);
        scene.reality().quorum_matters = false;
        scene.reality().fencing = FenceMode::Fails;
        cut(&mut scene, id(2));
        scene.run(20.0);
        assert_eq!(scene.place("d"), id(2));
        assert_eq!(scene.changes(), [] as [String; 0]);
        // What it has it may recover.
        scene.reality().dies(id(2), "d");
        scene.run(15.0);
        assert_eq!(scene.place("d"), id(2));
        scene.reality().fencing = FenceMode::Works;
        heal(&mut scene);
        scene.finish();
    });
}

#[test]
fn a_minority_may_only_have_to_demote() {
    each_seed(|seed| {
        let mut scene = Bed::three().option("no-quorum-policy", "demote").settled(seed);
        scene.reality().fencing = FenceMode::Fails;
        let node = scene.promoted()[0];
        cut(&mut scene, node);
        scene.run(15.0);
        assert!(!scene.promoted().contains(&node));
        assert_eq!(scene.did("s", "demote"), [node]);
        scene.reality().fencing = FenceMode::Works;
        heal(&mut scene);
        assert_eq!(scene.promoted().len(), 1);
        scene.finish();
    });
}

#[test]
fn without_interest_in_quorum_all_goes_on() {
    each_seed(|seed| {
        let mut scene = Bed::three()
            .option("no-quorum-policy", "ignore")
            .option("stonith-enabled", "false")
            .settled(seed);
        scene.reality().quorum_matters = false;
        cut(&mut scene, id(3));
        scene.run(15.0);
        assert!(scene.places("s").contains(&id(3)));
        assert!(scene.places("d").contains(&id(2)));
        assert_eq!(scene.did("s", "stop"), [] as [NodeId; 0]);
    });
}

#[test]
fn waiting_for_all_two_of_three_start_nothing() {
    each_seed(|seed| {
        let mut scene = Bed::three().quorum("wait_for_all", "1").dark(seed);
        scene.world.start(id(1));
        scene.world.start(id(2));
        scene.run(60.0);
        assert_eq!(scene.select("/cib", "have-quorum"), ["0"]);
        assert!(scene.changes().is_empty() && scene.reality().orders.is_empty());
        scene.world.start(id(3));
        scene.settle();
        assert_eq!(scene.place("d"), id(2));
        scene.finish();
    });
}

fn pair() -> Bed {
    let mut bed = Bed::of(2).quorum("two_node", "1");
    // Whoever is to survive is fenced later.
    bed.devices = Some(
        Bed::device("F1", "node1", Some(("pcmk_delay_base", "5s")))
            + &Bed::device("F2", "node2", None)
            + "",
    );
    bed
}

#[test]
fn of_two_that_lose_sight_the_favoured_one_survives() {
    each_seed(|seed| {
        let mut scene = pair().settled(seed);
        cut(&mut scene, id(1));
        scene.until("fencing", |world| !world.reality.lock().unwrap().fenced.is_empty());
        scene.run(20.0);
        assert_eq!(scene.fenced(), ["node2"]);
        assert_eq!(scene.place("d"), id(1));
        // Back again, but alone: it waits for the other.
        assert!(scene.world.nodes.contains_key(&id(2)) && !scene.world.is_quorate(id(2)));
        assert!(scene.reality().active.get(&id(2)).is_none_or(|set| set.is_empty()));
        heal(&mut scene);
        assert_eq!(scene.fenced(), ["node2"]);
        assert_eq!(scene.place("d"), id(2));
        scene.finish();
    });
}

#[test]
fn of_two_with_equal_delays_the_services_end_up_running_once() {
    each_seed(|seed| {
        let mut scene = Bed::of(2).quorum("two_node", "1").settled(seed);
        cut(&mut scene, id(1));
        scene.run(30.0);
        assert!(!scene.fenced().is_empty(), "{}", name(id(1)));
        heal(&mut scene);
        assert_eq!((scene.places("d").len(), scene.promoted().len()), (1, 1));
        scene.finish();
    });
}
