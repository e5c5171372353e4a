//! Nodes start (spec 90 §1).

use std::time::{Duration, Instant};

use crate::bed::Bed;

#[test]
fn three_nodes_start_and_agree() {
    let begun = Instant::now();
    let Some(cluster) = Bed::three().settled() else { return };
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(30), "{took:?}");
    let status = cluster.settled_status();
    assert!(status.quorum && status.online.len() == 3, "{status:#?}");
    assert_eq!((status.places("d"), status.places("s").len()), (vec!["node2"], 3));
    assert_eq!(status.promoted("s").len(), 1);
    for node in cluster.nodes() {
        assert_eq!(cluster.status_at(&node.name).unwrap().dc, status.dc);
        let members = node.run("crm_node -p").unwrap();
        assert_eq!(members.split_whitespace().count(), 3, "{members}");
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
    assert!(!cluster.status().unwrap().quorum);
    assert_eq!((cluster.changes(), cluster.fenced()), (vec![], vec![]));
    cluster.node("node2").launch().unwrap();
    let started = cluster.started(|_| true);
    assert_eq!((started.node.as_str(), cluster.fenced()), ("node2", vec!["node3".to_owned()]));
    assert!(cluster.orders()[0].at < started.at);
    cluster.finish();
}
