//! PostgreSQL with an address, as a group on three nodes over shared storage. A client writes numbered rows
//! while the active node dies, is cut off, and the group is moved. No acknowledged row may be lost, and no
//! two servers may ever run at once.

mod background;
mod client;
mod service;
mod witness;

use std::time::{Duration, Instant};

use client::Client;
use service::Service;
use witness::Witness;

use crate::bed::{Bed, Cluster, FenceMode};

/// Waits until the client has new rows; how long it had none before.
fn writes_again(cluster: &Cluster, client: &Client, what: &str) {
    let before = client.acknowledged();
    cluster.wait(what, || client.acknowledged() > before + 20);
}

/// Where the group is, all of it.
fn place(cluster: &Cluster) -> String {
    let mut found = None;
    cluster.until("the group runs on one node", |status| {
        let (server, address) = (status.places("pgsql"), status.places("address"));
        found = server.first().map(|node| (*node).to_owned());
        server.len() == 1 && server == address
    });
    found.unwrap()
}

/// A cluster with these options that serves, and who watches it.
fn serving(options: &[(&'static str, &'static str)]) -> Option<(Service, Cluster, Witness)> {
    let service = Service::find()?;
    let mut bed = Bed::three();
    bed.options.extend(options);
    bed.ocf_root = Some("/usr/lib/ocf".into());
    bed.resources = Some(service.resources());
    let cluster = bed.dark()?;
    service.create(&cluster);
    let witness = Witness::watch(service.data());
    for node in cluster.nodes() {
        node.launch().unwrap();
    }
    cluster.settle();
    Some((service, cluster, witness))
}

#[test]
fn no_acknowledged_row_is_lost_and_never_two_servers_run() {
    let begun = Instant::now();
    let Some((service, mut cluster, witness)) = serving(&[]) else { return };
    let first = place(&cluster);
    let client = Client::start(&cluster, &service);
    writes_again(&cluster, &client, "rows are written");

    cluster.kill(&first);
    writes_again(&cluster, &client, "rows are written after the active node died");
    cluster.bring_back(&first);
    cluster.until("it is back", |status| status.online.contains(&first));
    cluster.settle();

    let second = place(&cluster);
    cluster.cable(&second, false);
    cluster.until("the one cut off is gone", |status| !status.online.contains(&second));
    cluster.wait("it is fenced", || cluster.fenced().contains(&second));
    writes_again(&cluster, &client, "rows are written after the active node was cut off");
    cluster.bring_back(&second);
    cluster.until("it is back", |status| status.online.contains(&second));
    cluster.settle();

    let third = place(&cluster);
    let target = cluster.other_than(&[&third]);
    cluster.run(&format!("crm_resource --move -r shop -N {target}"));
    cluster.until("it has moved", |status| status.places("address") == [target.as_str()]);
    writes_again(&cluster, &client, "rows are written after the move");

    let written = client.stop();
    let rows = service.rows(&cluster.node(&target));
    assert_eq!(written.faults(&rows), [] as [String; 0]);
    let servers = witness.stop();
    assert_eq!(servers.most_at_once, 1, "{servers:?}");
    service.check_starts(&servers);
    assert_eq!(cluster.fenced(), [first, second]);
    eprintln!(
        "postgresql: {} rows acknowledged, {} there; {} servers in turn, looked at {} times; longest \
         silences {:?}; {:.1} s",
        written.acknowledged.len(),
        rows.len(),
        servers.seen.len(),
        servers.looks,
        written.silences(3),
        begun.elapsed().as_secs_f64()
    );
    // It takes a third of a minute where nothing else runs.
    assert!(begun.elapsed() < Duration::from_secs(300), "{:?}", begun.elapsed());
}

/// Were a node that is cut off not fenced, and went on, the test above would see it.
#[test]
fn a_switch_that_only_claims_to_fence_is_found_out_by_two_servers_and_lost_rows() {
    let Some((service, cluster, witness)) = serving(&[("no-quorum-policy", "ignore")]) else {
        return;
    };
    let first = place(&cluster);
    let client = Client::start(&cluster, &service);
    writes_again(&cluster, &client, "rows are written");
    // What the node that is cut off acknowledges goes to nobody else.
    let stranded = Client::on(cluster.node(&first), &service, 1_000_000_000);
    writes_again(&cluster, &stranded, "rows are written on the node");
    cluster.fencing(FenceMode::Lies);
    cluster.cable(&first, false);
    cluster.wait("the switch is asked", || {
        cluster.orders().iter().any(|order| order.target == first && order.by != first)
    });
    cluster.wait("two servers run at once", || witness.most_at_once() > 1);
    writes_again(&cluster, &client, "rows are written to the second server");
    writes_again(&cluster, &stranded, "rows are written to the first server");
    let astray = stranded.stop();
    let rows = service.rows(&cluster.node(&cluster.other_than(&[&first])));
    assert!(astray.lost(&rows) > 0, "nothing is lost: {} rows", rows.len());
    drop(client);
    assert!(witness.stop().most_at_once > 1);
}
