//! The configuration changes while a transition runs, attributes move a promotion (spec 90 §10, §11).

use std::time::Duration;

use node_daemon::subsystem::NodeId;

use crate::scene::{Bed, each_seed};
use crate::world::id;

#[test]
fn what_runs_when_the_configuration_changes_ends_and_nothing_more_begins() {
    each_seed(|seed| {
        let mut scene = Bed::three().meta("target-role", "Stopped").settled(seed);
        scene.reality().slow.insert(("d".into(), "start".into()), Duration::from_secs(5));
        scene.set_meta("target-role", "Started");
        scene.until("the start", |world| {
            world.reality.lock().unwrap().active.get(&id(2)).is_some_and(|set| set.contains("d"))
        });
        scene.run(1.0);
        scene.set_meta("target-role", "Stopped");
        scene.run(2.0);
        assert_eq!(scene.did("d", "stop"), [] as [NodeId; 0], "the start runs to its end");
        scene.settle();
        assert_eq!(scene.changes(), ["start d node2", "stop d node2"]);
        assert!(scene.places("d").is_empty());
        // The monitor that was to follow the start has never begun.
        let reality = scene.reality();
        assert!(!reality.deeds.iter().any(|deed| deed.resource == "d" && deed.interval > 0));
        drop(reality);
        scene.finish();
    });
}

#[test]
fn the_last_of_many_changes_counts() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        scene.reality().slow.insert(("d".into(), "start".into()), Duration::from_secs(1));
        for step in 0..12 {
            let role = if step % 2 == 0 { "Stopped" } else { "Started" };
            scene.set_meta("target-role", role);
            let pause = scene.world.random.f64() * 0.4;
            scene.run(pause);
        }
        scene.settle();
        assert_eq!(scene.place("d"), id(2));
        scene.finish();
    });
}

#[test]
fn a_constraint_removed_in_flight_decides_where_the_resource_ends() {
    each_seed(|seed| {
        let mut scene = Bed::three().meta("target-role", "Stopped").settled(seed);
        scene.reality().slow.insert(("d".into(), "start".into()), Duration::from_secs(5));
        scene.set_meta("target-role", "Started");
        scene.run(1.0);
        let text = "<rsc_location id='d-third' rsc='d' node='node3' score='INFINITY'/>";
        scene.world.modify(id(1), 0, "constraints", text);
        scene.settle();
        assert_eq!(scene.changes(), ["start d node2", "stop d node2", "start d node3"]);
        scene.finish();
    });
}

#[test]
fn a_resource_that_leaves_the_configuration_is_stopped_and_forgotten() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        let place = scene.place("d");
        scene.mark();
        scene.delete("//constraints/*[@rsc='d']");
        scene.delete("//resources/primitive[@id='d']");
        scene.settle();
        assert_eq!(scene.did("d", "stop"), [place]);
        assert!(scene.places("d").is_empty());
        assert_eq!(scene.did("d", "delete"), [] as [NodeId; 0], "no agent knows such an action");
        assert_eq!(scene.select("//lrm_resource[@id='d']", "id"), [] as [String; 0]);
        scene.finish();
    });
}

#[test]
fn a_resource_of_another_kind_under_the_same_name_starts_anew() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        scene.mark();
        let text = "<primitive id='d' class='ocf' provider='virtual' type='Stateful'/>";
        scene.world.modify(id(1), 0, "resources", text);
        scene.settle();
        assert_eq!(scene.did("d", "stop").len(), 1);
        assert_eq!(scene.did("d", "delete"), [] as [NodeId; 0], "no agent knows such an action");
        let running = scene.place("d");
        let history = format!("//node_state[@id='{running}']//lrm_resource[@id='d']");
        assert_eq!(scene.select(&history, "type"), ["Stateful"]);
        scene.finish();
    });
}

#[test]
fn an_attribute_moves_the_promotion_once() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        scene.run(15.0);
        let from = scene.promoted()[0];
        let to = id(if from == id(1) { 2 } else { 1 });
        scene.mark();
        scene.world.set_attribute(to, "master-s", Some("50"));
        scene.until("the promotion", |world| {
            world.reality.lock().unwrap().promoted.get(&to).is_some_and(|set| set.contains("s"))
        });
        scene.settle();
        assert_eq!(scene.promoted(), [to]);
        assert_eq!((scene.did("s", "demote"), scene.did("s", "promote")), (vec![from], vec![to]));
        // The agent has an opinion of its own again, and the cluster keeps what it has.
        scene.run(30.0);
        scene.settle();
        assert_eq!(scene.attribute(to, "master-s").as_deref(), Some("10"));
        assert_eq!(scene.promoted(), [to]);
        assert_eq!(scene.did("s", "promote").len(), 1);
        let monitors = |node: NodeId, interval: u32| {
            let path =
                format!("//node_state[@id='{node}']//lrm_rsc_op[@id='s_monitor_{interval}']");
            scene.select(&path, "id").len()
        };
        assert_eq!((monitors(to, 11_000), monitors(to, 12_000)), (1, 0));
        assert_eq!((monitors(from, 11_000), monitors(from, 12_000)), (0, 1));
        scene.finish();
    });
}

#[test]
fn a_dampened_attribute_is_written_once_when_it_has_come_to_rest() {
    each_seed(|seed| {
        let mut scene = Bed::three().settled(seed);
        let set = |scene: &mut crate::scene::Scene, value: &str| {
            let pairs = [
                ("task", "update"),
                ("attr_name", "x"),
                ("attr_value", value),
                ("attr_host", "node1"),
                ("attr_dampening", "5"),
            ];
            scene.world.tell_attributes(id(1), &pairs);
        };
        set(&mut scene, "1");
        scene.run(3.0);
        set(&mut scene, "2");
        scene.run(2.5);
        // The same value again does not postpone the write.
        set(&mut scene, "2");
        assert_eq!(scene.attribute(id(1), "x"), None);
        let tables = scene.world.nodes.values().all(|sim| {
            let attribute = sim.attributes.manager().attribute("x");
            let value = attribute.and_then(|attribute| attribute.value("node1"));
            value.and_then(|value| value.current.as_deref()) == Some("2")
        });
        assert!(tables, "all managers know it before it is written");
        scene.run(2.8);
        assert_eq!(scene.attribute(id(1), "x").as_deref(), Some("2"));
        scene.finish();
    });
}
