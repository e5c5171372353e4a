//! Cold start (spec 90 §1).

use crate::scene::{Bed, each_seed};
use crate::world::id;

#[test]
fn three_nodes_come_up_together() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        assert!(scene.world.now.as_secs() < 30);
        let dc = Some(scene.dc());
        assert!(scene.world.nodes.values().all(|sim| sim.controller.dc() == dc));
        for number in 1..=3 {
            scene.assert_state(id(number), true, true, "member", "member");
        }
        assert_eq!(scene.select("/cib", "have-quorum"), ["1"]);
        assert_eq!(scene.select("/cib", "dc-uuid"), [scene.dc().to_string()]);
        assert_eq!(scene.select("//nodes/node", "id").len(), 3);
        assert_eq!(scene.place("d"), id(2));
        assert_eq!((scene.places("s").len(), scene.promoted().len()), (3, 1));
        // Each resource is looked for once on each node before anything is started.
        let reality = scene.reality();
        for resource in ["d", "s"] {
            for number in 1..=3 {
                let probes = reality.deeds.iter().filter(|deed| {
                    (deed.interval, deed.action.as_str()) == (0, "monitor")
                        && deed.resource == resource
                        && deed.node == id(number)
                });
                assert_eq!(probes.count(), 1, "probes of {resource} on node {number}");
            }
        }
        drop(reality);
        assert!(scene.select("//lrm_rsc_op[@id='d_last_failure_0']", "id").is_empty());
        assert!(scene.fenced().is_empty());
        scene.finish();
    });
}

#[test]
fn one_node_alone_starts_nothing_and_fences_nobody() {
    each_seed(|seed| {
        let mut scene = Bed::three().dark(seed);
        scene.world.start(id(1));
        scene.run(40.0);
        assert_eq!(scene.dc(), id(1));
        assert_eq!(scene.select("/cib", "have-quorum"), ["0"]);
        assert!(scene.changes().is_empty() && scene.fenced().is_empty());
        // The second comes, and with it quorum. Nobody has ever heard of the third: it is fenced.
        scene.world.start(id(2));
        scene.settle();
        assert_eq!(scene.select("/cib", "have-quorum"), ["1"]);
        assert_eq!(scene.place("d"), id(2));
        assert_eq!(scene.fenced(), ["node3"]);
        scene.finish();
    });
}

#[test]
fn a_node_that_no_one_has_listed_is_not_fenced() {
    each_seed(|seed| {
        let mut bed = Bed::three();
        bed.listed = false;
        let mut scene = bed.dark(seed);
        scene.world.start(id(1));
        scene.world.start(id(2));
        scene.until("quorum", |world| world.is_stable() && world.is_quorate(id(1)));
        scene.finish();
        assert_eq!(scene.place("d"), id(2));
        assert!(scene.fenced().is_empty());
    });
}
