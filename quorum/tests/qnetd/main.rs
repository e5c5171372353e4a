//! Nodes of ours against Debian's `corosync-qnetd`.

mod arbiter;
mod authority;
mod node;

use std::time::Duration;

use quorum::device::net::{CheckCommand, Checks, Credentials, NetAlgorithm, TlsMode};

use arbiter::{Arbiter, Tunnel};
use node::Cluster;

/// Longest wait for what will happen; a machine under load takes its time.
const SOON: Duration = Duration::from_secs(60);

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
    cluster.until(SOON, "withdrawn", |c| c.casts().is_empty());
    cluster.stays(Duration::from_secs(3), |c| c.casts().is_empty());
    arbiter.start_again();
    cluster.until(SOON, "both again", |c| c.casts() == [1, 2]);
    // Stopped but not dead: only its silence tells.
    arbiter.signal("STOP");
    cluster.until(SOON, "withdrawn", |c| c.casts().is_empty());
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

/// As `corosync-qnetd` runs by default: TLS offered, certificates of nodes wanted; and where it takes
/// nobody without.
#[test]
fn over_tls_the_vote_is_given_and_an_arbiter_that_is_killed_is_found_again() {
    for options in [&["-s", "on"][..], &["-s", "req"]] {
        let Some(mut arbiter) = Arbiter::start_with_tls(options) else { return };
        let file = arbiter.certificate("lab", true);
        let mut cluster = Cluster::new(&[arbiter.port; 2], NetAlgorithm::FiftyFifty);
        for (n, tls) in [(1, TlsMode::On), (2, TlsMode::Required)] {
            cluster.configure(n, |settings| {
                settings.tls = tls;
                settings.tls_file.clone_from(&file);
            });
        }
        cluster.ring(4, &[1, 2]);
        cluster.until(SOON, "both have it", |c| c.casts() == [1, 2]);
        assert!((1..=2).all(|n| cluster.said(n, "encrypted: true")));
        cluster.ring(8, &[1]);
        cluster.ring(8, &[2]);
        cluster.until(SOON, "one half", |c| c.casts() == [1] && c.settled());
        arbiter.kill();
        cluster.until(SOON, "withdrawn", |c| c.casts().is_empty());
        arbiter.start_again();
        cluster.ring(12, &[1, 2]);
        cluster.until(SOON, "both again", |c| c.casts() == [1, 2]);
    }
}

#[test]
fn over_tls_strangers_are_refused_on_both_sides() {
    let Some(arbiter) = Arbiter::start_with_tls(&["-s", "on"]) else { return };
    let file = arbiter.certificate("lab", true);
    let mut cluster = Cluster::new(&[arbiter.port; 2], NetAlgorithm::FiftyFifty);
    cluster.configure(1, |settings| {
        settings.tls = TlsMode::Required;
        settings.tls_file.clone_from(&file);
    });
    cluster.ring(4, &[1]);
    cluster.until(SOON, "the first is there", |c| c.casts() == [1]);
    let strange = arbiter.certificate("lab", false);
    cluster.configure(2, |settings| {
        settings.tls = TlsMode::Required;
        settings.tls_file.clone_from(&strange);
    });
    cluster.ring(8, &[2]);
    cluster.until(SOON, "not of that authority", |c| c.said(2, "invalid peer certificate"));
    let other = arbiter.certificate("other", true);
    let error = Credentials::read(&other, "lab").unwrap_err().to_string();
    assert!(error.contains("for cluster 'other', not 'lab'"), "{error}");
    // Making keys may have taken longer than the lease.
    cluster.until(SOON, "still only the first", |c| c.casts() == [1]);
}

/// The authority signs certificates of clusters too.
#[test]
fn over_tls_a_node_that_takes_itself_for_the_arbiter_is_refused() {
    let Some(impostor) = Arbiter::start_impostor("lab") else { return };
    let file = impostor.certificate("lab", true);
    let mut cluster = Cluster::new(&[impostor.port], NetAlgorithm::FiftyFifty);
    cluster.configure(1, |settings| {
        settings.tls = TlsMode::On;
        settings.tls_file.clone_from(&file);
    });
    cluster.ring(4, &[1]);
    cluster.until(SOON, "not the arbiter", |c| c.said(1, "NotValidForName"));
    assert!(cluster.casts().is_empty());
}

#[test]
fn an_arbiter_without_tls_is_used_in_clear_only_if_that_is_allowed() {
    let Some(arbiter) = Arbiter::start() else { return };
    let Some(keys) = Arbiter::start_with_tls(&["-s", "on"]) else { return };
    let file = keys.certificate("lab", true);
    let mut cluster = Cluster::new(&[arbiter.port; 2], NetAlgorithm::FiftyFifty);
    for (n, tls) in [(1, TlsMode::On), (2, TlsMode::Required)] {
        cluster.configure(n, |settings| {
            settings.tls = tls;
            settings.tls_file.clone_from(&file);
        });
    }
    cluster.ring(4, &[1]);
    cluster.until(SOON, "in clear", |c| c.casts() == [1] && c.said(1, "encrypted: false"));
    cluster.ring(4, &[2]);
    cluster.until(SOON, "not without", |c| c.said(2, "does not offer TLS"));
    assert_eq!(cluster.casts(), [1]);
}

#[test]
fn between_equal_halves_the_one_whose_checks_pass_gets_the_vote() {
    let Some(arbiter) = Arbiter::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::new(&[arbiter.port; 2], NetAlgorithm::FiftyFifty);
    for n in 1..=2 {
        let file = directory.path().join(format!("healthy-{n}"));
        std::fs::write(&file, "").unwrap();
        cluster.configure(n, |settings| {
            settings.keep_active = false;
            settings.checks = Some(Checks {
                commands: vec![CheckCommand {
                    name: "healthy".to_owned(),
                    program: "/usr/bin/test".to_owned(),
                    arguments: vec!["-e".to_owned(), file.display().to_string()],
                }],
                timeout: Duration::from_secs(2),
                sync_timeout: Duration::from_secs(5),
                interval: Some(Duration::from_secs(1)),
            });
        });
    }
    cluster.ring(4, &[1, 2]);
    cluster.until(SOON, "both have it", |c| c.casts() == [1, 2]);
    // Node 1 would win the tie, but its checks fail.
    std::fs::remove_file(directory.path().join("healthy-1")).unwrap();
    cluster.until(SOON, "noticed", |c| c.said(1, "passed: false"));
    cluster.ring(8, &[1]);
    cluster.ring(8, &[2]);
    cluster.until(SOON, "the healthy half", |c| c.casts() == [2] && c.settled());
    // Regular checks alone make it change hands.
    std::fs::write(directory.path().join("healthy-1"), "").unwrap();
    std::fs::remove_file(directory.path().join("healthy-2")).unwrap();
    cluster.until(SOON, "the other half", |c| c.casts() == [1] && c.settled());
}
