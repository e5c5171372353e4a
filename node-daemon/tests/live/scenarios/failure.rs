//! Operations fail (spec 90 §3, §4, §10, §11, §12).

use crate::bed::Bed;
use crate::bed::status::Status;

fn key(node: &str) -> (String, String) {
    ("d".to_owned(), node.to_owned())
}

fn count_is(status: &Status, node: &str, count: &str) -> bool {
    status.failures.get(&key(node)).map(String::as_str) == Some(count)
}

fn monitor_failures(bed: Bed) {
    let Some(mut cluster) = bed.settled() else { return };
    cluster.kill_service("d", "node2");
    assert_eq!(cluster.started(|_| true).node, "node2");
    cluster.settled_with("one failure is counted", |status| count_is(status, "node2", "1"));
    cluster.mark();
    cluster.kill_service("d", "node2");
    assert_ne!(cluster.started(|_| true).node, "node2");
    cluster.settled_with("two failures are counted", |status| count_is(status, "node2", "2"));
    cluster.mark();
    cluster.run("crm_resource --cleanup -r d");
    cluster.started(|node| node == "node2");
    cluster.settled_with("the failures are forgotten", |status| {
        !status.failures.contains_key(&key("node2")) && status.places("d") == ["node2"]
    });
    assert_eq!(cluster.did("d", "start").len(), 1);
    assert_eq!(cluster.fenced(), [] as [&str; 0]);
    cluster.finish();
}

#[test]
fn a_failed_service_is_restarted_then_moved_and_comes_back_after_a_cleanup() {
    monitor_failures(Bed::three());
}

#[test]
fn on_loopback_a_failed_service_is_restarted_then_moved_and_comes_back() {
    monitor_failures(Bed::three().on_loopback());
}

#[test]
fn what_does_not_start_is_started_elsewhere_and_what_does_not_stop_has_its_node_fenced() {
    let Some(mut cluster) = Bed::three().settled() else { return };
    cluster.run("crm_resource -r d -m -p target-role -v Stopped");
    cluster.until("stopped", |status| status.places("d").is_empty());
    cluster.settle();
    cluster.mark();
    cluster.knob("fail/d.start.node2", Some(""));
    cluster.run("crm_resource -r d -m -p target-role -v Started");
    let there = cluster.started(|node| node != "node2").node;
    cluster.settled_with("it is never tried again", |status| count_is(status, "node2", "INFINITY"));
    assert_eq!(cluster.did("d", "failed-start").len(), 1);
    assert_eq!(cluster.fenced(), [] as [&str; 0]);
    cluster.mark();
    cluster.knob("fail/d.start.node2", None);
    cluster.knob(&format!("fail/d.stop.{there}"), Some(""));
    cluster.run("crm_resource --cleanup -r d");
    let started = cluster.started(|node| node == "node2");
    assert_eq!(cluster.fenced(), [there.as_str()]);
    assert!(cluster.orders()[0].at < started.at);
    cluster.bring_back(&there);
    cluster.finish();
}

#[test]
fn a_change_while_a_start_is_under_way_wins() {
    let Some(mut cluster) = Bed::three().settled() else { return };
    cluster.run("crm_resource -r d -m -p target-role -v Stopped");
    cluster.until("stopped", |status| status.places("d").is_empty());
    cluster.settle();
    cluster.mark();
    cluster.knob("slow/d.start", Some("10"));
    cluster.run("crm_resource -r d -m -p target-role -v Started");
    cluster.wait("the start is under way", || cluster.is_held_up("d.start"));
    cluster.run("crm_resource -r d -m -p target-role -v Stopped");
    cluster.wait("the start has ended and is undone", || !cluster.did("d", "stop").is_empty());
    cluster.settled_with("it is stopped", |status| status.places("d").is_empty());
    assert_eq!(cluster.did("d", "start").len(), 1);
    cluster.finish();
}

#[test]
fn a_higher_score_moves_the_promoted_role_once() {
    let Some(cluster) = Bed::three().settled() else { return };
    let status = cluster.seen("one is promoted", |status| status.promoted("s").len() == 1);
    let before = status.promoted("s")[0].to_owned();
    let other = cluster.other_than(&[&before]);
    cluster.run(&format!("crm_attribute -N {other} -l reboot -n master-s -v 50"));
    cluster.until("promoted there", |status| status.promoted("s") == [other.as_str()]);
    cluster.settle();
    assert_eq!((cluster.did("s", "demote").len(), cluster.did("s", "promote").len()), (1, 1));
    assert_eq!(cluster.did("s", "start"), []);
    cluster.finish();
}
