//! The DC crashes, alone or with others (spec 90 §2).

use node_daemon::subsystem::NodeId;

use crate::scene::{Bed, each_seed};
use crate::world::{id, name};

#[test]
fn another_dc_takes_over_at_once_fences_the_old_one_and_restarts_nothing() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        let old = scene.dc();
        let lost_d = scene.places("d") == [old];
        scene.world.kill(old);
        let began = scene.world.now;
        scene.until("the next DC", |world| world.nodes.values().any(|sim| sim.controller.leads()));
        let took = scene.world.now - began;
        // Token and consensus of the bed are 1.0 s and 1.2 s, and nothing is waited for.
        assert!(took.as_secs_f64() < 4.0, "{took:?}");
        scene.until("fencing", |world| !world.reality.lock().unwrap().fenced.is_empty());
        scene.until("its return", |world| world.nodes.len() == 3);
        scene.settle();
        assert_eq!(scene.fenced(), [name(old)]);
        assert_eq!(scene.reality().orders.len(), 1);
        if !lost_d {
            assert_eq!(scene.did("d", "start"), [] as [NodeId; 0]);
        }
        assert!(scene.did("s", "start").iter().all(|node| *node == old));
        scene.finish();
    });
}

#[test]
fn a_node_lost_with_the_dc_is_fenced_if_something_was_active_there() {
    each_seed(|seed| {
        let mut bed = Bed::of(5);
        bed.meta = Vec::new();
        let mut scene = bed.settled(seed);
        let old = scene.dc();
        let with = scene.other_than(&[]);
        scene.world.kill(old);
        scene.world.kill(with);
        scene.until("both back", |world| world.nodes.len() == 5);
        scene.settle();
        let mut fenced = scene.fenced();
        fenced.sort();
        let mut both = vec![name(old), name(with)];
        both.sort();
        assert_eq!(fenced, both);
        scene.finish();
    });
}

#[test]
fn a_node_lost_with_the_dc_on_which_nothing_was_active_is_left_alone() {
    each_seed(|seed| {
        let mut scene = Bed::of(5).settled(seed);
        let old = scene.dc();
        let with = scene.other_than(&[id(2)]);
        let bare = format!(
            "<node id='{with}'><instance_attributes id='nodes-{with}'><nvpair id='nodes-{with}-standby' \
             name='standby' value='on'/></instance_attributes></node>"
        );
        scene.world.modify(old, 0, "nodes", &bare);
        scene.settle();
        // A fence device may be active there; it is told to be elsewhere.
        let text =
            format!("<rsc_location id='F-away' rsc='F' node='{}' score='-INFINITY'/>", name(with));
        scene.world.modify(old, 0, "constraints", &text);
        scene.settle();
        assert!(!scene.places("s").contains(&with));
        scene.world.kill(old);
        scene.world.kill(with);
        scene.until("the DC back", |world| world.nodes.len() == 4);
        scene.settle();
        assert_eq!(scene.fenced(), [name(old)]);
        scene.finish();
    });
}
