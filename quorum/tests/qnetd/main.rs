//! Nodes of ours against Debian's `corosync-qnetd`.

mod arbiter;
mod node;

use std::time::Duration;

use quorum::device::net::NetAlgorithm;

use arbiter::{Arbiter, Tunnel};
use node::{Cluster, HEARTBEAT};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn exactly_one_half_of_a_split_gets_the_vote() {
    let Some(arbiter) = Arbiter::start() else { return };
    let mut cluster = Cluster::new(&[arbiter.port; 2], NetAlgorithm::FiftyFifty);
    cluster.ring(4, &[1, 2]);
    cluster.until(SOON, "both have it", |c| c.casts() == [1, 2]);
    for (sequence, together) in [(8, false), (12, true), (16, false)] {
        if together {
            cluster.ring(sequence, &[1, 2]);
            cluster.until(SOON, "both again", |c| c.casts() == [1, 2]);
        } else {
            cluster.ring(sequence, &[1]);
            cluster.ring(sequence, &[2]);
            cluster.until(SOON, "one half", |c| c.casts() == [1] && c.settled());
            cluster.stays(Duration::from_secs(2), |c| c.casts() == [1]);
        }
    }
}

#[test]
fn an_arbiter_that_is_killed_takes_the_votes_with_it_and_gives_them_again() {
    let Some(mut arbiter) = Arbiter::start() else { return };
    let mut cluster = Cluster::new(&[arbiter.port; 2], NetAlgorithm::FiftyFifty);
    cluster.ring(4, &[1, 2]);
    cluster.until(SOON, "both have it", |c| c.casts() == [1, 2]);
    arbiter.kill();
    cluster.until(HEARTBEAT, "withdrawn", |c| c.casts().is_empty());
    cluster.stays(Duration::from_secs(3), |c| c.casts().is_empty());
    arbiter.start_again();
    cluster.until(SOON, "both again", |c| c.casts() == [1, 2]);
    // Stopped but not dead: only its silence tells.
    arbiter.signal("STOP");
    cluster.until(HEARTBEAT + Duration::from_secs(1), "withdrawn", |c| c.casts().is_empty());
    arbiter.signal("CONT");
    cluster.until(SOON, "both again", |c| c.casts() == [1, 2]);
}

#[test]
fn a_node_cut_off_from_everybody_withdraws_before_the_other_gets_the_vote() {
    let Some(arbiter) = Arbiter::start() else { return };
    let tunnel = Tunnel::to(arbiter.port);
    // Node 1 would win the tie; it is the one that is cut off.
    let mut cluster = Cluster::new(&[tunnel.port, arbiter.port], NetAlgorithm::FiftyFifty);
    cluster.ring(4, &[1, 2]);
    cluster.until(SOON, "both have it", |c| c.casts() == [1, 2]);
    tunnel.stall();
    cluster.ring(8, &[2]);
    cluster.exclusive = true;
    cluster.until(SOON, "the rest has it", |c| c.casts() == [2]);
}

#[test]
fn with_last_man_standing_the_larger_part_and_at_last_one_alone_get_the_votes() {
    let Some(arbiter) = Arbiter::start() else { return };
    let mut cluster = Cluster::new(&[arbiter.port; 3], NetAlgorithm::LastManStanding);
    cluster.ring(4, &[1, 2, 3]);
    cluster.until(SOON, "all have them", |c| c.casts() == [1, 2, 3]);
    cluster.ring(8, &[1]);
    cluster.ring(8, &[2, 3]);
    cluster.until(SOON, "two of three", |c| c.casts() == [2, 3] && c.settled());
    cluster.stop(1);
    cluster.stop(2);
    cluster.ring(12, &[3]);
    cluster.until(SOON, "the last", |c| c.casts() == [3]);
}

#[test]
fn a_node_that_is_configured_otherwise_is_refused_with_the_reason() {
    let Some(arbiter) = Arbiter::start() else { return };
    let mut cluster = Cluster::new(&[arbiter.port; 2], NetAlgorithm::FiftyFifty);
    cluster.ring(4, &[1]);
    cluster.until(SOON, "the first is there", |c| c.casts() == [1]);
    cluster.configure(2, |settings| settings.algorithm = NetAlgorithm::LastManStanding);
    cluster.ring(4, &[2]);
    cluster.until(SOON, "refused", |c| c.said(2, "have another algorithm"));
    cluster.configure(2, |settings| {
        settings.algorithm = NetAlgorithm::FiftyFifty;
        settings.me = quorum::NodeId::new(1).unwrap();
    });
    cluster.ring(8, &[2]);
    cluster.until(SOON, "refused", |c| c.said(2, "connected already"));
    assert_eq!(cluster.casts(), [1]);
}
