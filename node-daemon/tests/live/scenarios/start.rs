//! Nodes start (spec 90 §1).

use std::time::{Duration, Instant};

use crate::bed::Bed;

#[test]
fn three_nodes_start_and_agree() {
    let begun = Instant::now();
    let Some(cluster) = Bed::three().settled() else { return };
    let took = begun.elapsed();
    // Twice what it is given (spec 90 §1), for a machine that has much else to do.
    assert!(took < Duration::from_secs(60), "{took:?}");
    let status = cluster.settled_with("all runs where it should", |status| {
        status.quorum
            && status.online.len() == 3
            && status.places("d") == ["node2"]
            && status.places("s").len() == 3
            && status.promoted("s").len() == 1
    });
    for node in cluster.nodes() {
        cluster.wait("each knows the DC and three members", || {
            let dc = cluster.status_at(&node.name).and_then(|seen| seen.dc);
            let members = node.run("crm_node -p").unwrap_or_default();
            dc == status.dc && members.split_whitespace().count() == 3
        });
    }
    assert_eq!(cluster.fenced(), [] as [&str; 0]);
    cluster.finish();
}

#[test]
fn one_node_alone_starts_nothing_and_with_a_second_the_third_is_fenced_first() {
    let mut bed = Bed::three();
    bed.options.push(("dc-deadtime", "2s"));
    let Some(cluster) = bed.dark() else { return };
    cluster.node("node1").launch().unwrap();
    cluster.until("one leads", |status| status.dc.is_some() && status.online.len() == 1);
    std::thread::sleep(Duration::from_secs(1));
    cluster.until("it is alone", |status| !status.quorum);
    assert_eq!((cluster.changes(), cluster.fenced()), (vec![], vec![]));
    cluster.node("node2").launch().unwrap();
    let started = cluster.started(|_| true);
    assert_eq!(cluster.fenced(), ["node3"]);
    assert!(cluster.orders()[0].at < started.at);
    // Where it prefers to be, at once or when that node has joined.
    cluster.until("d is there", |status| status.places("d") == ["node2"]);
    cluster.finish();
}
