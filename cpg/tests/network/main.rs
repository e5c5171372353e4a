//! Nodes as processes in network namespaces: real sockets, real kills, real outages. Needs root.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod namespaces;
mod process;
mod relay;

use namespaces::Network;
use process::{Cluster, run_node};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

const TOKEN: Duration = Duration::from_millis(1000);
/// Longer than anything takes on a busy machine.
const SOON: Duration = Duration::from_secs(60);

/// Started by the other tests as a process of its own; does nothing when run as a test.
#[test]
fn node_process() {
    if std::env::var_os("CPG_NODE").is_some() {
        run_node();
    }
}

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A network, or `None` when this machine has no namespaces. In CI that is a failure.
fn network(links: usize) -> Option<(MutexGuard<'static, ()>, Network)> {
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    match Network::create(3, links) {
        Ok(network) => Some((guard, network)),
        Err(reason) if std::env::var("CI").as_deref() == Ok("true") => {
            panic!("network namespaces are needed in CI: {reason}")
        }
        Err(reason) => {
            eprintln!("skipped: no network namespaces here: {reason}");
            None
        }
    }
}

#[test]
fn a_killed_node_is_excluded_before_its_token_is_missed_and_may_return() {
    let Some((_guard, network)) = network(1) else { return };
    let mut cluster = Cluster::start(&network, TOKEN);
    cluster.expect_ring(&[1, 2, 3], SOON);
    for victim in [2, 1] {
        std::thread::sleep(Duration::from_millis(700));
        let killed = cluster.kill(victim);
        let rest: Vec<u32> = (1..=3).filter(|node| *node != victim).collect();
        let view = cluster.expect_ring(&rest, SOON);
        let took = view.saturating_sub(killed);
        println!("kill -9 of node {victim}: new view after {took:?}");
        assert!(took < TOKEN * 12 / 10, "{took:?}");
        cluster.start_node(&network, victim);
        cluster.expect_ring(&[1, 2, 3], SOON);
    }
    cluster.expect_traffic(SOON);
    cluster.assert_same_order();
}

#[test]
fn a_partition_forms_two_rings_that_merge_when_it_ends() {
    let Some((_guard, network)) = network(1) else { return };
    let cluster = Cluster::start(&network, TOKEN);
    cluster.expect_ring(&[1, 2, 3], SOON);
    std::thread::sleep(Duration::from_millis(700));
    let cut = process::wall();
    network.link(3, 0, false);
    let view = cluster.expect_ring_of(&[1, 2], &[1, 2], SOON);
    let took = view.saturating_sub(cut);
    println!("cable of node 3 out: new view after {took:?}");
    assert!(took < TOKEN * 12 / 10, "{took:?}");
    cluster.expect_ring_of(&[3], &[3], SOON);
    network.link(3, 0, true);
    cluster.expect_ring(&[1, 2, 3], SOON);
    cluster.expect_traffic(SOON);
    cluster.assert_same_order();
}

#[test]
fn a_one_way_path_does_not_make_the_ring_form_again_and_again() {
    let Some((_guard, network)) = network(1) else { return };
    let cluster = Cluster::start(&network, TOKEN);
    cluster.expect_ring(&[1, 2, 3], SOON);
    network.drop_one_way(1, 3, true);
    std::thread::sleep(Duration::from_secs(8));
    let before = cluster.rings_formed();
    std::thread::sleep(Duration::from_secs(6));
    let formed = cluster.rings_formed() - before;
    assert!(formed <= 3, "{formed} rings in six seconds of a lasting one-way path");
    network.drop_one_way(1, 3, false);
    cluster.expect_ring(&[1, 2, 3], SOON);
    cluster.assert_same_order();
}

#[test]
fn the_second_link_takes_over_without_a_change_of_the_ring() {
    let Some((_guard, network)) = network(2) else { return };
    let cluster = Cluster::start(&network, TOKEN);
    cluster.expect_ring(&[1, 2, 3], SOON);
    std::thread::sleep(Duration::from_secs(2));
    let before = cluster.rings_formed();
    network.link(2, 0, false);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(cluster.rings_formed(), before, "the ring changed");
    cluster.expect_traffic(SOON);
    cluster.assert_same_order();
}

#[test]
fn thirty_per_cent_loss_is_repaired() {
    let Some((_guard, mut network)) = network(1) else { return };
    let relay = relay::Relay::start(&mut network, 0.3);
    let cluster = Cluster::start(&network, TOKEN);
    cluster.expect_ring(&[1, 2, 3], SOON);
    let before = cluster.rings_formed();
    std::thread::sleep(Duration::from_secs(8));
    println!("rings formed in 8 s of 30 % loss: {}", cluster.rings_formed() - before);
    cluster.expect_traffic(SOON);
    cluster.assert_same_order();
    let end = Instant::now() + SOON;
    while relay.dropped() <= 100 {
        assert!(Instant::now() < end, "the relay dropped {} only", relay.dropped());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn datagrams_played_back_or_altered_neither_reform_the_ring_nor_hold_it_up() {
    let Some((_guard, mut network)) = network(1) else { return };
    let relay = relay::Relay::start_replaying(&mut network);
    let mut cluster = Cluster::start(&network, TOKEN);
    cluster.expect_ring(&[1, 2, 3], SOON);
    // Recordings of an earlier ring, and of an earlier life of node 2, are among them.
    cluster.kill(2);
    cluster.expect_ring(&[1, 3], SOON);
    cluster.start_node(&network, 2);
    cluster.expect_ring(&[1, 2, 3], SOON);
    std::thread::sleep(Duration::from_secs(1));
    let (formed, before, begun) = (cluster.rings_formed(), relay.replayed(), Instant::now());
    let replayed = || relay.replayed() - before;
    while begun.elapsed() < Duration::from_secs(8) || replayed() <= 10_000 {
        assert!(begun.elapsed() < SOON, "{} only", replayed());
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("{} datagrams played back or altered in {:?}", replayed(), begun.elapsed());
    assert_eq!(cluster.rings_formed(), formed, "the ring changed");
    cluster.expect_traffic(SOON);
    cluster.assert_same_order();
}

#[test]
fn ipv6_and_multicast_carry_the_ring_too() {
    for (ipv6, multicast) in [(true, false), (false, true)] {
        let Some((_guard, mut network)) = network(1) else { return };
        (network.ipv6, network.multicast) = (ipv6, multicast);
        let cluster = Cluster::start(&network, TOKEN);
        cluster.expect_ring(&[1, 2, 3], SOON);
        cluster.expect_traffic(SOON);
        cluster.assert_same_order();
    }
}
